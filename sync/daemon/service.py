"""Run each site when it is due, until told to stop.

A pass takes the sites that are due, on as many threads as configured, each in a run of its own: a wrong mapping or
a fault at one site is that site's failure. On a stop no new site is begun; a site that is still being pulled is left,
since nothing of it was written; one that is being judged and stored comes to its end, which is the commit of its one
transaction. What is remembered between passes is also in the warehouse, so that a daemon that
was killed goes on where it was.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sync import errors
from sync.config import SiteConfig
from sync.daemon import schedule
from sync.daemon.schedule import Plan, Standing
from sync.ports.application import Application
from sync.workflows import run as runs
from sync.workflows.results import NightOptions, SiteResult
from sync.workflows.run import RunResult

log = structlog.get_logger()


class Work(Protocol):
    """Do one run over some sites, as ``sync.workflows.run.run`` does."""

    def __call__(self, app: Application, sites: Sequence[SiteConfig], *, options: NightOptions) -> RunResult:
        """Work on the sites; SyncError where none could be begun."""
        ...


class Supervisor(Protocol):
    """Hear how the daemon is; ``sync.daemon.systemd.Notifier`` tells systemd."""

    #: seconds within which ``beat`` is wanted again
    interval: float

    def ready(self) -> None:
        """Hear that it is up."""
        ...

    def status(self, text: str) -> None:
        """Hear what it waits for."""
        ...

    def beat(self) -> None:
        """Hear that it lives."""
        ...

    def stopping(self) -> None:
        """Hear that it ends."""
        ...


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """Hold what a daemon works with; ``standings`` is its memory, written by the main thread only."""

    app: Application
    #: set from outside to end it
    stop: threading.Event
    supervisor: Supervisor
    #: called after each pass with what its sites' runs gave; must not raise
    after_pass: Callable[[Sequence[RunResult]], object]
    #: called where the warehouse or the study keeps every site from work; must not raise
    after_failure: Callable[[Exception], object]
    #: when it came up
    since: datetime
    work: Work = runs.run
    standings: dict[str, Standing] = field(default_factory=dict)


def run_forever(daemon: Daemon) -> int:
    """Work whenever a site is due until ``stop`` is set; 0, as a stop that was asked for is no failure."""
    daemon.supervisor.ready()
    log.info("daemon.started", sites=len(plans(daemon.app)))
    while not daemon.stop.is_set():
        daemon.supervisor.beat()
        run_once(daemon)
        if daemon.stop.is_set():
            break
        site, moment = coming(daemon)
        daemon.supervisor.status(f"next: {site} at {moment.astimezone(daemon.app.config.study.zone):%Y-%m-%d %H:%M %Z}")
        # never long: a sign of life is due, and the clock may be set meanwhile
        seconds = (moment - daemon.app.clock.now()).total_seconds()
        daemon.stop.wait(max(0.0, min(seconds, daemon.supervisor.interval)))
    daemon.supervisor.stopping()
    log.info("daemon.stopped")
    return 0


def run_once(daemon: Daemon) -> int:
    """Work on every site that is due now; give the gravest exit code, 0 where none is due.

    The warehouse is asked first, so that runs by hand count and a restarted daemon knows where it was.
    """
    if not _due(daemon):
        return 0
    if not _take_in(daemon):
        return errors.SyncError.exit_code
    due = _due(daemon)
    if not due or daemon.stop.is_set():
        return 0
    daemon.supervisor.status(f"at work on {', '.join(due)}")
    log.info("daemon.pass.started", sites=len(due))
    results = _work(daemon, [daemon.app.config.site(site) for site in due])
    daemon.after_pass(results)
    return errors.gravest([result.exit_code for result in results])


def coming(daemon: Daemon) -> tuple[str, datetime]:
    """Name the site that is due next and when; a moment in the past means now."""
    now = daemon.app.clock.now()
    moments = {
        site: schedule.due_at(plan, daemon.standings.get(site, Standing()), since=daemon.since, now=now)
        for site, plan in plans(daemon.app).items()
    }
    site = min(moments, key=lambda each: moments[each])
    return site, moments[site]


def refused(app: Application) -> RunResult | None:
    """Find the sites that cannot be worked on until a person corrects their mapping or token; None where all can.

    They are tried all the same when they are due, so that what is corrected meanwhile needs no new start.
    """
    now = app.clock.now()
    sites: list[SiteResult] = []
    for site in app.sites():
        try:
            app.plan(site)
            app.source(site)
        except errors.ConfigError as error:
            log.error("daemon.site.refused", site=site.slug, reason=str(error))
            code = errors.SourceRefused.exit_code
            sites.append(SiteResult(site=site.slug, outcome="refused", exit_code=code, reason=str(error)))
    return RunResult(run_id="", started=now, finished=now, dry_run=False, sites=tuple(sites)) if sites else None


def plans(app: Application) -> dict[str, Plan]:
    """Give each enabled site's plan: its own keys, else those of [schedule]."""
    settings = app.config.schedule
    return {
        site.slug: Plan(
            cron=site.cron or settings.cron,
            zone=app.config.study.zone,
            catch_up=settings.catch_up if site.catch_up is None else site.catch_up,
            pause=timedelta(minutes=settings.retry_minutes),
            weekly_full=settings.weekly_full,
        )
        for site in app.sites()
    }


def _due(daemon: Daemon) -> tuple[str, ...]:
    return schedule.due_sites(plans(daemon.app), daemon.standings, since=daemon.since, now=daemon.app.clock.now())


def _take_in(daemon: Daemon) -> bool:
    """Learn from the warehouse what was run; False where it is not usable, and all due sites then wait a while."""
    now = daemon.app.clock.now()
    try:
        warehouse = daemon.app.warehouse()
        warehouse.check_key()
        warehouse.upgrade()
        known = warehouse.reader().status(aged_before=now)
    except Exception as error:
        place = errors.place_of(error)
        log.error("daemon.warehouse.unusable", fault=type(error).__name__, place=place)
        for site in _due(daemon):
            _note(daemon, site, tried=now, code=70)
        daemon.after_failure(error)
        return False
    for each in known:
        last = each.last_run
        if last is not None:
            daemon.standings[each.site] = schedule.learned(
                daemon.standings.get(each.site, Standing()),
                tried=last.started,
                ended=last.finished or last.started,
                code=last.exit_code,
                success=each.last_success,
            )
    return True


def _work(daemon: Daemon, sites: Sequence[SiteConfig]) -> tuple[RunResult, ...]:
    """Work on sites side by side; signs of life go on meanwhile, and each standing is noted as its site ends."""
    results: list[RunResult] = []
    threads = max(1, min(daemon.app.config.run.threads, len(sites)))
    all_plans = plans(daemon.app)
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="site") as pool:
        waiting: dict[Future[RunResult | None], SiteConfig] = {
            pool.submit(_work_on, daemon, site, all_plans[site.slug]): site for site in sites
        }
        while waiting:
            ended, _ = wait(waiting, timeout=daemon.supervisor.interval, return_when="FIRST_COMPLETED")
            daemon.supervisor.beat()
            for future in ended:
                site = waiting.pop(future)
                result = future.result()
                if result is not None:
                    _note(daemon, site.slug, tried=result.started, code=result.exit_code)
                    results.append(result)
    return tuple(results)


def _work_on(daemon: Daemon, site: SiteConfig, plan: Plan) -> RunResult | None:
    """Do one site's run; None where the stop came first. Whatever goes wrong is this site's result."""
    if daemon.stop.is_set():
        return None
    app = daemon.app
    started = app.clock.now()
    try:
        full = schedule.wants_full(plan, daemon.standings.get(site.slug, Standing()), now=started)
        done = daemon.work(app, (site,), options=NightOptions(full=full))
        return None if done.sites[0].outcome == errors.Stopped.outcome else done
    except errors.SyncError as error:
        # a wrong mapping is this site's refusal; the study was found good when the daemon started
        code = errors.SourceRefused.exit_code if isinstance(error, errors.ConfigError) else error.exit_code
        result = SiteResult(site=site.slug, outcome=error.outcome, exit_code=code, reason=str(error))
    except Exception as error:
        place = errors.place_of(error)
        log.error("site.run.fault", site=site.slug, fault=type(error).__name__, place=place)
        reason = f"a fault of the program itself ({type(error).__name__} at {place}); nothing of this site was changed"
        result = SiteResult(site=site.slug, outcome="failed", exit_code=70, reason=reason)
    # no run was begun, so there is none to show
    return RunResult(run_id="", started=started, finished=app.clock.now(), dry_run=False, sites=(result,))


def _note(daemon: Daemon, site: str, *, tried: datetime, code: int) -> None:
    before = daemon.standings.get(site, Standing())
    after = schedule.after_attempt(before, tried=tried, ended=daemon.app.clock.now(), code=code)
    daemon.standings[site] = after
