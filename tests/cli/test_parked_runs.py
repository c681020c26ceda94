"""A parked run is shown with what it is about; what a brake let through is said, and stays to be read."""

import getpass
from datetime import timedelta
from pathlib import Path

import pytest

from sync.commands import parked_runs
from sync.config import BrakesConfig
from sync.ports.stored import ParkedRun
from tests.acceptance.program import sync
from tests.warehouse import building as b
from tests.workflows import small

RECORDS = 12
ENV = {"TOKEN": small.TOKEN}


@pytest.fixture
def trial(tmp_path: Path):
    """Serve a site whose last run was parked: another unit, and records that are gone."""
    with small.serve(tmp_path, frozen=False) as trial:
        small.fill(trial, RECORDS)
        log = '[alerts]\ncommand = ["/bin/sh", "-c", "cat >> alert.json"]'
        app = trial.app("one", more=log)
        assert small.run_night(app).exit_code == 0
        for number in range(8):
            trial.write(f"R{number}", "day", weight=f"{(60 + number if number % 3 else 500) / 10:g}")
            trial.write(f"R{number}", "extra 2", weight="6.1")
        for number in range(8, RECORDS):
            trial.handle.delete_record(f"R{number}")
        yield trial


def call(trial: small.Trial, *arguments: str):
    return sync(*arguments, config=trial.folder / "one.toml", cwd=trial.folder, env=ENV)


def test_a_parked_run_shows_columns_checks_and_records_and_nothing_else_does(trial):
    stopped = call(trial, "run")
    assert stopped.code == 5
    (run,) = trial.apps["one"].warehouse().reader().parked()
    shown = call(trial, "runs", "show", run.run_id).out
    assert "visit.weight" in shown
    assert "x 0.1" in shown
    assert "records that are gone: R10, R11, R8, R9" in shown
    document = call(trial, "runs", "show", run.run_id, "--json").document["sites"][0]["parked"]
    (weight,) = document["columns"]
    assert (weight["form"], weight["column"], weight["changed"], weight["known"]) == ("visit", "weight", 16, 16)
    assert document["gone"] == ["R10", "R11", "R8", "R9"]
    assert document["gone_more"] == 0
    assert any(each["closed"] for each in document["checks"])
    listed = call(trial, "runs", "list", "--json")
    assert listed.document["runs"][0]["parked"]["records_gone"] == 4
    alert = (trial.folder / "alert.json").read_text()
    assert "visit.weight" in alert
    for text in (stopped.out, stopped.err, listed.out, alert, run.reason):
        assert "R10" not in text
        assert "R8" not in text


def test_a_dry_run_that_a_brake_stops_shows_what_would_change_and_parks_nothing(trial):
    done = call(trial, "run", "--dry-run")
    assert done.code == 5
    assert "This was a dry run: nothing was changed and nothing is parked" in done.err
    assert "sync runs approve" not in done.err + done.out
    assert "sync runs show" not in done.err + done.out
    for figure in ("4  records that are gone", "16  cells that would change", "visit.weight", "x 0.1"):
        assert figure in done.out, figure
    assert "records that are gone: R10, R11, R8, R9" in done.out
    assert "R10" not in done.err
    (site,) = call(trial, "run", "--dry-run", "--json").document["sites"]
    assert (site["outcome"], site["exit_code"], site["cells_changed"]) == ("braked", 5, 16)
    assert site["rows_deleted"] > 0
    assert site["queries"]["closed"] > 0
    assert site["would_park"]["gone"] == ["R10", "R11", "R8", "R9"]
    assert site["would_park"]["columns"][0]["changed"] == 16
    assert trial.apps["one"].warehouse().reader().parked() == ()
    assert not (trial.folder / "alert.json").exists()
    (site,) = call(trial, "run", "--dry-run", "--allow-mass-change", "--json").document["sites"]
    assert (site["outcome"], site["would_park"]) == ("ok", None)


def test_what_the_flag_lets_through_is_said_and_kept_with_who_used_it(trial):
    passed = call(trial, "run", "--allow-mass-change")
    assert (passed.code, passed.out) == (0, "")
    said = [line for line in passed.err.splitlines() if line.startswith("all: let through a brake: ")]
    assert [line.partition("brake: ")[2] for line in said] == [
        "4 of 12 records are gone",
        "visit.weight: 16 of 16 known values would change, as if the unit had changed (factor 0.1)",
    ]
    (run, _) = trial.apps["one"].warehouse().reader().runs()
    kept = call(trial, "runs", "show", run.run_id, "--json").document["sites"][0]["let_through"]
    assert (kept["allow_mass_change"], kept["by"], kept["approvals"]) == (True, getpass.getuser(), [])
    assert len(kept["reasons"]) == 2
    shown = call(trial, "runs", "show", run.run_id).out
    assert f"let through a brake (--allow-mass-change by {getpass.getuser()})" in shown
    assert "4 of 12 records are gone" in shown


def test_what_an_approval_lets_through_names_the_approval(trial):
    assert call(trial, "run").code == 5
    (parked,) = trial.apps["one"].warehouse().reader().parked()
    assert call(trial, "runs", "approve", parked.run_id, "--site", "all").code == 0
    passed = call(trial, "run")
    assert passed.code == 0
    assert "all: let through a brake: 4 of 12 records are gone" in passed.err
    (run, *_) = trial.apps["one"].warehouse().reader().runs()
    assert run.counts["let_through"]["approvals"] == [parked.run_id]
    assert run.counts["let_through"]["by"] is None
    late = call(trial, "runs", "discard", parked.run_id, "--site", "all")
    assert late.code != 0
    assert f"run {run.run_id} went through since" in late.err


def test_status_and_approve_say_who_approved_what_and_until_when(trial, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "zhou")
    assert call(trial, "run").code == 5
    reader = trial.apps["one"].warehouse().reader()
    (parked,) = reader.parked()
    assert f"sync runs approve {parked.run_id}" in call(trial, "status").out
    approved = call(trial, "runs", "approve", parked.run_id, "--site", "all")
    (row,) = reader.parked()
    until = f"{row.decided_at.astimezone(small.ZONE) + timedelta(days=7):%Y-%m-%d %H:%M}"
    covers = [line for line in approved.out.splitlines() if "covers" in line]
    assert covers == [
        f"It covers this, once and until {until}: 4 of 12 records are gone; "
        "visit.weight: 16 of 16 known values would change, as if the unit had changed (factor 0.1)"
    ]
    status = call(trial, "status").out
    assert f"approved by zhou, counts until {until}: the next run goes through with it" in status
    assert "runs approve" not in status
    (site,) = call(trial, "status", "--json").document["sites"]
    assert (site["decision"], site["decided_by"], site["approved_run_id"]) == ("approved", "zhou", parked.run_id)
    assert call(trial, "runs", "discard", parked.run_id, "--site", "all").code == 0
    status = call(trial, "status").out
    assert "discarded by zhou" in status
    assert "runs approve" not in status


def test_status_knows_an_approval_that_does_not_cover_the_last_run(trial):
    assert call(trial, "run").code == 5
    (first,) = trial.apps["one"].warehouse().reader().parked()
    assert call(trial, "run").code == 5
    assert call(trial, "runs", "approve", first.run_id, "--site", "all").code == 0
    # an earlier parked run of the same change covers the last one
    assert f"run {first.run_id} was approved by" in call(trial, "status").out
    for number in range(8):
        trial.handle.delete_record(f"R{number}")
    assert call(trial, "run").code == 5
    status = call(trial, "status").out
    assert "was another change" in status
    assert "goes through with it" not in status


def parked(**more) -> ParkedRun:
    row = {"site": b.SITE, "run_id": "run-0", "parked_at": b.moment(0), "reason": "x", "difference": {}}
    return ParkedRun(**(row | more))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "waits for a decision"),
        ({"decision": "superseded", "superseded_by_run_id": "run-1"}, "superseded by run run-1, which went through"),
        ({"decision": "discarded", "decided_by": "zhou"}, "discarded by zhou"),
        (
            {"decision": "approved", "decided_by": "zhou", "decided_at": b.moment(4)},
            f"approved by zhou, counts until {b.moment(11).astimezone(small.ZONE):%Y-%m-%d %H:%M}",
        ),
        (
            {"decision": "approved", "decided_by": "zhou", "decided_at": b.moment(1)},
            "approved by zhou, more than 7 days ago: it counts no more; approve it again",
        ),
        (
            {"decision": "approved", "decided_by": "zhou", "decided_at": b.moment(1), "used_by_run_id": "run-2"},
            "approved by zhou, used by run run-2",
        ),
    ],
)
def test_a_person_is_told_where_a_parked_run_stands(more, says):
    assert parked_runs.standing(parked(**more), now=b.moment(9), limits=BrakesConfig(), zone=small.ZONE) == says


def test_of_very_many_records_a_document_lists_the_first():
    document = parked_runs.document(parked(difference={"gone": [f"R{n}" for n in range(1000)], "records_gone": 1000}))
    assert (len(document["gone"]), document["gone_more"], document["records_gone"]) == (200, 800, 1000)
    assert parked_runs.totals(parked(difference={"gone": ["R1"], "records_gone": 1})) == {"records_gone": 1}
