"""Answer with what a real server recorded: every corpus project's flat export against its data.csv."""

import csv
import difflib
import io
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from sync.sandbox import xml_load
from sync.sandbox.clock import ServerClock
from sync.sandbox.dictionary import FIELD_KEYS
from sync.sandbox.sandbox import Sandbox

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
PROJECTS = ("dag", "longitudinal", "repeating-instruments", "simple", "survey", "validation-types-1")
TOKEN = "c" * 32
ASKED = {"dag": {"exportDataAccessGroups": "true"}, "survey": {"exportSurveyFields": "true"}}
#: columns that the XML has and the older recording has not
NEW_COLUMNS = {"simple": {"interpreter_needed": "added to the project after the recording"}}
#: dictionary cells that a project XML does not carry
NOT_IN_XML = {
    ("f_slider", "text_validation_min"): "the XML has no RangeCheck for sliders",
    ("f_slider", "text_validation_max"): "the XML has no RangeCheck for sliders",
    ("f_sql", "select_choices_or_calculations"): "the XML leaves the SQL query out",
}


def _explained(project: str, column: str, recorded: str, served: str) -> str:
    """Give the reason why a recorded cell may differ from ours; blank where there is none."""
    if project == "simple" and column == "sex" and {"FALSE": "0", "TRUE": "1"}.get(recorded) == served:
        return "the recording program turned 0 and 1 into FALSE and TRUE"
    if project == "simple" and column == "mugshot" and recorded == "[document]":
        return "older servers showed [document] for a file, newer ones its name"
    if project == "survey" and column == "prescreening_survey_timestamp" and recorded.startswith("2018"):
        return "the XML is of 2024, after the survey had been taken again"
    if project == "validation-types-1" and (column, recorded, served) == ("f_calculated", "", "7"):
        return "the calculation was first run after the recording"
    if project == "longitudinal" and served.split() == recorded.split() and "\n" in served:
        return "the recording program folded line breaks into spaces"
    return ""


def _read(project: str, name: str) -> str:
    path = CORPUS / project / name
    if not path.exists():
        pytest.skip("the corpus of real projects is not beside this checkout")
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


@pytest.fixture(scope="module")
def served():
    if not CORPUS.exists():
        pytest.skip("the corpus of real projects is not beside this checkout")
    with Sandbox(clock=ServerClock()) as sandbox:
        for number, name in enumerate(PROJECTS, 1):
            sandbox.add_project(_read(name, "project.xml"), slug=name, token=f"{number:032x}", project_id=number)
        sandbox.start()
        yield sandbox


def _post(served: Sandbox, project: str, **data: str) -> requests.Response:
    token = f"{PROJECTS.index(project) + 1:032x}"
    return requests.post(served.start(), data={"token": token, **data}, timeout=20)


@pytest.mark.parametrize("project", PROJECTS)
def test_flat_export_is_what_was_recorded(served, project):
    reply = _post(served, project, content="record", format="csv", type="flat", **ASKED.get(project, {}))
    recorded = list(csv.DictReader(io.StringIO(_read(project, "data.csv"), newline="")))
    ours = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    new = NEW_COLUMNS.get(project, {})
    assert [name for name in ours[0] if name not in new] == list(recorded[0])
    assert len(ours) == len(recorded)
    unexplained = [
        (index, name, row[name], ours[index][name])
        for index, row in enumerate(recorded)
        for name in row
        if row[name] != ours[index][name] and not _explained(project, name, row[name], ours[index][name])
    ]
    assert unexplained == []


@pytest.mark.parametrize("project", ["dag", "repeating-instruments"])
def test_flat_export_is_the_same_to_the_byte_where_nothing_aged(served, project):
    reply = _post(served, project, content="record", format="csv", type="flat", **ASKED.get(project, {}))
    assert reply.content.decode() == _read(project, "data.csv")


@pytest.mark.parametrize("project", PROJECTS)
def test_metadata_is_the_data_dictionary(served, project):
    recorded = {row[0]: row for row in list(csv.reader(io.StringIO(_read(project, "dictionary.csv"), newline="")))[1:]}
    ours = _post(served, project, content="metadata", format="json").json()
    assert [row["field_name"] for row in ours if row["field_name"] not in NEW_COLUMNS.get(project, {})] == list(
        recorded
    )
    wrong = [
        (row["field_name"], key, recorded[row["field_name"]][index], row[key])
        for row in ours
        if row["field_name"] in recorded
        for index, key in enumerate(FIELD_KEYS)
        if row[key] != recorded[row["field_name"]][index] and (row["field_name"], key) not in NOT_IN_XML
    ]
    assert wrong == []


def test_events_and_arms_are_what_was_recorded_but_for_the_servers_own_ids(served):
    recorded = list(csv.DictReader(io.StringIO(_read("longitudinal", "event.csv"))))
    ours = _post(served, "longitudinal", content="event", format="json").json()
    assert list(ours[0]) == list(recorded[0])
    assert [{**row, "arm_num": str(row["arm_num"]), "event_id": ""} for row in ours] == [
        {**row, "event_id": ""} for row in recorded
    ]
    assert sorted(row["event_id"] for row in ours) == [row["event_id"] for row in ours]
    arms = _post(served, "longitudinal", content="arm", format="csv").text
    assert arms.strip() == _read("longitudinal", "arm.csv").strip()


def test_a_report_has_its_own_order_of_columns_and_takes_line_breaks_out(served):
    reply = _post(served, "simple", content="report", report_id="4001", format="json")
    rows = reply.json()
    # REDCapR's recording of this project's report; the id is this server's own
    assert list(rows[0]) == ["record_id", "height", "health_complete", "address", "ethnicity"]
    assert rows[0]["address"].replace("  ", " ") == "14 Rose Cottage St. Kenning UK, 323232"
    assert "\n" not in reply.text
    assert [row["height"] for row in rows] == ["7", "6", "180", "165", "193.04"]


@pytest.mark.parametrize("project", PROJECTS)
def test_what_is_written_loads_as_the_same_project(served, project):
    text = _post(
        served, project, content="project_xml", exportFiles="1", exportSurveyFields="1", exportDataAccessGroups="1"
    ).text
    number = PROJECTS.index(project) + 1
    before = served.project(project).project
    again = xml_load.load(text, slug=project, project_id=number, at=served.clock.local())
    assert again.structure == before.structure
    assert (again.roles, again.reports) == (before.roles, before.reports)
    assert replace(again.settings, creation_time="") == replace(before.settings, creation_time="")
    assert {record.name: record.rows for record in again.records} == {
        record.name: record.rows for record in before.records
    }


#: how many lines of a written XML may differ from the recorded one besides those that hold its own time
DIFFERENT = {
    "dag": 0,
    "repeating-instruments": 0,
    "simple": 12,
    "longitudinal": 8,
    "survey": 4,
    "validation-types-1": 16,
}


@pytest.mark.parametrize("project", PROJECTS)
def test_what_is_written_is_what_was_recorded_line_by_line(served, project):
    text = _post(
        served, project, content="project_xml", exportFiles="1", exportSurveyFields="1", exportDataAccessGroups="1"
    ).text
    ours, recorded = text.split("\n"), _read(project, "project.xml").replace("\r\n", "\n").split("\n")
    timed = ("<ODM ", "<MetaDataVersion ", "<ClinicalData ")
    differences = [
        line
        for line in difflib.unified_diff(recorded, ours, lineterm="", n=0)
        if line[:2] not in ("--", "++", "@@") and not line[1:].lstrip().startswith(timed)
    ]
    # CheckboxChoices may have blanks around its bars, a first survey's timestamp stands twice, bare rows need an id
    assert len(differences) <= DIFFERENT[project], differences


def test_line_breaks_in_attributes_survive(served):
    rows = _post(served, "simple", content="record", format="json", type="flat").json()
    assert rows[0]["address"] == "14 Rose Cottage St.\nKenning UK, 323232"


def test_the_file_comes_back_with_its_name_and_type(served):
    reply = _post(served, "simple", content="file", action="export", record="1", field="mugshot")
    assert reply.content.startswith(b"\xff\xd8\xff")
    assert 'name="mugshot-1.jpg"' in reply.headers["Content-Type"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<ODM/>", "not a project XML"),
        ("rubbish", "not well-formed"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "document type"),
    ],
)
def test_what_is_no_project_xml_is_refused(text, reason):
    with pytest.raises(xml_load.ProjectXmlError, match=reason), Sandbox() as sandbox:
        sandbox.add_project(text, slug="x", token=TOKEN)


def test_old_files_with_bytes_that_are_no_text_load(invented_xml):
    damaged = invented_xml.encode().replace(b"Drum Tower", "鼓楼".encode()).replace(b"Invented One", b"Inv\xff\x03nted")
    with Sandbox() as sandbox:
        project = sandbox.add_project(xml_load.decode(damaged), slug="x", token=TOKEN)
        assert project.get("1", "patient_name", event="baseline_arm_1") == "Inv\ufffdnted"
        assert [(dag.name, dag.unique_name) for dag in project.structure.dags] == [
            ("鼓楼", "drum_tower"),
            ("dag-b", "dagb"),
        ]
