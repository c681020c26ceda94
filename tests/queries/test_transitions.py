"""Walk through the whole table: every state, every reason, every trigger, legal or not."""

import itertools
from dataclasses import replace

import pytest

from sync import errors
from sync.queries import diagram, states, transitions
from sync.queries.model import (
    LIVE,
    ActorKind,
    AnswerCode,
    CancelReason,
    CloseReason,
    Reason,
    State,
    Trigger,
)
from tests.queries import samples
from validators.findings import Condition

STANDS = diagram.stands()
SIGHTS = {
    Trigger.FAILING_SAME: samples.sight(samples.finding()),
    Trigger.FAILING_NEW: samples.sight(samples.finding(raw="799")),
}
REASONS: dict[Trigger, tuple[Reason | None, ...]] = {
    Trigger.ACCEPT: (*CloseReason, *CancelReason),
    Trigger.CANCEL: (*CloseReason, *CancelReason),
}


def act_for(trigger: Trigger, reason: Reason | None = None):
    if trigger in transitions.MACHINE:
        return samples.system(sight=SIGHTS.get(trigger), run_id="run-9")
    kind = ActorKind.SYSTEM if ActorKind.DM not in transitions.WHO[trigger] else ActorKind.DM
    return samples.dm(
        actor_kind=kind,
        reason=reason,
        answer=AnswerCode.CONFIRMED,
        assignee="crc.lin",
        record="ZJJU-900",
        project_id=18,
        study="sle",
    )


#: what every pair of state (and reason) and command leads to; written by hand, apart from the table.
#: (target, reason after) for each given reason, None for refused
C, Q, A, X, N = State.CANDIDATE, State.OPEN, State.ANSWERED, State.CLOSED, State.CANCELLED
PERSON_CANCELS = (
    CancelReason.RAISED_IN_ERROR,
    CancelReason.DUPLICATE,
    CancelReason.CHECK_RETIRED,
    CancelReason.CHECK_CHANGED,
)
DECIDED = (
    CloseReason.CONFIRMED,
    CloseReason.DATA_UNAVAILABLE,
    CloseReason.DEVIATION_RECORDED,
    CloseReason.OTHER,
)


def expected(state, reason, trigger, given, condition):
    stay = (state, reason)
    match trigger:
        case Trigger.NOT_EVALUATED | Trigger.COMMENT | Trigger.RENAME | Trigger.MOVE:
            return stay
        case Trigger.LAPSE:
            return None if state in LIVE else stay
        case Trigger.ASSIGN:
            return stay if state in LIVE else None
        case Trigger.ANSWER:
            return (A, None) if state in (Q, A) else None
        case Trigger.CONFIRM:
            return (X, CloseReason.CONFIRMED) if state in (Q, A) else None
        case Trigger.REQUERY:
            return (Q, None) if state is A else None
        case Trigger.RELEASE:
            return (Q, None) if state is C else None
        case Trigger.REJECT:
            return (N, CancelReason.REJECTED) if state is C else None
        case Trigger.REOPEN:
            if state is X or reason in (CancelReason.RAISED_IN_ERROR, CancelReason.DUPLICATE):
                return (Q, None)
            return (C, None) if reason is CancelReason.REJECTED else None
        case Trigger.CANCEL:
            return (N, given) if state in LIVE and given in PERSON_CANCELS else None
        case Trigger.ACCEPT:
            if state is not A:
                return None
            if given is CloseReason.CORRECTED:
                return (X, given) if condition is Condition.PASSING else None
            return (X, given) if given in DECIDED else None
        case Trigger.PASSING:
            return {C: (N, CancelReason.AUTO), Q: (X, CloseReason.CORRECTED)}.get(state, stay)
        case Trigger.NOT_APPLICABLE:
            gone = (X, CloseReason.NOT_APPLICABLE)
            return {C: (N, CancelReason.AUTO), Q: gone, A: gone}.get(state, stay)
        case Trigger.FAILING_SAME:
            return stay if state in LIVE or reason in states.BOUND else (Q, None)
        case Trigger.FAILING_NEW:
            return stay if state in LIVE else (Q, None)


CASES = [
    (stand, trigger, given, condition)
    for stand, trigger in itertools.product(STANDS, Trigger)
    for given in REASONS.get(trigger, (None,))
    for condition in (tuple(Condition) if trigger is Trigger.ACCEPT else (Condition.FAILING,))
]


def test_every_state_reason_and_trigger_does_what_is_written_here():
    for (state, reason), trigger, given, condition in CASES:
        before = samples.query(state, reason, condition=condition)
        wanted = expected(state, reason, trigger, given, condition)
        case = f"{state} {reason} {trigger} {given} {condition}"
        if wanted is None:
            with pytest.raises(errors.IllegalTransition) as refusal:
                states.advance(before, trigger, act_for(trigger, given))
            assert before == samples.query(state, reason, condition=condition), case
            assert before.number in str(refusal.value), case
            assert str(state) in str(refusal.value), case
            assert str(trigger) in str(refusal.value), case
        else:
            after, drafts = states.advance(before, trigger, act_for(trigger, given))
            assert (after.state, after.reason) == wanted, case
            assert after.version == before.version + len(drafts), case
            assert after.number == before.number, case


def test_rounds_count_openings_only():
    for (state, reason), trigger, given, condition in CASES:
        before = samples.query(state, reason, condition=condition)
        try:
            after, _ = states.advance(before, trigger, act_for(trigger, given))
        except errors.IllegalTransition:
            continue
        opened = after.state is State.OPEN and state is not State.OPEN
        assert after.round == before.round + opened
        assert (after.opened_at != before.opened_at) is opened or after.opened_at == before.opened_at


def test_reasons_stand_at_finished_queries_and_only_there():
    for (state, reason), trigger, given, condition in CASES:
        try:
            after, drafts = states.advance(
                samples.query(state, reason, condition=condition), trigger, act_for(trigger, given)
            )
        except errors.IllegalTransition:
            continue
        assert (after.reason is None) is (after.state in LIVE)
        for draft in drafts:
            assert (draft.reason is None) is (draft.to_state in LIVE)


def test_a_run_never_meets_an_illegal_move():
    for (state, reason), trigger in itertools.product(STANDS, transitions.MACHINE):
        rows = transitions.rows_for(state, reason, trigger)
        assert rows
        assert not rows[-1].guards, "the last row takes what is left"
        assert all(row.guards for row in rows[:-1]), "no row is hidden behind one above it"


def test_every_command_by_every_kind_of_actor():
    for (state, reason), trigger, kind in itertools.product(STANDS, Trigger, ActorKind):
        if kind in transitions.WHO[trigger]:
            continue
        before = samples.query(state, reason)
        with pytest.raises(errors.IllegalTransition, match=f"not for {kind}"):
            states.advance(before, trigger, samples.dm(actor_kind=kind))


def test_every_row_is_reached_by_some_query():
    """No row is hidden for good behind others: walk all cases, with the machine's guards on and off."""
    reached = {row for row in transitions.ROWS if row.source is None}
    for (stand, trigger, given, condition), switches in itertools.product(
        CASES, itertools.product((False, True), repeat=5)
    ):
        by_hand, auto_close, locked, review, policy = switches
        if any(switches) and trigger not in transitions.MACHINE:
            continue
        before = samples.query(*stand, condition=condition, by_hand=by_hand, auto_close=auto_close)
        before = replace(before, answer=AnswerCode.CORRECTED)
        act = replace(act_for(trigger, given), locked=locked, close_corrected=policy)
        if act.sight is not None:
            act = replace(act, sight=samples.sight(samples.finding(raw=act.sight.finding.raw, review=review)))
        try:
            reached.add(states._choose(before, trigger, act))
        except errors.IllegalTransition:
            continue
    assert set(transitions.ROWS) - reached == set()


def test_all_numbers_of_the_reference_are_there():
    assert {str(n) for n in range(1, 19)} <= {row.number for row in transitions.ROWS}


def test_a_refusal_says_what_is_possible_instead():
    with pytest.raises(errors.IllegalTransition) as refusal:
        states.advance(samples.query(State.OPEN), Trigger.REQUERY, samples.dm())
    text = str(refusal.value)
    assert "ZJJU-000001 is OPEN: requery is not possible here" in text
    assert "answer" in text
    assert "confirm" in text
    assert "812" not in text


@pytest.mark.parametrize(
    ("state", "reason", "trigger"),
    [
        (State.ANSWERED, None, Trigger.REQUERY),
        (State.CLOSED, CloseReason.CONFIRMED, Trigger.REOPEN),
        (State.CANCELLED, CancelReason.DUPLICATE, Trigger.REOPEN),
        (State.OPEN, None, Trigger.COMMENT),
    ],
)
@pytest.mark.parametrize("comment", [None, "", "  "])
def test_commands_that_need_words_say_so(state, reason, trigger, comment):
    with pytest.raises(errors.IllegalTransition, match="a comment says why"):
        states.advance(samples.query(state, reason), trigger, samples.dm(comment))


def test_a_passing_check_blocks_no_reason_but_a_failing_one_blocks_corrected():
    answered = samples.query(State.ANSWERED, condition=Condition.NOT_EVALUATED)
    with pytest.raises(errors.IllegalTransition, match="last seen NOT_EVALUATED"):
        states.advance(answered, Trigger.ACCEPT, samples.dm(reason=CloseReason.CORRECTED))


def test_accepting_as_confirmed_needs_the_values_that_were_answered():
    changed = samples.query(State.ANSWERED, changed_since_answer=True)
    with pytest.raises(errors.IllegalTransition, match="requery, or confirm"):
        states.advance(changed, Trigger.ACCEPT, samples.dm(reason=CloseReason.CONFIRMED))
    confirmed, drafts = states.advance(changed, Trigger.CONFIRM, samples.dm())
    assert confirmed.fingerprint_decided == changed.fingerprint
    assert len(drafts) == 2


def test_the_system_answer_is_not_for_people():
    with pytest.raises(errors.IllegalTransition, match="answer code of a person"):
        states.advance(samples.query(), Trigger.ANSWER, samples.site(answer=AnswerCode.DATA_CHANGED))
    with pytest.raises(errors.IllegalTransition, match="answer code of a person"):
        states.advance(samples.query(), Trigger.ANSWER, samples.site(answer=AnswerCode.OTHER))
    with pytest.raises(errors.IllegalTransition, match="other"):
        states.advance(samples.query(State.ANSWERED), Trigger.ACCEPT, samples.dm(None, reason=CloseReason.OTHER))


def test_a_site_does_not_comment_on_candidates():
    with pytest.raises(errors.IllegalTransition, match="does not see candidates"):
        states.advance(samples.query(State.CANDIDATE), Trigger.COMMENT, samples.site("what is this"))


def test_the_page_in_the_docs_is_drawn_from_the_table(pytestconfig):
    page = pytestconfig.rootpath / "docs" / "reference" / "states.md"
    assert page.read_text(encoding="utf-8") == diagram.page()


def test_the_page_names_every_state_trigger_and_row():
    page = diagram.page()
    for word in (*State, *Trigger, *CloseReason, *CancelReason):
        assert str(word) in page
    assert page.count("\n| ") >= len(transitions.ROWS)
