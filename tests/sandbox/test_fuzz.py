"""Throw requests that make no sense at every content: documented errors or plain 4xx, never a 500, never a hang."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.sandbox import dispatch, quality_api, wire
from sync.sandbox.errors import ApiError
from sync.sandbox.quality_api import ModuleCall
from sync.sandbox.sandbox import Sandbox
from sync.sandbox.wire import Parameters, Upload

TOKEN = "a" * 32
XML = (Path(__file__).parent / "invented.xml").read_text(encoding="utf-8")

NAMES = (
    "format", "returnFormat", "type", "records", "fields", "forms", "events", "rawOrLabel", "rawOrLabelHeaders",
    "exportCheckboxLabel", "exportSurveyFields", "exportDataAccessGroups", "filterLogic", "dateRangeBegin",
    "dateRangeEnd", "csvDelimiter", "decimalCharacter", "combineCheckboxOptions", "exportBlankForGrayFormStatus",
    "data", "overwriteBehavior", "forceAutoNumber", "returnContent", "dateFormat", "backgroundProcess", "record",
    "field", "event", "instrument", "repeat_instance", "arm", "arms", "dag", "dags", "users", "roles", "report_id",
    "folder_id", "doc_id", "name", "new_record_name", "randomization_id", "override", "logtype", "beginTime",
    "endTime", "user", "delete_logging", "returnMetadataOnly", "exportFiles", "odm",
)  # fmt: skip
known = st.sampled_from(
    [
        "", "1", "2", "10", "0", "-1", "99999999999", "true", "json", "csv", "xml", "odm", "eav", "flat", "label",
        "baseline", "visit", "medication", "diary", "baseline_arm_1", "month_1_arm_1", "unscheduled_arm_1", "record_id",
        "age", "organs", "organs___1", "letter", "bmi", "drum_tower", "new", "overwrite", "auto_ids", "tab", "^", "DMY",
        "[age] > 5", "[age", "datediff([visit_date], 'today', 'd') > 3", "[organs(1)] = '1'", "2026-03-02 08:30:00",
        "../../etc/passwd", "'; DROP TABLE", "\x00", "\ud7ff", "[]", "{}", "null", "[1]", "<item/>", "both",
    ]
)  # fmt: skip
scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.text(max_size=5), known)
rows = st.lists(
    st.dictionaries(
        st.one_of(
            known,
            st.sampled_from(
                [
                    "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "field_name",
                    "form_name", "redcap_data_access_group", "value", "record", "arm_num", "event_name", "form",
                    "username", "role_label", "unique_role_name", "forms", "field_type", "data_access_group_name",
                    "purpose", "missing_data_codes", "project_title", "visit_date", "select_choices_or_calculations",
                ]
            ),
            st.text(max_size=4),
        ),
        st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(known, scalars, max_size=2)),
        max_size=5,
    ),
    max_size=3,
)  # fmt: skip
values = st.one_of(known, st.text(max_size=20), rows.map(json.dumps))
requests = st.fixed_dictionaries(
    {
        "content": st.sampled_from(sorted({content for content, _ in dispatch.HANDLERS} | {"", "nonsense"})),
        "action": st.sampled_from(sorted({action for _, action in dispatch.HANDLERS} | {"", "explode"})),
    }
)


def _served() -> Sandbox:
    sandbox = Sandbox()
    sandbox.add_project(XML, slug="x", token=TOKEN, project_id=17)
    return sandbox


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked=requests, plain=st.dictionaries(st.sampled_from(NAMES), values, max_size=7), data=st.none() | rows,
    arrays=st.dictionaries(st.sampled_from(NAMES), st.lists(values, max_size=3), max_size=2),
    file=st.binary(max_size=9),
)  # fmt: skip
def test_no_request_breaks_it(asked, plain, data, arrays, file):
    if data is not None:
        plain = {**plain, "data": json.dumps(data), "format": "json"}
    parameters = Parameters(
        plain={"token": TOKEN, **plain, **asked}, arrays=arrays,
        files={"file": Upload(name="x\r\ny", mime="text/plain", content=file)},
    )  # fmt: skip
    sandbox = _served()
    reply = sandbox.answer(parameters, "http://127.0.0.1").reply
    assert reply.status in (200, 400, 403, 501), (asked, plain, reply.body)
    # whatever was changed, the project still answers and can be written down
    for content in ("record", "metadata", "project_xml", "user", "log"):
        again = sandbox.answer(Parameters(plain={"token": TOKEN, "content": content}), "").reply
        assert again.status in (200, 403), (asked, plain, content, again.body)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(content_type=st.text(max_size=30) | st.just("multipart/form-data; boundary=x"), body=st.binary(max_size=200))
def test_no_body_breaks_its_reading(content_type, body):
    for wrapped in (body, b"--x\r\nContent-Disposition: form-data; name=" + body + b"\r\n--x--"):
        try:
            assert isinstance(wire.parse_body(content_type, wrapped), Parameters)
        except ApiError as error:
            assert error.status == 400


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    page=st.sampled_from(["import", "export", ""]), pid=st.sampled_from(["17", "18", "", "x"]),
    plain=st.dictionaries(st.sampled_from(["data", "record", "user", "status"]), values, max_size=3),
    given_rows=rows,
)  # fmt: skip
def test_no_request_breaks_the_module(page, pid, plain, given_rows):
    sandbox = _served()
    sandbox.project("x").change_settings(quality_module=quality_api.PREFIX)
    call = ModuleCall(prefix=quality_api.PREFIX, page=page, pid=pid, no_auth=True)
    base = {"project_id": "17", "event_id": "17001", "status_id": "0", "field_name": "age"}
    for data in (plain.get("data", ""), json.dumps([base | row for row in given_rows])):
        reply = sandbox.answer(Parameters(plain={"token": TOKEN, **plain, "data": data}), "", call).reply
        # 500 is the malformed SQL of a thread without number
        assert reply.status in (200, 404, 500)
        assert b"Internal" not in reply.body


def _part(of: str) -> st.SearchStrategy[list[dict]]:
    """Draw rows of one of the project's own tables, some left out, some out of order."""
    reply = _served().answer(Parameters(plain={"token": TOKEN, "content": of, "format": "json"}), "").reply
    table = json.loads(reply.body)
    return st.lists(st.sampled_from(table), max_size=len(table), unique_by=lambda row: json.dumps(row, sort_keys=True))


def _import(content: str) -> st.SearchStrategy[dict[str, str]]:
    return st.builds(
        lambda part, override: {"content": content, "action": "import", "data": json.dumps(part), "override": override},
        _part(content), st.sampled_from(["0", "1"]),
    )  # fmt: skip


def _deletion(content: str, name: str, known: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.lists(st.sampled_from(known), min_size=1, max_size=len(known), unique=True).map(
        lambda chosen: {"content": content, "action": "delete", name: ",".join(chosen)}
    )


changes = st.one_of(
    *map(_import, ("metadata", "arm", "event", "formEventMapping", "repeatingFormsEvents", "dag")),
    _deletion("event", "events", ["baseline_arm_1", "month_1_arm_1", "unscheduled_arm_1", "baseline_arm_2"]),
    _deletion("arm", "arms", ["1", "2"]),
    _deletion("dag", "dags", ["drum_tower", "dagb"]),
    st.just({"content": "project_settings", "data": '{"missing_data_codes": "X,Y"}'}),
    st.just({"content": "record", "data": '[{"record_id": "70", "age": "5"}]'}),
)
READS = (
    {"content": "record", "format": "csv", "rawOrLabel": "label", "rawOrLabelHeaders": "label"},
    {"content": "record", "type": "eav", "format": "json", "exportDataAccessGroups": "1", "exportSurveyFields": "1"},
    {"content": "record", "format": "odm"}, {"content": "metadata"}, {"content": "exportFieldNames"},
    {"content": "instrument"}, {"content": "event"}, {"content": "arm"}, {"content": "formEventMapping"},
    {"content": "repeatingFormsEvents"}, {"content": "project_xml"}, {"content": "user"}, {"content": "dag"},
    {"content": "report", "report_id": "17001"}, {"content": "generateNextRecordName"},
    {"content": "participantList", "instrument": "diary", "event": "month_1_arm_1"},
    {"content": "record", "filterLogic": "[age] > 3 and [baseline_arm_1][sex] = '1'"},
    {"content": "file", "action": "export", "record": "1", "field": "letter", "event": "baseline_arm_1"},
    {"content": "record", "data": '[{"record_id": "71"}]', "format": "json"},
    {"content": "record", "action": "delete", "records": "2"},
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(changes, max_size=5))
def test_no_change_of_design_breaks_what_is_read_afterwards(history):
    sandbox = _served()
    for asked in history:
        plain = {"token": TOKEN, "format": "json", **asked}
        assert sandbox.answer(Parameters(plain=plain), "").reply.status in (200, 400), asked
    for asked in READS:
        reply = sandbox.answer(Parameters(plain={"token": TOKEN, **asked}), "").reply
        assert reply.status in (200, 400), (history, asked, reply.body)
    xml = sandbox.answer(Parameters(plain={"token": TOKEN, "content": "project_xml"}), "").reply
    if xml.status == 200:
        sandbox.add_project(xml.body.decode(), slug="again", token="b" * 32)


def test_a_body_of_a_hundred_megabytes_is_answered(client):
    body = b"token=" + client.token.encode() + b"&content=record&format=json&data=" + b"x" * 100_000_000
    reply = client.session.post(
        client.url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=30
    )
    assert reply.status_code == 400
    assert client.post(content="version").text == "15.2.1"


@pytest.mark.parametrize("path", ["/api/../api/", "/api//", "/apix/", "/api/x", "/API/"])
def test_other_addresses_are_not_found(client, path):
    reply = client.session.post(client.url.replace("/api/", "") + path, data={"token": client.token}, timeout=5)
    assert reply.status_code in (400, 404)
