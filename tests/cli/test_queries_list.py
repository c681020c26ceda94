"""A list of queries on which nothing stands says whether there ever was anything."""

from pathlib import Path

import pytest

from tests.acceptance.program import sync
from tests.workflows import small


@pytest.fixture
def trial(tmp_path: Path):
    with small.serve(tmp_path, frozen=False) as trial:
        small.fill(trial, 3)
        assert small.run_night(trial.app("one")).exit_code == 0
        yield trial


def call(trial: small.Trial, *arguments: str):
    return sync(*arguments, config=trial.folder / "one.toml", cwd=trial.folder, env={"TOKEN": small.TOKEN})


def test_where_none_waits_the_settled_ones_are_counted(trial):
    queries = call(trial, "queries", "list", "--json").document["queries"]
    for number, each in enumerate(queries):
        decision = ("cancel", "--reason", "duplicate") if number else ("confirm",)
        done = call(trial, "queries", decision[0], each["number"], *decision[1:])
        assert done.code == 0, done.err
    assert (
        call(trial, "queries", "list").out == f"Queries: none waiting; 1 closed, {len(queries) - 1} cancelled (--all)\n"
    )
    assert call(trial, "queries", "list", "--record", "R99").out == "Queries: none.\n"
    assert call(trial, "queries", "list", "--state", "open").out == "Queries: none.\n"
    assert call(trial, "queries", "list", "--json").document["queries"] == []
