"""Move a query along the transition table; the only place where a query's state changes.

``transitions`` says what may happen, this module does it: pure functions from a query and an act to the query
afterwards and what the ledger has to say about it. An illegal act raises and leaves everything as it was (values
are frozen).
"""

from dataclasses import replace
from typing import Any

from sync import errors
from sync.queries import events, transitions, wording
from sync.queries.acts import Act, Sight
from sync.queries.model import (
    ActorKind,
    AnswerCode,
    CancelReason,
    CloseReason,
    Query,
    QueryEventDraft,
    QueryKey,
    Reason,
    State,
    Trigger,
)
from sync.queries.transitions import Guard, Row
from validators.findings import Condition

_CONDITION = {
    Trigger.FAILING_SAME: Condition.FAILING,
    Trigger.FAILING_NEW: Condition.FAILING,
    Trigger.PASSING: Condition.PASSING,
    Trigger.NOT_EVALUATED: Condition.NOT_EVALUATED,
    Trigger.NOT_APPLICABLE: Condition.NOT_APPLICABLE,
}

BOUND = frozenset(
    {
        CloseReason.CONFIRMED,
        CloseReason.DATA_UNAVAILABLE,
        CloseReason.DEVIATION_RECORDED,
        CloseReason.OTHER,
        CancelReason.RAISED_IN_ERROR,
        CancelReason.DUPLICATE,
        CancelReason.REJECTED,
    }
)
"""Reasons that are a person's decision about values: they hold as long as the fingerprint does."""


def trigger_of(query: Query, fingerprint: str) -> Trigger:
    """Tell whether failing values are those that the query's answer or decision was about.

    An ANSWERED query compares with the values of the answer (the system's own answer had none that failed), a
    decision with the values it is bound to, everything else with the values that failed last.
    """
    known: str | None = query.fingerprint
    if query.state is State.ANSWERED:
        known = query.fingerprint_answered
    elif query.reason in BOUND:
        known = query.fingerprint_decided
    return Trigger.FAILING_SAME if known == fingerprint else Trigger.FAILING_NEW


def advance(query: Query, trigger: Trigger, act: Act) -> tuple[Query, tuple[QueryEventDraft, ...]]:
    """Move a query; give it as it is afterwards and the ledger rows to append.

    Rows: none where a run saw nothing new, two for ``confirm``, else one. Raises IllegalTransition (naming number,
    state, trigger and what is legal instead) where the table has no row or a guard does not hold.
    """
    row = _choose(query, trigger, act)
    if row.steps:
        return _advance_in_steps(query, row, act)
    after = _after(query, row, act)
    if trigger in transitions.MACHINE:
        after = _seen(after, trigger, act)
        if _essence(after) == _essence(query):
            return after, ()
    after = replace(after, version=query.version + 1, changed_at=act.at)
    return after, (events.draft(query, after, row, act),)


def raise_query(key: QueryKey, number: str, sight: Sight, act: Act) -> tuple[Query, tuple[QueryEventDraft, ...]]:
    """Raise the query of a finding that has none yet (rows 1 and 18), under a number never given before."""
    finding = sight.finding
    act = replace(act, sight=sight)
    rows = transitions.rows_for(None, None, Trigger.FAILING_NEW)
    row = next(row for row in rows if all(_holds(guard, None, act) for guard in row.guards))
    opened = row.target is State.OPEN
    query = Query(
        key=key,
        number=number,
        site_field=finding.site_field,
        severity=finding.severity,
        state=row.target,
        condition=Condition.FAILING,
        round=1 if opened else 0,
        version=1,
        message=finding.message,
        check_version=finding.check_version,
        fingerprint=sight.fingerprint,
        post_lock=act.locked,
        raised_at=act.at,
        opened_at=act.at if opened else None,
        changed_at=act.at,
        evaluated_at=act.at,
    )
    query = _seen(query, Trigger.FAILING_NEW, act)
    return query, (events.draft(None, query, row, act),)


def _choose(query: Query, trigger: Trigger, act: Act) -> Row:
    """Find the first row that fits, or say in plain words why there is none."""
    given = act.reason if trigger in transitions.REASONED else None
    where = f"{query.number} is {_named(query.state, query.reason)}: {_named(trigger, given)}"
    if act.actor_kind not in transitions.WHO[trigger]:
        who = " or ".join(sorted(transitions.WHO[trigger]))
        raise errors.IllegalTransition(f"{where} is for {who}, not for {act.actor_kind}.")
    rows = transitions.rows_for(query.state, query.reason, trigger)
    if not rows:
        instead = ", ".join(transitions.legal(query.state, query.reason))
        raise errors.IllegalTransition(f"{where} is not possible here; possible: {instead}.")
    if trigger in transitions.REASONED:
        reasons = ", ".join(str(row.reason) for row in rows)
        rows = tuple(row for row in rows if row.reason == act.reason)
        if not rows:
            raise errors.IllegalTransition(f"{where} is not possible here; it takes a reason: {reasons}.")
    for row in rows:
        if all(_holds(guard, query, act) for guard in row.guards):
            return row
    missing = "; ".join(guard for guard in rows[-1].guards if not _holds(guard, query, act))
    raise errors.IllegalTransition(f"{where} is possible only if {missing}.{_hint(rows[-1], query)}")


def _named(word: State | Trigger, reason: Reason | None) -> str:
    return f"{word} ({reason})" if reason else str(word)


def _hint(row: Row, query: Query) -> str:
    """Add what to do about a guard that two readers in three will ask about."""
    if Guard.PASSING in row.guards:
        return f" It was last seen {query.condition}."
    if Guard.SAME_VALUES in row.guards:
        return " They changed: requery, or confirm on the site's behalf."
    return ""


def _holds(guard: Guard, query: Query | None, act: Act) -> bool:
    """Ask one guard. The machine's guards read the finding, those of commands the act or the query."""
    review = act.sight is not None and act.sight.finding.review_before_release
    facts = {
        Guard.REVIEW: review,
        Guard.LOCKED: act.locked,
        Guard.POLICY: False,
        Guard.COMMENT: bool((act.comment or "").strip()),
        Guard.ANSWER: act.answer in transitions.HUMAN_ANSWERS
        and (act.answer is not AnswerCode.OTHER or bool((act.comment or "").strip())),
        Guard.ASSIGNEE: bool((act.assignee or "").strip()),
        Guard.NEW_NAME: bool(act.record),
        Guard.NEW_PROJECT: act.project_id is not None and bool(act.study),
        Guard.NOT_SITE: act.actor_kind is not ActorKind.SITE,
    }
    if query is not None:
        facts |= {
            Guard.UNASKED_REVIEW: review and query.round == 0,
            Guard.AUTO_CLOSE: query.auto_close,
            Guard.BY_HAND: query.by_hand,
            Guard.POLICY: act.close_corrected and query.answer is AnswerCode.CORRECTED,
            Guard.PASSING: query.condition is Condition.PASSING,
            Guard.SAME_VALUES: not query.changed_since_answer,
        }
    return facts[guard]


def _advance_in_steps(query: Query, row: Row, act: Act) -> tuple[Query, tuple[QueryEventDraft, ...]]:
    """Carry out a row that is made of others, e.g. ``confirm`` = answer + accept."""
    drafts: tuple[QueryEventDraft, ...] = ()
    for step in row.steps:
        answer = AnswerCode.CONFIRMED if step is Trigger.ANSWER else None
        query, more = advance(query, step, replace(act, answer=answer, reason=row.reason))
        drafts += more
    return query, drafts


def _after(query: Query, row: Row, act: Act) -> Query:
    """Apply a row's target, before what the machine saw is written in."""
    if row.trigger is Trigger.ANSWER:
        return _answered(query, act)
    if row.target is query.state:
        return _annotated(query, row, act)
    if row.target in (State.CANDIDATE, State.OPEN):
        return _asked(query, row, act)
    if row.target is State.ANSWERED:  # row 3: the system's own answer
        return replace(query, state=State.ANSWERED, answer=AnswerCode.DATA_CHANGED)
    return replace(
        query,
        state=row.target,
        reason=row.reason,
        fingerprint_decided=query.fingerprint if row.reason in BOUND else None,
        changed_since_answer=False,
        ready_to_close=False,
        by_hand=False,
    )


def _annotated(query: Query, row: Row, act: Act) -> Query:
    """Apply a command that keeps the state."""
    if row.trigger is Trigger.ASSIGN:
        return replace(query, assignee=act.assignee)
    if row.trigger is Trigger.RENAME and act.record:
        return replace(query, key=replace(query.key, record=act.record))
    if row.trigger is Trigger.MOVE and act.project_id is not None and act.study:
        return replace(query, key=replace(query.key, project_id=act.project_id, study=act.study))
    if row.trigger is Trigger.LAPSE:
        return replace(query, fingerprint_decided=None)
    return query


def _asked(query: Query, row: Row, act: Act) -> Query:
    """Begin a new round, or go (back) among the candidates: earlier answers and decisions no longer count."""
    opened = row.target is State.OPEN
    human = row.trigger not in transitions.MACHINE
    # of a decision whose row ended nothing is recalled: it was about another matter, perhaps another patient
    is_bound = query.fingerprint_decided is not None
    lapsed = query.reason if not human and is_bound and query.reason in wording.RECALLED else None
    return replace(
        query,
        state=row.target,
        reason=None,
        round=query.round + 1 if opened else query.round,
        opened_at=act.at if opened else query.opened_at,
        answer=None,
        fingerprint_answered=None,
        fingerprint_decided=None,
        changed_since_answer=False,
        ready_to_close=False,
        post_lock=query.post_lock if human else act.locked,
        by_hand=human and query.condition is Condition.PASSING,
        lapsed=lapsed,
        lapsed_raw=query.raw if lapsed else None,
    )


def _answered(query: Query, act: Act) -> Query:
    """Take in a person's answer: it is bound to the values that last failed."""
    return replace(
        query,
        state=State.ANSWERED,
        answer=act.answer,
        fingerprint_answered=query.fingerprint,
        changed_since_answer=False,
        ready_to_close=query.condition is Condition.PASSING,
        by_hand=False,
    )


def _seen(query: Query, trigger: Trigger, act: Act) -> Query:
    """Write in what the machine saw; it changes no state, but may raise or lower a flag."""
    told = trigger is not Trigger.NOT_EVALUATED
    changes: dict[str, Any] = {
        "condition": _CONDITION[trigger],
        "run_id": act.run_id,
        "evaluated_at": act.at if told else query.evaluated_at,
    }
    failing = trigger in (Trigger.FAILING_SAME, Trigger.FAILING_NEW)
    if failing:
        changes["by_hand"] = False
    if query.state is State.ANSWERED and failing:
        changes["changed_since_answer"] = trigger is Trigger.FAILING_NEW
        changes["ready_to_close"] = False
    elif query.state is State.ANSWERED and trigger is Trigger.PASSING:
        changes["ready_to_close"] = True
    if failing and act.sight is not None:
        finding = act.sight.finding
        changes |= {
            "fingerprint": act.sight.fingerprint,
            "site_field": finding.site_field,
            "severity": finding.severity,
            "message": wording.recalled(finding.message, lapsed=query.lapsed, then=query.lapsed_raw, now=finding.raw),
            "check_version": finding.check_version,
            "auto_close": finding.auto_close,
            "raw": finding.raw,
            "value": finding.value,
            "unit": finding.unit,
            "site_event": finding.site_event,
            "site_instrument": finding.site_instrument,
            "site_instance": finding.site_instance,
        }
    return replace(query, **changes)


def _essence(query: Query) -> tuple[object, ...]:
    """Give what makes a run's sight worth a ledger row."""
    return (
        query.state,
        query.reason,
        query.round,
        query.fingerprint,
        query.changed_since_answer,
        query.ready_to_close,
        query.by_hand,
    )
