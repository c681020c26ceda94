"""Queries of a site that got another project: carried over where they were judged there, else left alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.queries import chain, moving
from sync.queries.model import LIVE, Action, CancelReason, CloseReason, State, Trigger
from tests.queries import samples

NEW = 18


def carry(*queries, judged=lambda key: True, study=samples.STUDY, project_id=NEW):
    return moving.carry(queries, study=study, project_id=project_id, judged=judged, act=samples.system())


def numbered(number, query=None, **key):
    query = query or samples.query()
    return replace(query, number=f"ZJJU-{number:06d}", key=replace(query.key, **key))


@pytest.mark.parametrize(
    "query",
    [
        samples.query(),
        samples.query(State.CANDIDATE),
        samples.query(State.ANSWERED),
        samples.query(State.CLOSED, CloseReason.CONFIRMED),
        samples.query(State.CANCELLED, CancelReason.RAISED_IN_ERROR),
    ],
    ids=lambda query: f"{query.state} {query.reason}",
)
def test_row_22_moves_the_key_and_keeps_number_thread_and_decision(query):
    done = carry(query)
    (moved,), (draft,) = done.queries, done.drafts
    assert moved.key == replace(query.key, project_id=NEW)
    assert replace(moved, key=query.key, version=query.version, changed_at=query.changed_at) == query
    assert (draft.trigger, draft.action, draft.rule) == (Trigger.MOVE, Action.MOVED, "22")
    assert (draft.old_value, draft.new_value, draft.from_state, draft.to_state) == (
        "17",
        "18",
        query.state,
        query.state,
    )
    assert done.left == 0


def test_what_was_not_judged_there_stays_and_is_counted_while_it_is_live():
    waiting, decided = numbered(1), numbered(2, samples.query(State.CLOSED, CloseReason.CONFIRMED), record="ZJJU-002")
    done = carry(waiting, decided, judged=lambda key: False)
    assert (done.queries, done.drafts, done.left) == ((waiting, decided), (), 1)


def test_where_a_query_stands_already_a_live_one_ends_and_names_its_successor():
    old, new = numbered(1), numbered(2, project_id=NEW)
    done = carry(old, new)
    ended, goes_on = done.queries
    assert (ended.state, ended.reason, ended.key) == (State.CLOSED, CloseReason.NOT_APPLICABLE, old.key)
    assert goes_on == new
    (draft,) = done.drafts
    assert (draft.rule, draft.comment) == ("13", "goes on as ZJJU-000002")


def test_a_finished_one_stays_where_another_stands_already():
    old, new = numbered(1, samples.query(State.CLOSED, CloseReason.CONFIRMED)), numbered(2, project_id=NEW)
    assert carry(old, new).queries == (old, new)


def test_of_two_former_projects_the_query_that_waits_goes_on():
    decided, waiting = numbered(5, samples.query(State.CLOSED, CloseReason.CORRECTED)), numbered(3, project_id=16)
    done = carry(decided, waiting)
    assert [query.key.project_id for query in done.queries] == [17, NEW]


def test_a_study_made_of_the_projects_dictionary_goes_with_it_and_another_study_stays():
    own = numbered(1, study="project_17")
    (moved,) = carry(own, study="project_18").queries
    assert (moved.key.study, moved.key.project_id) == ("project_18", NEW)
    assert carry(own, study="sle").queries == (own,)
    other = numbered(1, study="another")
    assert carry(other).queries == (other,)


def test_queries_of_the_present_project_are_left_alone():
    query = samples.query()
    assert carry(query, project_id=17) == moving.Carried(queries=(query,), drafts=(), left=0)


def test_the_ledger_holds_through_a_move():
    raised = samples.run(samples.judgement([samples.finding()]))
    done = carry(*raised.queries)
    sealed = chain.seal((*raised.drafts, *done.drafts), tip=chain.Tip(), secret=samples.SECRET)
    assert chain.audit(done.queries, [event for event, _ in sealed], secret=samples.SECRET) == ()


STATES = [samples.query(), samples.query(State.ANSWERED), samples.query(State.CLOSED, CloseReason.CONFIRMED)]


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from(STATES), st.sampled_from([16, 17, NEW]), st.sampled_from(["R1", "R2"])), max_size=6
    ),
    judged=st.sets(st.sampled_from(["R1", "R2"])),
)
def test_never_do_two_live_queries_stand_at_one_judged_place_of_a_site(kinds, judged):
    queries, places = [], set()
    for number, (query, project, record) in enumerate(kinds, start=1):
        if (project, record) not in places:  # one project holds one query at one place
            places.add((project, record))
            queries.append(numbered(number, query, project_id=project, record=record))
    done = carry(*queries, judged=lambda key: key.record in judged)
    live = [query.key for query in done.queries if query.state in LIVE]
    for record in judged:
        assert sum(key.record == record for key in live) <= 1
    assert [query.number for query in done.queries] == [query.number for query in queries]
    assert all(
        before == after for before, after in zip(queries, done.queries, strict=True) if before.key.record not in judged
    )
    again = carry(*done.queries, judged=lambda key: key.record in judged)
    assert again.drafts == ()
