"""Read the configuration, and say everything that is wrong with it at once.

The file is TOML (``config.example.toml`` shows every key). Relative paths resolve against the file. A token
is never a value in the file: it is named, and ``resolve_token`` fetches it where and when it is needed.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import pydantic
from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo

from sync import config_problems
from sync.addresses import split_url
from sync.config_alerts import AlertsConfig
from sync.config_problems import TOKEN_SOURCES, Problem
from sync.config_schedule import Cron, ScheduleConfig
from sync.config_section import RelativePath, Section, resolved
from sync.config_transport import TransportConfig
from sync.errors import ConfigError, SiteMisconfigured

VARIABLE = "SYNCLINE_CONFIG"
"""Environment variable that names the configuration file."""

_TOKEN = re.compile(r"[0-9A-Fa-f]{32}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")


Percent = Annotated[float, Field(ge=0, le=100)]


class StudyConfig(Section):
    """Say which study the sites take part in."""

    #: a shipped study, the path of a study folder, or "dictionary"
    definition: str = "dictionary"
    timezone: str = "Asia/Shanghai"
    #: language of lists and messages where a site names none
    language: str = "en"

    @pydantic.field_validator("definition")
    @classmethod
    def _resolve(cls, value: str, info: ValidationInfo) -> str:
        return value if _PLAIN_NAME.fullmatch(value) else str(resolved(Path(value), info))

    @pydantic.field_validator("timezone")
    @classmethod
    def _exists(cls, value: str) -> str:
        if value not in available_timezones():
            close = difflib.get_close_matches(value, available_timezones(), n=1)
            hint = f"did you mean {close[0]!r}?" if close else 'write an IANA name such as "Asia/Shanghai"'
            raise ValueError(f"no such time zone; {hint}")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """Give the time zone in which the sites write their dates and times."""
        return ZoneInfo(self.timezone)


class WarehouseConfig(Section):
    """Say where the data are kept."""

    #: SQLAlchemy URL; hidden from reprs, it may hold a password
    url: str = Field(default="sqlite:///warehouse.sqlite", repr=False, validate_default=True)
    #: environment variable that holds the URL, in place of ``url``
    url_env: str | None = None
    #: days that the raw replies of a pull are kept; 0 keeps none
    keep_payloads_days: int = Field(default=0, ge=0)
    #: seconds that a writer waits on SQLite while another writes (PostgreSQL's sites do not wait for each other)
    busy_seconds: float = Field(default=900, gt=0)

    @pydantic.field_validator("url")
    @classmethod
    def _resolve(cls, value: str, info: ValidationInfo) -> str:
        scheme, sign, rest = value.partition("://")
        backend = scheme.partition("+")[0]
        if not sign or backend not in ("sqlite", "postgresql"):
            raise ValueError('write "sqlite:///file.sqlite" or "postgresql+psycopg://user@host/database"')
        path, mark, options = rest[1:].partition("?")
        if backend != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
            return value
        return f"{scheme}:///{resolved(Path(path), info)}{mark}{options}"


class RunConfig(Section):
    """Say how a run works."""

    #: sites at a time
    threads: int = Field(default=4, ge=1, le=64)
    #: hours before its watermark from which an incremental pull asks again; twice what a server's clock may jump
    overlap_hours: float = Field(default=24, ge=2, le=336)
    #: hours without a success after which ``sync status`` calls a site stale
    stale_after_hours: float = Field(default=36, gt=0)
    #: hours for which one run may keep others from a site before somebody is told
    locked_alert_hours: float = Field(default=6, gt=0)

    @property
    def overlap(self) -> timedelta:
        """Give ``overlap_hours`` as a span of time."""
        return timedelta(hours=self.overlap_hours)


class DeliveryConfig(Section):
    """Say where query lists go."""

    folder: RelativePath = Field(default=Path("queries"), validate_default=True)
    formats: tuple[Literal["csv", "xlsx"], ...] = Field(default=("csv", "xlsx"), min_length=1)


class BrakesConfig(Section):
    """Say what is too much for one run, so that a person looks first."""

    #: share of a site's records that may vanish between two runs
    deleted_records_percent: Percent = 10
    #: so many vanished records never brake, whatever their share
    deleted_records_allowed: int = Field(default=2, ge=0)
    #: so many records may vanish, and so many lose rows, without a line in the server's log, where that can be read
    unexplained_deletions_allowed: int = Field(default=0, ge=0)
    #: share of a site's known cells that may change
    changed_cells_percent: Percent = 30
    #: so many changed cells never brake
    changed_cells_allowed: int = Field(default=200, ge=0)
    #: share of one column's known values that may change (half of it where all change by one factor), and of the rows
    #: of one form at one visit that may vanish
    changed_column_percent: Percent = 50
    #: so many changed values of one column (two fifths of them by one factor), or vanished rows of one form at one
    #: visit, never brake
    changed_column_allowed: int = Field(default=10, ge=0)
    #: share of the open queries, of a site or of one check, that may close at once
    closed_queries_percent: Percent = 80
    #: so many closed queries never brake
    closed_queries_allowed: int = Field(default=50, ge=0)
    #: of closed queries whose records nothing changed in, so many never brake
    closed_unchanged_allowed: int = Field(default=10, ge=0)
    #: queries about known records that may open at once, a known record of the site
    opened_queries_per_record: float = Field(default=0.5, ge=0)
    #: so many opened queries never brake
    opened_queries_allowed: int = Field(default=100, ge=0)
    #: share of a site's known records at which one check may open queries at once
    opened_check_percent: Percent = 50
    #: so many opened queries of one check never brake
    opened_check_allowed: int = Field(default=20, ge=0)
    #: days after which an approval of a parked run counts no more
    approval_days: float = Field(default=7, gt=0)


class SiteConfig(Section):
    """Describe one centre and its REDCap project."""

    slug: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    name: str = Field(min_length=1)
    #: begins the subjects' ids and the queries' numbers, e.g. ZJJU
    subject_prefix: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,15}$")
    url: str
    #: accept http:// for a host other than this one
    allow_http: bool = False
    project_id: int = Field(ge=1)
    token_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    token_file: RelativePath | None = None
    token_credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]+$")
    mapping: RelativePath | None = None
    #: language of the site's lists; None: the study's
    language: str | None = None
    #: data access group of a project that several centres share
    group: str | None = Field(default=None, min_length=1)
    #: the site's own nightly time; None: that of [schedule]
    cron: Cron | None = None
    #: None: as [schedule] says
    catch_up: bool | None = None
    enabled: bool = True

    @pydantic.field_validator("url")
    @classmethod
    def _is_api(cls, value: str) -> str:
        parts = split_url(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError('write the project\'s API address, "https://host/redcap/api/"')
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold neither a user, a password nor parameters; end it at /api/")
        if not parts.path.endswith("/api/"):
            raise ValueError("must end in /api/ (the slash included)")
        return value


class Config(Section):
    """Hold the whole configuration."""

    study: StudyConfig = StudyConfig()
    warehouse: WarehouseConfig = Field(default_factory=dict, validate_default=True)
    transport: TransportConfig = TransportConfig()
    run: RunConfig = RunConfig()
    delivery: DeliveryConfig = Field(default_factory=dict, validate_default=True)
    brakes: BrakesConfig = BrakesConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    alerts: AlertsConfig = Field(default_factory=dict, validate_default=True)
    #: at least one; in file order
    sites: tuple[SiteConfig, ...] = ()

    _path: Path = PrivateAttr(default=Path("config.toml"))

    @property
    def path(self) -> Path:
        """Give the file that this configuration was read from."""
        return self._path

    def site(self, slug: str) -> SiteConfig:
        """Find a site by slug; ConfigError, naming the known ones, where there is none."""
        for site in self.sites:
            if site.slug == slug:
                return site
        known = ", ".join(site.slug for site in self.sites)
        raise ConfigError([f"{self._path.name}: sites: there is no site {slug!r}; known are {known}"])


def find(given: str | Path | None, environ: Mapping[str, str], *, cwd: Path) -> Path:
    """Choose the configuration file: the one given, else $SYNCLINE_CONFIG, else ``config.toml`` in ``cwd``.

    Raises ConfigError where the chosen file does not exist.
    """
    chosen = given or environ.get(VARIABLE) or "config.toml"
    path = cwd / Path(chosen).expanduser()
    if path.is_file():
        return path
    origin = "--config" if given else f"${VARIABLE}" if environ.get(VARIABLE) else "the working folder"
    remedy = "copy config.example.toml, or name one with --config PATH"
    raise ConfigError([f"{path}: there is no configuration file here (looked up by {origin}); {remedy}"])


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read a configuration file.

    ``environ`` serves ``warehouse.url_env`` only; tokens are not touched. Raises ConfigError with every
    problem at once, one line each: file, line, key path, what is wrong, remedy. No message holds a secret.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([config_problems.of_syntax(path, error)]) from None
    problems = [*config_problems.across_sites(data), *_fill_warehouse(data, environ)]
    config = None
    try:
        config = Config.model_validate(data, context={"folder": path.resolve().parent})
    except ValidationError as error:
        problems += config_problems.of_model(error, Config, already={place for place, _ in problems})
    if config is None or problems:
        raise ConfigError(config_problems.rendered(path, text, data, problems))
    config._path = path
    return config


def resolve_token(site: SiteConfig, environ: Mapping[str, str]) -> str:
    """Fetch a site's API token from where the configuration says it is.

    SiteMisconfigured where it is missing, malformed, or in a file that others may read; the message names the
    variable or file, never the value.
    """
    if site.token_env:
        source = f"environment variable {site.token_env}"
        text = environ.get(site.token_env, "")
        problem = "" if text else "is not set; set it for the user who runs the program"
    else:
        path, problem = _token_path(site, environ)
        source = f"file {path}"
        text, problem = ("", problem) if problem else _read_secret(path, private=site.token_file is not None)
    token = text.strip()
    if not problem and not _TOKEN.fullmatch(token):
        problem = f"holds {len(token)} characters where a token has 32 hexadecimal ones"
        problem += "; copy it again from the project's API page"
    if problem:
        raise SiteMisconfigured([f"sites.{site.slug}.{_source_key(site)}: {source} {problem}"])
    return token


# --- tokens


def _source_key(site: SiteConfig) -> str:
    return next((key for key in TOKEN_SOURCES if getattr(site, key)), TOKEN_SOURCES[0])


def _token_path(site: SiteConfig, environ: Mapping[str, str]) -> tuple[Path, str]:
    if site.token_file:
        return site.token_file, ""
    if not site.token_credential:
        return Path(), f"is not named; give one of {', '.join(TOKEN_SOURCES)}"
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    missing = "cannot be found: CREDENTIALS_DIRECTORY is not set (systemd's LoadCredential= sets it)"
    return Path(folder) / site.token_credential, "" if folder else missing


def _read_secret(path: Path, *, private: bool) -> tuple[str, str]:
    """Read a token file; the text and "", or "" and the problem."""
    try:
        if private and path.stat().st_mode & 0o077:
            return "", "may be read by others than its owner; run chmod 600 on it"
        return path.read_text(encoding="ascii", errors="replace"), ""
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"


# --- warehouse


def _fill_warehouse(data: dict[str, Any], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Put the URL that ``warehouse.url_env`` names in its place."""
    section = data.get("warehouse")
    name = section.get("url_env") if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(name, str):
        return
    if "url" in section:
        yield ("warehouse", "url_env"), "url and url_env are both given; keep exactly one"
    elif not environ.get(name):
        yield ("warehouse", "url_env"), f"environment variable {name} is not set"
    else:
        section["url"] = environ[name]
