"""Columns that drift leaves out: kept as they stand, and read again from the day on which a person accepts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import loading
from sync.demo import odm, projects, stage, trial
from sync.harmonise import mapping
from sync.sandbox.handle import ProjectHandle
from sync.workflows import acceptance
from sync.workflows.run import RunResult
from tests.workflows import small

START = datetime(2026, 3, 2, 2, 0, tzinfo=ZoneInfo(stage.ZONE))
RECORD, EVENT = "NJDT-002", "month_3_arm_1"


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[stage.Stage]:
    """Serve one centre of the invented trial, true and complete."""
    study = loading.shipped_study("sle")
    text = (loading.shipped_folder("sle") / "sites" / "drumtower.toml").read_text("utf-8")
    chosen = {"drumtower": mapping.parse(text, study)}
    xml = odm.write(projects.build(study, chosen["drumtower"], trial.prepare(study, _all(study)).truth, "drumtower"))
    with_one = stage.set_up(tmp_path / "stage", {"drumtower": xml}, start=START)
    yield with_one
    with_one.sandbox.stop()


def _all(study):
    folder = loading.shipped_folder("sle") / "sites"
    return {site: mapping.parse((folder / f"{site}.toml").read_text("utf-8"), study) for site in stage.CENTRES}


def night(playing: stage.Stage, number: int) -> RunResult:
    """Run the night of day ``number``."""
    playing.at(START + timedelta(days=number))
    return small.run_night(playing.app())


def stored(playing: stage.Stage, field: str) -> str | None:
    """Read one cell of the form of vital signs as the site entered it."""
    frames = {frame.form.name: frame for frame in playing.app().warehouse().reader().frames("drumtower")}
    frame = frames["vitals"]
    for place, row in enumerate(frame.rows.select("record", "event").iter_rows()):
        if row == (RECORD, "month_3"):
            return frame.raw[field][place]
    return None


def test_what_a_site_wrote_while_a_column_was_left_out_comes_in_after_acceptance(playing):
    project: ProjectHandle = playing.sandbox.project("drumtower")
    assert night(playing, 0).exit_code == 0
    was = project.get(RECORD, "temp_c", event=EVENT)
    assert stored(playing, "temp_c") == was
    changes = {"text_validation_type_or_show_slider_number": "date_ymd"}
    project.change_structure(fields=small.with_field(project.structure, "temp_c", **changes))
    first = night(playing, 1)
    assert first.exit_code == 0, first.sites[0].reason
    assert any("left out until this is accepted" in notice for notice in first.sites[0].notices)
    playing.at(START + timedelta(days=1, hours=5))
    project.set(RECORD, {"temp_c": "41"}, event=EVENT)
    second = night(playing, 2)
    assert second.exit_code == 0
    assert stored(playing, "temp_c") == was, "left out is left as it stands"
    playing.at(START + timedelta(days=4))
    acceptance.look(playing.app(), playing.app().sites()[0], accept_as="tester")
    assert night(playing, 4).exit_code == 0
    assert stored(playing, "temp_c") == "41"
    assert night(playing, 5).sites[0].kind == "incremental"
