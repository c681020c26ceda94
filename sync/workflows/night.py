"""Take one site through one night: fetch, judge, store, follow up, deliver.

Everything between the fetch and the commit is decided by pure functions; what they decide is written in one
transaction, which a brake, a dry run or a crash leaves as if it had never been.
"""

import gzip
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from schemas.frames import FormFrame
from schemas.pull import Delta
from sync import errors
from sync.config import SiteConfig
from sync.harmonise.plan import SitePlan
from sync.ports.application import Application
from sync.ports.source import Progress
from sync.ports.stored import OutcomeRow, ParkedRun, QueryFilter, RunRow, SiteRow, StoreCounts
from sync.ports.warehouse import SiteTransaction, Warehouse
from sync.queries.model import LIVE, Query
from sync.workflows import braking, drift, followup, judging, mapped, past, subjects
from sync.workflows.braking import Braked, Stood
from sync.workflows.drift import Examined
from sync.workflows.followup import FollowedUp
from sync.workflows.judging import Judged
from sync.workflows.past import Past
from sync.workflows.results import QUERY_COUNTS, NightOptions, SiteResult

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Night:
    """Hold what one night at one site is about."""

    app: Application
    site: SiteConfig
    plan: SitePlan
    run_id: str
    started: datetime
    options: NightOptions
    #: parked runs that a person has approved and that no run has made use of yet
    approved: tuple[ParkedRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Catch:
    """Hold what was fetched and what was made of it."""

    past: Past
    delta: Delta
    found: Examined
    judged: Judged
    #: as judged, with stored values in columns that were left out
    frames: tuple[FormFrame, ...]
    stood: Stood


class _DryRun(Exception):
    """Leave the transaction without keeping it; carries what it would have done."""

    def __init__(self, result: SiteResult) -> None:
        self.result = result
        super().__init__("dry run")


def run_site(
    app: Application, site: SiteConfig, *, run_id: str, options: NightOptions, progress: Progress | None = None
) -> SiteResult:
    """Take one site through the night; every failure is a result with its exit code, and is noted in the warehouse.

    ConfigError is raised: it concerns the whole run.
    """
    started = app.clock.now()
    begun = app.clock.monotonic()
    with structlog.contextvars.bound_contextvars(site=site.slug, run_id=run_id):
        log.info("site.run.started", dry_run=options.dry_run)
        try:
            result = _locked(app, site, run_id=run_id, started=started, options=options, progress=progress)
        except errors.ConfigError:
            raise
        except errors.SyncError as error:
            result = _failed(app, site, error, run_id=run_id, started=started, keep=not options.dry_run)
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
    with warehouse.site_lock(site.slug):
        night = _Night(
            app=app,
            site=site,
            plan=app.plan(site),
            run_id=run_id,
            started=started,
            options=options,
            approved=braking.approvals(warehouse.reader(), site.slug),
        )
        catch = _fetch(night, warehouse, progress)
        if night.plan.study is None:
            warehouse = app.warehouse(catch.judged.study)
        try:
            result, queries = _commit(night, warehouse, catch)
        except _DryRun as dry:
            return dry.result
        # what counts is the site's state, which was kept with the data; this is for who reads the list of parked runs
        with suppress(errors.SyncError):
            for parked in night.approved:
                warehouse.use_approval(site.slug, parked.run_id, used_by=run_id)
        _forget_payloads(night, warehouse)
        return _deliver(night, catch.judged, result, queries)


def _forget_payloads(night: _Night, warehouse: Warehouse) -> None:
    """Drop raw replies that are older than the configuration keeps them."""
    days = night.app.config.warehouse.keep_payloads_days
    warehouse.forget_payloads(night.site.slug, before=night.started - timedelta(days=days))


def _fetch(night: _Night, warehouse: Warehouse, progress: Progress | None) -> _Catch:
    """Ask the site for what changed (or for everything), hold its structure against the accepted one, and judge."""
    app, site = night.app, night.site
    reader = warehouse.reader()
    before = past.read(reader, site.slug).of_project(site.project_id)
    _refuse_losses(night, before)
    now = night.started.astimezone(app.config.study.zone)
    full = night.options.full or past.full_is_due(before, now, app.config.schedule.weekly_full)
    source = app.source(site)
    overlap = app.config.run.overlap
    delta = source.changes(before.watermark, known=before.known, full=full, overlap=overlap, progress=progress)
    found = _examine(night, before, delta)
    if found.impact.reread and not delta.complete:
        # rows that did not change at the site may read otherwise
        spent = delta.cost
        delta = source.changes(before.watermark, known=before.known, full=True, overlap=overlap, progress=progress)
        delta = replace(delta, cost=spent.plus(delta.cost))
        found = _examine(night, before, delta)
    drift.refuse(site.slug, found.impact)
    absent = found.impact.absent
    judged = judging.judge_delta(
        delta,
        night.plan,
        as_of=now,
        absent=absent,
        stored=lambda study: app.warehouse(study).reader().frames(site.slug),
        asked=lambda: {(query.key.row, query.key.check, query.key.field) for query in reader.queries(_live(site))},
        again=lambda: followup.asked_since(reader.queries(_live(site))),
    )
    frames = judged.harmonised.frames
    if absent:
        frames = drift.carry(frames, app.warehouse(judged.study).reader().frames(site.slug), absent)
    stood = Stood(
        subjects=frozenset(row.record for row in reader.subjects(site.slug).get(site.slug, ())),
        # read before the transaction: on PostgreSQL, new columns would keep other readers waiting until its end
        rows_of_gone=braking.rows_of(app.warehouse(judged.study).reader().frames(site.slug), delta.gone)
        if delta.gone
        else 0,
    )
    return _Catch(past=before, delta=delta, found=found, judged=judged, frames=frames, stood=stood)


def _refuse_losses(night: _Night, before: Past) -> None:
    """Stop a site whose mapping no longer reads what the warehouse holds; a dictionary's own drift is told apart."""
    study, mapping = night.plan.study, night.plan.mapping
    if study is not None and mapping is not None:
        mapped.refuse_losses(
            night.site.slug,
            before.mapped,
            study,
            mapping,
            stored=lambda: night.app.warehouse(study).reader().frames(night.site.slug),
        )


def _examine(night: _Night, before: Past, delta: Delta) -> Examined:
    return drift.examine(
        before.structure,
        delta.snapshot.structure,
        night.plan,
        stored=lambda study: night.app.warehouse(study).reader().frames(night.site.slug),
        last_marks=before.marks,
    )


def _commit(night: _Night, warehouse: Warehouse, catch: _Catch) -> tuple[SiteResult, tuple[Query, ...]]:
    """Write everything of one site, or nothing: frames, subjects, queries, coverage and the run itself."""
    judged, delta = catch.judged, catch.delta
    records = None if delta.complete else sorted(judged.touched or ())
    # a study that follows the site's dictionary brings its own columns, which stand or fall with what fills them
    follows = night.plan.study is None
    with warehouse.transaction(night.site.slug, night.run_id, night.started, upgrade=follows) as tx:
        tx.put_site(_site_row(night.site, judged))
        version = judged.harmonised.mapping_version
        stored = tx.store(catch.frames, mapping_version=version, complete=delta.complete, records=records or ())
        # forms that left the site's project have no frame
        tx.end_records(delta.gone, besides={frame.form.name for frame in catch.frames})
        before = tx.queries()
        after = followup.follow_up(
            judged,
            before,
            renamed=delta.renamed,
            gone=delta.gone,
            at=night.started,
            run_id=night.run_id,
            next_number=tx.next_number(),
            secret=night.app.hash_key,
        )
        volume = braking.volume(delta, catch.past, catch.stood, catch.frames, stored, before, after)
        let_through = braking.brake(
            volume,
            night.app.config.brakes,
            night.approved,
            allow=night.options.allow_mass_change,
            run_id=night.run_id,
            site=night.site.slug,
            kind="full" if delta.complete else "incremental",
        )
        if let_through:
            log.warning("site.run.brake_released", reasons=len(let_through))
        tx.put_queries(after.drafts, after.concerned, next_number=after.reconciled.next_number)
        _put_people(tx, judged, records)
        tx.quarantine(followup.quarantined(after.queries))
        # a check that looked at nothing tonight reached as far as it did before
        tx.coverage(
            [each for each in judged.judgement.coverage if each.evaluated or each.failing or each.not_evaluated]
        )
        if night.app.config.warehouse.keep_payloads_days:
            body = gzip.compress(delta.snapshot.rows.write_csv().encode(), mtime=0)
            tx.put_payload("records.csv.gz", body, pulled_at=delta.snapshot.pulled_at)
        reads = mapped.reads(judged.study, judged.mapping) if night.plan.mapping else None
        past.keep(tx, catch.past, delta, catch.found, reads=reads)
        braking.use_up(tx, night.approved)
        result = _result(night, catch, stored, after, let_through)
        if night.options.dry_run:
            raise _DryRun(result)
        tx.finish_run(
            RunRow(
                site=night.site.slug,
                run_id=night.run_id,
                kind=result.kind,
                started=night.started,
                finished=night.app.clock.now(),
                outcome=result.outcome,
                exit_code=0,
                counts={
                    **result.counts(),
                    "cells_known": volume.cells_known,
                    "rows_known": volume.rows_known - stored.deleted + stored.inserted,
                    "watermark": _next_beginning(catch),
                },
            )
        )
    return result, after.queries


def _put_people(tx: SiteTransaction, judged: Judged, records: list[str] | None) -> None:
    people = subjects.subjects(judged)
    tx.put_subjects(people, records=records)
    tx.put_visits(subjects.visits(judged, people), records=records)
    wanted = judged.responses.select("record", "visit", "outcome", "rule_set").iter_rows()
    tx.put_outcomes(
        [OutcomeRow(record=record, visit=visit, outcome=what, rule_set=rules) for record, visit, what, rules in wanted],
        records=records,
    )


# --- what the next night needs


def _live(site: SiteConfig) -> QueryFilter:
    return QueryFilter(sites=(site.slug,), states=tuple(state.value for state in LIVE))


def _next_beginning(catch: _Catch) -> dict[str, Any] | None:
    """Say where the next pull begins; None where it must be complete.

    Columns that were left out tonight hold what they held: what changed in them meanwhile shows in no later pull but
    a complete one.
    """
    if catch.found.impact.absent or catch.delta.watermark is None:
        return None
    return catch.delta.watermark.as_plain()


# --- results


def _site_row(site: SiteConfig, judged: Judged) -> SiteRow:
    return SiteRow(
        site=site.slug,
        name=site.name,
        subject_prefix=site.subject_prefix,
        project_id=judged.snapshot.structure.project_id,
        language=judged.plan.language,
    )


def _result(
    night: _Night, catch: _Catch, stored: StoreCounts, after: FollowedUp, let_through: tuple[str, ...]
) -> SiteResult:
    judged, delta = catch.judged, catch.delta
    notices = [*delta.notices, *judged.harmonised.notices, *catch.found.impact.notices]
    if not delta.record_ids:
        notices.append("the project holds no records yet")
    if delta.missed:
        notices.append(f"the full pull found {delta.missed} changed records that incremental pulls had missed")
    if after.left:
        notices.append(followup.left_behind(after.left, judged.snapshot.structure.project_id))
    notices += [f"let through a brake: {reason}" for reason in let_through]
    return SiteResult(
        site=night.site.slug,
        kind="full" if delta.complete else "incremental",
        records_pulled=judged.snapshot.records,
        rows_pulled=judged.snapshot.rows.height,
        rows_asked=delta.cost.rows_listed + delta.cost.rows_whole,
        stored=stored,
        findings=Counter(finding.severity.value for finding in judged.judgement.findings),
        queries={name: getattr(after.reconciled, name) for name in QUERY_COUNTS},
        not_evaluated=sum(each.count for each in judged.judgement.not_evaluated),
        missed=delta.missed,
        drift=catch.found.drift.counts(),
        notices=tuple(notices),
    )


def _deliver(night: _Night, judged: Judged, result: SiteResult, queries: tuple[Query, ...]) -> SiteResult:
    """Write the site's list; what is stored stays stored where that fails."""
    app, site, snapshot = night.app, night.site, judged.snapshot
    now = app.clock.now().astimezone(app.config.study.zone)
    try:
        links = followup.query_links(app, snapshot.structure, snapshot.base_url, queries)
        written = app.delivery.deliver(site, queries, judged.study, links=links, now=now)
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
    app: Application, site: SiteConfig, error: errors.SyncError, *, run_id: str, started: datetime, keep: bool
) -> SiteResult:
    kind = error.kind if isinstance(error, Braked) else "full"
    result = SiteResult(site=site.slug, outcome=error.outcome, exit_code=error.exit_code, reason=str(error), kind=kind)
    if not keep or isinstance(error, errors.SiteLocked):
        return result
    row = RunRow(
        site=site.slug,
        run_id=run_id,
        kind=result.kind,
        started=started,
        finished=app.clock.now(),
        outcome=error.outcome,
        exit_code=error.exit_code,
        reason=str(error),
    )
    # a warehouse that cannot be written is the failure itself: it must not hide the first one
    with suppress(errors.SyncError):
        warehouse = app.warehouse()
        warehouse.record_run(row)
        if isinstance(error, Braked):
            figures = asdict(error.volume)
            warehouse.park(
                ParkedRun(site=site.slug, run_id=run_id, parked_at=started, reason=str(error), difference=figures)
            )
    return result
