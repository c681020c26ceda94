"""Decide as a data manager: stale views, many at once, renames."""

from dataclasses import replace

import pytest

from sync import errors
from sync.queries import desk
from sync.queries.model import Action, AnswerCode, CancelReason, CloseReason, State, Trigger
from tests.queries import samples

COMMANDS = {
    "answer": lambda q, **more: desk.answer(q, samples.site(), code=AnswerCode.CONFIRMED, **more),
    "accept": lambda q, **more: desk.accept(q, samples.dm(), reason=CloseReason.CONFIRMED, **more),
    "confirm": lambda q, **more: desk.confirm(q, samples.dm(), **more),
    "requery": lambda q, **more: desk.requery(q, samples.dm(), **more),
    "reopen": lambda q, **more: desk.reopen(q, samples.dm(), **more),
    "cancel": lambda q, **more: desk.cancel(q, samples.dm(), reason=CancelReason.DUPLICATE, **more),
    "release": lambda q, **more: desk.release(q, samples.dm(), **more),
    "reject": lambda q, **more: desk.reject(q, samples.dm(), **more),
    "assign": lambda q, **more: desk.assign(q, samples.dm(), assignee="crc.lin", **more),
    "comment": lambda q, **more: desk.comment(q, samples.dm(), **more),
}
START = {
    "answer": State.OPEN,
    "accept": State.ANSWERED,
    "confirm": State.OPEN,
    "requery": State.ANSWERED,
    "reopen": State.CLOSED,
    "cancel": State.OPEN,
    "release": State.CANDIDATE,
    "reject": State.CANDIDATE,
    "assign": State.OPEN,
    "comment": State.OPEN,
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_on_what_was_seen_goes_through_and_a_stale_one_does_not(name):
    state = START[name]
    query = samples.query(state, CloseReason.CONFIRMED if state is State.CLOSED else None, version=4)
    after, drafts = COMMANDS[name](query, version=4)
    assert after.version == 4 + len(drafts)
    assert [d.version for d in drafts] == list(range(5, 5 + len(drafts)))
    assert COMMANDS[name](query) == (after, drafts)
    with pytest.raises(errors.StaleQuery, match="you saw version 3, it is at 4"):
        COMMANDS[name](query, version=3)


def test_assigning_needs_a_name():
    with pytest.raises(errors.IllegalTransition, match="somebody is named"):
        desk.assign(samples.query(), samples.dm(), assignee=" ")
    query, (draft,) = desk.assign(samples.query(), samples.dm(), assignee="crc.lin")
    assert (query.assignee, draft.assignee, draft.action) == ("crc.lin", "crc.lin", Action.ASSIGNED)


def test_a_comment_changes_nothing_but_the_thread():
    before = samples.query(State.CLOSED, CloseReason.CONFIRMED)
    after, (draft,) = desk.comment(before, samples.dm("seen at the visit"))
    assert replace(after, version=before.version, changed_at=before.changed_at) == before
    assert (draft.comment, draft.action) == ("seen at the visit", Action.COMMENTED)


def test_a_slip_of_the_hand_is_repaired():
    cancelled, _ = desk.cancel(samples.query(), samples.dm(), reason=CancelReason.DUPLICATE)
    query, _ = desk.reopen(cancelled, samples.dm("wrong line"))
    assert (query.state, query.round) == (State.OPEN, 2)
    rejected, _ = desk.reject(samples.query(State.CANDIDATE), samples.dm())
    query, _ = desk.reopen(rejected, samples.dm("wrong line"))
    assert (query.state, query.round) == (State.CANDIDATE, 0)


def test_a_cancelled_check_is_not_reopened_by_hand():
    with pytest.raises(errors.IllegalTransition, match="not possible"):
        desk.reopen(samples.query(State.CANCELLED, CancelReason.CHECK_RETIRED), samples.dm())


class TestBulk:
    def test_those_that_refuse_do_not_stop_the_others(self):
        queries = [samples.query(), replace(samples.query(State.CANDIDATE), number="ZJJU-000002")]
        done = desk.decide_all(queries, Trigger.RELEASE, samples.dm(), cap=10)
        assert [q.number for q in done.moved] == ["ZJJU-000002"]
        assert len(done.drafts) == 1
        (line,) = done.refused
        assert "ZJJU-000001 is OPEN: release" in line

    def test_too_many_change_nothing(self):
        with pytest.raises(errors.BrakeEngaged, match="would touch 3 queries, the cap is 2"):
            desk.decide_all([samples.query()] * 3, Trigger.COMMENT, samples.dm(), cap=2)


def at(record, number):
    item = samples.finding(record=record)
    return replace(samples.query(item=item), key=samples.key_of(item), number=f"ZJJU-{number:06d}")


class TestRename:
    def rename(self, queries, names):
        moved, drafts = desk.rename(queries, names, samples.system())
        assert [q.number for q in moved] == [q.number for q in queries]
        assert len({q.key for q in moved}) == len(moved)
        return [q.key.record for q in moved], drafts

    def test_number_and_thread_stay(self):
        records, (draft,) = self.rename([at("A", 1), at("B", 2)], {"A": "C"})
        assert records == ["C", "B"]
        assert (draft.number, draft.old_value, draft.new_value) == ("ZJJU-000001", "A", "C")

    def test_names_may_be_swapped(self):
        records, drafts = self.rename([at("A", 1), at("B", 2)], {"A": "B", "B": "A"})
        assert records == ["B", "A"]
        assert len(drafts) == 2

    def test_a_taken_place_is_not_entered(self):
        records, drafts = self.rename([at("A", 1), at("B", 2), at("C", 3)], {"A": "B", "B": "C"})
        assert records == ["A", "B", "C"]
        assert drafts == ()

    def test_two_cannot_land_on_one_place(self):
        records, drafts = self.rename([at("A", 1), at("B", 2)], {"A": "C", "B": "C"})
        assert records == ["C", "B"]
        assert len(drafts) == 1
