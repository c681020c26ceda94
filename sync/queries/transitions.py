"""Hold the transition table: every move a query can make, and nothing moves without its row.

Read a row as: *from this state (where it matters: closed or cancelled for one of these reasons), on this trigger,
if these guards hold, to that state with that reason.* Rows of one state and trigger are tried from the top; the
first that fits counts. What has no row is illegal (``states.advance`` says so and leaves the query as it was).
The five machine triggers have a row in every state, so a run never meets an illegal move.

Numbers 1–18 are those of the reference (queries 8.3); a letter behind a number, and numbers from 19, are cases that
the reference leaves open, with our reason in the note. The page docs/reference/states.md is drawn from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType

from sync.queries.model import ActorKind, AnswerCode, CancelReason, CloseReason, Reason, State, Trigger

MACHINE = (
    Trigger.FAILING_SAME,
    Trigger.FAILING_NEW,
    Trigger.PASSING,
    Trigger.NOT_EVALUATED,
    Trigger.NOT_APPLICABLE,
)
"""What a run can see; everything else is a command, a rename, a move to another project or a row's end."""


@unique
class Guard(StrEnum):
    """Name a condition of a row; the text completes "only if …" in messages and on the docs page."""

    REVIEW = "the check is reviewed before release"
    UNASKED_REVIEW = "the check is reviewed before release and the site was never asked"
    LOCKED = "the site or record is locked"
    AUTO_CLOSE = "the check closes by itself"
    BY_HAND = "a person asked although the check passed, and it has not failed since"
    POLICY = "the policy closes passing queries that were answered as corrected"
    PASSING = "the check is seen to pass now"
    SAME_VALUES = "the values are still those that were answered"
    COMMENT = "a comment says why"
    ANSWER = "an answer code of a person is given, with a comment where the code is other"
    ASSIGNEE = "somebody is named"
    NEW_NAME = "the record's new name is given"
    NEW_PROJECT = "the site's new project and its study are given"
    NOT_SITE = "the actor is not of the site, which does not see candidates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one row of the table."""

    number: str
    #: None: there is no query yet
    source: State | None
    #: reasons of the source to which the row is limited; empty: any
    among: tuple[Reason, ...]
    trigger: Trigger
    target: State
    #: of the target; None keeps the source's where the state stays, else there is none
    reason: Reason | None
    guards: tuple[Guard, ...]
    note: str
    #: triggers carried out one after the other in place of the row's own
    steps: tuple[Trigger, ...] = ()


_SEEN_AGAIN = (Trigger.FAILING_SAME, Trigger.FAILING_NEW)
_ACCEPTED = (CloseReason.CONFIRMED, CloseReason.DATA_UNAVAILABLE, CloseReason.DEVIATION_RECORDED)
_CHECK_GONE = (CancelReason.CHECK_RETIRED, CancelReason.CHECK_CHANGED)
_UNDECIDED = (*_CHECK_GONE, CancelReason.AUTO)
_ANYWHERE = (State.CANDIDATE, State.OPEN, State.ANSWERED, State.CLOSED, State.CANCELLED)
_LIVE = (State.CANDIDATE, State.OPEN, State.ANSWERED)


def _rows(
    number: str,
    source: State | tuple[State, ...] | None,
    trigger: Trigger | tuple[Trigger, ...],
    target: State | None,
    note: str,
    *guards: Guard,
    among: tuple[Reason, ...] = (),
    reason: Reason | None = None,
    steps: tuple[Trigger, ...] = (),
) -> tuple[Row, ...]:
    """Write out the rows of several sources and triggers at once; a target of None means: stays."""
    sources = source if isinstance(source, tuple) else (source,)
    triggers = trigger if isinstance(trigger, tuple) else (trigger,)
    return tuple(
        Row(
            number=number,
            source=start,
            among=among,
            trigger=event,
            target=target or start or State.OPEN,
            reason=reason,
            guards=guards,
            note=note,
            steps=steps,
        )
        for start in sources
        for event in triggers
    )


# fmt: off
_NONE: tuple[Row, ...] = (
    *_rows("18", None, Trigger.FAILING_NEW, State.CANDIDATE,
           "no silent query after the lock: a person decides; flagged post_lock", Guard.LOCKED),
    *_rows("1", None, Trigger.FAILING_NEW, State.CANDIDATE,
           "a person looks before the site is asked; held back while a graver finding explains it", Guard.REVIEW),
    *_rows("1", None, Trigger.FAILING_NEW, State.OPEN,
           "the site is asked; held back while a graver finding explains it"),
)

_CANDIDATE: tuple[Row, ...] = (
    *_rows("2", State.CANDIDATE, Trigger.RELEASE, State.OPEN, "the site is asked from now on"),
    *_rows("2", State.CANDIDATE, Trigger.REJECT, State.CANCELLED,
           "bound to the values: rejected is not asked again for them", reason=CancelReason.REJECTED),
    *_rows("2", State.CANDIDATE, Trigger.PASSING, State.CANCELLED,
           "solved before anybody was asked", reason=CancelReason.AUTO),
    *_rows("2a", State.CANDIDATE, Trigger.NOT_APPLICABLE, State.CANCELLED,
           "nothing left to ask; the site never saw it, so there is nothing to close", reason=CancelReason.AUTO),
    *_rows("2b", State.CANDIDATE, _SEEN_AGAIN, None, "still waits for a person; other values are noted"),
)

_OPEN: tuple[Row, ...] = (
    *_rows("3a", State.OPEN, Trigger.PASSING, None,
           "else the next night would undo a data manager's question before the site has seen it", Guard.BY_HAND),
    *_rows("3", State.OPEN, Trigger.PASSING, State.CLOSED,
           "by the system, with old and new value", Guard.AUTO_CLOSE, reason=CloseReason.CORRECTED),
    *_rows("3", State.OPEN, Trigger.PASSING, State.ANSWERED,
           "by the system: data changed; a person looks, flagged ready_to_close"),
    *_rows("3b", State.OPEN, _SEEN_AGAIN, None, "still asked; other values that fail as well are noted"),
    *_rows("4", State.OPEN, Trigger.ANSWER, State.ANSWERED,
           "the answer is bound to the values it was given for", Guard.ANSWER),
)

_ANSWERED: tuple[Row, ...] = (
    *_rows("4a", State.ANSWERED, Trigger.ANSWER, None,
           "a site may amend its answer until it is accepted; the later one counts, both stay in the ledger",
           Guard.ANSWER),
    *_rows("5", State.ANSWERED, Trigger.FAILING_SAME, None, "the machine never re-opens an answered query"),
    *_rows("6", State.ANSWERED, Trigger.FAILING_NEW, None, "flagged changed_since_answer for the data manager"),
    *_rows("7", State.ANSWERED, Trigger.PASSING, State.CLOSED,
           "the site said corrected, and it is", Guard.POLICY, reason=CloseReason.CORRECTED),
    *_rows("7", State.ANSWERED, Trigger.PASSING, None, "flagged ready_to_close for the data manager"),
    *_rows("8", State.ANSWERED, Trigger.ACCEPT, State.CLOSED,
           "corrected is what the data show, not what the answer says", Guard.PASSING,
           reason=CloseReason.CORRECTED),
    *_rows("8", State.ANSWERED, Trigger.ACCEPT, State.CLOSED,
           "binds to the fingerprint; where the values changed since, the site has not confirmed the present ones: "
           "requery, or confirm on its behalf", Guard.SAME_VALUES, reason=CloseReason.CONFIRMED),
    *_rows("8", State.ANSWERED, Trigger.ACCEPT, State.CLOSED,
           "binds to the fingerprint", reason=CloseReason.DATA_UNAVAILABLE),
    *_rows("8", State.ANSWERED, Trigger.ACCEPT, State.CLOSED,
           "binds to the fingerprint", reason=CloseReason.DEVIATION_RECORDED),
    *_rows("8", State.ANSWERED, Trigger.ACCEPT, State.CLOSED,
           "binds to the fingerprint; other says nothing without words", Guard.COMMENT, reason=CloseReason.OTHER),
    *_rows("8a", (State.OPEN, State.ANSWERED), Trigger.CONFIRM, State.CLOSED,
           "an answer on the site's behalf, then accepted: two events; binds to the present fingerprint",
           reason=CloseReason.CONFIRMED, steps=(Trigger.ANSWER, Trigger.ACCEPT)),
    *_rows("9", State.ANSWERED, Trigger.REQUERY, State.OPEN, "the site is asked once more", Guard.COMMENT),
    *_rows("13", (State.OPEN, State.ANSWERED), Trigger.NOT_APPLICABLE, State.CLOSED,
           "by the system: hidden by branching, visit missed, row gone from a complete pull",
           reason=CloseReason.NOT_APPLICABLE),
)

_CLOSED: tuple[Row, ...] = (
    *_rows("18", State.CLOSED, _SEEN_AGAIN, State.CANDIDATE,
           "would be asked again, but after the lock a person decides; flagged post_lock", Guard.LOCKED,
           among=(CloseReason.CORRECTED, CloseReason.NOT_APPLICABLE)),
    *_rows("10", State.CLOSED, _SEEN_AGAIN, State.OPEN,
           "same number; corrected was no person's decision about these values", among=(CloseReason.CORRECTED,)),
    *_rows("13a", State.CLOSED, _SEEN_AGAIN, State.OPEN,
           "applies and fails again, whatever its values", among=(CloseReason.NOT_APPLICABLE,)),
    *_rows("11", State.CLOSED, Trigger.FAILING_SAME, None, "accepted: stands in the accepted listing",
           among=_ACCEPTED),
    *_rows("11a", State.CLOSED, Trigger.FAILING_SAME, None,
           "a person's decision like the three of row 11, and so bound to the values", among=(CloseReason.OTHER,)),
    *_rows("18", State.CLOSED, Trigger.FAILING_NEW, State.CANDIDATE,
           "would be asked again, but after the lock a person decides; flagged post_lock", Guard.LOCKED,
           among=(*_ACCEPTED, CloseReason.OTHER)),
    *_rows("12", State.CLOSED, Trigger.FAILING_NEW, State.OPEN,
           "decided before on other values or under another major version of the check", among=_ACCEPTED),
    *_rows("12a", State.CLOSED, Trigger.FAILING_NEW, State.OPEN,
           "decided before on other values or under another major version", among=(CloseReason.OTHER,)),
    *_rows("13b", State.CLOSED, (Trigger.PASSING, Trigger.NOT_APPLICABLE), None,
           "closed is closed; the reason stays what it was at the time"),
    *_rows("16", State.CLOSED, Trigger.REOPEN, State.OPEN, "a person asks again", Guard.COMMENT),
)

_CANCELLED: tuple[Row, ...] = (
    *_rows("17", State.CANCELLED, Trigger.FAILING_SAME, None,
           "the finding was called wrong for these values", among=(CancelReason.RAISED_IN_ERROR,)),
    *_rows("17a", State.CANCELLED, Trigger.FAILING_SAME, None,
           "a person's decision about these values, as in row 17",
           among=(CancelReason.DUPLICATE, CancelReason.REJECTED)),
    *_rows("18", State.CANCELLED, Trigger.FAILING_SAME, State.CANDIDATE,
           "would be asked again, but after the lock a person decides; flagged post_lock", Guard.LOCKED,
           among=_UNDECIDED),
    *_rows("18", State.CANCELLED, Trigger.FAILING_NEW, State.CANDIDATE,
           "would be asked again, but after the lock a person decides; flagged post_lock", Guard.LOCKED),
    *_rows("17b", State.CANCELLED, Trigger.FAILING_SAME, State.CANDIDATE,
           "as when first raised: a person looks before the site is asked", Guard.UNASKED_REVIEW,
           among=_UNDECIDED),
    *_rows("17b", State.CANCELLED, Trigger.FAILING_NEW, State.CANDIDATE,
           "as when first raised: a person looks before the site is asked", Guard.UNASKED_REVIEW),
    *_rows("17", State.CANCELLED, Trigger.FAILING_NEW, State.OPEN,
           "other values fail: rule 12", among=(CancelReason.RAISED_IN_ERROR,)),
    *_rows("17c", State.CANCELLED, Trigger.FAILING_NEW, State.OPEN,
           "other values fail: whatever stood for it before may not cover them",
           among=(CancelReason.DUPLICATE, CancelReason.REJECTED)),
    *_rows("15a", State.CANCELLED, _SEEN_AGAIN, State.OPEN,
           "it was the check that went, not a decision about values; it is in service and fails, so the site is asked",
           among=_CHECK_GONE),
    *_rows("2c", State.CANCELLED, _SEEN_AGAIN, State.OPEN,
           "nobody ever decided: as when first raised", among=(CancelReason.AUTO,)),
    *_rows("17d", State.CANCELLED, (Trigger.PASSING, Trigger.NOT_APPLICABLE), None, "withdrawn stays withdrawn"),
    *_rows("16a", State.CANCELLED, Trigger.REOPEN, State.OPEN,
           "a slip of the hand must be reparable: the same values would never be asked again by themselves",
           Guard.COMMENT, among=(CancelReason.RAISED_IN_ERROR, CancelReason.DUPLICATE)),
    *_rows("16a", State.CANCELLED, Trigger.REOPEN, State.CANDIDATE,
           "back where it was rejected; the site has still not seen it",
           Guard.COMMENT, among=(CancelReason.REJECTED,)),
)

_EVERYWHERE: tuple[Row, ...] = (
    *_rows("14", _ANYWHERE, Trigger.NOT_EVALUATED, None,
           "not looked at is not passed: never closes, never opens; evaluated_at ages"),
    *_rows("15", _LIVE, Trigger.CANCEL, State.CANCELLED,
           "only by command, after a preview", reason=CancelReason.CHECK_RETIRED),
    *_rows("15", _LIVE, Trigger.CANCEL, State.CANCELLED,
           "only by command, after a preview", reason=CancelReason.CHECK_CHANGED),
    *_rows("15b", _LIVE, Trigger.CANCEL, State.CANCELLED,
           "withdrawn by a person, bound to the values", reason=CancelReason.RAISED_IN_ERROR),
    *_rows("15b", _LIVE, Trigger.CANCEL, State.CANCELLED,
           "withdrawn by a person, bound to the values", reason=CancelReason.DUPLICATE),
    *_rows("19", _LIVE, Trigger.ASSIGN, None, "only where somebody still has to act", Guard.ASSIGNEE),
    *_rows("20", State.CANDIDATE, Trigger.COMMENT, None, "words for the thread", Guard.COMMENT, Guard.NOT_SITE),
    *_rows("20", _ANYWHERE[1:], Trigger.COMMENT, None, "words for the thread", Guard.COMMENT),
    *_rows("21", _ANYWHERE, Trigger.RENAME, None,
           "the record has a new name at the site: the key moves, number and thread stay", Guard.NEW_NAME),
    *_rows("22", _ANYWHERE, Trigger.MOVE, None,
           "the site has another project, a person accepted it, and the same check was judged at the same place there: "
           "the key moves, number, thread and decision stay", Guard.NEW_PROJECT),
    *_rows("23", (State.CLOSED, State.CANCELLED), Trigger.LAPSE, None,
           "the row that was decided on ended (deleted, or its record's name went to another patient): the reason "
           "stays what it was, but covers nothing that comes to its place; rows 12, 12a, 17 and 17c ask about that"),
)
# fmt: on

ROWS: tuple[Row, ...] = _NONE + _CANDIDATE + _OPEN + _ANSWERED + _CLOSED + _CANCELLED + _EVERYWHERE
"""The table, in the order in which rows of one state and trigger are tried."""

_SYSTEM = frozenset({ActorKind.SYSTEM})
_DM = frozenset({ActorKind.DM})
_VOICES = frozenset({ActorKind.DM, ActorKind.SITE, ActorKind.IMPORT})

WHO: Mapping[Trigger, frozenset[ActorKind]] = MappingProxyType(
    dict.fromkeys(Trigger, _DM)
    | dict.fromkeys(MACHINE, _SYSTEM)
    | {
        Trigger.ANSWER: _VOICES,
        Trigger.COMMENT: _VOICES,
        Trigger.RENAME: _SYSTEM | _DM,
        Trigger.MOVE: _SYSTEM,
        Trigger.LAPSE: _SYSTEM,
    }
)
"""Who may set off what: a site answers and comments, decisions are the data manager's, sights the program's."""

REASONED = frozenset({Trigger.ACCEPT, Trigger.CANCEL})
"""Triggers that the actor gives a reason with; it has to be the reason of the row."""

HUMAN_ANSWERS = frozenset(AnswerCode) - {AnswerCode.DATA_CHANGED}
"""Codes that a person can answer with."""


def rows_for(state: State | None, reason: Reason | None, trigger: Trigger) -> tuple[Row, ...]:
    """Find the rows of a state (and its reason) and a trigger, in order; empty where the move is illegal."""
    return tuple(row for row in _BY_PAIR.get((state, trigger), ()) if not row.among or reason in row.among)


def legal(state: State, reason: Reason | None) -> tuple[Trigger, ...]:
    """List the commands that a query in this state has rows for (guards not asked), in the enum's order."""
    commands = (t for t in Trigger if t not in (*MACHINE, Trigger.RENAME, Trigger.MOVE, Trigger.LAPSE))
    return tuple(trigger for trigger in commands if rows_for(state, reason, trigger))


def _index() -> Mapping[tuple[State | None, Trigger], tuple[Row, ...]]:
    pairs: dict[tuple[State | None, Trigger], tuple[Row, ...]] = {}
    for row in ROWS:
        pair = (row.source, row.trigger)
        pairs[pair] = (*pairs.get(pair, ()), row)
    return MappingProxyType(pairs)


_BY_PAIR = _index()
