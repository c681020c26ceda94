"""Import, delete and rename records: all or nothing, with the recorded texts."""

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone

import csv
import io
import json
from datetime import datetime

import pytest

from sync.sandbox.people import User

BASELINE, MONTH, EXTRA = "baseline_arm_1", "month_1_arm_1", "unscheduled_arm_1"


def put(client, rows, **data):
    text = rows if isinstance(rows, str) else json.dumps(rows)
    return client.post(content="record", type="flat", data=text, **data)


def cell(client, record, name, event=BASELINE):
    rows = client.records(records=record, events=event)
    return next(row[name] for row in rows if row["redcap_repeat_instrument"] == "")


def refused(client, row, **data):
    """Import one row that must be refused; return its error lines as lists of cells."""
    before = client.records()
    reply = put(client, [row], **data)
    assert reply.status_code == 400, reply.text
    assert client.records() == before
    return list(csv.reader(io.StringIO(reply.json()["error"])))


@pytest.mark.parametrize("rows", [[{}], [{"age": "3"}], [{"record_id": "1", "age": "3"}, {"age": "4"}]])
def test_a_row_without_a_record_id_is_refused(client, rows):
    before = client.records()
    reply = put(client, rows)
    assert reply.status_code == 400
    assert "record" in reply.json()["error"]
    assert client.records() == before


def test_the_count_is_of_records_and_not_of_rows(client):
    rows = [
        {"record_id": "3", "redcap_event_name": BASELINE, "age": 40},
        {"record_id": "3", "redcap_event_name": MONTH, "notes": "here"},
    ]
    reply = put(client, rows)
    assert reply.json() == {"count": 1}
    assert cell(client, "3", "age") == "40"


@pytest.mark.parametrize(
    ("content", "form", "body"),
    [
        ("count", "json", '{"count":2}'),
        ("count", "csv", "2"),
        ("count", "xml", '<?xml version="1.0" encoding="UTF-8" ?><count>2</count>'),
        ("ids", "json", '["4","5"]'),
        ("ids", "csv", "id\n4\n5"),
        ("ids", "xml", '<?xml version="1.0" encoding="UTF-8" ?><ids><id>4</id><id>5</id></ids>'),
        ("nothing", "json", ""),
    ],
)
def test_success_bodies(client, content, form, body):
    rows = [{"record_id": "4", "age": "30"}, {"record_id": "5", "age": "31"}]
    assert put(client, rows, returnContent=content, returnFormat=form).text == body


def test_normal_import_ignores_blanks_and_overwrite_erases(client):
    row = {"record_id": "1", "redcap_event_name": BASELINE, "age": "", "weight": None}
    put(client, [row])
    assert (cell(client, "1", "age"), cell(client, "1", "weight")) == ("34", "60")
    put(client, [row], overwriteBehavior="overwrite")
    assert (cell(client, "1", "age"), cell(client, "1", "weight"), cell(client, "1", "bmi")) == ("", "", "")


def test_calculations_follow_over_events_and_are_logged(client):
    put(client, [{"record_id": "1", "redcap_event_name": BASELINE, "weight": "80", "bmi": "1"}])
    assert cell(client, "1", "bmi") == "29.4"
    assert cell(client, "1", "dose_double") == "58.8"
    entries = client.post(content="log", record="1", logtype="record_edit").json()
    assert {(entry["action"], entry["details"]) for entry in entries} == {
        ("Update record (API) 1 (Baseline (Arm 1: Cells))", "weight = '80'"),
        ("Update record (Auto calculation) 1 (Baseline (Arm 1: Cells))", "bmi = '29.4', dose_double = '58.8'"),
        ("Update record (Auto calculation) 1 (Month 1 (Arm 1: Cells))", "dose_double = '58.8'"),
        ("Update record (Auto calculation) 1 (Unscheduled (Arm 1: Cells))", "[instance = 1], dose_double = '58.8'"),
        ("Update record (Auto calculation) 1 (Unscheduled (Arm 1: Cells))", "[instance = 2], dose_double = '58.8'"),
    }


def test_an_import_that_changes_nothing_leaves_no_trace(client, sandbox):
    sandbox.clock.set(datetime(2026, 3, 9, 12, 0))
    # a gray form status is exported as 0, and importing 0 makes it Incomplete; hence the blanks
    rows = client.records(exportBlankForGrayFormStatus="true")
    assert put(client, rows, overwriteBehavior="overwrite").json() == {"count": 3}
    assert client.records(exportBlankForGrayFormStatus="true") == rows
    assert client.records(dateRangeBegin="2026-03-09 00:00:00") == []


def test_csv_and_xml_and_eav_imports(client):
    assert put(client, "record_id,age\n1,41\n", format="csv").text == "1"
    assert cell(client, "1", "age") == "41"
    assert put(client, "record_id;age\n1;42\n", format="csv", csvDelimiter=";").status_code == 200
    assert cell(client, "1", "age") == "42"
    xml = '<?xml version="1.0" ?><records><item><record_id>1</record_id><age>43</age></item></records>'
    assert put(client, xml, format="xml").status_code == 200
    assert cell(client, "1", "age") == "43"
    points = [
        {"record": "1", "redcap_event_name": BASELINE, "field_name": "age", "value": "44"},
        {"record": "1", "redcap_event_name": BASELINE, "field_name": "organs___a", "value": "1"},
        {"record": "1", "redcap_event_name": BASELINE, "field_name": "organs___1", "value": "0"},
    ]
    reply = client.post(content="record", type="eav", data=json.dumps(points))
    assert reply.json() == {"count": 1}
    assert [cell(client, "1", name) for name in ("age", "organs___a", "organs___1", "organs____2")] == [
        "44",
        "1",
        "0",
        "1",
    ]


def test_new_instances_take_the_next_number(client):
    row = {
        "record_id": "1",
        "redcap_event_name": BASELINE,
        "redcap_repeat_instrument": "medication",
        "redcap_repeat_instance": "new",
    }
    put(client, [row | {"drug": "1"}, row | {"drug": "2"}])
    rows = [row for row in client.records(records="1", events=BASELINE) if row["redcap_repeat_instrument"]]
    assert [(row["redcap_repeat_instance"], row["drug"]) for row in rows] == [(1, "1"), (3, "99"), (4, "1"), (5, "2")]


def test_a_missing_event_means_the_first(client):
    put(client, [{"record_id": "20", "age": "50"}])
    assert client.records(records="20")[0]["redcap_event_name"] == BASELINE


def test_auto_numbering_gives_new_names(client):
    rows = [{"record_id": "x", "age": "50"}, {"record_id": "y", "age": "51"}]
    assert put(client, rows, forceAutoNumber="true", returnContent="auto_ids").json() == ["11,x", "12,y"]
    assert client.post(content="generateNextRecordName").text == "13"


def test_a_user_in_a_group_makes_records_of_that_group(client, sandbox):
    sandbox.project("invented").put_user(User(username="nurse", dag="dagb"))
    sandbox.add_token("invented", "d" * 32, "nurse")
    client.token = "d" * 32
    assert client.post(content="generateNextRecordName").text == "17502-1"
    put(client, [{"record_id": "30", "age": "50"}])
    assert sandbox.project("invented").project.records.get("30").dag == "dagb"
    assert put(client, [{"record_id": "1", "age": "50"}]).status_code == 400
    assert client.error(content="record", action="delete", records="1")[0] == 400


def test_groups_are_imported_by_unique_name(client):
    put(client, [{"record_id": "2", "redcap_data_access_group": "dagb"}])
    assert client.records(records="2", exportDataAccessGroups="true")[0]["redcap_data_access_group"] == "dagb"
    assert put(client, [{"record_id": "2", "redcap_data_access_group": "nope"}]).status_code == 400


def test_structural_errors_are_plain_sentences(client):
    assert client.error(content="record", data=json.dumps([{"record_id": "1", "foo": 1, "baz": 2}])) == (
        400,
        "The following fields were not found in the project as real data fields: foo, baz",
    )
    events = [{"record_id": "1", "redcap_event_name": "a"}, {"record_id": "1", "redcap_event_name": "b"}]
    assert client.error(content="record", data=json.dumps(events)) == (
        400,
        "The following values of redcap_event_name are invalid: a, b",
    )


def test_an_object_in_place_of_an_array_counts_nothing(client):
    assert put(client, {"record_id": "1", "age": "9"}).json() == {"count": 0}


@pytest.mark.parametrize("text", ["{", "[1]", "null", "[[]]", "[" * 20000])
def test_broken_json_is_refused(client, text):
    assert put(client, text).status_code == 400


FORMAT = (
    "The value you provided could not be validated because it does not follow the expected format. Please try again."
)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sex", "3", "The value is not a valid category for sex"),
        ("organs___a", "2", "The value is not a valid category for organs___a"),
        ("baseline_complete", "3", "The value is not a valid category for baseline_complete"),
        ("age", "old", FORMAT),
        ("weight", "1,5", FORMAT),
        ("visit_date", "31/12/2026", "Invalid date format."),
        ("visit_date", "2026-02-30", "Invalid date format."),
        ("age", "1.5", FORMAT),
    ],
)
def test_bad_values_are_refused_with_their_messages(client, name, value, message):
    ((record, field, shown, text),) = refused(client, {"record_id": "1", "redcap_event_name": BASELINE, name: value})
    assert (record, field, shown) == (f"1 ({BASELINE})", name, value)
    assert text.startswith(message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", "120"),
        ("weight", "NASK"),
        ("visit_date", "UNK"),
        ("dose", "1,5"),
        ("weight", "-.5"),
        ("notes", "x\ny /"),
    ],
)
def test_limits_and_missing_data_codes_are_let_through(client, name, value):
    assert put(client, [{"record_id": "1", "redcap_event_name": BASELINE, name: value}]).status_code == 200


def test_dates_follow_the_format_that_is_announced(client):
    row = {"record_id": "1", "redcap_event_name": BASELINE, "visit_date": "2/1/2026"}
    put(client, [row], dateFormat="DMY")
    assert cell(client, "1", "visit_date") == "2026-01-02"
    put(client, [row], dateFormat="MDY")
    assert cell(client, "1", "visit_date") == "2026-02-01"


def test_a_field_of_an_undesignated_form_is_refused(client):
    ((_, field, _, text),) = refused(client, {"record_id": "1", "redcap_event_name": MONTH, "age": "30"})
    assert field == "age"
    assert text == (
        "This field ('age') exists on an instrument that is not designated for the event named "
        "'Month 1 (Arm 1: Cells)'. "
        "You are not allowed to import data for this field into this event."
    )


@pytest.mark.parametrize(
    ("repeat", "values", "start"),
    [
        ({"redcap_repeat_instrument": "visit", "redcap_repeat_instance": 1}, {}, "redcap_repeat_instrument must be"),
        ({"redcap_repeat_instance": 2}, {}, "redcap_repeat_instance cannot have a value since"),
        ({}, {"drug": "1"}, "This field ('drug') exists on a Repeating Instrument named 'medication'. However,"),
        ({"redcap_repeat_instrument": "medication"}, {"drug": "1"}, "This field ('drug') exists on a Repeating"),
    ],
)
def test_wrong_repeats_are_refused(client, repeat, values, start):
    row = {"record_id": "1", "redcap_event_name": BASELINE, **repeat, **values}
    assert refused(client, row)[0][3].startswith(start)


def test_locked_forms_are_refused(client, sandbox):
    sandbox.project("invented").lock_form("1", "baseline")
    ((_, _, _, text),) = refused(client, {"record_id": "1", "redcap_event_name": BASELINE, "age": "30"})
    assert text == "This field is located on a form that is locked. You must first unlock this form for this record."


def test_one_bad_row_stops_all(client):
    reply = put(
        client, [{"record_id": "50", "age": "30"}, {"record_id": "51", "age": "x"}, {"record_id": "52", "sex": "9"}]
    )
    assert len(reply.json()["error"].split("\n")) == 2
    assert client.records(records="50") == []


def test_a_closed_project_takes_nothing(client, sandbox):
    sandbox.project("invented").change_settings(status=2)
    assert client.error(content="record", data="[]") == (
        403,
        "Data may not be imported because the project is in Inactive/Archived status.",
    )


def test_delete_counts_records_and_names_the_missing(client):
    assert client.post(content="record", action="delete", **{"records[0]": "2"}).text == "1"
    assert client.error(content="record", action="delete", **{"records[0]": "2", "records[1]": "1"}) == (
        400,
        "One or more of the records provided cannot be deleted because they do not exist in the project. "
        "The following records do not exist: 2",
    )
    assert [row["record_id"] for row in client.records(fields="record_id")][-1] == "10"
    last = client.post(content="log", logtype="record_delete").json()
    assert [entry["action"] for entry in last] == ["Delete record (API) 2"]


def test_partial_deletes(client):
    client.post(
        content="record", action="delete", records="1", event=BASELINE, instrument="medication", repeat_instance="1"
    )
    assert [row["redcap_repeat_instance"] for row in client.records(records="1", events=BASELINE)] == ["", 3]
    client.post(content="record", action="delete", records="1", event=BASELINE, instrument="visit")
    assert cell(client, "1", "pregnant") == ""
    assert cell(client, "1", "age") == "34"
    client.post(content="record", action="delete", records="1", event=EXTRA, repeat_instance="1")
    assert [row["redcap_repeat_instance"] for row in client.records(records="1", events=EXTRA)] == [2]
    client.post(content="record", action="delete", records="1", event=EXTRA)
    assert client.records(records="1", events=EXTRA) == []
    assert client.records(records="1", events=MONTH) != []


def test_rename_moves_everything_and_logs_an_update_of_the_id(client):
    rows = client.records(records="1")
    assert client.post(content="record", action="rename", record="1", new_record_name="1-b").text == "1"
    assert client.records(records="1-b") == [row | {"record_id": "1-b"} for row in rows]
    entry = client.post(content="log", logtype="record_edit").json()[0]
    assert (entry["action"], entry["details"], entry["record"]) == (
        "Update record (API) 1-b (Baseline (Arm 1: Cells))",
        "record_id = '1-b'",
        "1-b",
    )
    assert client.error(content="record", action="rename", record="1", new_record_name="9")[0] == 400
    assert client.error(content="record", action="rename", record="2", new_record_name="1-b")[0] == 400


def test_the_first_row_of_an_event_sets_the_record_id_and_later_ones_do_not(client):
    row = {"record_id": "1", "redcap_event_name": EXTRA, "redcap_repeat_instance": 7}
    for notes in ("new", "newer"):
        put(client, [row | {"notes": notes}])
    newer, new = client.post(content="log", logtype="record_edit").json()[:2]
    assert new["details"].startswith("[instance = 7], record_id = '1', notes = 'new'")
    assert newer["details"] == "[instance = 7], notes = 'newer'"


def test_the_log_is_newest_first_by_the_minute_and_filters(client, sandbox):
    sandbox.clock.set(datetime(2026, 3, 5, 10, 1, 59))
    put(client, [{"record_id": "1", "redcap_event_name": EXTRA, "redcap_repeat_instance": 2, "notes": "up"}])
    log = client.post(content="log", beginTime="2026-03-05 10:01", endTime="2026-03-05 10:01").json()
    assert list(log[0]) == ["timestamp", "username", "action", "details", "record"]
    assert [(entry["timestamp"], entry["details"]) for entry in log] == [
        ("2026-03-05 10:01", "[instance = 2], notes = 'up'")
    ]
    assert client.post(content="log", beginTime="2026-03-05 10:02").json() == []
    assert (
        client.post(content="log", format="csv", beginTime="2027-01-01 00:00").text
        == "timestamp,username,action,details,record\n"
    )


def test_a_deletion_in_one_arm_leaves_the_others(client):
    put(client, [{"record_id": "1", "redcap_event_name": "baseline_arm_2", "age": "35"}])
    assert client.error(content="record", action="delete", records="2", arm="2")[1].endswith("do not exist: 2")
    assert client.post(content="record", action="delete", records="1", arm="1").text == "1"
    assert [row["redcap_event_name"] for row in client.records(records="1")] == ["baseline_arm_2"]
    assert client.error(content="record", action="delete", records="1", arm="7")[0] == 400
