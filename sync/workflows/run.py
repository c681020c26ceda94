"""Do one pass over the sites: each for itself, all of them, and loud at the end about what failed."""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from sync import errors
from sync.config import SiteConfig
from sync.ports.application import Application
from sync.ports.source import Progress
from sync.ports.stored import RunRow
from sync.workflows import night
from sync.workflows.results import NightOptions, SiteResult

log = structlog.get_logger()

_UNCHANGED = "nothing of this site was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Say what one pass did at all sites; holds counts, never values."""

    run_id: str
    started: datetime
    finished: datetime
    dry_run: bool
    sites: tuple[SiteResult, ...]

    @property
    def exit_code(self) -> int:
        """Give the gravest of the sites' exit codes."""
        return errors.gravest([site.exit_code for site in self.sites])

    def document(self) -> dict[str, Any]:
        """Show the result as the interface promises it."""
        return {
            "run_id": self.run_id,
            "started": self.started.isoformat(timespec="seconds"),
            "finished": self.finished.isoformat(timespec="seconds"),
            "dry_run": self.dry_run,
            "exit_code": self.exit_code,
            "sites": [site.document() for site in self.sites],
        }


def run(
    app: Application,
    sites: Sequence[SiteConfig],
    *,
    options: NightOptions,
    progress: Callable[[SiteConfig], Progress | None] | None = None,
) -> RunResult:
    """Take every site through the night, on as many threads as configured; one bad site never stops the others.

    A wrong mapping or token concerns its site alone. Raises ConfigError before any site is touched where the study or
    the warehouse's address is wrong.
    """
    app.warehouse().check_key()
    if options.dry_run:
        with app.rehearsal() as rehearsed:
            return _over(rehearsed, sites, options, progress)
    app.warehouse().upgrade()
    return _over(app, sites, options, progress)


def _over(
    app: Application,
    sites: Sequence[SiteConfig],
    options: NightOptions,
    progress: Callable[[SiteConfig], Progress | None] | None,
) -> RunResult:
    started = app.clock.now()
    run_id = f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    log.info("run.started", run_id=run_id, sites=len(sites), dry_run=options.dry_run)
    with ThreadPoolExecutor(max_workers=max(1, min(app.config.run.threads, len(sites)))) as pool:
        results = list(pool.map(lambda site: _guarded(app, site, run_id, options, progress), sites))
    result = RunResult(
        run_id=run_id, started=started, finished=app.clock.now(), dry_run=options.dry_run, sites=tuple(results)
    )
    log.info("run.finished", run_id=run_id, exit_code=result.exit_code)
    return result


def _guarded(
    app: Application,
    site: SiteConfig,
    run_id: str,
    options: NightOptions,
    progress: Callable[[SiteConfig], Progress | None] | None,
) -> SiteResult:
    """Turn whatever happens at one site into its result; a fault of the program names its place, never a value."""
    began = app.clock.now()
    if app.stop.is_set():
        reason = "not begun, as the program was told to stop"
        return SiteResult(site=site.slug, outcome="stopped", exit_code=errors.Stopped.exit_code, reason=reason)
    try:
        report = progress(site) if progress else None
        return night.run_site(app, site, run_id=run_id, options=options, progress=report)
    except Exception as error:
        place = errors.place_of(error)
        log.error("site.run.fault", site=site.slug, run_id=run_id, fault=type(error).__name__, place=place)
        reason = f"a fault of the program itself ({type(error).__name__} at {place}); {_UNCHANGED}"
        result = SiteResult(site=site.slug, outcome="failed", exit_code=70, reason=reason)
    if not options.dry_run:
        result = _noted(app, result, run_id, began)
    return result


def _noted(app: Application, result: SiteResult, run_id: str, began: datetime) -> SiteResult:
    """Note a run that failed; a fault after the commit leaves the row of what was stored as it is, and says so."""
    with suppress(Exception):
        warehouse = app.warehouse()
        if any(row.site == result.site for row in warehouse.reader().run(run_id)):
            return replace(result, reason=str(result.reason).replace(_UNCHANGED, "what was pulled is stored"))
        warehouse.record_run(
            RunRow(
                site=result.site,
                run_id=run_id,
                kind=result.kind,
                started=began,
                finished=app.clock.now(),
                outcome=result.outcome,
                exit_code=result.exit_code,
                reason=result.reason,
            )
        )
    return result
