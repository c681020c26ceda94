"""Serve real projects and validate them with REDCap's dictionary alone: same keys, same cells, no crash.

The projects are made up people's, from REDCapR's public test data; the folder is not part of this project.
"""

import csv

import polars as pl
import pytest

from schemas.frames import FormFrame
from sync import bootstrap
from sync.sandbox.sandbox import Sandbox
from sync.workflows import judging
from tests.acceptance.program import ROOT, sync

CORPUS = ROOT.parent / "shared" / "corpus"
PROJECTS = ("simple", "longitudinal", "repeating-instruments", "validation-types-1", "survey", "dag")
TOKEN = "0123456789ABCDEF0123456789ABCDEF"
COMPANIONS = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
OUTSIDE = {"redcap_data_access_group", "redcap_survey_identifier"}
"""Columns that belong to the record, not to a form."""

# (project, column) -> why the recording differs from the XML that was loaded; found by reading both files
EXPLAINED = {
    ("simple", "sex"): "the recording's writer turned 1 and 0 into TRUE and FALSE",
    ("simple", "mugshot"): "the recording shows [document] in place of the file's name",
    ("longitudinal", "patient_document"): "the recording shows [document] in place of the file's name",
}

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of real projects is not beside the project")


@pytest.fixture(params=PROJECTS)
def served(request, tmp_path):
    name = request.param
    with Sandbox() as sandbox:
        xml = (CORPUS / name / "project.xml").read_text("utf-8")
        sandbox.add_project(xml, slug=name, token=TOKEN, project_id=7)
        url = sandbox.start()
        config = tmp_path / "config.toml"
        config.write_text(
            f"""[study]
definition = "dictionary"
[[sites]]
slug = "here"
name = "Corpus: {name}"
subject_prefix = "CO"
url = "{url}"
project_id = 7
token_env = "TOKEN"
"""
        )
        yield name, config


def recording(name: str) -> list[dict[str, str]]:
    with (CORPUS / name / "data.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_validate_reads_every_row_and_ends_in_order(served):
    name, config = served
    done = sync("validate", "--site", "here", "--json", config=config, env={"TOKEN": TOKEN})
    assert done.code in (0, 1), done.err
    (site,) = done.document["sites"]
    rows = recording(name)
    key = next(iter(rows[0]))
    assert site["rows"] == len(rows)
    assert site["records"] == len({row[key] for row in rows})
    known = {row[key] for row in rows}
    assert all(finding["record"] in known for finding in site["findings"])


def test_every_recorded_cell_stands_in_the_frames_as_entered(served):
    name, config = served
    app = bootstrap.build(config, {"TOKEN": TOKEN}, cwd=config.parent)
    (site,) = app.sites()
    snapshot = app.source(site).pull()
    judged = judging.judge_pull(snapshot, app.plan(site), as_of=app.clock.now())
    frames = {frame.form.name: frame for frame in judged.harmonised.frames}
    compared = 0
    for row in recording(name):
        compared += _compare(name, row, frames, judged.snapshot.structure.record_field)
    assert compared > 0


def _compare(name: str, row: dict[str, str], frames: dict[str, FormFrame], key: str) -> int:
    """Find each filled cell of a recorded row in its form's frame; count the cells compared."""
    compared = 0
    for frame in frames.values():
        place = _place(frame, row, key)
        for column in frame.raw.columns:
            text = row.get(column, "")
            if column in OUTSIDE or (name, column) in EXPLAINED or text == "":
                continue
            if place is None:
                # an unticked box alone makes no row, and the record id stands on every row
                assert text == "0" or column == key, f"{column} of a recorded row was not read"
                continue
            assert _plain(frame.raw[column][place]) == _plain(text), f"{column} differs"
            compared += 1
    return compared


def _place(frame: FormFrame, row: dict[str, str], key: str) -> int | None:
    instrument = row.get("redcap_repeat_instrument") or ""
    if instrument and instrument != frame.form.name:
        return None
    found = frame.rows.with_row_index("place").filter(
        (pl.col("record") == row[key])
        & (pl.col("event") == (row.get("redcap_event_name") or ""))
        & (pl.col("instance") == int(row.get("redcap_repeat_instance") or 1))
    )
    return found["place"][0] if found.height else None


def _plain(text: str | None) -> str:
    """Fold line breaks and runs of blanks: project XML and CSV recording wrote them differently."""
    return " ".join((text or "").split())
