"""Word the ledger row of a move."""

from sync.queries import transitions
from sync.queries.acts import Act
from sync.queries.model import Action, Query, QueryEventDraft, State, Trigger
from sync.queries.transitions import Row

_BY_COMMAND = {
    Trigger.ANSWER: Action.ANSWERED,
    Trigger.ACCEPT: Action.ACCEPTED,
    Trigger.REQUERY: Action.REQUERIED,
    Trigger.REOPEN: Action.REOPENED,
    Trigger.CANCEL: Action.CANCELLED,
    Trigger.RELEASE: Action.RELEASED,
    Trigger.REJECT: Action.REJECTED,
    Trigger.ASSIGN: Action.ASSIGNED,
    Trigger.COMMENT: Action.COMMENTED,
    Trigger.RENAME: Action.RENAMED,
    Trigger.MOVE: Action.MOVED,
    Trigger.LAPSE: Action.LAPSED,
}

_BY_MACHINE = {
    State.CANDIDATE: Action.REOPENED,
    State.OPEN: Action.REOPENED,
    State.ANSWERED: Action.ANSWERED,
    State.CLOSED: Action.CLOSED,
    State.CANCELLED: Action.CANCELLED,
}


def draft(before: Query | None, after: Query, row: Row, act: Act) -> QueryEventDraft:
    """Word the ledger row of one move."""
    old_raw = old_value = new_raw = new_value = None
    if row.trigger is Trigger.RENAME and before is not None:
        old_value, new_value = before.key.record, after.key.record
    elif row.trigger is Trigger.MOVE and before is not None:
        old_value, new_value = str(before.key.project_id), str(after.key.project_id)
    elif row.trigger in transitions.MACHINE:
        if before is not None:
            old_raw, old_value = before.raw, before.value
        if act.sight is not None:
            new_raw, new_value = after.raw, after.value
        elif act.now is not None:
            new_raw, new_value = act.now
    return QueryEventDraft(
        key=after.key,
        number=after.number,
        version=after.version,
        at=act.at,
        actor=act.actor,
        actor_kind=act.actor_kind,
        trigger=row.trigger,
        action=_action(before, after, row),
        from_state=before.state if before else None,
        to_state=after.state,
        reason=after.reason,
        answer=after.answer,
        assignee=after.assignee,
        round=after.round,
        check_version=after.check_version,
        fingerprint=after.fingerprint,
        fingerprint_answered=after.fingerprint_answered,
        fingerprint_decided=after.fingerprint_decided,
        changed_since_answer=after.changed_since_answer,
        ready_to_close=after.ready_to_close,
        post_lock=after.post_lock,
        by_hand=after.by_hand,
        rule=row.number,
        run_id=act.run_id,
        source=act.source,
        comment=act.comment,
        old_raw=old_raw,
        new_raw=new_raw,
        old_value=old_value,
        new_value=new_value,
    )


def _action(before: Query | None, after: Query, row: Row) -> Action:
    if before is None:
        return Action.RAISED
    if row.trigger not in transitions.MACHINE:
        return _BY_COMMAND[row.trigger]
    return Action.NOTED if before.state is after.state else _BY_MACHINE[after.state]
