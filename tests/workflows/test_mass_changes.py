"""A column, or a check, that changes as a whole stops a site, however small a part of the site that is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas import parts
from schemas.coordinates import Coordinate, RowKey
from sync.ports.stored import ParkedRun
from sync.workflows.results import SiteResult
from tests.workflows import small

RECORDS = 12
ROW = RowKey(site="all", record="R0", event="day_arm_1", instrument="visit", instance=1)
WEIGHT = Coordinate(row=ROW, field="weight")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])])
def url(request) -> str:
    """Name a warehouse of each kind; empty for the trial's own."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""


@pytest.fixture(params=["incremental", "in parts"])
def trial(tmp_path: Path, url, request, monkeypatch) -> Iterator[small.Trial]:
    """Serve a dozen records that one full night has stored, under the limits as shipped."""
    in_parts = request.param == "in parts"
    if in_parts:
        monkeypatch.setattr(parts, "PART_ROWS", 1)
    more = '[schedule]\nweekly_full = "always"' if in_parts else ""
    with small.serve(tmp_path) as trial:
        small.fill(trial, RECORDS)
        assert small.run_night(trial.app("one", warehouse=url, more=more)).exit_code == 0
        trial.move(timedelta(hours=30))
        yield trial


def night(trial: small.Trial) -> SiteResult:
    """Run one night and give what it did."""
    return small.run_night(trial.apps["one"]).sites[0]


def multiply(trial: small.Trial, factor: float, records: int) -> None:
    """Let the site report the weights of some records in another unit, at every visit."""
    for number in range(records):
        weight = 60 + number if number % 3 else 500
        trial.write(f"R{number}", "day", weight=f"{weight * factor:.3g}")
        trial.write(f"R{number}", "extra 2", weight=f"{61 * factor:.3g}")


def last_parked(trial: small.Trial) -> ParkedRun:
    return trial.apps["one"].warehouse().reader().parked(site="all")[0]


def test_another_unit_brakes_and_is_named(trial):
    multiply(trial, 0.0113, RECORDS)
    stopped = night(trial)
    assert (stopped.outcome, stopped.exit_code) == ("braked", 5)
    assert trial.apps["one"].warehouse().reader().history(WEIGHT)[-1].raw == "500", "nothing was changed"
    assert "visit.weight: 24 of 24 known values would change, as if the unit had changed (factor 0.0113)" in str(
        stopped.reason
    )
    assert "R1" not in str(stopped.reason)
    (weight,) = last_parked(trial).difference["columns"]
    assert (weight["form"], weight["column"], weight["changed"], weight["known"]) == ("visit", "weight", 24, 24)
    assert weight["factor"] == pytest.approx(0.0113, rel=0.01)


def test_another_unit_brakes_in_records_that_get_other_names_as_well(trial):
    """One of the names goes to another patient at once."""
    for number in range(RECORDS):
        trial.write(f"R{number}", "day", height="5.58")
        trial.handle.rename_record(f"R{number}", f"X{number}")
    trial.write("R1", "start", initials="N1", sex="0")
    stopped = night(trial)
    assert (stopped.outcome, stopped.exit_code) == ("braked", 5)
    what = f"visit.height: {RECORDS} of {RECORDS} known values would change"
    assert f"{what}, as if the unit had changed (factor 0.0328)" in str(stopped.reason)


def test_records_that_get_other_names_change_nothing(trial):
    for number in range(RECORDS):
        trial.handle.rename_record(f"R{number}", f"X{number}")
    done = night(trial)
    assert (done.exit_code, done.stored.cells_changed) == (0, 0), done.reason


def test_known_values_are_those_that_stood_before_and_stand_still(trial):
    multiply(trial, 0.0113, 7)
    for number in range(8):  # rows that come and cells that are filled tonight were not known
        trial.write(f"N{number}", "day", weight="70")
        trial.write(f"R{number}", "extra 4", weight="70")
    trial.drop("R11", "extra 2")
    trial.write("R10", "day", weight="")
    stopped = night(trial)
    assert "visit.weight: 15 of 23 known values would change" in str(stopped.reason)


def test_blanked_columns_brake(trial):
    for number in range(RECORDS):
        trial.write(f"R{number}", "start", initials="")
    assert "person.initials: 12 of 12 known values would change" in str(night(trial).reason)


@pytest.mark.parametrize("records", [4, 5])
def test_a_handful_or_less_than_half_goes_through(trial, records):
    for number in range(records):
        trial.write(f"R{number}", "day", weight=str(41 + 23 * number))
        trial.write(f"R{number}", "extra 2", weight=str(149 - 17 * number))
    assert night(trial).exit_code == 0


@pytest.mark.parametrize(("records", "code"), [(2, 0), (3, 0), (4, 5)])
def test_of_values_that_change_by_one_factor_fewer_are_enough(trial, records, code):
    multiply(trial, 0.0113, records)
    done = night(trial)
    assert done.exit_code == code
    assert ("as if the unit had changed" in str(done.reason)) == bool(code)


def test_values_entered_anew_without_being_other_values_are_no_change(trial):
    for number in range(RECORDS):
        trial.write(f"R{number}", "day", height="170.0")
    assert night(trial).exit_code == 0


def test_queries_that_close_though_nothing_changed_brake(tmp_path):
    with small.serve(tmp_path) as trial:
        small.fill(trial, 36)
        app = trial.app("one")
        assert small.run_night(app).sites[0].queries["opened"] >= 12
        trial.move(timedelta(hours=30))
        fields = small.with_field(trial.handle.structure, "weight", text_validation_max="900")
        trial.handle.change_structure(fields=fields)
        stopped = small.run_night(app, full=True).sites[0]
    assert stopped.outcome == "braked", stopped
    assert "open queries would close though nothing changed in their records" in str(stopped.reason)
