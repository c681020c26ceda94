"""Offer a REDCap project as a ``sync.ports.source.Source``."""

import threading
from dataclasses import replace
from datetime import timedelta

import structlog

from schemas.known import Known
from schemas.project import ProjectStructure, Snapshot
from schemas.pull import Cost, Delta, Stream, Watermark
from sync.config import SiteConfig
from sync.config_transport import TransportConfig
from sync.errors import SiteMisconfigured, SourceUnavailable
from sync.ports.clock import Clock
from sync.ports.source import OVERLAP, Progress, Source
from sync.ports.standing import Standing
from sync.redcap.allowance import Allowance
from sync.redcap.changes import Request, Sighting, look
from sync.redcap.circuit import Circuits
from sync.redcap.client import Client
from sync.redcap.delta import delta_of
from sync.redcap.frames import last_groups, without_group
from sync.redcap.pull import Target, check_group, fetch_structure, pull, stream
from sync.redcap.shared import Shares, key_of
from sync.redcap.standing import standing_of
from sync.redcap.steady import DISTURBED, LOOKS, NamesMoved
from sync.redcap.transport import Paces, Transport
from sync.telemetry import Event

log = structlog.get_logger()

_PACES = Paces()
"""Shared by all sources of the process: a server counts requests by address, not by project."""


class RedcapSource:
    """Implement Source over the REDCap API."""

    def __init__(
        self,
        site: SiteConfig,
        token: str,
        config: TransportConfig,
        transport: Transport,
        clock: Clock,
        shares: Shares | None,
    ) -> None:
        """Prepare to ask; nothing is sent yet."""
        self._site = site
        self._token = token
        self._config = config
        self._clock = clock
        self._shares = shares if site.group is not None else None
        self._transport = transport

    def __repr__(self) -> str:
        """Name the site; the token stays out."""
        return f"RedcapSource({self._site.slug!r})"

    def structure(self) -> ProjectStructure:
        """Fetch what the project is made of, afresh."""
        return fetch_structure(self._work()[0], project_id=self._site.project_id)

    def standing(self) -> Standing:
        """Look at the server's log and clocks."""
        return standing_of(self._work()[0], self._clock)

    def pull(self, progress: Progress | None = None) -> Snapshot:
        """Fetch one complete snapshot."""
        began = self._started()
        client, target = self._work(progress)
        if self._shares is None:
            snapshot = pull(client, target)
        else:
            sighting, _ = self._sighting(client, target, Request(since=None))
            snapshot = delta_of(client, target, sighting, None).snapshot()
            snapshot = replace(snapshot, notices=without_group(last_groups(sighting.listing), sighting.structure))
        self._finished(snapshot, began, records=snapshot.records, rows=snapshot.rows.height)
        return snapshot

    def changes(
        self,
        since: Watermark | None,
        *,
        known: Known | None = None,
        full: bool = False,
        overlap: timedelta = OVERLAP,
        progress: Progress | None = None,
    ) -> Delta:
        """Fetch what changed since a watermark."""
        began = self._started()
        client, target = self._work(progress)
        request = Request(since=since, full=full, overlap=overlap)
        delta = self._changes(client, target, known, request)
        self._finished(
            delta.head,
            began,
            records=delta.parts.records,
            rows=delta.parts.rows,
            kind="full" if delta.complete else "incremental",
            cost=delta.cost,
        )
        return delta

    def _changes(self, client: Client, target: Target, known: Known | None, request: Request) -> Delta:
        """Look until no name moves meanwhile; the first look may be one that is shared."""
        spent = Cost()
        for number in range(LOOKS):
            if number == 0:
                sighting, is_new = self._sighting(client, target, request)
            else:
                sighting, is_new = self._look(client, target, request), True
            sighting = sighting if is_new else replace(sighting, cost=Cost())
            try:
                delta = delta_of(client, target, sighting, known, request)
                return replace(delta, cost=spent.plus(delta.cost))
            except NamesMoved:
                spent = spent.plus(sighting.cost)
                log.info(Event.SITE_PULL_REPEATED, site=self._site.slug)
        raise SourceUnavailable(DISTURBED)

    def batches(self, progress: Progress | None = None) -> Stream:
        """Begin a full pull that comes in batches."""
        self._started()
        return stream(*self._work(progress))

    def _sighting(self, client: Client, target: Target, request: Request) -> tuple[Sighting, bool]:
        """Look at the project, alone or together with the sites that share it; says whether the look is new."""
        if self._shares is None:
            return self._look(client, target, request), True
        sighting, is_new = self._shares.sighting(
            key_of(self._site, self._token),
            self._site.slug,
            request,
            self._clock.monotonic,
            lambda: self._look(client, target, request),
        )
        check_group(sighting.structure, self._site.group)
        return sighting, is_new

    def _look(self, client: Client, target: Target, request: Request) -> Sighting:
        """Look at the project, at all of it where sites share it."""
        if self._shares is not None:
            target = replace(target, group=None, is_shared=True)
        return look(client, target, request)

    def _work(self, progress: Progress | None = None) -> tuple[Client, Target]:
        """Make a client for one piece of work (PyCap remembers dictionaries for as long as it lives) and its time."""
        allowance = Allowance(self._config, self._clock)

        def came(done: int, total: int) -> None:
            allowance.came(done, total)
            if progress is not None:
                progress(done, total)

        target = Target(
            site=self._site.slug,
            api_url=self._site.url,
            project_id=self._site.project_id,
            group=self._site.group,
            batch_records=self._config.batch_records,
            pulled_at=self._clock.now(),
            progress=came,
        )
        retries = self._config.retries
        return Client(self._site.url, self._token, self._transport, retries=retries, allowance=allowance), target

    def _started(self) -> float:
        log.info(Event.SITE_PULL_STARTED, site=self._site.slug)
        return self._clock.monotonic()

    def _finished(
        self,
        snapshot: Snapshot,
        began: float,
        *,
        records: int,
        rows: int,
        kind: str = "full",
        cost: Cost | None = None,
    ) -> None:
        counts = {"listed_rows": cost.rows_listed, "whole_rows": cost.rows_whole} if cost else {}
        log.info(
            Event.SITE_PULL_FINISHED,
            site=self._site.slug,
            kind=kind,
            record_count=records,
            row_count=rows,
            withheld_columns=len(snapshot.withheld),
            redcap_version=snapshot.structure.redcap_version,
            seconds=round(self._clock.monotonic() - began, 2),
            **counts,
        )


def open_source(
    site: SiteConfig,
    token: str,
    transport: TransportConfig,
    clock: Clock,
    *,
    paces: Paces | None = None,
    circuits: Circuits | None = None,
    shares: Shares | None = None,
    stop: threading.Event | None = None,
) -> Source:
    """Open one site's project for reading; SiteMisconfigured where the token is not one (it is not shown).

    ``paces`` bounds the requests a minute of each host; by default it is shared by the whole process. ``circuits``
    and ``shares`` are for the sources of one run: the first lets them all leave a dead host, the second lets sites
    that are groups of one project pull it once; by default each source is on its own. Once ``stop`` is set whatever is
    asked of the source ends with Stopped.
    """
    if len(token) != 32 or not token.isalnum():
        raise SiteMisconfigured([f"sites.{site.slug}: the token must have 32 hexadecimal characters"])
    carrier = Transport(transport, clock, paces or _PACES, circuits or Circuits(), stop=stop)
    return RedcapSource(site, token, transport, carrier, clock, shares)
