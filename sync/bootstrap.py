"""Build the application: the one place where adapters are constructed and files of the study are read."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from schemas import loading
from schemas.errors import StudyError
from schemas.project import ProjectStructure
from schemas.study import Study
from sync import clock as clocks
from sync import config as configuration
from sync.config import Config, SiteConfig
from sync.config_transport import with_proxy
from sync.delivery.bundle import FileBundle
from sync.errors import ConfigError, SiteMisconfigured
from sync.harmonise import mapping as mappings
from sync.harmonise.mapping import SiteMapping
from sync.harmonise.plan import SitePlan
from sync.ports.clock import Clock
from sync.ports.source import Source
from sync.ports.warehouse import Warehouse
from sync.redcap import links
from sync.redcap import source as redcap
from sync.redcap.circuit import Circuits
from sync.redcap.shared import Shares
from sync.warehouse.keys import KeyFile
from sync.warehouse.store import SqlWarehouse, is_begun

DICTIONARY = "dictionary"
"""The study definition that means: whatever REDCap's own dictionary says."""


EMPTY = Study(
    name=DICTIONARY, version="0", title={"en": ""}, languages=("en",), record_field="", forms=(), visits=(), checks=()
)
"""Stands for the study where each project's dictionary takes its place and none has been read yet."""


@dataclass(frozen=True, kw_only=True)
class App:
    """Hold the configured program; adapters are built when they are first asked for."""

    config: Config
    #: hidden from reprs: secrets stand in it
    environ: Mapping[str, str] = field(repr=False)
    clock: Clock
    #: set from outside: pulls are left, what is being stored is finished, and no site is begun
    stop: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def study(self) -> Study | None:
        """Load the study; None where REDCap's dictionary takes its place. ConfigError lists every problem."""
        definition = self.config.study.definition
        return None if definition == DICTIONARY else load_study(definition)

    def warehouse(self, study: Study | None = None) -> Warehouse:
        """Connect to the warehouse (no statement is sent yet); ``study`` where a dictionary gave it."""
        given = study or self.study or EMPTY
        key = f"{given.name}+{given.version}"
        if key not in self._warehouses:
            settings = self.config.warehouse
            self._warehouses[key] = SqlWarehouse(
                settings.url, given, secret=self._key, busy_seconds=settings.busy_seconds, stop=self.stop
            )
        return self._warehouses[key]

    @cached_property
    def _warehouses(self) -> dict[str, SqlWarehouse]:
        return {}

    def close(self) -> None:
        """Close every connection that was opened."""
        for warehouse in self._warehouses.values():
            warehouse.close()
        self._warehouses.clear()

    @cached_property
    def delivery(self) -> FileBundle:
        """Build the way out for query lists."""
        return FileBundle(self.config.delivery, self.config.study.language)

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
        """Give the address of one form of one record; None where the site's form is not known."""
        if instrument is None:
            return links.record_link(base_url, structure, record=record)
        return links.form_link(
            base_url, structure, record=record, event=event or "", instrument=instrument, instance=instance
        )

    @property
    def hash_key(self) -> bytes:
        """Give the key of the ledger's hashes; a new one, not kept yet, where there is none."""
        return self._key.give()

    @property
    def has_key(self) -> bool:
        """Tell whether the key of the ledger's hashes is kept yet; ConfigError where its file holds none."""
        return self._key.read() is not None

    @cached_property
    def _key(self) -> KeyFile:
        """Name the key's place: beside the configuration."""
        return KeyFile(self.config.path.resolve().parent / ".syncline.key")

    @contextmanager
    def rehearsal(self) -> Iterator["App"]:
        """Give a program that leaves nothing behind, for dry runs.

        It reads the warehouse that stands, in which its transactions must be undone. Where none stands it has one in a
        private folder that goes with it, so that neither a file nor a table is made. A key is kept by what commits.
        """
        with ExitStack() as passing:
            config = self.config
            if not is_begun(config.warehouse.url):
                folder = passing.enter_context(TemporaryDirectory(prefix="syncline-"))
                empty = config.warehouse.model_copy(update={"url": f"sqlite:///{folder}/dry-run.sqlite"})
                config = config.model_copy(update={"warehouse": empty})
            app = replace(self, config=config)
            passing.callback(app.close)
            if config is not self.config:
                app.warehouse().upgrade()
            yield app

    def sites(self, slugs: Sequence[str] = ()) -> tuple[SiteConfig, ...]:
        """Choose the sites to work on: those named, else all that are enabled."""
        if slugs:
            return tuple(self.config.site(slug) for slug in dict.fromkeys(slugs))
        return tuple(site for site in self.config.sites if site.enabled)

    def plan(self, site: SiteConfig) -> SitePlan:
        """Say how a site's project is read and judged; SiteMisconfigured where its mapping is missing or wrong."""
        return SitePlan(
            slug=site.slug,
            name=site.name,
            prefix=site.subject_prefix,
            language=site.language or self.config.study.language,
            study=self.study,
            mapping=self._mapping(site),
        )

    def source(self, site: SiteConfig) -> Source:
        """Open a site's project for reading; SiteMisconfigured where its token cannot be had.

        ConfigError where the proxy's address cannot be had, which concerns every site.
        """
        token = configuration.resolve_token(site, self.environ)
        return redcap.open_source(
            site,
            token,
            with_proxy(self.config.transport, self.environ),
            self.clock,
            shares=self._shares,
            circuits=self._circuits,
            stop=self.stop,
        )

    @cached_property
    def _shares(self) -> Shares:
        """Let sites that share a project have one look at it together."""
        return Shares(self.config.sites)

    @cached_property
    def _circuits(self) -> Circuits:
        """Leave a dead host after a while, for all of its sites."""
        return Circuits()

    def _mapping(self, site: SiteConfig) -> SiteMapping | None:
        study = self.study
        if study is None:
            if site.mapping is not None:
                problem = f'sites.{site.slug}.mapping: study.definition is "{DICTIONARY}", which nothing maps to'
                raise SiteMisconfigured([f"{problem}; remove the line, or name a study in study.definition"])
            return None
        if site.mapping is None:
            raise SiteMisconfigured(
                [f"sites.{site.slug}.mapping: the study '{study.name}' needs one; name its mapping file"]
            )
        path = site.mapping
        try:
            return mappings.parse(path.read_text(encoding="utf-8"), study)
        except OSError as error:
            shipped = loading.shipped_folder(study.name) / "sites" / path.name
            remedy = f"the study ships one to begin with: copy {shipped}" if shipped.exists() else "correct the path"
            problem = f"sites.{site.slug}.mapping: {path} cannot be read ({error.strerror}); {remedy}"
            raise SiteMisconfigured([problem]) from None
        except mappings.MappingError as error:
            raise SiteMisconfigured([f"{path.name}: {problem}" for problem in error.problems]) from None


def load_study(definition: str) -> Study:
    """Load a shipped study by name, or a study folder by path; ConfigError lists every problem."""
    try:
        if re.fullmatch(r"[A-Za-z0-9_-]+", definition):
            return loading.shipped_study(definition)
        return loading.load_study(Path(definition))
    except StudyError as error:
        raise ConfigError([f"study {definition}: {problem}" for problem in error.problems]) from None


def build(given: Path | None, environ: Mapping[str, str], *, cwd: Path, clock: Clock | None = None) -> App:
    """Find and load the configuration and build the application; ConfigError lists every problem at once."""
    path = configuration.find(given, environ, cwd=cwd)
    return App(config=configuration.load(path, environ), environ=environ, clock=clock or clocks.SystemClock())
