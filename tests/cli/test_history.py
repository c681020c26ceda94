"""A cell that the warehouse does not know: the part of its place that is wrong is named."""

from pathlib import Path

import pytest

from tests.acceptance.program import sync
from tests.workflows import small

CELL = {"site": "all", "record": "R1", "event": "day_arm_1", "form": "visit", "field": "weight"}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory):
    with small.serve(tmp_path_factory.mktemp("history"), frozen=False) as trial:
        small.fill(trial, 3)
        assert small.run_night(trial.app("one")).exit_code == 0
        yield trial


def history(folder: Path, **changes: str):
    options = [word for name, value in (CELL | changes).items() if value for word in (f"--{name}", value)]
    config = folder / "one.toml"
    return sync("warehouse", "history", *options, config=config, cwd=folder, env={"TOKEN": small.TOKEN})


def test_a_cell_that_is_known_has_a_history(trial):
    assert history(trial.folder).code == 0
    assert history(trial.folder, field="signs___1").code == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"form": "visitt"}, "--form visitt: the study has no such form; did you mean 'visit"),
        ({"field": "wieght"}, "--field wieght: form visit has no such column; did you mean 'weight'?"),
        ({"event": "day_arm_2"}, "--event day_arm_2: the study has no such visit; did you mean 'day_arm_1'?"),
        ({"event": ""}, "--event is missing; known here: start_arm_1, day_arm_1"),
        ({"record": "R99"}, "--record: the warehouse holds no record of this name"),
        ({"event": "start_arm_2"}, "never had a row for visit.weight at start_arm_2"),
    ],
)
def test_the_unknown_part_is_named(trial, changes, says):
    done = history(trial.folder, **changes)
    assert done.code == 2
    assert says in done.err
    assert "R0" not in done.err
