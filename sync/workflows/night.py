"""Take one site through one night: fetch, judge, store, follow up, deliver.

Everything between the fetch and the commit is decided by pure functions; what they decide is written in one
transaction, which a brake, a dry run or a crash leaves as if it had never been.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from schemas import project
from schemas.coordinates import RowKey
from schemas.study import Severity
from sync import changes, errors
from sync.config import SiteConfig
from sync.ports.application import Application
from sync.ports.source import Progress
from sync.ports.stored import OutcomeRow, ParkedRun, RunRow, SiteRow, StoreCounts
from sync.ports.warehouse import SiteTransaction, Warehouse
from sync.queries import reconcile
from sync.queries.model import LIVE, Query, State
from sync.queries.reconcile import Reconciled
from sync.workflows import judging, subjects
from sync.workflows.judging import Judged
from validators.findings import Finding

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class NightOptions:
    """Say how one run differs from the plain one."""

    full: bool = True
    dry_run: bool = False
    allow_mass_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteResult:
    """Say what one run did at one site; holds counts, never values."""

    site: str
    outcome: str = "ok"
    exit_code: int = 0
    reason: str | None = None
    kind: str = "full"
    records_pulled: int = 0
    rows_pulled: int = 0
    stored: StoreCounts = field(default_factory=StoreCounts)
    findings: Mapping[str, int] = field(default_factory=dict)
    queries: Mapping[str, int] = field(default_factory=dict)
    not_evaluated: int = 0
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
    #: files of the query list
    lists: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Show the result as the interface promises it."""
        return {
            "site": self.site,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "kind": self.kind,
            **self.counts(),
            "not_evaluated": self.not_evaluated,
            "seconds": round(self.seconds, 3),
            "notices": list(self.notices),
            "lists": list(self.lists),
        }

    def counts(self) -> dict[str, Any]:
        """Give the counts alone, for the run's row in the warehouse."""
        return {
            "records_pulled": self.records_pulled,
            "rows_pulled": self.rows_pulled,
            "rows_inserted": self.stored.inserted,
            "rows_updated": self.stored.updated,
            "rows_deleted": self.stored.deleted,
            "cells_changed": self.stored.cells_changed,
            "findings": {name.value: self.findings.get(name.value, 0) for name in Severity},
            "queries": {
                name: self.queries.get(name, 0) for name in ("opened", "reopened", "closed", "unchanged", "candidates")
            },
        }


class _DryRun(Exception):
    """Leave the transaction without keeping it; carries what it would have done."""

    def __init__(self, result: SiteResult, queries: tuple[Query, ...]) -> None:
        self.result = result
        self.queries = queries
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
    plan = app.plan(site)
    warehouse = app.warehouse()
    with warehouse.site_lock(site.slug):
        snapshot = app.source(site).pull(progress)
        judged = judging.judge_pull(snapshot, plan, as_of=started.astimezone(app.config.study.zone))
        if plan.study is None:
            warehouse = app.warehouse(judged.study)
            warehouse.upgrade()
        try:
            result, queries = _commit(app, site, warehouse, judged, run_id=run_id, started=started, options=options)
        except _DryRun as dry:
            return dry.result
        return _deliver(app, site, judged, result, queries)


def _commit(
    app: Application,
    site: SiteConfig,
    warehouse: Warehouse,
    judged: Judged,
    *,
    run_id: str,
    started: datetime,
    options: NightOptions,
) -> tuple[SiteResult, tuple[Query, ...]]:
    """Write everything of one site, or nothing: frames, subjects, queries, coverage and the run itself."""
    held = {row.record for row in warehouse.reader().subjects(site.slug).get(site.slug, ())}
    with warehouse.transaction(site.slug, run_id, started) as tx:
        tx.put_site(_site_row(site, judged))
        stored = tx.store(judged.harmonised.frames, mapping_version=judged.harmonised.mapping_version, complete=True)
        before = tx.queries()
        after = _reconcile(app, judged, before, run_id=run_id, at=started, next_number=tx.next_number())
        _brake(app, site, judged, held=held, stored=stored, before=before, after=after, options=options)
        tx.put_queries(after.drafts, after.queries, next_number=after.next_number)
        people = subjects.subjects(judged)
        tx.put_subjects(people)
        tx.put_visits(subjects.visits(judged, people))
        tx.put_outcomes(_outcomes(judged))
        tx.quarantine(quarantined(after.queries))
        tx.coverage(judged.judgement.coverage)
        _remember(tx, judged)
        result = _result(site, judged, stored, after)
        if options.dry_run:
            raise _DryRun(result, after.queries)
        tx.finish_run(
            RunRow(
                site=site.slug,
                run_id=run_id,
                kind=result.kind,
                started=started,
                finished=app.clock.now(),
                outcome=result.outcome,
                exit_code=0,
                counts=result.counts(),
            )
        )
    return result, after.queries


def _reconcile(
    app: Application, judged: Judged, before: tuple[Query, ...], *, run_id: str, at: datetime, next_number: int
) -> Reconciled:
    return reconcile.reconcile(
        judged.judgement,
        before,
        study=judged.study.name,
        project_id=judged.snapshot.structure.project_id,
        at=at,
        run_id=run_id,
        complete=True,
        next_number=next_number,
        prefix=judged.plan.prefix,
        secret=app.hash_key,
        cells=judging.Cells(judged.harmonised.frames),
    )


def _brake(
    app: Application,
    site: SiteConfig,
    judged: Judged,
    *,
    held: set[str],
    stored: StoreCounts,
    before: Sequence[Query],
    after: Reconciled,
    options: NightOptions,
) -> None:
    """Stop before harm; raising inside the transaction leaves the site as it was."""
    now = set(judged.snapshot.rows[judged.snapshot.structure.record_field])
    volume = changes.Volume(
        records_before=len(held),
        records_now=len(now),
        records_gone=len(held - now),
        cells_known=sum(int(frame.raw.count().sum_horizontal().sum()) for frame in judged.harmonised.frames),
        cells_changed=stored.cells_changed,
        queries_open=sum(query.state is State.OPEN for query in before),
        queries_closed=after.closed,
        queries_opened=after.opened + after.reopened,
    )
    reasons = changes.brakes(volume, app.config.brakes)
    if reasons and not options.allow_mass_change:
        raise errors.BrakeEngaged(
            f"{'; '.join(reasons)}. Nothing of this site was changed. If this is right, run "
            f"`sync run --site {site.slug} --allow-mass-change`; if not, ask the site what happened."
        )
    if reasons:
        log.warning("site.run.brake_released", reasons=len(reasons))


def quarantined(queries: Iterable[Query]) -> set[RowKey]:
    """Name the rows that a hard query still holds back from analysis."""
    return {query.key.row for query in queries if query.severity is Severity.HARD and query.state in LIVE}


def _outcomes(judged: Judged) -> list[OutcomeRow]:
    return [
        OutcomeRow(record=record, visit=visit, outcome=outcome, rule_set=rule_set)
        for record, visit, outcome, rule_set in judged.responses.select(
            "record", "visit", "outcome", "rule_set"
        ).iter_rows()
    ]


def _site_row(site: SiteConfig, judged: Judged) -> SiteRow:
    return SiteRow(
        site=site.slug,
        name=site.name,
        subject_prefix=site.subject_prefix,
        project_id=judged.snapshot.structure.project_id,
        language=judged.plan.language,
    )


def _remember(tx: SiteTransaction, judged: Judged) -> None:
    """Keep the project's structure, for links and for judging what is stored; written only where it changed."""
    known = {"structure": project.as_plain(judged.snapshot.structure), "base_url": judged.snapshot.base_url}
    if tx.state("project") != known:
        tx.put_state("project", known)


def _result(site: SiteConfig, judged: Judged, stored: StoreCounts, after: Reconciled) -> SiteResult:
    notices = list(judged.harmonised.notices)
    if not judged.snapshot.rows.height:
        notices.append("the project holds no records yet")
    return SiteResult(
        site=site.slug,
        records_pulled=judged.snapshot.records,
        rows_pulled=judged.snapshot.rows.height,
        stored=stored,
        findings=_by_severity(judged.judgement.findings),
        queries={
            "opened": after.opened,
            "reopened": after.reopened,
            "closed": after.closed,
            "unchanged": after.unchanged,
            "candidates": after.candidates,
        },
        not_evaluated=sum(each.count for each in judged.judgement.not_evaluated),
        notices=tuple(notices),
    )


def _by_severity(findings: Iterable[Finding]) -> Mapping[str, int]:
    return Counter(finding.severity.value for finding in findings)


def _deliver(
    app: Application, site: SiteConfig, judged: Judged, result: SiteResult, queries: tuple[Query, ...]
) -> SiteResult:
    """Write the site's list; what is stored stays stored where that fails."""
    links = query_links(app, judged.snapshot.structure, judged.snapshot.base_url, queries)
    now = app.clock.now().astimezone(app.config.study.zone)
    try:
        written = app.delivery.deliver(site, queries, judged.study, links=links, now=now)
    except OSError as error:
        folder = app.config.delivery.folder
        reason = (
            f"stored, but the query list could not be written to {folder} ({error.strerror}); make room or correct "
        )
        reason += f"delivery.folder, then `sync queries export --site {site.slug}`"
        return replace(result, outcome="failed", exit_code=70, reason=reason)
    return replace(result, lists=tuple(str(path) for path in written))


def query_links(
    app: Application, structure: project.ProjectStructure, base_url: str, queries: Iterable[Query]
) -> dict[str, str]:
    """Map query numbers to the pages on which they are answered; built when needed, since versions move on."""
    links = {}
    for query in queries:
        if query.state not in LIVE:
            continue
        link = app.link(
            structure,
            base_url,
            record=query.key.record,
            event=query.site_event,
            instrument=query.site_instrument,
            instance=query.site_instance,
        )
        if link:
            links[query.number] = link
    return links


def _failed(
    app: Application, site: SiteConfig, error: errors.SyncError, *, run_id: str, started: datetime, keep: bool
) -> SiteResult:
    result = SiteResult(site=site.slug, outcome=error.outcome, exit_code=error.exit_code, reason=str(error))
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
        if isinstance(error, errors.BrakeEngaged):
            parked = ParkedRun(site=site.slug, run_id=run_id, parked_at=started, reason=str(error), difference={})
            warehouse.park(parked)
    return result
