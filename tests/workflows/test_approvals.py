"""An approval covers the change that the person saw, once, for some days, and can be taken back until it is used."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync.ports.stored import ParkedRun
from sync.workflows.results import SiteResult
from tests.workflows import small

RECORDS = 30


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve thirty records that one full night has stored, under the limits as shipped."""
    with small.serve(tmp_path) as trial:
        small.fill(trial, RECORDS)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(hours=30))
        yield trial


def night(trial: small.Trial, **options: bool) -> SiteResult:
    """Run one night a day later and give what it did."""
    trial.move(timedelta(hours=24))
    return small.run_night(trial.apps["one"], **options).sites[0]


def braked(trial: small.Trial) -> str:
    """Run a night that must stop; give its run."""
    assert night(trial).exit_code == 5
    return trial.apps["one"].warehouse().reader().parked()[0].run_id


def decide(trial: small.Trial, run_id: str, decision: str = "approved") -> bool:
    return trial.apps["one"].warehouse().decide("all", run_id, decision=decision, by="me", at=trial.clock.now())


def parked(trial: small.Trial, run_id: str) -> ParkedRun:
    return next(each for each in trial.apps["one"].warehouse().reader().parked() if each.run_id == run_id)


def waiting(trial: small.Trial) -> int:
    """Count what `sync status` calls parked."""
    return sum(each.parked for each in trial.apps["one"].warehouse().reader().status(aged_before=trial.clock.now()))


def delete(trial: small.Trial, *numbers: int) -> None:
    for number in numbers:
        trial.handle.delete_record(f"R{number}")


def restore(trial: small.Trial, *numbers: int) -> None:
    for number in numbers:
        trial.write(f"R{number}", "start", initials="back", sex="1")


def test_a_run_that_goes_through_supersedes_what_was_parked_before_it(trial):
    delete(trial, *range(10))
    first, second = braked(trial), braked(trial)
    assert waiting(trial) == 2
    restore(trial, *range(10))
    assert night(trial, allow_mass_change=True).exit_code == 0  # the rows that the ten lost
    passed = trial.apps["one"].warehouse().reader().runs(limit=1)[0].run_id
    for run_id in (first, second):
        found = parked(trial, run_id)
        assert (found.decision, found.superseded_by_run_id) == ("superseded", passed)
        assert not decide(trial, run_id)
    assert waiting(trial) == 0
    delete(trial, *range(15, 30))
    braked(trial)


def test_what_goes_through_by_one_approval_leaves_no_other_parked_run_waiting(trial):
    delete(trial, *range(10))
    first, second = braked(trial), braked(trial)
    assert decide(trial, second)
    assert night(trial).exit_code == 0
    assert waiting(trial) == 0
    assert parked(trial, first).decision == "superseded"
    assert parked(trial, second).used_by_run_id is not None


def test_an_approval_that_no_run_needed_is_superseded_not_used(trial):
    units(trial, 2)
    run_id = braked(trial)
    assert decide(trial, run_id)
    units(trial, 1)
    assert night(trial).exit_code == 0
    found = parked(trial, run_id)
    assert (found.decision, found.used_by_run_id) == ("approved", None)
    assert found.superseded_by_run_id is not None
    assert not decide(trial, run_id, "discarded")
    units(trial, 2)
    braked(trial)


def test_an_approval_covers_the_records_that_were_seen_and_no_others(trial):
    delete(trial, *range(10))
    assert decide(trial, braked(trial))
    restore(trial, *range(9))
    delete(trial, *range(10, 15))
    stopped = night(trial)
    assert stopped.exit_code == 5
    assert "was another change" in str(stopped.reason)


def test_fewer_of_the_records_that_were_seen_are_covered(trial):
    delete(trial, *range(10))
    assert decide(trial, braked(trial))
    trial.write("R20", "day", weight="88")  # the site works on
    assert night(trial).exit_code == 0


def test_who_let_the_whole_site_go_let_a_part_of_it_go(trial):
    delete(trial, *range(RECORDS))
    assert decide(trial, braked(trial))
    trial.write("N1", "start", initials="new", sex="1")
    assert night(trial).exit_code == 0


def units(trial: small.Trial, factor: float, column: str = "weight") -> None:
    """Multiply one column at every visit."""
    for number in range(RECORDS):
        before = {"weight": 60 + number if number % 3 else 500, "height": 170}[column]
        trial.write(f"R{number}", "day", **{column: f"{before * factor:.3g}"})
        if column == "weight":
            trial.write(f"R{number}", "extra 2", weight=f"{61 * factor:.3g}")


def test_an_approval_covers_the_columns_that_were_seen_and_the_factor(trial):
    units(trial, 0.5)
    assert decide(trial, braked(trial))
    units(trial, 3)
    assert decide(trial, braked(trial)), "another factor is another change"
    units(trial, 3, "height")
    stopped = braked(trial)
    assert "visit.height" in parked(trial, stopped).reason
    assert decide(trial, stopped)
    trial.write("R1", "start", initials="more")
    assert night(trial).exit_code == 0


def test_an_unused_approval_can_be_taken_back(trial):
    delete(trial, *range(10))
    run_id = braked(trial)
    assert decide(trial, run_id)
    assert decide(trial, run_id, "discarded")
    assert not decide(trial, run_id), "what was discarded stays so"
    braked(trial)


def test_an_approval_counts_for_some_days_and_can_be_given_anew(trial):
    delete(trial, *range(10))
    run_id = braked(trial)
    assert decide(trial, run_id)
    trial.move(timedelta(days=8))
    braked(trial)
    assert decide(trial, run_id)
    assert night(trial).exit_code == 0


def test_rows_that_go_from_other_records_than_were_seen_are_not_covered(trial):
    for number in range(20):
        trial.drop(f"R{number}", "day")
    run_id = braked(trial)
    (place,) = parked(trial, run_id).difference["places"]
    assert place == {"form": "visit", "event": "day_arm_1", "gone": 20, "known": 30}
    assert decide(trial, run_id)
    for number in range(20):
        trial.write(f"R{number}", "day", weight="61", height="170")
        trial.drop(f"R{number}", "adverse 1")
    braked(trial)
