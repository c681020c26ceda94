"""Offer a REDCap project as a ``sync.ports.source.Source``."""

import structlog

from schemas.project import ProjectStructure, Snapshot
from sync.config import SiteConfig, TransportConfig
from sync.errors import ConfigError
from sync.ports.clock import Clock
from sync.ports.source import Progress, Source
from sync.redcap.client import Client
from sync.redcap.pull import Target, fetch_structure, pull
from sync.redcap.transport import Paces, Transport
from sync.telemetry import Event

log = structlog.get_logger()

_PACES = Paces()
"""Shared by all sources of the process: a server counts requests by address, not by project."""


class RedcapSource:
    """Implement Source over the REDCap API."""

    def __init__(self, site: SiteConfig, token: str, transport: TransportConfig, clock: Clock, paces: Paces) -> None:
        """Prepare to ask; nothing is sent yet."""
        self._site = site
        self._token = token
        self._config = transport
        self._clock = clock
        self._transport = Transport(transport, clock, paces)

    def __repr__(self) -> str:
        """Name the site; the token stays out."""
        return f"RedcapSource({self._site.slug!r})"

    def structure(self) -> ProjectStructure:
        """Fetch what the project is made of, afresh."""
        return fetch_structure(self._client(), project_id=self._site.project_id)

    def pull(self, progress: Progress | None = None) -> Snapshot:
        """Fetch one complete snapshot."""
        began = self._clock.monotonic()
        log.info(Event.SITE_PULL_STARTED, site=self._site.slug)
        target = Target(
            site=self._site.slug,
            api_url=self._site.url,
            project_id=self._site.project_id,
            group=self._site.group,
            batch_records=self._config.batch_records,
            pulled_at=self._clock.now(),
            progress=progress,
        )
        snapshot = pull(self._client(), target)
        log.info(
            Event.SITE_PULL_FINISHED,
            site=self._site.slug,
            record_count=snapshot.records,
            row_count=snapshot.rows.height,
            withheld_columns=len(snapshot.withheld),
            redcap_version=snapshot.structure.redcap_version,
            seconds=round(self._clock.monotonic() - began, 2),
        )
        return snapshot

    def _client(self) -> Client:
        """Make a client for one piece of work: PyCap remembers dictionaries for as long as it lives."""
        return Client(self._site.url, self._token, self._transport, retries=self._config.retries)


def open_source(
    site: SiteConfig, token: str, transport: TransportConfig, clock: Clock, *, paces: Paces | None = None
) -> Source:
    """Open one site's project for reading; ConfigError where the token is not one (it is not shown).

    ``paces`` bounds the requests a minute of each host; by default it is shared by the whole process.
    """
    if len(token) != 32 or not token.isalnum():
        raise ConfigError([f"sites.{site.slug}: the token must have 32 hexadecimal characters"])
    return RedcapSource(site, token, transport, clock, paces or _PACES)
