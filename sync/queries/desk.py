"""Decide for the data manager's desk: each command as a pure function of a query and an act.

Every function gives the query afterwards and the ledger rows to append. It raises IllegalTransition where the
table does not allow the command (the text says what is possible) or something needed is missing, and StaleQuery
where the query is no longer the one that the person looked at. In both cases nothing has happened.

``version`` is the version that the person saw; None takes the query as it is (a command line that names the query
and nothing else). ``act`` holds who, when, the comment and, for answers taken in, the source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sync import errors
from sync.queries import states
from sync.queries.acts import Act
from sync.queries.model import (
    AnswerCode,
    CancelReason,
    CloseReason,
    Query,
    QueryEventDraft,
    Trigger,
)

Decided = tuple[Query, tuple[QueryEventDraft, ...]]
"""A query after a command, and the ledger rows to append."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """Hold what one command does to many queries: a preview until the shell stores it. Holds values."""

    moved: tuple[Query, ...]
    drafts: tuple[QueryEventDraft, ...]
    #: one plain line for each query that does not allow the command
    refused: tuple[str, ...]


def decide(query: Query, trigger: Trigger, act: Act, *, version: int | None = None) -> Decided:
    """Carry out a command given by its trigger; what the trigger needs stands in the act."""
    if version is not None and version != query.version:
        raise errors.StaleQuery(
            f"{query.number} changed since you looked at it (you saw version {version}, it is at "
            f"{query.version}). Look at it again, then decide."
        )
    return states.advance(query, trigger, act)


def decide_all(queries: Sequence[Query], trigger: Trigger, act: Act, *, cap: int) -> Bulk:
    """Carry out one command on many queries, each for itself; nothing at all where there are more than ``cap``.

    Raises BrakeEngaged above the cap. Queries that refuse are named and do not stop the others.
    """
    if len(queries) > cap:
        raise errors.BrakeEngaged(
            f"{trigger} would touch {len(queries)} queries, the cap is {cap}. Nothing was changed: "
            "narrow the filter, or raise the cap."
        )
    moved: list[Query] = []
    drafts: list[QueryEventDraft] = []
    refused: list[str] = []
    for query in queries:
        try:
            after, written = decide(query, trigger, act)
        except errors.IllegalTransition as refusal:
            refused.append(str(refusal))
            continue
        moved.append(after)
        drafts += written
    return Bulk(moved=tuple(moved), drafts=tuple(drafts), refused=tuple(refused))


def answer(
    query: Query, act: Act, *, code: AnswerCode, round: int | None = None, version: int | None = None
) -> Decided:
    """Answer a query (rows 4, 4a). ``round`` is the round that was asked; an older one is refused as stale."""
    if round is not None and round != query.round:
        raise errors.StaleQuery(
            f"{query.number}: the answer is for round {round}, the query is in round {query.round}. "
            "Answer the latest list."
        )
    return decide(query, Trigger.ANSWER, replace(act, answer=code), version=version)


def accept(query: Query, act: Act, *, reason: CloseReason, version: int | None = None) -> Decided:
    """Accept an answer and close with a reason (row 8); *corrected* only while the check passes."""
    return decide(query, Trigger.ACCEPT, replace(act, reason=reason), version=version)


def confirm(query: Query, act: Act, *, version: int | None = None) -> Decided:
    """Answer on the site's behalf that the values are right, and accept it (row 8a)."""
    return decide(query, Trigger.CONFIRM, act, version=version)


def requery(query: Query, act: Act, *, version: int | None = None) -> Decided:
    """Ask once more (row 9); needs a comment."""
    return decide(query, Trigger.REQUERY, act, version=version)


def reopen(query: Query, act: Act, *, version: int | None = None) -> Decided:
    """Open a closed query again (rows 16, 16a); needs a comment."""
    return decide(query, Trigger.REOPEN, act, version=version)


def cancel(query: Query, act: Act, *, reason: CancelReason, version: int | None = None) -> Decided:
    """Withdraw a live query (rows 15, 15b)."""
    return decide(query, Trigger.CANCEL, replace(act, reason=reason), version=version)


def release(query: Query, act: Act, *, version: int | None = None) -> Decided:
    """Let a candidate out to the site (row 2)."""
    return decide(query, Trigger.RELEASE, act, version=version)


def reject(query: Query, act: Act, *, version: int | None = None) -> Decided:
    """Keep a candidate from the site (row 2)."""
    return decide(query, Trigger.REJECT, act, version=version)


def assign(query: Query, act: Act, *, assignee: str, version: int | None = None) -> Decided:
    """Say who is to act (row 19)."""
    return decide(query, Trigger.ASSIGN, replace(act, assignee=assignee), version=version)


def comment(query: Query, act: Act, *, version: int | None = None) -> Decided:
    """Add words to the thread (row 20)."""
    return decide(query, Trigger.COMMENT, act, version=version)


def rename(
    queries: Sequence[Query], names: Mapping[str, str], act: Act
) -> tuple[tuple[Query, ...], tuple[QueryEventDraft, ...]]:
    """Move the keys of renamed records (row 21); ``names``: old record id -> new, as the site's log has them.

    Give all queries back, moved or not, in their order. Swapped names are fine. Where a query would land on the
    place of one that stays, it stays too; its old row being gone, the next complete run closes it.
    """
    movers = _free(queries, names)
    after: list[Query] = []
    drafts: list[QueryEventDraft] = []
    for query in queries:
        if query.number not in movers:
            after.append(query)
            continue
        record = names[query.key.record]
        moved, written = states.advance(query, Trigger.RENAME, replace(act, record=record))
        after.append(moved)
        drafts += written
    return tuple(after), tuple(drafts)


def _free(queries: Sequence[Query], names: Mapping[str, str]) -> frozenset[str]:
    """Name the queries that can move without meeting another; one that cannot may block others in its turn."""
    targets = {
        query.number: replace(query.key, record=names[query.key.record])
        for query in queries
        if names.get(query.key.record, query.key.record) != query.key.record
    }
    while True:
        taken = {query.key for query in queries if query.number not in targets}
        blocked = []
        for number, target in targets.items():
            if target in taken:
                blocked.append(number)
            taken.add(target)
        if not blocked:
            return frozenset(targets)
        for number in blocked:
            del targets[number]
