"""One of a thing is told in the singular."""

from pathlib import Path

import pytest

from sync.plural import counted
from tests.acceptance.program import sync
from tests.workflows import small


def test_a_count_and_its_noun():
    assert [counted(count, "query", "queries") for count in (0, 1, 2)] == ["0 queries", "1 query", "2 queries"]
    assert [counted(count, "row") for count in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


@pytest.mark.parametrize("command", ["validate", "doctor"])
def test_one_record_is_one_record(tmp_path: Path, command: str):
    with small.serve(tmp_path, frozen=False) as trial:
        small.fill(trial, 1)
        trial.app("one")
        done = sync(command, config=tmp_path / "one.toml", cwd=tmp_path, env={"TOKEN": small.TOKEN})
        assert "1 record" in done.out
        assert "1 records" not in done.out
