"""What looks like harm stops a site until a person has looked; an approval covers what was seen, once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync import changes
from sync.workflows.results import SiteResult
from tests.workflows import small

TIGHT = "changed_cells_allowed = 5\nchanged_cells_percent = 5\ndeleted_records_allowed = 1"
RECORDS = 30


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve thirty records that one full night has stored, with tight brakes."""
    with small.serve(tmp_path) as trial:
        small.fill(trial, RECORDS)
        assert small.run_night(trial.app("one", brakes=TIGHT)).exit_code == 0
        trial.move(timedelta(hours=30))
        yield trial


def night(trial: small.Trial, **options: bool) -> SiteResult:
    """Run one night an hour later and give what it did."""
    trial.move(timedelta(hours=1))
    return small.run_night(trial.apps["one"], **options).sites[0]


def braked(trial: small.Trial) -> str:
    """Run a night that must stop and change nothing; give its run."""
    before = trial.dump("one")
    trial.move(timedelta(hours=1))
    result = small.run_night(trial.apps["one"])
    assert (result.sites[0].outcome, result.exit_code, result.sites[0].kind) == ("braked", 5, "incremental")
    assert trial.dump("one") == before
    return result.run_id


def approve(trial: small.Trial, run_id: str) -> None:
    assert trial.apps["one"].warehouse().decide("all", run_id, decision="approved", by="me", at=trial.clock.now())


def change_units(trial: small.Trial, factor: int, records: int = RECORDS) -> None:
    """Do what a centre does that reports another unit from now on."""
    for number in range(records):
        trial.write(f"R{number}", "day", weight=str(40 * factor + number))


def test_changed_units_park_an_incremental_night_with_its_figures(trial):
    change_units(trial, 2)
    run_id = braked(trial)
    (parked,) = trial.apps["one"].warehouse().reader().parked(site="all")
    assert parked.run_id == run_id
    assert parked.difference["cells_changed"] == RECORDS
    assert parked.difference["cells_known"] > 100
    assert braked(trial) != run_id, "nobody has looked, so the next night stops as well"


def test_what_is_known_grows_with_nights_that_ask_only_for_what_changed(trial):
    before = trial.apps["one"].warehouse().reader().last_success("all").counts
    small.fill(trial, 2 * RECORDS)
    added = night(trial)
    assert (added.exit_code, added.kind) == (0, "incremental"), added.reason
    change_units(trial, 2, 2 * RECORDS)
    braked(trial)
    (parked,) = trial.apps["one"].warehouse().reader().parked(site="all")
    assert parked.difference["rows_known"] == 2 * before["rows_known"]
    assert parked.difference["cells_known"] == 2 * before["cells_known"]


def test_an_approved_change_goes_through_once_and_only_once(trial):
    change_units(trial, 2)
    approve(trial, braked(trial))
    passed = night(trial)
    assert (passed.exit_code, passed.stored.cells_changed) == (0, RECORDS)
    assert any("known cells would change" in notice for notice in passed.notices)
    change_units(trial, 3)
    braked(trial)


def test_two_approvals_of_one_change_do_not_let_another_through(trial):
    change_units(trial, 2)
    runs = [braked(trial), braked(trial)]
    for run_id in runs:
        approve(trial, run_id)
    assert night(trial).exit_code == 0
    change_units(trial, 3)
    braked(trial)
    used = trial.apps["one"].warehouse().reader().parked(site="all")
    assert {parked.run_id for parked in used if parked.used_by_run_id} == set(runs)


def test_an_approval_of_changed_cells_does_not_let_the_site_be_emptied(trial):
    change_units(trial, 2)
    approve(trial, braked(trial))
    for number in range(RECORDS):
        trial.handle.delete_record(f"R{number}")
    braked(trial)


def test_an_approval_does_not_grow(trial):
    for number in range(12):
        trial.write(f"R{number}", "day", weight=str(80 + number), height="150")
    approve(trial, braked(trial))
    change_units(trial, 2)
    braked(trial)


def test_an_approval_is_used_up_with_the_data_even_where_the_program_dies_right_after(trial, monkeypatch):
    change_units(trial, 2)
    approve(trial, braked(trial))
    monkeypatch.setattr("sync.workflows.night._deliver", lambda *_args, **_named: 1 / 0)
    broken = night(trial)
    assert broken.exit_code == 70
    assert str(broken.reason).endswith("what was pulled is stored")
    monkeypatch.undo()
    assert night(trial).exit_code == 0
    change_units(trial, 3)
    braked(trial)


def test_rows_that_vanish_from_records_that_stay_brake(trial):
    for number in range(20):
        trial.drop(f"R{number}", "day")
    run_id = braked(trial)
    (parked,) = trial.apps["one"].warehouse().reader().parked(site="all")
    assert parked.difference["rows_gone"] == 20
    assert parked.difference["records_gone"] == 0
    approve(trial, run_id)
    assert night(trial).stored.deleted == 20


def test_many_renames_are_no_deletion(trial):
    for number in range(15):
        trial.handle.rename_record(f"R{number}", f"N{number}")
    passed = night(trial)
    assert passed.exit_code == 0, passed.reason
    assert passed.queries["closed"] == passed.queries["opened"] == 0


def test_mass_deletion_and_an_emptied_site_brake(trial):
    for number in range(5):
        trial.handle.delete_record(f"R{number}")
    braked(trial)
    for number in range(5, RECORDS):
        trial.handle.delete_record(f"R{number}")
    braked(trial)
    passed = night(trial, allow_mass_change=True)
    assert passed.stored.deleted == 4 * RECORDS
    assert any("the project is empty" in notice for notice in passed.notices)


def test_many_new_queries_brake(trial):
    app = trial.app("one", brakes="opened_queries_allowed = 5")
    for number in range(RECORDS):
        trial.write(f"R{number}", "day", weight="999")
    assert small.run_night(app).exit_code == 5
    assert small.run_night(app, allow_mass_change=True).exit_code == 0


def test_a_dry_run_neither_parks_for_ever_nor_uses_an_approval(trial):
    change_units(trial, 2)
    run_id = braked(trial)
    approve(trial, run_id)
    assert night(trial, dry_run=True).exit_code == 0
    assert night(trial).exit_code == 0


def withhold(trial: small.Trial, *records: str) -> None:
    """Let the server stop showing records, without a line in its log: as it does that loses the same rows each time."""
    for record in records:
        trial.handle.project.remove(record)


@pytest.fixture
def loose(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve thirty records that one full night has stored, with limits that two missing ones do not meet."""
    with small.serve(tmp_path) as trial:
        small.fill(trial, RECORDS)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(hours=30))
        yield trial


def test_a_record_that_is_gone_without_a_trace_brakes_below_the_mass_limit(loose):
    loose.write("R2", "day", weight="75")
    withhold(loose, "R1")
    run_id = braked(loose)
    (parked,) = loose.apps["one"].warehouse().reader().parked(site="all")
    assert (parked.difference["records_gone"], parked.difference["records_untraced"]) == (1, 1)
    assert "1 record is gone without a trace in the server's log" in parked.reason
    assert braked(loose) != run_id, "the next night stops as well"
    approve(loose, run_id)
    passed = night(loose)
    assert passed.exit_code == 0
    assert any("let through a brake: 1 record is gone without a trace" in each for each in passed.notices)


def test_rows_that_are_gone_without_a_trace_from_a_record_that_stays_brake(loose):
    assert night(loose).exit_code == 0
    rows = loose.handle.project.records.get("R1").rows
    del rows[next(place for place in rows if place[0] == "day_arm_1")]
    loose.write("R2", "day", weight="75")
    moved = small.run_night(loose.apps["one"], full=True)
    assert (moved.exit_code, moved.sites[0].outcome) == (5, "braked")
    (parked,) = loose.apps["one"].warehouse().reader().parked(site="all")
    assert "1 record that stays lost rows without a trace in the server's log" in parked.reason
    assert parked.difference["thinned_untraced"] == ["R1"]
    loose.write("R3", "day", weight="76")
    approve(loose, moved.run_id)
    assert night(loose, full=True).exit_code == 0
    assert night(loose, full=True).exit_code == 0


def test_a_run_that_was_let_through_names_all_that_it_let_through(trial, monkeypatch):
    monkeypatch.setattr(changes, "_NAMED", 1)
    for number in range(RECORDS):
        trial.write(f"R{number}", "day", weight=str(900 + number), height=str(30 + number))
        trial.write(f"R{number}", "extra 2", weight=str(700 + number))
    braked(trial)
    trial.move(timedelta(hours=1))
    (done,) = small.run_night(trial.apps["one"], allow_mass_change=True).sites
    kept = trial.apps["one"].warehouse().reader().last_success("all").counts["let_through"]["reasons"]
    assert [f"let through a brake: {reason}" for reason in kept] == list(done.let_through)
    (parked,) = trial.apps["one"].warehouse().reader().parked(site="all")
    assert "more column" in parked.reason
    for column in parked.difference["columns"]:
        name = f"{column['form']}.{column['column']}"
        assert any(name in reason for reason in kept), name
    assert not any("more column" in reason for reason in kept)


def test_an_approval_of_one_withheld_record_is_none_of_two(loose):
    withhold(loose, "R1")
    approve(loose, braked(loose))
    withhold(loose, "R2")
    braked(loose)
    passed = night(loose, allow_mass_change=True)
    assert any("let through a brake: 2 records are gone without a trace" in each for each in passed.notices)


def test_a_record_that_is_shown_again_needs_nobody(loose):
    record = loose.handle.project.records.get("R1")
    withhold(loose, "R1")
    braked(loose)
    loose.handle.project.records.put(record)
    assert night(loose).stored.deleted == 0


@pytest.mark.parametrize("full", [False, True])
def test_honest_deletions_go_through_after_parked_nights_too(loose, full):
    withhold(loose, "R1")
    loose.handle.delete_record("R2")
    record = loose.handle.project.records
    for _ in range(3):
        loose.move(timedelta(days=4))
        assert small.run_night(loose.apps["one"], full=full).exit_code == 5
    assert "R1" not in record
    loose.write("R1", "start", initials="back")
    passed = night(loose, full=full)
    assert passed.exit_code == 0, passed.reason
    assert not any("brake" in each for each in passed.notices)


def test_who_cannot_read_the_log_is_told_that_nothing_is_known_and_goes_on(tmp_path):
    with small.serve(tmp_path, frozen=False) as trial:
        small.fill(trial, RECORDS)
        app = trial.app("blind", token=small.BLIND)
        assert small.run_night(app).exit_code == 0
        withhold(trial, "R1")
        passed = small.run_night(app).sites[0]
    assert passed.exit_code == 0
    assert any(each.startswith("1 record is gone; no log") for each in passed.notices)
