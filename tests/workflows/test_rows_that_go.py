"""Rows that go from records that stay: a form or a visit that is emptied stops the run, and so does what nobody saw."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.workflows import small

COUNT = 40


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve records with many rows each, which a night has stored; some have an adverse event."""
    with small.serve(tmp_path) as trial:
        for number in range(COUNT):
            name = f"R{number}"
            trial.write(name, "start", initials=f"I{number}", sex="1")
            trial.write(name, "day", weight=str(60 + number), height="170")
            for instance in range(1, 8):
                trial.handle.set(name, {"weight": "61"}, event="extra_arm_1", instrument="", instance=instance)
            if number < 11:
                trial.write(name, "adverse 1", event_text="made up", grade="9")
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(hours=30))
        yield trial


def parked(trial: small.Trial) -> str:
    """Run a night, which must stop; gives its reason."""
    trial.move(timedelta(hours=20))
    (site,) = small.run_night(trial.apps["one"]).sites
    assert site.exit_code == 5, site.reason
    return str(site.reason)


def approve(trial: small.Trial) -> None:
    warehouse = trial.apps["one"].warehouse()
    run_id = warehouse.reader().parked(site="all")[0].run_id
    assert warehouse.decide("all", run_id, decision="approved", by="tester", at=trial.clock.now())


def test_a_visit_that_is_emptied_stops_though_it_is_a_small_part_of_the_rows(trial):
    for number in range(COUNT):
        trial.drop(f"R{number}", "day")
    assert "visit at day_arm_1: 40 of 40 rows are gone from records that stay" in parked(trial)


@pytest.mark.postgres
def test_a_visit_that_is_emptied_stops_on_postgresql_too(tmp_path, postgres_url):
    with small.serve(tmp_path) as trial:
        for number in range(11):
            trial.write(f"R{number}", "start", initials="made up")
            trial.write(f"R{number}", "day", weight="60")
        assert small.run_night(trial.app("one", warehouse=postgres_url)).exit_code == 0
        trial.move(timedelta(hours=30))
        for number in range(11):
            trial.drop(f"R{number}", "day")
        assert "visit at day_arm_1: 11 of 11 rows are gone" in parked(trial)


def test_a_form_that_is_emptied_stops_even_where_few_records_have_it(trial):
    for number in range(11):
        trial.drop(f"R{number}", "adverse 1")
    assert "adverse at start_arm_1: 11 of 11 rows are gone" in parked(trial)


def test_a_small_site_is_stopped_too_where_nothing_is_left_of_a_visit(tmp_path):
    with small.serve(tmp_path) as trial:
        small.fill(trial, 4)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(hours=30))
        for number in range(3):
            trial.drop(f"R{number}", "day")
        trial.move(timedelta(hours=20))
        assert small.run_night(trial.apps["one"]).exit_code == 0, "one row is left"
        for number in range(3):
            trial.write(f"R{number}", "day", weight="60")
        trial.move(timedelta(hours=20))
        assert small.run_night(trial.apps["one"]).exit_code == 0
        for number in range(4):
            trial.drop(f"R{number}", "day")
        assert "visit at day_arm_1: 4 of 4 rows are gone" in parked(trial)


def test_less_than_half_of_a_visit_goes_through(trial):
    for number in range(20):
        trial.drop(f"R{number}", "day")
    trial.move(timedelta(hours=20))
    assert small.run_night(trial.apps["one"]).exit_code == 0


def test_who_approved_that_one_visit_is_emptied_did_not_let_another_go(trial):
    for number in range(COUNT):
        trial.drop(f"R{number}", "day")
    parked(trial)
    approve(trial)
    for number in range(COUNT):
        trial.write(f"R{number}", "day", weight=str(60 + number), height="170")
        trial.drop(f"R{number}", "start")
    assert "person at start_arm_1" in parked(trial)


def test_who_approved_other_values_did_not_let_them_be_blanked(trial):
    for number in range(COUNT):
        trial.write(f"R{number}", "start", initials=f"J{number}")
    assert "to nothing" not in parked(trial)
    approve(trial)
    for number in range(COUNT):
        trial.write(f"R{number}", "start", initials="")
    assert "person.initials: 40 of 40 known values would change, 40 of them to nothing" in parked(trial)


def test_rows_that_go_from_records_with_new_names_count(trial):
    for number in range(COUNT):
        trial.handle.rename_record(f"R{number}", f"X{number}")
        for instance in range(1, 4):
            trial.handle.delete_row(f"X{number}", event="extra_arm_1", instrument="", instance=instance)
    assert "120 of" in parked(trial)
