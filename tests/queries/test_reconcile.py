"""Set findings against queries: order, identity, numbers, repetition."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.study import Severity
from sync.queries.model import CancelReason, CloseReason, State
from tests.queries import samples
from validators.findings import Condition, Coverage

MANY = [
    samples.finding(record=f"ZJJU-{n:03d}", field_name=name, check=check)
    for n in (3, 1, 2)
    for name, check in (("creat", "LAB-RANGE"), ("creat", "LAB-UNIT"), ("alb", "LAB-RANGE"))
]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_order_does_not_matter(seed):
    earlier = samples.run(samples.judgement(MANY[:5]), run_id="run-1", next_number=1)
    findings, queries = list(MANY), list(earlier.queries)
    random.Random(seed).shuffle(findings)
    random.Random(seed + 1).shuffle(queries)
    shuffled = samples.run(samples.judgement(findings), queries, next_number=earlier.next_number)
    straight = samples.run(samples.judgement(MANY), earlier.queries, next_number=earlier.next_number)
    assert shuffled == straight
    assert straight.opened == 4


def test_numbers_grow_by_one_and_fit_the_key_order():
    done = samples.run(samples.judgement(MANY), next_number=41)
    assert [q.number for q in done.queries] == [f"ZJJU-{n:06d}" for n in range(41, 50)]
    assert [q.key for q in done.queries] == sorted(q.key for q in done.queries)
    assert done.next_number == 50


def test_a_number_is_never_given_twice():
    first = samples.run(samples.judgement(MANY[:1]), next_number=1)
    with pytest.raises(ValueError, match="ZJJU-000001 was given before"):
        samples.run(samples.judgement(MANY), first.queries, run_id="run-3", next_number=1)


def test_a_second_run_over_the_same_data_writes_nothing():
    first = samples.run(samples.judgement(MANY))
    second = samples.run(samples.judgement(MANY), first.queries, run_id="run-3", next_number=first.next_number)
    assert second.drafts == ()
    assert second.unchanged == len(MANY)
    assert second.next_number == first.next_number
    assert {q.run_id for q in second.queries} == {"run-3"}


def test_the_same_run_counts_once():
    """A run told twice does not undo what a person did in between."""
    opened = samples.query()
    judged = samples.seen(opened, Condition.PASSING)
    closed = samples.run(judged, [opened]).queries[0]
    by_hand = replace(closed, state=State.OPEN, reason=None)
    told_again = samples.run(judged, [by_hand])
    assert told_again.queries == (by_hand,)
    assert told_again.drafts == ()
    assert samples.run(judged, [by_hand], run_id="run-3").closed == 1


def test_one_key_twice_in_the_findings_is_one_query():
    soft = samples.finding(raw="811", severity=Severity.SOFT)
    hard = samples.finding()
    for findings in ([soft, hard], [hard, soft], [hard, hard]):
        done = samples.run(samples.judgement(findings))
        assert [q.severity for q in done.queries] == [Severity.HARD]


def test_the_finding_that_asks_wins_over_the_one_that_is_held():
    held = samples.finding(held_by="FORM-MISSING")
    soft = samples.finding(severity=Severity.SOFT)
    assert samples.run(samples.judgement([held, soft])).opened == 1


def test_wording_and_severity_are_refreshed_without_an_event():
    softer = replace(samples.finding(severity=Severity.SOFT, version="1.1"), message={"en": "Please check."})
    done = samples.run(samples.judgement([softer]), [samples.query()])
    (query,) = done.queries
    assert (query.severity, query.message, query.check_version) == (Severity.SOFT, {"en": "Please check."}, "1.1")
    assert done.drafts == ()


def test_another_failing_value_on_an_open_query_is_noted():
    done = samples.run(samples.judgement([samples.finding(raw="799")]), [samples.query()])
    (draft,) = done.drafts
    assert (draft.to_state, draft.old_raw, draft.new_raw) == (State.OPEN, "812", "799")
    assert done.unchanged == 0


@pytest.mark.parametrize("change", [{"held_by": "FORM-MISSING"}, {"raises_query": False}])
def test_a_held_finding_leaves_finished_queries_alone_and_live_ones_live(change):
    item = samples.finding(**change)
    closed = samples.query(State.CLOSED, CloseReason.CORRECTED)
    assert samples.run(samples.judgement([item]), [closed]).queries == (closed,)
    live = samples.run(samples.judgement([item]), [samples.query()])
    assert live.queries[0].state is State.OPEN
    assert live.queries[0].condition is Condition.FAILING


def test_a_row_that_a_broken_check_did_not_look_for_is_not_gone():
    """A missing form has no row; that its check could not run must not close its query."""
    broken = Coverage(check="LAB-RANGE", evaluated=0, failing=0, not_evaluated=4, reasons={"no anchor": 4})
    done = samples.run(samples.judgement(coverage=(broken,)), [samples.query()], complete=True)
    assert done.queries[0].state is State.OPEN
    worked = replace(broken, evaluated=3)
    done = samples.run(samples.judgement(coverage=(worked,)), [samples.query()], complete=True)
    assert done.queries[0].reason is CloseReason.NOT_APPLICABLE


def test_failing_without_a_finding_is_a_doubt_not_a_verdict():
    done = samples.run(samples.seen(samples.query(), Condition.FAILING), [samples.query()])
    assert done.queries[0].condition is Condition.NOT_EVALUATED
    assert done.drafts == ()


def test_queries_of_another_project_are_left_alone():
    foreign = replace(samples.query(), key=replace(samples.query().key, project_id=99))
    done = samples.run(samples.judgement(), [foreign], complete=True)
    assert done.queries == (foreign,)


def test_a_query_of_another_site_is_a_fault_of_the_caller():
    stranger = replace(samples.query(), key=replace(samples.query().key, site="yangzhou"))
    with pytest.raises(ValueError, match="not a query of site zhenjiang"):
        samples.run(samples.judgement(), [stranger])


def test_of_two_queries_at_one_key_the_live_one_answers():
    """The key of a renamed record may meet an old query; never are two of them live."""
    old = replace(samples.query(State.CANCELLED, CancelReason.CHECK_RETIRED), number="ZJJU-000009")
    live = samples.query()
    done = samples.run(samples.judgement([samples.finding()]), [old, live], next_number=10)
    assert [q.state for q in done.queries] == [State.OPEN, State.CANCELLED]
    assert done.opened == done.reopened == 0


def test_counts_hold_no_values():
    done = samples.run(samples.judgement(MANY))
    assert done.counts["opened"] == 9
    assert set(done.counts) >= {"opened", "reopened", "closed", "unchanged", "candidates"}
    assert all(isinstance(count, int) for count in done.counts.values())
