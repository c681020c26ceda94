"""What a night owes to clocks: the server's alone says what is asked for, and no wrong clock of this machine lasts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sync.workflows import drift
from tests.workflows import small

YEARS = timedelta(days=5 * 365)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve a few records that a full night has stored, a day ago."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(days=1))
        yield trial


def night(trial: small.Trial, **options: bool):
    done = small.run_night(trial.apps["one"], **options).sites[0]
    trial.move(timedelta(days=1))
    return done


def wrong_night(trial: small.Trial, step: timedelta):
    """Run a night under a clock that is wrong, here and not at the server."""
    trial.clock.at += step
    done = small.run_night(trial.apps["one"], full=True).sites[0]
    trial.clock.at -= step
    trial.move(timedelta(days=1))
    assert done.exit_code == 0
    return done


@pytest.mark.parametrize("full", [False, True])
def test_what_a_site_deletes_in_the_hour_that_its_clock_shows_twice_is_in_the_log(trial, full):
    assert night(trial).exit_code == 0
    assert night(trial).exit_code == 0
    trial.move(timedelta(minutes=10) - timedelta(days=1))
    trial.sandbox.clock.set(trial.clock.at - timedelta(hours=1))
    trial.drop("R1", "extra 2")
    trial.move(timedelta(days=1))
    done = night(trial, full=full)
    assert (done.exit_code, done.stored.deleted) == (0, 1), done.reason


@pytest.mark.parametrize("step", [YEARS, -YEARS])
def test_a_night_under_a_wrong_clock_leaves_nothing_behind(trial, step):
    wrong_night(trial, step)
    first = night(trial)
    assert first.exit_code == 0
    trial.handle.change_structure(fields=small.with_field(trial.handle.structure, "weight", field_label="Mass"))
    assert night(trial).kind == "full", "the design changed"
    trial.write("R1", "day", weight="77")
    after = night(trial)
    assert (after.kind, after.records_pulled, after.stored.cells_changed) == ("incremental", 1, 1)


def test_the_weekly_full_pull_comes_though_a_later_one_is_noted(trial):
    wrong_night(trial, YEARS)
    kinds = [night(trial).kind for _ in range(8)]
    assert kinds[0] == "full", "what is noted for another year proves nothing"
    assert kinds[1:].count("full") == 1, "and then one a week"


def test_the_last_run_is_the_one_that_was_noted_last(trial):
    wrong_night(trial, YEARS)
    right = night(trial, full=True)
    assert right.exit_code == 0
    reader = trial.apps["one"].warehouse().reader()
    newest = reader.last_success("all")
    assert newest.started < trial.clock.now()
    (status,) = reader.status(aged_before=trial.clock.now())
    assert (status.last_success, status.last_run) == (newest.finished, newest)


@pytest.fixture
def left_out(trial, monkeypatch):
    """Leave a column out, as drift does where a study can do without it, until ``undo`` puts it back."""
    examine = drift.examine

    def leaving_out(*args, **named):
        found = examine(*args, **named)
        return replace(found, impact=replace(found.impact, absent={("person", "sex"): "it means something else now"}))

    monkeypatch.setattr(drift, "examine", leaving_out)
    done = night(trial, full=True)
    assert (done.exit_code, done.kind) == (0, "full"), done.reason
    return trial


def test_nights_go_on_asking_for_what_changed_while_a_column_is_left_out(left_out):
    left_out.write("R1", "day", weight="77")
    done = night(left_out)
    assert (done.exit_code, done.kind, done.stored.cells_changed) == (0, "incremental", 1)


def test_a_record_that_vanishes_without_a_trace_brakes_while_a_column_is_left_out(left_out):
    for full in (False, True):
        left_out.handle.project.records.remove("R1")
        done = night(left_out, full=full)
        assert (done.exit_code, done.outcome) == (5, "braked"), (full, done.notices)


def test_all_is_pulled_once_what_was_left_out_is_back(left_out, monkeypatch):
    night(left_out)
    left_out.write("R1", "start", sex="2")
    left_out.move(timedelta(days=2))
    assert night(left_out).kind == "incremental"
    monkeypatch.undo()
    back = night(left_out)
    assert (back.kind, back.stored.cells_changed) == ("full", 1)
    assert night(left_out).kind == "incremental"
