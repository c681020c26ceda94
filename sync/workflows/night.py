"""Take one site through one night: fetch, judge, store, follow up, deliver.

Everything between the fetch and the commit is decided by pure functions; what they decide is written in one
transaction (``commit``), which a brake, a dry run or a crash leaves as if it had never been.
"""

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from datetime import datetime

import structlog

from schemas.pull import Delta
from sync import errors
from sync.config import SiteConfig
from sync.ports.application import Application
from sync.ports.source import Progress
from sync.ports.stored import ParkedRun, QueryFilter, RunRow
from sync.ports.warehouse import Warehouse, WarehouseReader
from sync.queries.model import LIVE, Query
from sync.workflows import braking, drift, followup, judging, lease, mapped, past
from sync.workflows.braking import Braked
from sync.workflows.commit import Catch, DryRun, Night, commit
from sync.workflows.drift import Examined
from sync.workflows.judging import Judged
from sync.workflows.past import Past
from sync.workflows.rejudging import Asked
from sync.workflows.results import NightOptions, SiteResult
from sync.workflows.stored import frames_of, stored_of

log = structlog.get_logger()


def run_site(
    app: Application, site: SiteConfig, *, run_id: str, options: NightOptions, progress: Progress | None = None
) -> SiteResult:
    """Take one site through the night; every failure is a result with its exit code, and is noted in the warehouse."""
    started = app.clock.now()
    begun = app.clock.monotonic()
    with structlog.contextvars.bound_contextvars(site=site.slug, run_id=run_id):
        log.info("site.run.started", dry_run=options.dry_run)
        try:
            result = _locked(app, site, run_id=run_id, started=started, options=options, progress=progress)
        except errors.Stopped as error:
            # not noted: the site stays due, as if it had not been begun
            reason = str(error)
            kind = _kind_tried(app, site, options, started)
            result = SiteResult(
                site=site.slug, outcome=error.outcome, exit_code=error.exit_code, reason=reason, kind=kind
            )
        except errors.SiteLocked as error:
            result = replace(lease.locked_out(app, site, error), kind=_kind_tried(app, site, options, started))
        except errors.SyncError as error:
            result = _failed(app, site, error, run_id=run_id, started=started, options=options)
        result = replace(result, seconds=app.clock.monotonic() - begun)
        level = log.info if result.exit_code == 0 else log.warning
        level("site.run.finished", outcome=result.outcome, exit_code=result.exit_code, seconds=round(result.seconds, 3))
    return result


def _locked(
    app: Application,
    site: SiteConfig,
    *,
    run_id: str,
    started: datetime,
    options: NightOptions,
    progress: Progress | None,
) -> SiteResult:
    warehouse = app.warehouse()
    with ExitStack() as held:
        held.enter_context(warehouse.site_lock(site.slug))
        if not options.dry_run:
            held.enter_context(lease.shown(app, warehouse, site.slug, run_id))
        night = Night(
            app=app,
            site=site,
            plan=app.plan(site),
            run_id=run_id,
            started=started,
            options=options,
            approved=braking.approvals_of(warehouse.reader(), site.slug, now=started, limits=app.config.brakes),
        )
        catch = _fetch(night, warehouse, progress)
        if night.plan.study is None:
            warehouse = app.warehouse(catch.reading.study)
        try:
            result, queries = commit(night, warehouse, catch)
        except DryRun as dry:
            return dry.result
        return _deliver(night, catch, result, queries)


def _fetch(night: Night, warehouse: Warehouse, progress: Progress | None) -> Catch:
    """Ask the site for what changed (or for everything), hold its structure against the accepted one, and judge."""
    app, site = night.app, night.site
    reader = warehouse.reader()
    before = past.read(reader, site.slug).of_project(site.project_id)
    _refuse_losses(night, before)
    now = night.started.astimezone(app.config.study.zone)
    full = _is_full(night.options, before, now, app)
    source = app.source(site)
    overlap = app.config.run.overlap
    delta = source.changes(before.watermark, known=before.known, full=full, overlap=overlap, progress=progress)
    found = _examine(night, before, delta)
    is_back = before.owes_full and not found.impact.absent
    if (found.impact.reread or is_back) and not delta.complete:
        # rows that did not change at the site may read otherwise
        spent = delta.cost
        delta = source.changes(before.watermark, known=before.known, full=True, overlap=overlap, progress=progress)
        delta = replace(delta, cost=spent.plus(delta.cost))
        found = _examine(night, before, delta)
    drift.refuse(site.slug, found.impact)
    reading = judging.prepare(delta.head, night.plan, as_of=now, absent=found.impact.absent, has_rows=bool(delta.parts))
    judged: Iterable[Judged]
    if delta.complete:
        judged = judging.judge_parts(delta, reading)
        if len(delta.parts) <= 1:
            judged = tuple(judged)  # what fits into one part need not hold other sites up while it is judged
    else:
        judged = judging.judge_delta(
            delta,
            reading,
            stored=stored_of(app, site.slug),
            asked=lambda: _asked(reader, site),
            again=lambda: followup.asked_since(reader.queries(replace(_live(site), asked_again=True))),
        )
    return Catch(past=before, delta=delta, found=found, reading=reading, judged=judged)


def _is_full(options: NightOptions, before: Past, now: datetime, app: Application) -> bool:
    return options.full or past.full_is_due(before, now, app.config.schedule.weekly_full)


def _kind_tried(app: Application, site: SiteConfig, options: NightOptions, started: datetime) -> str:
    """Say what kind of pull a night was that came to nothing; full where the warehouse cannot tell."""
    with suppress(errors.SyncError):
        before = past.read(app.warehouse().reader(), site.slug).of_project(site.project_id)
        now = started.astimezone(app.config.study.zone)
        return "full" if _is_full(options, before, now, app) else "incremental"
    return "full"


def _asked(reader: WarehouseReader, site: SiteConfig) -> Asked:
    queries = reader.queries(QueryFilter(sites=(site.slug,)))
    places = {(query.key.row, query.key.check, query.key.field): query.state in LIVE for query in queries}
    return Asked(places=frozenset(places), live=frozenset(place for place, is_live in places.items() if is_live))


def _live(site: SiteConfig) -> QueryFilter:
    return QueryFilter(sites=(site.slug,), states=tuple(state.value for state in LIVE))


def _refuse_losses(night: Night, before: Past) -> None:
    """Stop a site whose mapping no longer reads what the warehouse holds; a dictionary's own drift is told apart."""
    study, mapping = night.plan.study, night.plan.mapping
    if study is not None and mapping is not None:
        mapped.refuse_losses(
            night.site.slug,
            before.mapped,
            study,
            mapping,
            stored=lambda: frames_of(night.app, night.site.slug, study),
        )


def _examine(night: Night, before: Past, delta: Delta) -> Examined:
    return drift.examine(
        before.structure,
        delta.head.structure,
        night.plan,
        stored=lambda study: frames_of(night.app, night.site.slug, study),
        last_marks=before.marks,
    )


def _deliver(night: Night, catch: Catch, result: SiteResult, queries: tuple[Query, ...]) -> SiteResult:
    """Write the site's list; what is stored stays stored where that fails."""
    app, site, head = night.app, night.site, catch.delta.head
    now = app.clock.now().astimezone(app.config.study.zone)
    try:
        links = followup.query_links(app, head.structure, head.base_url, queries)
        written = app.delivery.deliver(site, queries, catch.reading.study, links=links, now=now)
    except OSError as error:
        folder = app.config.delivery.folder
        reason = (
            f"stored, but the query list could not be written to {folder} ({error.strerror}); make room or correct "
            f"delivery.folder, then `sync queries export --site {site.slug}`"
        )
        return replace(result, outcome="failed", exit_code=70, reason=reason)
    except Exception as error:
        place = errors.place_of(error)
        log.error("site.lists.fault", fault=type(error).__name__, place=place)
        reason = f"stored, but a fault of the program ({type(error).__name__} at {place}) kept the query list back"
        return replace(result, outcome="failed", exit_code=70, reason=reason)
    return replace(result, lists=tuple(str(path) for path in written))


def _failed(
    app: Application,
    site: SiteConfig,
    error: errors.SyncError,
    *,
    run_id: str,
    started: datetime,
    options: NightOptions,
) -> SiteResult:
    kind = error.kind if isinstance(error, Braked) else _kind_tried(app, site, options, started)
    code = errors.code_at_site(error)
    result = SiteResult(site=site.slug, outcome=error.outcome, exit_code=code, reason=str(error), kind=kind)
    parked = _parked(site, error, run_id=run_id, started=started) if isinstance(error, Braked) else None
    if options.dry_run:
        return _rehearsed(result, error.would, parked) if isinstance(error, Braked) else result
    row = RunRow(
        site=site.slug,
        run_id=run_id,
        kind=result.kind,
        started=started,
        finished=app.clock.now(),
        outcome=error.outcome,
        exit_code=code,
        reason=str(error),
    )
    # a warehouse that cannot be written is the failure itself: it must not hide the first one
    with suppress(errors.SyncError):
        warehouse = app.warehouse()
        if any(each.site == site.slug and each.outcome == "ok" for each in warehouse.reader().run(run_id)):
            return replace(result, reason=f"what was pulled is stored, but then: {error}")
        warehouse.record_run(row)
        if parked is not None:
            warehouse.park(parked)
    return result


def _parked(site: SiteConfig, error: Braked, *, run_id: str, started: datetime) -> ParkedRun:
    figures = asdict(error.volume)
    return ParkedRun(site=site.slug, run_id=run_id, parked_at=started, reason=str(error), difference=figures)


def _rehearsed(result: SiteResult, would: SiteResult | None, parked: ParkedRun | None) -> SiteResult:
    """Say of a dry run that a brake stopped what it would have changed: the counts, and what would be parked."""
    return replace(
        would or result,
        outcome=result.outcome,
        exit_code=result.exit_code,
        reason=result.reason,
        would_park=parked,
    )
