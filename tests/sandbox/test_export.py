"""Shape record exports as the contract says: rows, columns, labels, formats, filters, rights."""

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone

import csv
import io
from datetime import datetime

import pytest

from sync.sandbox.people import FULL_RIGHTS, User

BASELINE, MONTH, EXTRA = "baseline_arm_1", "month_1_arm_1", "unscheduled_arm_1"


def place(row: dict) -> tuple:
    return (
        row["record_id"], row["redcap_event_name"], row["redcap_repeat_instrument"], row["redcap_repeat_instance"],
    )  # fmt: skip


def test_rows_come_by_record_event_base_row_instrument_and_instance(client):
    assert [place(row) for row in client.records()] == [
        ("1", BASELINE, "", ""),
        ("1", BASELINE, "medication", 1),
        ("1", BASELINE, "medication", 3),
        ("1", MONTH, "", ""),
        ("1", EXTRA, "", 1),
        ("1", EXTRA, "", 2),
        ("2", BASELINE, "", ""),
        ("2", MONTH, "medication", 1),
        ("10", "baseline_arm_2", "", ""),
    ]


def test_everything_is_text_but_the_repeat_instance(client):
    kinds = {(name, type(value)) for row in client.records() for name, value in row.items()}
    assert {name for name, kind in kinds if kind is not str} == {"redcap_repeat_instance"}


def test_cells_of_other_forms_are_blank_and_own_ones_have_their_zeros(client):
    base, first_drug, *_ = client.records()
    assert base["organs____2"] == "1"
    assert base["organs___a"] == "0"
    assert base["organs___unk"] == "0"
    assert first_drug["organs___a"] == first_drug["baseline_complete"] == ""
    assert base["medication_complete"] == ""
    record_two = client.records(records="2")[0]
    assert record_two["visit_complete"] == "0"
    assert client.records(records="2", exportBlankForGrayFormStatus="true")[0]["visit_complete"] == ""


def test_columns_stand_in_dictionary_order_without_descriptive_fields(client):
    header = client.post(content="record", format="csv").text.splitlines()[0].split(",")
    assert header[:6] == [
        "record_id",
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "visit_date",
        "patient_name",
    ]
    assert "intro" not in header
    assert header[header.index("organs___1") :][:5] == [
        "organs___1",
        "organs____2",
        "organs___a",
        "organs___nask",
        "organs___unk",
    ]


def test_fields_and_forms_are_a_union_and_the_id_only_comes_when_asked_for(client):
    row = client.records(**{"fields[0]": "age", "forms[0]": "diary"})[0]
    assert list(row) == ["age", "mood", "diary_text", "diary_complete"]
    row = client.records(**{"fields[]": "record_id"})[0]
    assert list(row) == ["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]


def test_an_id_only_export_names_every_record(client):
    rows = client.records(fields="record_id")
    assert list(dict.fromkeys(row["record_id"] for row in rows)) == ["1", "2", "10"]
    assert {row["redcap_repeat_instrument"] for row in rows} == {""}
    assert ("2", MONTH, "", "") in [place(row) for row in rows]


@pytest.mark.parametrize("parameter", ["fields", "forms", "events"])
def test_unknown_names_are_refused_together(client, parameter):
    status, text = client.error(content="record", **{f"{parameter}[0]": "nope", f"{parameter}[1]": "neither"})
    assert (status, text) == (
        400,
        f"The following values in the parameter \"{parameter}\" are not valid: 'nope', 'neither'",
    )


@pytest.mark.parametrize("name", ["redcap_event_name", "redcap_repeat_instance", "diary_timestamp"])
def test_pseudo_fields_are_refused_in_fields(client, name):
    assert client.error(content="record", **{"fields[0]": name})[0] == 400


@pytest.mark.parametrize("name", ["baseline_complete", "intro", "letter"])
def test_status_descriptive_and_file_fields_are_accepted_in_fields(client, name):
    assert client.post(content="record", **{"fields[0]": name}).status_code == 200


def test_an_unknown_form_in_the_comma_form_brings_all_forms(client):
    assert "mood" in client.records(forms="nope")[0]


def test_unknown_records_yield_no_rows(client):
    assert client.records(records="77,1") == client.records(records="1")
    assert client.post(content="record", records="77").text == "[]"
    assert client.post(content="record", records="77", format="csv").text.startswith("record_id,")
    assert "<records></records>" in client.post(content="record", records="77", format="xml").text


def test_events_filter_rows(client):
    assert {row["redcap_event_name"] for row in client.records(events=f"{MONTH},{EXTRA}")} == {MONTH, EXTRA}


def test_labels(client):
    base, drug, _, month, *_ = client.records(rawOrLabel="label", exportDataAccessGroups="true")
    assert base["redcap_event_name"] == "Baseline (Arm 1: Cells)"
    assert base["redcap_data_access_group"] == "Drum Tower"
    assert (base["sex"], base["pregnant"], base["baseline_complete"]) == ("Female", "No", "Complete")
    assert (base["organs___1"], base["organs___a"]) == ("Checked", "Unchecked")
    assert (drug["redcap_repeat_instrument"], drug["drug"]) == ("Medication", "Belimumab")
    assert month["organs___1"] == ""
    named = client.records(rawOrLabel="label", exportCheckboxLabel="true")[0]
    assert (named["organs___1"], named["organs___a"]) == ("Kidney", "")


def test_label_headers_repeat_where_labels_do(client):
    text = client.post(content="record", format="csv", rawOrLabelHeaders="label").text
    header = next(csv.reader(io.StringIO(text)))
    assert header[:4] == ["Record ID", "Event Name", "Repeat Instrument", "Repeat Instance"]
    assert "Organs (choice=Skin)" in header
    assert header.count("Complete?") == 4


def test_eav_holds_only_what_is_there(client):
    rows = client.post(content="record", type="eav", records="1").json()
    assert list(rows[0]) == [
        "record",
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "field_name",
        "value",
    ]
    assert all(row["value"] != "" for row in rows)
    organs = [row["value"] for row in rows if row["field_name"] == "organs"]
    assert organs == ["1", "-2"]
    letter = next(row["value"] for row in rows if row["field_name"] == "letter")
    assert letter.isdigit()
    assert client.records(records="1")[0]["letter"] == "letter-1.txt"


def test_survey_fields_come_on_request(client):
    row = next(row for row in client.records(exportSurveyFields="true") if row["redcap_event_name"] == MONTH)
    assert row["diary_timestamp"] == "2026-02-01 20:15:00"
    assert row["redcap_survey_identifier"] == "invented-1"
    names = list(row)
    assert names.index("diary_timestamp") == names.index("mood") - 1


def test_decimal_character_converts_numbers_and_calculations_only(client):
    native, asked = client.records(records="1")[0], client.records(records="1", decimalCharacter=".")[0]
    assert (native["dose"], asked["dose"]) == ("1,54", "1.54")
    assert asked["visit_date"] == "2026-01-05"


def test_combined_checkboxes(client):
    row = client.records(records="1", combineCheckboxOptions="true")[0]
    assert row["organs"] == "1,-2"
    assert "organs___1" not in row


@pytest.mark.parametrize(
    ("logic", "records"),
    [
        ("[age] > 30", ["1", "2"]),
        ("[age] > 30 and [sex] = '1'", ["1"]),
        ("[organs(-2)] = '1'", ["1"]),
        ("[baseline_arm_1][age] = '51'", ["2", "2"]),
        ("[weight] = 'NASK'", ["2"]),
        ("isblankormissingcode([weight]) and [redcap_missing] = 1", None),
        ("[age] >", None),
    ],
)
def test_filter_logic_chooses_rows(client, logic, records):
    reply = client.post(content="record", filterLogic=logic)
    if records is None:
        assert reply.status_code == 400
    else:
        assert [row["record_id"] for row in reply.json()] == records


def test_filter_logic_on_a_bare_field_brings_no_sibling_rows(client):
    assert [place(row) for row in client.records(filterLogic="[age] = 34")] == [("1", BASELINE, "", "")]


def test_date_range_selects_whole_records_by_server_time(client, sandbox):
    sandbox.clock.set(datetime(2026, 3, 4, 9, 15, 40))
    sandbox.project("invented").set("2", {"notes": "new"}, event=MONTH)
    rows = client.records(dateRangeBegin="2026-03-04 09:15:59")
    assert {row["record_id"] for row in rows} == {"2"}
    assert len(rows) == 3
    assert client.records(dateRangeBegin="2026-03-04 09:16:00") == []
    assert {row["record_id"] for row in client.records(dateRangeEnd="2026-03-03 00:00:00")} == {"1", "2", "10"}
    assert client.error(content="record", dateRangeBegin="yesterday")[0] == 400


def test_a_group_change_is_no_change_of_data(client, sandbox):
    sandbox.clock.set(datetime(2026, 3, 4, 9, 15))
    sandbox.project("invented").assign_dag("2", "dagb")
    assert client.records(dateRangeBegin="2026-03-04 00:00:00") == []
    assert client.records(records="2", exportDataAccessGroups="1")[0]["redcap_data_access_group"] == "dagb"


def test_json_escapes_slashes_and_non_ascii(client):
    body = client.post(content="record", records="1").content
    assert rb"\/ slash\n\u00dcber \u4e2d\u6587" in body
    assert rb"First line\r\nsecond" in body
    assert b", " not in body.split(b"[{")[1][:40]


def test_csv_quotes_as_php_does(client):
    text = client.post(content="record", records="1", format="csv").content.decode()
    assert '"First line\r\nsecond, with ""quotes"" / slash\nÜber 中文"' in text
    assert ',"1,54",' in text
    semicolon = client.post(content="record", records="1", format="csv", csvDelimiter=";").content.decode()
    assert ";1,54;" in semicolon


def test_xml_puts_text_in_cdata(client):
    text = client.post(content="record", records="10", format="xml", fields="record_id,age").text
    assert text.startswith('<?xml version="1.0" encoding="UTF-8" ?>')
    assert "<item><record_id><![CDATA[10]]></record_id>" in text
    assert "<age><![CDATA[28]]></age></item></records>" in text


def _user(sandbox, client, **values):
    token = "b" * 32
    sandbox.project("invented").put_user(User(username="u", **values))
    sandbox.add_token("invented", token, "u")
    client.token = token


def test_a_user_in_a_group_sees_that_group_and_no_group_column(sandbox, client):
    _user(sandbox, client, dag="drum_tower")
    rows = client.records(exportDataAccessGroups="true")
    assert {row["record_id"] for row in rows} == {"1"}
    assert "redcap_data_access_group" not in rows[0]


def test_export_rights_drop_columns_in_silence(sandbox, client):
    _user(sandbox, client, forms_export={"baseline": 3, "visit": 0})
    row = client.records()[0]
    assert "patient_name" not in row
    assert "notes" not in row
    assert row["age"] == "34"
    _user(sandbox, client, forms_export={"baseline": 2})
    row = client.records()[0]
    assert len(row["record_id"]) == 32
    assert "visit_date" not in row
    assert "notes" in row


def test_missing_rights_are_refused_with_their_texts(sandbox, client):
    _user(sandbox, client, rights=dict(FULL_RIGHTS) | {"data_access_groups": 0, "api_import": 0})
    assert client.error(content="record", exportDataAccessGroups="true") == (
        400,
        "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access Groups' privileges in "
        "the project.",
    )
    assert client.error(content="record", data="[]") == (403, "You do not have API Import/Update privileges")
    _user(sandbox, client, rights=dict(FULL_RIGHTS) | {"record_delete": 0})
    assert client.error(content="record", action="delete", records="1") == (
        403,
        "You do not have Delete Record privileges",
    )


def test_tokens_without_rights_or_after_their_end_get_nothing(sandbox, client):
    _user(sandbox, client, expiration="2026-03-02")
    assert client.error(content="version")[0] == 403
    _user(sandbox, client, expiration="2026-03-03")
    assert client.post(content="version").status_code == 200
    _user(sandbox, client, rights=dict(FULL_RIGHTS) | {"api_export": 0})
    assert client.error(content="metadata")[0] == client.error(content="record")[0] == 403
    assert client.post(content="version").status_code == 200
    _user(sandbox, client, rights=dict(FULL_RIGHTS) | {"api_export": 0, "api_import": 0})
    assert client.error(content="version") == (403, "You do not have permissions to use the API")
    _user(sandbox, client, forms_export=dict.fromkeys(("baseline", "visit", "medication", "diary"), 0))
    assert client.error(content="record")[0] == 403


@pytest.mark.parametrize("more", [{}, {"rawOrLabel": "label"}, {"exportSurveyFields": "true"}, {"events": MONTH}])
def test_a_list_of_ids_names_the_rows_as_a_whole_export_does(client, more):
    more = {"exportDataAccessGroups": "true", **more}
    ids = client.records(fields="record_id", **more)
    whole = client.records(**more)
    assert {row["redcap_data_access_group"] for row in ids} > {""}
    listed = [tuple(row.items()) for row in ids]
    assert all(not row["redcap_repeat_instrument"] for row in ids)
    for row in whole:
        bare = {name: row[name] for name in ids[0]}
        if not row["redcap_repeat_instrument"]:
            assert tuple(bare.items()) in listed
    places = {(row["record_id"], row["redcap_event_name"]) for row in whole}
    assert places == {(row["record_id"], row["redcap_event_name"]) for row in ids}
