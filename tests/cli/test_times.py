"""People read times in the study's zone; programs get them with their offset."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.program import sync
from tests.workflows import small


@pytest.fixture
def trial(tmp_path: Path):
    """Serve a site whose first night is done; its study is eight hours ahead of the stored times."""
    with small.serve(tmp_path, frozen=False) as trial:
        small.fill(trial)
        assert small.run_night(trial.app("one")).exit_code == 0
        yield trial


def call(trial: small.Trial, *arguments: str):
    return sync(*arguments, config=trial.folder / "one.toml", cwd=trial.folder, env={"TOKEN": small.TOKEN})


def local(trial: small.Trial) -> str:
    (run,) = trial.apps["one"].warehouse().reader().runs()
    assert run.started.utcoffset() == timedelta(0), "stored in UTC"
    return f"{run.started.astimezone(small.ZONE):%Y-%m-%d %H:%M}"


def test_runs_are_listed_and_shown_in_the_zone_of_the_study(trial):
    (run,) = trial.apps["one"].warehouse().reader().runs()
    assert local(trial) in call(trial, "runs", "list").out
    assert local(trial) in call(trial, "runs", "show", run.run_id).out
    (row,) = call(trial, "runs", "list", "--json").document["runs"]
    assert datetime.fromisoformat(row["started"]) == run.started.replace(microsecond=0)
    assert "+00:00" in call(trial, "runs", "list", "--csv", "-").out


def test_so_are_a_cell_and_a_query(trial):
    cell = ("warehouse", "history", "--site", "all", "--record", "R0", "--event", "day_arm_1", "--form", "visit",
            "--field", "weight")  # fmt: skip
    assert local(trial) in call(trial, *cell).out
    assert "+00:00" in call(trial, *cell, "--json").document["history"][0]["since"]
    (first, *_) = call(trial, "queries", "list", "--json").document["queries"]
    shown = call(trial, "queries", "show", first["number"])
    assert shown.out.count(local(trial)) >= 2, shown.out
    assert "+00:00" not in shown.out
