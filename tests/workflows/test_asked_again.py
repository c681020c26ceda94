"""A person asks again about a record that nobody touches: the next night looks, though it is an incremental one."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync.ports.stored import QueryFilter
from sync.queries.model import AnswerCode, Query, State, Trigger
from sync.workflows import desk
from sync.workflows.results import SiteResult
from tests.workflows import small
from validators.findings import Condition


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve a few records that a full night has stored, a day ago."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(days=1))
        yield trial


def night(trial: small.Trial) -> SiteResult:
    """Run an incremental night that pulls nothing of the record in question."""
    trial.move(timedelta(hours=20))
    done = small.run_night(trial.apps["one"]).sites[0]
    assert (done.exit_code, done.kind) == (0, "incremental"), done.reason
    return done


def now(trial: small.Trial, query: Query) -> Query:
    (found,) = trial.apps["one"].warehouse().reader().queries(QueryFilter(numbers=(query.number,)))
    return found


def act(trial: small.Trial, query: Query, trigger: Trigger, **more: object) -> Query:
    trial.move(timedelta(hours=1))
    desk.decide(trial.apps["one"], [query.number], desk.Decision(trigger=trigger, actor="me", comment="why", **more))
    return now(trial, query)


def weight(trial: small.Trial) -> Query:
    found = trial.apps["one"].warehouse().reader().queries(QueryFilter(states=("OPEN",)))
    return next(query for query in found if query.key.field == "weight")


def test_a_query_that_passes_and_is_asked_again_is_looked_at_and_stays_open(trial):
    query = weight(trial)
    act(trial, query, Trigger.ANSWER, answer=AnswerCode.CORRECTED)
    trial.write(query.key.record, "day", weight="61")
    night(trial)
    assert (now(trial, query).state, now(trial, query).condition) == (State.ANSWERED, Condition.PASSING)
    trial.move(timedelta(days=1))
    asked = act(trial, query, Trigger.REQUERY)
    assert asked.changed_at > asked.evaluated_at
    done = night(trial)
    assert done.records_pulled == 0
    looked = now(trial, query)
    assert (looked.state, looked.condition, looked.round) == (State.OPEN, Condition.PASSING, 2)
    assert looked.evaluated_at > asked.changed_at, "tonight's run looked, the full pull need not be waited for"


def test_a_query_that_is_reopened_where_nothing_is_left_to_ask_closes_the_same_night(trial):
    query = weight(trial)
    trial.drop(query.key.record, "day")
    night(trial)
    assert (now(trial, query).state, now(trial, query).reason) == (State.CLOSED, "not_applicable")
    trial.move(timedelta(days=1))
    assert act(trial, query, Trigger.REOPEN).state is State.OPEN
    done = night(trial)
    assert (done.records_pulled, done.queries["closed"]) == (0, 1)
    assert (now(trial, query).state, now(trial, query).reason) == (State.CLOSED, "not_applicable")


def test_a_night_with_nothing_to_look_at_judges_and_stores_nothing(trial, monkeypatch):
    """``day`` was pulled yesterday, the overlap brings it once more and nothing of it is new."""
    before = trial.count("one", "visit", "cell_change", "site_memory", "form_mapping", "check_coverage")
    standing = trial.apps["one"].warehouse().reader().queries(QueryFilter())
    monkeypatch.setattr("validators.engine.judge", lambda *_args, **_named: 1 / 0)
    done = night(trial)
    assert (done.records_pulled, done.stored, dict(done.findings)) == (0, type(done.stored)(), {})
    assert done.queries["unchanged"] == len(standing)
    assert trial.count("one", "visit", "cell_change", "site_memory", "form_mapping", "check_coverage") == before
    assert trial.apps["one"].warehouse().reader().queries(QueryFilter()) == standing


def test_looking_again_touches_no_row_and_no_other_query(trial):
    query = weight(trial)
    others = {each.number: each for each in trial.apps["one"].warehouse().reader().queries(QueryFilter())}
    rows = trial.count("one", "visit", "cell_change", "row_end", "subject")
    act(trial, query, Trigger.CONFIRM)
    act(trial, query, Trigger.REOPEN)
    done = night(trial)
    assert done.stored == type(done.stored)()
    assert trial.count("one", "visit", "cell_change", "row_end", "subject") == rows
    after = {each.number: each for each in trial.apps["one"].warehouse().reader().queries(QueryFilter())}
    elsewhere = {number for number, each in others.items() if each.key.record != query.key.record}
    assert elsewhere
    assert all(after[number] == others[number] for number in elsewhere)
    assert (after[query.number].state, after[query.number].condition) == (State.OPEN, Condition.FAILING)


def test_who_was_looked_at_since_is_not_looked_at_every_night(trial, monkeypatch):
    act(trial, weight(trial), Trigger.COMMENT)
    night(trial)
    read = []
    frames = type(trial.apps["one"].warehouse().reader()).frames
    monkeypatch.setattr(
        type(trial.apps["one"].warehouse().reader()), "frames", lambda *given: read.append(given) or frames(*given)
    )
    night(trial)
    assert read == []


def test_a_reopened_query_of_a_deleted_record_closes_again(trial):
    query = weight(trial)
    trial.handle.delete_record(query.key.record)
    night(trial)
    trial.move(timedelta(days=1))
    assert act(trial, query, Trigger.REOPEN).state is State.OPEN
    night(trial)
    assert (now(trial, query).state, now(trial, query).reason) == (State.CLOSED, "not_applicable")
