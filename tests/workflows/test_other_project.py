"""A site that got another project: what was asked in the old one goes on in the new one, under its number."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync import bootstrap
from sync.ports.stored import QueryFilter
from sync.queries.model import LIVE, Query, State, Trigger
from sync.workflows import desk
from tests.workflows import small


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve a few records, with three queries each at every third, that a full night has stored."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(hours=30))
        yield trial


def queries(trial: small.Trial) -> dict[str, Query]:
    return {query.number: query for query in trial.apps["one"].warehouse().reader().queries(QueryFilter())}


def live(trial: small.Trial) -> list[Query]:
    return [query for query in queries(trial).values() if query.state in LIVE]


def places(found: list[Query]) -> list[tuple[object, ...]]:
    return [(query.key.row, query.key.check, query.key.field) for query in found]


def other_project(trial: small.Trial, project_id: int = 18) -> bootstrap.App:
    """Give the site a copy of its project under another number, and accept it as a person does."""
    was = trial.handle.project.settings.project_id
    trial.handle.change_settings(project_id=project_id)
    path = trial.folder / "one.toml"
    text = path.read_text("utf-8").replace(f"project_id = {was}", f"project_id = {project_id}")
    path.write_text(text, encoding="utf-8")
    trial.apps["one"].close()
    app = trial.apps["one"] = bootstrap.build(path, {"TOKEN": small.TOKEN}, cwd=trial.folder, clock=trial.clock)
    small.accept_all(app)
    return app


def audited(trial: small.Trial) -> None:
    app = trial.apps["one"]
    assert app.warehouse().reader().verify().problems == ()


def test_queries_go_on_under_their_numbers_and_nothing_is_asked_twice(trial):
    before = queries(trial)
    app = other_project(trial)
    done = small.run_night(app).sites[0]
    assert (done.exit_code, done.queries["opened"], done.queries["closed"]) == (0, 0, 0), done.reason
    after = queries(trial)
    assert after.keys() == before.keys()
    assert {query.key.project_id for query in after.values()} == {18}
    assert {number: query.state for number, query in after.items()} == {n: q.state for n, q in before.items()}
    assert not any("former project" in notice for notice in done.notices)
    trial.move(timedelta(hours=20))
    assert small.run_night(app).sites[0].queries["opened"] == 0
    audited(trial)


def test_a_decision_stands_in_the_new_project_and_a_correction_closes(trial):
    asked = [query for query in live(trial) if query.key.field == "weight"]
    confirmed, corrected = asked[:2]
    desk.decide(trial.apps["one"], [confirmed.number], desk.Decision(trigger=Trigger.CONFIRM, actor="me"))
    trial.write(corrected.key.record, "day", weight="61")
    app = other_project(trial)
    done = small.run_night(app).sites[0]
    assert (done.exit_code, done.queries["opened"]) == (0, 0), done.reason
    after = queries(trial)
    assert (after[confirmed.number].state, after[confirmed.number].reason) == (State.CLOSED, "confirmed")
    assert (after[corrected.number].state, after[corrected.number].reason) == (State.CLOSED, "corrected")


def test_a_query_about_a_record_that_the_new_project_does_not_hold_waits_for_a_person(trial):
    lost = live(trial)[0].key.record
    waiting = {query.number for query in live(trial) if query.key.record == lost}
    record = trial.handle.project.records.get(lost)
    trial.handle.project.remove(lost)
    app = other_project(trial)
    done = small.run_night(app).sites[0]
    assert done.exit_code == 0, done.reason
    assert any(f"{len(waiting)} live queries are about the site's former project" in each for each in done.notices)
    after = queries(trial)
    assert {n for n, query in after.items() if query.key.project_id == 17 and query.state in LIVE} == waiting
    # it is entered in the new project after all: the same queries go on
    trial.move(timedelta(hours=20))
    trial.handle.project.records.put(record)
    trial.write(lost, "start", initials="back")
    done = small.run_night(app).sites[0]
    assert (done.kind, done.queries["opened"]) == ("incremental", 0)
    after = queries(trial)
    assert {after[number].key.project_id for number in waiting} == {18}
    assert not any("former project" in notice for notice in done.notices)
    audited(trial)


def test_there_and_back_again(trial):
    before = queries(trial)
    for project_id in (18, 17):
        trial.move(timedelta(hours=20))
        assert small.run_night(other_project(trial, project_id)).exit_code == 0
    after = queries(trial)
    assert {number: query.key for number, query in after.items()} == {n: q.key for n, q in before.items()}
    found = places(live(trial))
    assert len(found) == len(set(found))
    audited(trial)
