"""A pull is complete or raises; it is tried here against a fake project of invented patients."""

from collections.abc import Callable

import polars as pl
import pytest

from schemas.project import RECORD_COLUMNS
from sync.errors import SourceMismatch, SourceRefused, SourceUnavailable
from sync.ports.source import Source
from tests.redcap.fake import CSV, DAG, FakeProject, meta, patients, reply_json

Open = Callable[..., Source]


def test_a_classic_project(project: FakeProject, source: Open) -> None:
    project.rows = patients(3)
    project.rows[0]["note"] = 'says "hello",\r\nthen 走 NA'
    project.rows[1]["scan"] = "scan.png"
    snapshot = source().pull()
    assert snapshot.site == "north"
    assert snapshot.base_url == "https://redcap.example.org/redcap/"
    assert snapshot.pulled_at.isoformat() == "2026-03-01T02:03:04+00:00"
    assert snapshot.records == 3
    assert snapshot.withheld == {}
    assert snapshot.rows.columns == [
        *("record_id", *RECORD_COLUMNS),
        *("note", "organs___1", "organs____2", "scan", "basics_complete"),
    ]
    assert set(snapshot.rows.dtypes) == {pl.String()}
    assert snapshot.rows["note"].to_list() == ['says "hello",\r\nthen 走 NA', "remark 2", "remark 3"]
    assert snapshot.rows["scan"].to_list() == [None, "scan.png", None]
    assert snapshot.rows["redcap_event_name"].null_count() == 3
    structure = snapshot.structure
    assert (structure.project_id, structure.redcap_version, structure.is_longitudinal) == (17, "15.2.1", False)
    assert structure.missing_codes == {"NA": "Not applicable", "UNK": "Unknown, or not told"}
    assert " ".join(structure.export_fields) == ("record_id note organs___1 organs____2 scan basics_complete")
    contents = [each["content"] for each in project.asked]
    assert "event" not in contents
    assert "formEventMapping" not in contents


def test_records_are_asked_for_raw_with_gray_statuses_blank_in_arrays(project: FakeProject, source: Open) -> None:
    project.rows = patients(2)
    project.rows[0]["record_id"] = "a, b"
    source().pull()
    whole = project.asked[-2]  # the last request lists the records again
    assert (whole["records[0]"], whole["records[1]"]) == ("a, b", "P-2")
    assert whole["exportBlankForGrayFormStatus"] == "True"
    assert (whole["rawOrLabel"], whole["type"], whole["format"]) == ("raw", "flat", "csv")
    assert "exportSurveyFields" not in whole
    assert "exportDataAccessGroups" not in whole


@pytest.fixture
def visits(project: FakeProject) -> FakeProject:
    """Two arms, a repeating form and a repeating event."""
    project.metadata.append(meta("dose", "drug"))
    project.events = [
        {"event_name": "Start", "arm_num": 1, "unique_event_name": "start_arm_1", "event_id": 41},
        {"event_name": "Extra", "arm_num": 1, "unique_event_name": "extra_arm_1", "event_id": 42},
        {"event_name": "Start", "arm_num": 2, "unique_event_name": "start_arm_2", "event_id": 43},
    ]
    project.event_forms = [
        {"arm_num": 1, "unique_event_name": "start_arm_1", "form": "basics"},
        {"arm_num": 1, "unique_event_name": "start_arm_1", "form": "drug"},
    ]
    project.repeating = [
        {"event_name": "start_arm_1", "form_name": "drug", "custom_form_label": ""},
        {"event_name": "extra_arm_1", "form_name": "", "custom_form_label": ""},
    ]
    project.rows = [
        {"record_id": "1", "redcap_event_name": "start_arm_1", "note": "base"},
        *(
            {"record_id": "1", "redcap_event_name": "start_arm_1", "redcap_repeat_instrument": "drug"}
            | {"redcap_repeat_instance": n, "dose": f"{n} mg"}
            for n in ("1", "3")
        ),
        {"record_id": "1", "redcap_event_name": "extra_arm_1", "redcap_repeat_instance": "1", "note": "x"},
        {"record_id": "2", "redcap_event_name": "start_arm_2", "note": "other arm"},
    ]
    return project


def test_arms_repeating_forms_and_events(visits: FakeProject, source: Open) -> None:
    snapshot = source(batch_records=1).pull()
    assert visits.batches() == [["1"], ["2"]]
    assert snapshot.rows.select("record_id", *RECORD_COLUMNS, "dose").rows() == [
        ("1", "start_arm_1", None, None, None),
        ("1", "start_arm_1", "drug", "1", "1 mg"),
        ("1", "start_arm_1", "drug", "3", "3 mg"),
        ("1", "extra_arm_1", None, "1", None),
        ("2", "start_arm_2", None, None, None),
    ]
    structure = snapshot.structure
    assert structure.is_longitudinal
    assert [(each.arm, each.event_id) for each in structure.events] == [(1, 41), (1, 42), (2, 43)]
    assert structure.repeating == {("start_arm_1", "drug"), ("extra_arm_1", "")}
    assert ("start_arm_1", "drug") in structure.event_forms


def test_the_error_text_for_nothing_repeating_means_none(project: FakeProject, source: Open) -> None:
    project.faults["project"] = lambda form, n: reply_json({"project_id": "17"})
    text = "You cannot export repeating instruments and events because the project does not contain any"
    project.faults["repeatingFormsEvents"] = lambda form, n: (400, *reply_json({"error": text})[1:])
    structure = source().structure()
    assert structure.repeating == frozenset()
    assert not structure.is_longitudinal


def test_batches_progress_and_order(project: FakeProject, source: Open) -> None:
    project.rows = patients(7)
    seen: list[tuple[int, int]] = []
    snapshot = source(batch_records=3).pull(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert [len(batch) for batch in project.batches()] == [3, 3, 1]
    assert snapshot.rows["record_id"].to_list() == [f"P-{n}" for n in range(1, 8)]


MEMORY = "REDCap ran out of server memory. The request cannot be processed."


def test_a_batch_that_is_too_large_is_halved(project: FakeProject, source: Open) -> None:
    project.rows = patients(8)

    def too_large(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        return (200, CSV, f"<b>Fatal error</b>: {MEMORY}") if "records[2]" in form else None

    project.faults["record"] = too_large
    snapshot = source(batch_records=8).pull()
    assert [len(batch) for batch in project.batches()] == [8, 4, 2, 2, 2, 2]
    assert snapshot.records == 8


def test_one_record_that_is_too_large_is_reported(project: FakeProject, source: Open) -> None:
    project.rows = patients(2)
    project.faults["record"] = lambda form, n: (200, CSV, MEMORY) if "records[0]" in form else None
    with pytest.raises(SourceUnavailable, match="out of memory"):
        source().pull()


@pytest.mark.parametrize("body", ["record_id\n", "\n", ""])
def test_an_empty_project_in_each_of_its_forms(project: FakeProject, source: Open, body: str) -> None:
    project.faults["record"] = lambda form, n: (200, CSV, body) if form["format"] == "csv" else None
    snapshot = source().pull()
    assert snapshot.rows.height == 0
    assert snapshot.records == 0
    assert snapshot.withheld == {}
    assert snapshot.rows.columns[: 1 + len(RECORD_COLUMNS)] == ["record_id", *RECORD_COLUMNS]
    assert "note" in snapshot.rows.columns


def test_an_empty_body_is_not_an_empty_project(project: FakeProject, source: Open) -> None:
    project.rows = patients(2)
    project.faults["record"] = lambda form, n: (200, CSV, "")
    with pytest.raises(SourceUnavailable, match="empty reply"):
        source().pull()


def test_an_undoubled_quote_of_php_is_read_as_json(project: FakeProject, source: Open) -> None:
    project.rows = patients(2)
    project.rows[0]["note"] = 'C:\\"x"'

    def php(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        answer = project._record(form)
        return (*answer[:2], str(answer[2]).replace('\\""', '\\"')) if form["format"] == "csv" else answer

    project.faults["record"] = php
    assert source().pull().rows["note"][0] == 'C:\\"x"'


def test_a_table_whose_end_cannot_be_known_is_read_as_json(project: FakeProject, source: Open) -> None:
    """Cut at the end of a row or inside its last cell, a CSV reply without a length looks whole."""
    project.metadata = [meta("record_id", "basics"), meta("visit", "basics"), meta("organ", "basics")]
    project.rows = [
        {"record_id": "1", "redcap_repeat_instrument": "basics", "redcap_repeat_instance": str(n)}
        | {"visit": f"{n}", "basics_complete": "2"}
        for n in (1, 2, 3)
    ]
    project.repeating = [{"form_name": "basics", "custom_form_label": ""}]

    def cut(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        status, headers, body = project._record(form)
        if form["format"] == "json":
            return None
        return status, headers | {"Content-Length": None}, str(body).rpartition("1,basics,3")[0] or body

    project.faults["record"] = cut
    assert source().pull().rows["visit"].to_list() == ["1", "2", "3"]


def test_records_that_do_not_come_are_asked_for_once_more(project: FakeProject, source: Open) -> None:
    project.rows = patients(4)

    def lossy(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        status, headers, body = project._record(form)
        return (status, headers, str(body).replace("P-2,", "#\n").partition("#")[0]) if n == 2 else None

    project.faults["record"] = lossy
    assert source().pull().records == 4


def test_records_that_never_come_stop_the_pull(project: FakeProject, source: Open) -> None:
    project.rows = patients(4)
    hidden = project.rows[1]

    def lossy(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        project.rows = patients(4) if "fields[0]" in form else [r for r in patients(4) if r != hidden]

    project.faults["record"] = lossy
    with pytest.raises(SourceUnavailable, match="1 of the records") as caught:
        source().pull()
    assert "P-2" not in str(caught.value)


def test_a_record_deleted_meanwhile_is_no_fault(project: FakeProject, source: Open) -> None:
    project.rows = patients(4)

    def deleting(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        if n == 2:
            del project.rows[1]

    project.faults["record"] = deleting
    assert source().pull().rows["record_id"].to_list() == ["P-1", "P-3", "P-4"]


def test_withheld_columns_are_named(project: FakeProject, source: Open) -> None:
    project.rows = patients(2)
    project.hidden = {"note", "organs___1", "scan"}
    snapshot = source().pull()
    assert set(snapshot.withheld) == {"note", "organs___1", "scan"}
    assert "export rights" in snapshot.withheld["note"]
    assert "note" not in snapshot.rows.columns


def test_survey_columns_are_left_out(project: FakeProject, source: Open) -> None:
    project.metadata.append(meta("own_timestamp", "basics"))
    project.rows = [each | {"basics_timestamp": "[not completed]"} for each in patients(1)]
    named = project.columns

    def columns() -> list[str]:
        return [*named(), "redcap_survey_identifier", "basics_timestamp"]

    project.columns = columns  # type: ignore[method-assign]
    names = source().pull().rows.columns
    assert "own_timestamp" in names
    assert not {"redcap_survey_identifier", "basics_timestamp"} & set(names)


def test_a_design_that_changes_during_the_pull_stops_it(project: FakeProject, source: Open) -> None:
    project.rows = patients(4)

    def editing(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        if n == 3:
            project.hidden = {"note"}

    project.faults["record"] = editing
    with pytest.raises(SourceUnavailable, match="columns changed during the pull"):
        source(batch_records=2).pull()


def test_a_column_that_the_dictionary_does_not_have_stops_it(project: FakeProject, source: Open) -> None:
    project.rows = patients(1)

    def editing(form: dict[str, str], n: int):  # type: ignore[no-untyped-def]
        if n == 1:
            project.metadata.append(meta("brand_new", "basics"))

    project.faults["record"] = editing
    with pytest.raises(SourceUnavailable, match="1 columns that the project's dictionary does not have"):
        source().pull()


def test_the_token_of_another_project_is_a_mismatch_naming_both(project: FakeProject, source: Open) -> None:
    project.project_id = 99
    with pytest.raises(SourceMismatch, match=r"project 99.*project 17"):
        source().pull()
    assert [each["content"] for each in project.asked] == ["project"]


def test_hashed_ids_are_refused(project: FakeProject, source: Open) -> None:
    project.rows = [row | {"record_id": f"{n:032x}"} for n, row in enumerate(patients(3))]
    with pytest.raises(SourceMismatch, match="de-identified"):
        source().pull()


def test_the_same_row_twice_is_refused(project: FakeProject, source: Open) -> None:
    project.rows = [*patients(2), *patients(1)]
    with pytest.raises(SourceUnavailable, match="twice"):
        source().pull()


def test_records_that_were_not_asked_for_are_refused(project: FakeProject, source: Open) -> None:
    project.rows = patients(4)
    everything = "fields[0]"
    project.faults["record"] = lambda form, n: (
        None if everything in form else project._record({**form, "records[0]": "P-1", "records[1]": "P-3"})
    )
    with pytest.raises(SourceUnavailable, match="not asked for"):
        source(batch_records=2).pull()


GROUPS = [
    {"data_access_group_name": "North", "unique_group_name": "north", "data_access_group_id": 1},
    {"data_access_group_name": "South", "unique_group_name": "south", "data_access_group_id": 2},
]


def test_groups_are_exported_and_one_may_be_chosen(project: FakeProject, source: Open) -> None:
    project.groups = GROUPS
    project.rows = [row | {DAG: name} for row, name in zip(patients(3), ("north", "south", ""), strict=True)]
    everyone = source().pull()
    assert everyone.rows[DAG].to_list() == ["north", "south", None]
    assert everyone.structure.groups == {"north": "North", "south": "South"}
    mine = source(group="south").pull()
    assert mine.rows.select("record_id", DAG).rows() == [("P-2", "south")]
    assert project.batches()[-1] == ["P-2"]


def test_a_group_that_cannot_be_told_is_a_mismatch(project: FakeProject, source: Open) -> None:
    project.groups = GROUPS
    project.rows = patients(1)
    with pytest.raises(SourceMismatch, match=r"no data access group 'west' \(known: north, south\)"):
        source(group="west").pull()
    project.hidden = {DAG}
    with pytest.raises(SourceMismatch, match="remove group"):
        source(group="north").pull()
    assert DAG in source().pull().withheld


def test_groups_that_may_not_be_seen_are_none(project: FakeProject, source: Open) -> None:
    text = "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access Groups' privileges"
    project.faults["dag"] = lambda form, n: (400, *reply_json({"error": text})[1:])
    project.rows = patients(1)
    assert source().pull().structure.groups == {}
    with pytest.raises(SourceMismatch, match="none that the token's user may see"):
        source(group="north").pull()


def test_each_piece_of_work_reads_the_dictionary_afresh(project: FakeProject, source: Open) -> None:
    opened = source()
    before = opened.structure()
    project.metadata.append(meta("added", "basics"))
    assert set(opened.structure().export_fields) - set(before.export_fields) == {"added"}


def test_a_wrong_token_is_refused(project: FakeProject, source: Open) -> None:
    with pytest.raises(SourceRefused, match="does not accept the token") as caught:
        source(token="F" * 32).pull()
    assert caught.value.exit_code == 4


def test_a_server_that_refuses_to_list_the_status_of_a_form_is_asked_for_ids_alone(
    project: FakeProject, source: Callable[..., Source]
) -> None:
    project.rows = patients(3)
    project.repeating = [{"form_name": "basics"}]
    refusal = "ERROR: The following values in the parameter fields are not valid: 'basics_complete'"
    project.faults["record"] = lambda form, count: (400, CSV, refusal) if "fields[1]" in form else None
    assert source().pull().records == 3
    asked = [form for form in project.asked if form["content"] == "record" and "fields[1]" in form]
    assert [form["fields[1]"] for form in asked] == ["basics_complete"]
