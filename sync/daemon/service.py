"""Run each site when it is due, until told to stop.

A site that is due is begun, on as many threads as configured, in a run of its own, whatever the others are at: a wrong
mapping, a fault or a server that hangs at one site is that site's failure alone. What sites gave is told together once
none is at work, or after a few minutes. On a stop no new site is begun; a site that is still being pulled is left,
since nothing of it was written; one that is being judged and stored comes to its end, which is the commit of its one
transaction. What is remembered between passes is also in the warehouse, so that a daemon that
was killed goes on where it was.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sync import errors
from sync.config import SiteConfig
from sync.daemon import schedule
from sync.daemon.schedule import Plan, Standing
from sync.plural import counted
from sync.ports.application import Application
from sync.workflows import run as runs
from sync.workflows.results import NightOptions, SiteResult
from sync.workflows.run import RunResult

log = structlog.get_logger()

PATIENCE = 300.0
"""Seconds for which what some sites gave waits to be told together with those that are still at work."""


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
    #: hears once, at the start, what will be done; for a person who looks on
    greet: Callable[[str], object] = lambda _: None
    work: Work = runs.run
    standings: dict[str, Standing] = field(default_factory=dict)


def run_forever(daemon: Daemon) -> int:
    """Work whenever a site is due until ``stop`` is set; 0, as a stop that was asked for is no failure."""
    daemon.supervisor.ready()
    if _due(daemon):
        _take_in(daemon)
    sites, following = len(plans(daemon.app)), outlook(daemon)
    log.info("daemon.started", sites=sites, next=following)
    daemon.greet(f"{counted(sites, 'site')}; next: {following}. Ctrl-C ends it.")
    with _pool(daemon) as pool:
        shift = _Shift(daemon, pool)
        while not daemon.stop.is_set():
            daemon.supervisor.beat()
            shift.begin()
            if daemon.stop.is_set():
                break
            shift.wait()
        shift.end()
    daemon.supervisor.stopping()
    log.info("daemon.stopped")
    return 0


def run_once(daemon: Daemon) -> int:
    """Work on every site that is due now; give the gravest exit code, 0 where none is due."""
    with _pool(daemon) as pool:
        shift = _Shift(daemon, pool)
        if not shift.begin():
            return errors.SyncError.exit_code
        return errors.gravest([result.exit_code for result in shift.end()])


def coming(daemon: Daemon, *, besides: Collection[str] = ()) -> tuple[str, datetime] | None:
    """Name the site that is due next and when; a moment in the past means now. None where no site is left."""
    now = daemon.app.clock.now()
    moments = {
        site: schedule.due_at(plan, daemon.standings.get(site, Standing()), since=daemon.since, now=now)
        for site, plan in plans(daemon.app).items()
        if site not in besides
    }
    return min(moments.items(), key=lambda each: each[1], default=None)


def outlook(daemon: Daemon) -> str:
    """Say which site comes next and when, in the study's zone."""
    due = coming(daemon)
    if due is None:
        return "none"
    site, moment = due
    if moment <= daemon.app.clock.now():
        return f"{site}, now"
    return f"{site} {moment.astimezone(daemon.app.config.study.zone):%Y-%m-%d %H:%M %Z}"


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
            code = errors.code_at_site(error)
            sites.append(SiteResult(site=site.slug, outcome=error.outcome, exit_code=code, reason=str(error)))
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


class _Shift:
    """Hold what is at work, and what it gave that nobody was told of. A site that hangs holds up no other's time."""

    def __init__(self, daemon: Daemon, pool: ThreadPoolExecutor) -> None:
        self._daemon = daemon
        self._pool = pool
        self._working: dict[Future[RunResult | None], SiteConfig] = {}
        self._untold: list[RunResult] = []
        #: monotonic
        self._untold_since = 0.0

    def begin(self) -> bool:
        """Begin the sites that are due and not at work; False where the warehouse keeps them from it.

        The warehouse is asked first, so that runs by hand count and a restarted daemon knows where it was.
        """
        daemon, at_work = self._daemon, self._at_work()
        if not _due(daemon, besides=at_work):
            return True
        if not _take_in(daemon, besides=at_work):
            return False
        due = _due(daemon, besides=at_work)
        if not due or daemon.stop.is_set():
            return True
        log.info("daemon.pass.started", sites=len(due))
        all_plans = plans(daemon.app)
        for slug in due:
            site = daemon.app.config.site(slug)
            self._working[self._pool.submit(_work_on, daemon, site, all_plans[slug])] = site
        daemon.supervisor.status(f"at work on {', '.join(self._at_work())}")
        return True

    def wait(self) -> None:
        """Wait until something ended or is due; never long: a sign of life is, and the clock may be set meanwhile."""
        daemon = self._daemon
        due = coming(daemon, besides=self._at_work())
        seconds = daemon.supervisor.interval
        if due is not None:
            seconds = max(0.0, min(seconds, (due[1] - daemon.app.clock.now()).total_seconds()))
        if self._working:
            self._take(seconds)
        elif due is not None:
            moment = due[1].astimezone(daemon.app.config.study.zone)
            daemon.supervisor.status(f"next: {due[0]} at {moment:%Y-%m-%d %H:%M %Z}")
            daemon.stop.wait(seconds)

    def end(self) -> tuple[RunResult, ...]:
        """Wait for what is at work, with signs of life, and tell of it; gives all that was not told before."""
        given: list[RunResult] = []
        while self._working:
            given += self._take(self._daemon.supervisor.interval)
            self._daemon.supervisor.beat()
        return tuple(given)

    def _at_work(self) -> tuple[str, ...]:
        return tuple(site.slug for site in self._working.values())

    def _take(self, seconds: float) -> list[RunResult]:
        """Wait for a site to end; note how it fares now, and tell of it once nothing is at work or it grows old."""
        daemon = self._daemon
        ended, _ = wait(self._working, timeout=seconds, return_when="FIRST_COMPLETED")
        results: list[RunResult] = []
        for future in ended:
            site, result = self._working.pop(future), future.result()
            if result is not None:
                _note(daemon, site.slug, tried=result.started, code=result.exit_code)
                results.append(result)
        now = daemon.app.clock.monotonic()
        if results and not self._untold:
            self._untold_since = now
        self._untold += results
        if self._untold and (not self._working or now - self._untold_since >= PATIENCE):
            daemon.after_pass(tuple(self._untold))
            self._untold.clear()
        return results


def _pool(daemon: Daemon) -> ThreadPoolExecutor:
    threads = max(1, min(daemon.app.config.run.threads, len(plans(daemon.app))))
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="site")


def _due(daemon: Daemon, *, besides: Collection[str] = ()) -> tuple[str, ...]:
    due = schedule.due_sites(plans(daemon.app), daemon.standings, since=daemon.since, now=daemon.app.clock.now())
    return tuple(site for site in due if site not in besides)


def _take_in(daemon: Daemon, *, besides: Collection[str] = ()) -> bool:
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
        for site in _due(daemon, besides=besides):
            _note(daemon, site, tried=now, code=70)
        daemon.after_failure(error)
        return False
    for each in known:
        last = each.last_run
        if last is not None and each.site not in besides:
            daemon.standings[each.site] = schedule.learned(
                daemon.standings.get(each.site, Standing()),
                tried=last.started,
                ended=last.finished or last.started,
                code=last.exit_code,
                success=each.last_success,
            )
    return True


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
        result = SiteResult(
            site=site.slug, outcome=error.outcome, exit_code=errors.code_at_site(error), reason=str(error)
        )
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
