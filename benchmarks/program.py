"""Build the real program over an invented project: configuration, token, warehouse in a folder of its own."""

import gc
from pathlib import Path

import structlog

import cli
from benchmarks import invent
from sync import bootstrap
from sync.bootstrap import App
from sync.ports.clock import Clock
from sync.workflows import run
from sync.workflows.results import NightOptions
from sync.workflows.run import RunResult

_CONFIG = """
[study]
definition = "dictionary"
timezone = "Asia/Shanghai"
[warehouse]
url = "sqlite:///warehouse.sqlite"
[transport]
batch_records = {batch}
requests_per_minute = 100000
[run]
overlap_hours = 2
[schedule]
weekly_full = "{weekly}"
[delivery]
folder = "queries"
formats = ["csv"]
[[sites]]
slug = "invented"
name = "Invented Hospital"
subject_prefix = "INV"
url = "{url}"
project_id = {project}
token_env = "TOKEN"
"""


def build(folder: Path, url: str, *, batch: int, clock: Clock | None = None, weekly: str = "sun") -> App:
    """Build the application as `sync run` does, with its files in ``folder``."""
    gc.set_threshold(*cli.COLLECT_AFTER)
    quiet = structlog.ReturnLoggerFactory()
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()], logger_factory=quiet)
    path = folder / "config.toml"
    path.write_text(_CONFIG.format(url=url, batch=batch, project=invent.PROJECT_ID, weekly=weekly), encoding="utf-8")
    return bootstrap.build(path, {"TOKEN": invent.TOKEN}, cwd=folder, clock=clock)


def night(app: App, *, full: bool = True, allow: bool = False) -> RunResult:
    """Run one night; AssertionError where it does not end well."""
    result = run.run(app, app.sites(), options=NightOptions(full=full, allow_mass_change=allow))
    assert result.exit_code == 0, [site.reason for site in result.sites]
    return result
