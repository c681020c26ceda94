"""Say what a workflow may ask of the program around it."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from schemas.project import ProjectStructure
from schemas.study import Study
from sync.config import Config, SiteConfig
from sync.harmonise.plan import SitePlan
from sync.ports.clock import Clock
from sync.ports.delivery import Delivery
from sync.ports.source import Source
from sync.ports.warehouse import Warehouse


class Application(Protocol):
    """Hold the configured program; whatever is asked for is built at the first call."""

    @property
    def config(self) -> Config:
        """Give the configuration."""
        ...

    @property
    def clock(self) -> Clock:
        """Give the clock; nothing else tells the time."""
        ...

    @property
    def stop(self) -> threading.Event:
        """Give what is set when the program is told to stop: pulls then end with Stopped."""
        ...

    @property
    def study(self) -> Study | None:
        """Give the study; None where each project's dictionary takes its place."""
        ...

    @property
    def hash_key(self) -> bytes:
        """Give the key of the ledger's hashes; one that was not kept yet where there is none."""
        ...

    @property
    def delivery(self) -> Delivery:
        """Give the way out for query lists."""
        ...

    def warehouse(self, study: Study | None = None) -> Warehouse:
        """Connect to the warehouse, for a study that a dictionary gave where none is configured."""
        ...

    def rehearsal(self) -> AbstractContextManager["Application"]:
        """Give a program that leaves nothing behind where its transactions are undone: no file, table or key."""
        ...

    def sites(self, slugs: Sequence[str] = ()) -> tuple[SiteConfig, ...]:
        """Choose the sites to work on; ConfigError for a slug that is not configured."""
        ...

    def plan(self, site: SiteConfig) -> SitePlan:
        """Say how a site's project is read; SiteMisconfigured where its mapping is missing or wrong."""
        ...

    def source(self, site: SiteConfig) -> Source:
        """Open a site's project for reading; SiteMisconfigured where its token cannot be had."""
        ...

    def link(
        self,
        structure: ProjectStructure,
        base_url: str,
        *,
        record: str,
        event: str | None,
        instrument: str | None,
        instance: int | None,
    ) -> str | None:
        """Give the address of one form of one record in the site's REDCap; None where it cannot be known."""
        ...
