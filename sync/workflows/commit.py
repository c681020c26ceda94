"""Write everything of one site's night in one transaction, or nothing: part by part, then what concerns the whole.

A full night's parts are harmonised and judged in here, one after another, so that memory holds the cells of one part.
"""

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog

from schemas.frames import FormFrame
from schemas.pull import Delta
from schemas.study import Study
from sync.config import SiteConfig
from sync.harmonise.plan import SitePlan
from sync.plural import counted
from sync.ports.application import Application
from sync.ports.stored import OutcomeRow, ParkedRun, RunRow, SiteRow, StoreCounts
from sync.ports.warehouse import SiteTransaction, Warehouse
from sync.queries.model import Query
from sync.volume import Volume
from sync.workflows import braking, drift, followup, mapped, measuring, past, subjects
from sync.workflows.braking import Braked, Released
from sync.workflows.drift import Examined
from sync.workflows.followup import FollowedUp, Lives, Standing
from sync.workflows.gathering import Gathered, Held, Seen
from sync.workflows.judging import Judged
from sync.workflows.measuring import Done, Stood
from sync.workflows.past import Past
from sync.workflows.reading import Reading
from sync.workflows.renaming import Renamed
from sync.workflows.results import QUERY_COUNTS, NightOptions, SiteResult

log = structlog.get_logger()

_RECORDS_AT_ONCE = 2_000

_MENDED = (
    "{} of the warehouse did not stand as a run had stored it; what the site has stands there again, and"
    " `sync warehouse history` shows what stood there: look who else may write to the warehouse"
)
_DAMAGED = (
    "what the last run kept of this site's rows could not be read: everything was pulled, and nothing told renamed"
    " records from others, or records that are gone without a trace; look at what was closed and raised anew"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """Hold what one night at one site is about."""

    app: Application
    site: SiteConfig
    plan: SitePlan
    run_id: str
    started: datetime
    options: NightOptions
    #: parked runs that a person has approved lately and that no run has used or superseded
    approved: tuple[ParkedRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """Hold what was fetched, how it is read, and the parts as they are judged."""

    past: Past
    delta: Delta
    found: Examined
    reading: Reading
    #: whole records each; those of a full night are judged when they are asked for, and only once
    judged: Iterable[Judged]


class DryRun(Exception):
    """Leave the transaction without keeping it; carries what it would have done."""

    def __init__(self, result: SiteResult) -> None:
        """Carry the result."""
        self.result = result
        super().__init__("dry run")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """Hold what storing the parts did, and what was seen of them."""

    counts: StoreCounts
    held: Held
    seen: Seen
    stood: Stood
    notices: tuple[str, ...]


def commit(night: Night, warehouse: Warehouse, catch: Catch) -> tuple[SiteResult, tuple[Query, ...]]:
    """Write everything of one site, or nothing: frames, subjects, queries, coverage and the run itself.

    Raises Braked before harm, and DryRun where nothing is to be kept.
    """
    delta = catch.delta
    known = warehouse.reader().records(night.site.slug)
    # a study that follows the site's dictionary brings its own columns: new ones are made first and in short, since
    # nobody can read the tables meanwhile; those that change stand or fall with what fills them, and so do all of a
    # dry run's, of any study
    follows = night.plan.study is None or night.options.dry_run
    if not night.options.dry_run and follows:
        warehouse.add_columns()
    with warehouse.transaction(night.site.slug, night.run_id, night.started, upgrade=follows) as tx:
        tx.put_site(_site_row(night, delta))
        before = tx.queries()
        standing = followup.standing(before, delta.renamed, at=night.started, run_id=night.run_id)
        stored = _store(night, tx, catch, standing, known)
        after = followup.follow_up(
            stored.seen,
            standing,
            catch.reading,
            project_id=delta.head.structure.project_id,
            gone=delta.gone,
            ended=Lives(records=delta.gone | delta.reborn, rows=tx.ended_rows()),
            at=night.started,
            run_id=night.run_id,
            next_number=tx.next_number(),
            secret=night.app.hash_key,
        )
        done = Done(delta=delta, stood=stored.stood, held=stored.held, stored=stored.counts, before=before, after=after)
        try:
            volume, released = _braked(night, tx, catch.past, done)
        except Braked as stop:
            stop.would = _result(night, catch, stored, after, Released())
            raise
        tx.put_queries(after.drafts, after.concerned, next_number=after.reconciled.next_number)
        tx.quarantine(followup.quarantined(after.queries))
        # a check that looked at nothing tonight reached as far as it did before
        coverage = stored.seen.judgement.coverage
        tx.coverage([each for each in coverage if each.evaluated or each.failing or each.not_evaluated])
        reads = mapped.reads(catch.reading.study, catch.reading.mapping) if night.plan.mapping else None
        past.keep(tx, catch.past, delta, catch.found, reads=reads)
        tx.settle_parked(released.approvals)
        result = _result(night, catch, stored, after, released)
        if night.options.dry_run:
            raise DryRun(result)
        kept = timedelta(days=night.app.config.warehouse.keep_payloads_days)
        tx.forget_payloads(before=night.started - kept)
        tx.finish_run(_run_row(night, catch, result, stored.counts, volume, released))
    return result, after.queries


def _braked(night: Night, tx: SiteTransaction, before: Past, done: Done) -> tuple[Volume, Released]:
    """Measure what was written and is not committed yet; raises Braked before harm."""
    limits = night.app.config.brakes
    columns = measuring.columns(tx, done.stored, limits) if done.stood.subjects else ()
    places = measuring.places(tx, done.stored, done.delta.record_ids, limits)
    volume = measuring.volume(done, before, columns, places)
    released = braking.brake(
        volume,
        limits,
        night.approved,
        allow=night.options.allow_mass_change,
        run_id=night.run_id,
        site=night.site.slug,
        kind=_kind(done.delta),
        dry_run=night.options.dry_run,
    )
    if released.reasons:
        log.warning("site.run.brake_released", reasons=len(released.reasons), by_flag=released.by_flag)
    return volume, released


# --- the parts


def _store(night: Night, tx: SiteTransaction, catch: Catch, standing: Standing, known: frozenset[str]) -> _Stored:
    """Store one part after another, then take out what the site has no longer."""
    delta, reading = catch.delta, catch.reading
    version = reading.mapping.version
    gathered = Gathered(reading, standing.queries, complete=delta.complete)
    over = delta.gone | delta.reborn
    stood = Stood(subjects=known, rows_of_gone=tx.count_rows(reading.study, over) if over else 0)
    had = tx.count_rows(reading.study, delta.renamed.keys()) if delta.renamed else 0
    renamed = Renamed(tx, reading.study, delta)
    # a name that went to another patient begins anew: one's rows are no change of the other's
    counts, held = _of_study(tx.end_records(delta.reborn, besides=()), reading.study), Held()
    nothing: tuple[FormFrame, ...] = ()
    for judged in catch.judged:
        records = sorted(judged.touched)
        frames = judged.harmonised.frames
        if reading.absent:
            # columns that are left out go on holding what they hold
            frames = drift.carry(frames, tx.frames(reading.study, records), reading.absent)
        counts += renamed.changes(frames, records)
        counts += tx.store(
            frames, mapping_version=version, complete=False, records=records, proving=delta.complete and bool(known)
        )
        held.add(frames)
        _put_people(tx, judged, records, are_new=known.isdisjoint(records))
        _keep_payload(night, tx, judged, held.parts, delta)
        gathered.add(judged)
        nothing = tuple(frame.without_rows() for frame in frames)
        del judged, frames  # or they would stand beside the next part
    if delta.complete:
        over |= known - delta.record_ids
    # forms that left the site's project have no frame
    frameless = tx.end_records(over - delta.reborn, besides={frame.form.name for frame in nothing})
    counts += _of_study(frameless, reading.study)
    if delta.complete:
        counts += _end(tx, nothing, known - delta.record_ids, version)
        if known:  # else every row that stands is tonight's
            tx.settle([frame.form.name for frame in nothing], mapping_version=version)
    tx.leave_names({record: delta.renamed.get(record) for record in over})
    if delta.renamed:
        have = tx.count_rows(reading.study, delta.renamed.values())
        stood = replace(stood, rows_lost_by_renamed=max(0, had - have))
    return _Stored(counts=counts, held=held, seen=gathered.seen(), stood=stood, notices=gathered.notices)


def _of_study(ended: Mapping[str, StoreCounts], study: Study) -> StoreCounts:
    """Add up what ended in a study's forms; what stands of others was never counted as known."""
    forms = {form.name for form in study.forms}
    return sum((counts for form, counts in ended.items() if form in forms), StoreCounts())


def _end(tx: SiteTransaction, nothing: tuple[FormFrame, ...], gone: frozenset[str], version: str) -> StoreCounts:
    """Take out the records that a full pull did not bring."""
    counts = StoreCounts()
    left = iter(sorted(gone))
    while records := list(islice(left, _RECORDS_AT_ONCE)):
        counts += tx.store(nothing, mapping_version=version, complete=False, records=records)
        tx.put_subjects((), records=records)
        tx.put_visits((), records=records)
        tx.put_outcomes((), records=records)
    return counts


def _put_people(tx: SiteTransaction, judged: Judged, records: list[str], *, are_new: bool) -> None:
    """Store subjects, visits and outcomes of some records; where all are new, none of theirs can stand."""
    people = subjects.subjects(judged)
    tx.put_subjects(people, records=records)
    visits = subjects.visits(judged, people)
    if visits or not are_new:
        tx.put_visits(visits, records=records)
    wanted = judged.responses.select("record", "visit", "outcome", "rule_set").iter_rows()
    responses = [
        OutcomeRow(record=record, visit=visit, outcome=what, rule_set=rules) for record, visit, what, rules in wanted
    ]
    if responses or not are_new:
        tx.put_outcomes(responses, records=records)


def _keep_payload(night: Night, tx: SiteTransaction, judged: Judged, number: int, delta: Delta) -> None:
    """Keep the rows as they came, where that is asked for: one file, or one a part under names that sort."""
    if night.app.config.warehouse.keep_payloads_days:
        name = "records.csv.gz" if len(delta.parts) <= 1 else f"records.{number:05}.csv.gz"
        body = gzip.compress(judged.snapshot.rows.write_csv().encode(), mtime=0)
        tx.put_payload(name, body, pulled_at=judged.snapshot.pulled_at)


# --- results


def _kind(delta: Delta) -> str:
    return "full" if delta.complete else "incremental"


def _let_through(night: Night, released: Released) -> dict[str, Any]:
    """Say what would have stopped this run and who let it through, for its row in the warehouse; often nothing."""
    if not released.reasons:
        return {}
    return {
        "let_through": {
            "reasons": list(released.reasons),
            "allow_mass_change": released.by_flag,
            "by": night.options.by if released.by_flag else None,
            "approvals": list(released.approvals),
        }
    }


def _owes_full(catch: Catch) -> bool:
    """Tell whether all must be pulled once the columns that are left out are read again.

    They hold what they held: what changed in them meanwhile shows in no later pull but a complete one.
    """
    return bool(catch.found.impact.absent) or (catch.past.owes_full and not catch.delta.complete)


def _run_row(
    night: Night, catch: Catch, result: SiteResult, stored: StoreCounts, volume: Volume, released: Released
) -> RunRow:
    watermark = catch.delta.watermark
    return RunRow(
        site=night.site.slug,
        run_id=night.run_id,
        kind=result.kind,
        started=night.started,
        finished=night.app.clock.now(),
        outcome=result.outcome,
        exit_code=0,
        counts={
            **result.counts(),
            **result.told(),
            # the next night, if it asks only for what changed, sets its changes against these
            "cells_known": volume.cells_known + stored.cells_more,
            "rows_known": volume.rows_known - stored.deleted + stored.inserted,
            "watermark": watermark.as_plain() if watermark else None,
            "full_is_owed": _owes_full(catch),
            **_let_through(night, released),
        },
    )


def _site_row(night: Night, delta: Delta) -> SiteRow:
    return SiteRow(
        site=night.site.slug,
        name=night.site.name,
        subject_prefix=night.site.subject_prefix,
        project_id=delta.head.structure.project_id,
        language=night.plan.language,
    )


def _result(night: Night, catch: Catch, stored: _Stored, after: FollowedUp, released: Released) -> SiteResult:
    delta, judgement = catch.delta, stored.seen.judgement
    notices = [*delta.notices, *stored.notices, *catch.found.impact.notices]
    warnings = [*delta.warnings, *catch.found.impact.warnings]
    if left_out := drift.left_out(night.site.slug, catch.found.impact):
        notices.append(left_out)
        warnings.append(left_out)
    if catch.past.is_damaged:
        notices.append(_DAMAGED)
        warnings.append(_DAMAGED)
    if not delta.record_ids:
        notices.append("the project holds no records yet")
    if delta.missed:
        missed = counted(delta.missed, "changed record")
        notices.append(f"the full pull found {missed} that incremental pulls had missed")
        warnings.append(notices[-1])
    if stored.counts.mended:
        notices.append(_MENDED.format(counted(stored.counts.mended, "row")))
        warnings.append(notices[-1])
    if after.left:
        notices.append(followup.left_behind(after.left, delta.head.structure.project_id))
    let_through = tuple(f"let through a brake: {reason}" for reason in released.reasons)
    return SiteResult(
        site=night.site.slug,
        kind=_kind(delta),
        records_pulled=delta.parts.records,
        rows_pulled=delta.parts.rows,
        rows_asked=delta.cost.rows_listed + delta.cost.rows_whole,
        stored=stored.counts,
        findings=Counter(finding.severity.value for finding in judgement.findings),
        queries={name: getattr(after.reconciled, name) for name in QUERY_COUNTS},
        not_evaluated=sum(each.count for each in judgement.not_evaluated),
        missed=delta.missed,
        drift=catch.found.drift.counts(),
        notices=(*notices, *let_through),
        warnings=tuple(warnings),
        let_through=let_through,
    )
