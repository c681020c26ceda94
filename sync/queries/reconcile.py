"""Set what a run found against the queries that stand, and decide what to raise, reopen, close or leave.

Pure: judgement and queries in, queries afterwards and ledger drafts out; the shell stores both in the site's
transaction. The order of findings and queries does not matter, a second run over unchanged data writes nothing,
and a run that looks at a query twice counts once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from schemas.coordinates import RowKey
from schemas.study import Severity
from sync.queries import fingerprint, states
from sync.queries.acts import Act, Sight
from sync.queries.model import (
    LIVE,
    Action,
    ActorKind,
    Query,
    QueryEventDraft,
    QueryKey,
    State,
    Trigger,
)
from validators.findings import Condition, Finding, Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Say what a study leaves to the program, and what is locked."""

    #: row 7: close a passing query that was answered as corrected, without a data manager
    close_corrected_answers: bool = False
    site_locked: bool = False
    locked_records: frozenset[str] = frozenset()

    def locks(self, record: str) -> bool:
        """Tell whether new questions about a record need a data manager's release (row 18)."""
        return self.site_locked or record in self.locked_records


class Cells(Protocol):
    """Show cells as they are now; lets a closing event hold the new value beside the old one."""

    def at(self, *, row: RowKey, field: str) -> tuple[str | None, str | None] | None:
        """Give raw and harmonised text of a cell; None where no such cell exists."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """Hold what a run does to one site's queries. Holds values: never log it, log ``counts``."""

    #: to append to the ledger, in this order
    drafts: tuple[QueryEventDraft, ...]
    #: all queries of the site afterwards, by number
    queries: tuple[Query, ...]
    #: first number not given yet
    next_number: int
    #: raised and open to the site
    opened: int
    #: asked again after CLOSED or CANCELLED
    reopened: int
    #: closed by the program
    closed: int
    #: live queries of before for which nothing happened
    unchanged: int
    #: raised (again) as CANDIDATE
    candidates: int
    #: findings that a person's standing decision covers
    accepted: int
    #: answered by the program: data changed, a person looks
    answered: int
    #: candidates whose finding went away
    cancelled: int
    #: findings without a query, held back by a graver one
    held: int

    @property
    def counts(self) -> Mapping[str, int]:
        """Give the numbers alone, fit for logs and JSON."""
        names = ("opened", "reopened", "closed", "unchanged", "candidates", "accepted", "answered")
        return {name: getattr(self, name) for name in (*names, "cancelled", "held")}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Hold what is the same for every query of one reconciliation."""

    judgement: Judgement
    at: datetime
    run_id: str
    complete: bool
    secret: bytes
    actor: str
    policy: Policy
    cells: Cells | None
    gone: frozenset[str]
    ended: frozenset[str]

    def act(self, record: str) -> Act:
        return Act(
            at=self.at,
            actor=self.actor,
            actor_kind=ActorKind.SYSTEM,
            run_id=self.run_id,
            locked=self.policy.locks(record),
            close_corrected=self.policy.close_corrected_answers,
        )

    def sight(self, finding: Finding) -> Sight:
        return Sight(finding=finding, fingerprint=fingerprint.of_finding(finding, key=self.secret))


def number_of(prefix: str, count: int) -> str:
    """Write a query's number: ("ZJJU", 123) -> "ZJJU-000123"."""
    return f"{prefix}-{count:06d}"


def reconcile(
    judgement: Judgement,
    queries: Sequence[Query],
    *,
    study: str,
    project_id: int,
    at: datetime,
    run_id: str,
    complete: bool,
    next_number: int,
    prefix: str,
    secret: bytes,
    actor: str = "syncline",
    policy: Policy | None = None,
    cells: Cells | None = None,
    gone: Collection[str] = (),
    ended: Collection[str] = (),
) -> Reconciled:
    """Reconcile one site's queries with what judging it brought forth.

    ``queries``: all of the site, in any state and order. ``complete``: the judged data are all that the site has,
    so a row that is not there is gone; ``gone`` names records that the site's log proves deleted all the same.
    ``ended``: numbers of queries whose row ended since the last run. What stands at its place now is another matter:
    a live one is closed as not applicable, a decision lapses (row 23), and then the place is looked at.
    ``secret`` keys the fingerprints, ``next_number`` is the first number never given. Queries of another study or
    project are left alone. Raises ValueError where a number would be given twice or a query is another site's.
    """
    run = _Run(
        judgement=judgement,
        at=at,
        run_id=run_id,
        complete=complete,
        secret=secret,
        actor=actor,
        policy=policy or Policy(),
        cells=cells,
        gone=frozenset(gone),
        ended=frozenset(ended),
    )
    _refuse_strangers(judgement, queries)
    found = _by_key(judgement.findings, study=study, project_id=project_id)
    standing = _standing(queries)
    after: list[Query] = []
    drafts: list[QueryEventDraft] = []
    for query in sorted(queries, key=_by_number):
        ours = (query.key.study, query.key.project_id) == (study, project_id)
        moved = query
        written: tuple[QueryEventDraft, ...] = ()
        if ours and query.run_id != run_id:
            finding = found.get(query.key) if standing[query.key] == query.number else None
            moved, over = _end(query, run)
            moved, written = _follow_up(moved, finding, run)
            written = (*over, *written)
        elif not ours and query.state not in LIVE:
            moved, written = _end(query, run)
        after.append(moved)
        drafts += written
    fresh = [key for key in sorted(found) if key not in standing]
    raised = [key for key in fresh if _asks(found[key])]
    taken = {query.number for query in queries}
    for count, key in enumerate(raised, start=next_number):
        if number_of(prefix, count) in taken:
            raise ValueError(f"number {number_of(prefix, count)} was given before")
        sight = run.sight(found[key])
        query, written = states.raise_query(key, number_of(prefix, count), sight, run.act(key.record))
        after.append(query)
        drafts += written
    held = sum(1 for key in fresh if found[key].raises_query and found[key].held_by is not None)
    return _reconciled(queries, after, drafts, next_number=next_number + len(raised), held=held)


def _refuse_strangers(judgement: Judgement, queries: Sequence[Query]) -> None:
    for query in queries:
        if query.key.site != judgement.site:
            raise ValueError(f"{query.number} is not a query of site {judgement.site}")


def _asks(finding: Finding) -> bool:
    """Tell whether the site may be asked now: not a finding for the monitor, not explained by a graver one."""
    return finding.raises_query and finding.held_by is None


def _by_key(findings: Iterable[Finding], *, study: str, project_id: int) -> dict[QueryKey, Finding]:
    """Index findings by query key; of several at one key the one that asks, then the gravest, is taken."""
    found: dict[QueryKey, Finding] = {}
    for finding in sorted(findings, key=_preference, reverse=True):
        row = finding.row
        key = QueryKey(
            study=study,
            site=row.site,
            project_id=project_id,
            record=row.record,
            event=row.event,
            instrument=row.instrument,
            instance=row.instance,
            check=finding.check,
            field=finding.field,
        )
        found[key] = finding
    return found


def _preference(finding: Finding) -> tuple[object, ...]:
    """Order findings at one key, best first, by content alone, so that their order on arrival does not matter."""
    return (
        not _asks(finding),
        list(Severity).index(finding.severity),
        finding.check_version,
        finding.raw or "",
        finding.value or "",
        sorted(finding.message.items()),
        [(e.event, e.instrument, e.instance, e.field, e.raw or "", e.value or "") for e in finding.evidence],
    )


def _by_number(query: Query) -> tuple[int, str]:
    return len(query.number), query.number


def _standing(queries: Sequence[Query]) -> dict[QueryKey, str]:
    """Name the one query that answers for each key: a live one before a finished one, then the latest."""
    order = sorted(queries, key=lambda query: (query.state in LIVE, *_by_number(query)))
    return {query.key: query.number for query in order}


def _end(query: Query, run: _Run) -> tuple[Query, tuple[QueryEventDraft, ...]]:
    """End what a query was about, where its row ended; undecided ones that are finished wait for nothing."""
    if query.number not in run.ended:
        return query, ()
    act = run.act(query.key.record)
    if query.state in LIVE:
        return states.advance(query, Trigger.NOT_APPLICABLE, act)
    return (query, ()) if query.fingerprint_decided is None else states.advance(query, Trigger.LAPSE, act)


def _follow_up(query: Query, finding: Finding | None, run: _Run) -> tuple[Query, tuple[QueryEventDraft, ...]]:
    """Follow up one query by what the run saw at its place."""
    act = run.act(query.key.record)
    if finding is not None:
        if not _asks(finding) and query.state not in LIVE:
            return query, ()  # nothing new is asked about it while it is held back or for the monitor only
        sight = run.sight(finding)
        trigger = states.trigger_of(query, sight.fingerprint)
        return states.advance(query, trigger, replace(act, sight=sight))
    trigger = _unfound(query, run)
    if trigger is Trigger.PASSING and run.cells is not None:
        act = replace(act, now=run.cells.at(row=query.key.row, field=query.key.field))
    return states.advance(query, trigger, act)


def _unfound(query: Query, run: _Run) -> Trigger:
    """Tell what it means that no finding stands at a query's place; in doubt: that nobody looked."""
    key = query.key
    if key.record in run.gone:
        return Trigger.NOT_APPLICABLE
    condition = run.judgement.conditions.at(check=key.check, row=key.row, field=key.field)
    if condition is None:
        proved = run.complete and _carried_out(run.judgement, key.check)
        return Trigger.NOT_APPLICABLE if proved else Trigger.NOT_EVALUATED
    return {
        Condition.PASSING: Trigger.PASSING,
        Condition.NOT_APPLICABLE: Trigger.NOT_APPLICABLE,
    }.get(condition, Trigger.NOT_EVALUATED)


def _carried_out(judgement: Judgement, check: str) -> bool:
    """Tell whether a check ran at all: a row that a broken check did not look for is not proved gone.

    Matters to checks that point at rows which ought to be there (a form or visit that is missing as a whole).
    """
    if check in judgement.errored:  # perhaps only in the part of the site that the row was in
        return False
    return all(c.evaluated > 0 or c.not_evaluated == 0 for c in judgement.coverage if c.check == check)


def _reconciled(
    before: Sequence[Query],
    after: Sequence[Query],
    drafts: Sequence[QueryEventDraft],
    *,
    next_number: int,
    held: int,
) -> Reconciled:
    """Count what the drafts say."""
    moved = {draft.number for draft in drafts}

    def count(*actions: Action, to: State | None = None) -> int:
        return sum(1 for d in drafts if d.action in actions and (to is None or d.to_state is to))

    return Reconciled(
        drafts=tuple(drafts),
        queries=tuple(sorted(after, key=_by_number)),
        next_number=next_number,
        opened=count(Action.RAISED, to=State.OPEN),
        reopened=count(Action.REOPENED, to=State.OPEN),
        closed=count(Action.CLOSED),
        unchanged=sum(1 for query in before if query.state in LIVE and query.number not in moved),
        candidates=count(Action.RAISED, Action.REOPENED, to=State.CANDIDATE),
        accepted=sum(
            1
            for query in after
            if query.state is State.CLOSED and query.reason in states.BOUND and query.condition is Condition.FAILING
        ),
        answered=count(Action.ANSWERED),
        cancelled=count(Action.CANCELLED),
        held=held,
    )
