"""Hold the Data Quality API module to its published behaviour, sharp edges included."""

import json

import pytest
import requests

from sync.sandbox.sandbox import Sandbox

PREFIX = "vanderbilt_dataQuality"


@pytest.fixture
def module(client, sandbox):
    """Switch the module on over the control pages and return a way to call its pages."""
    control = client.url.replace("/api/", "/__sandbox__/module")
    told = requests.post(control, json={"project": "invented", "enabled": True, "workflow": 2}, timeout=5).json()
    assert told == {"module": PREFIX, "workflow": 2}

    def call(page: str, *, pid: str = "17", prefix: str = PREFIX, no_auth: str = "&NOAUTH", **data: object):
        address = f"{client.url}?prefix={prefix}&page={page}&pid={pid}&type=module{no_auth}"
        return requests.post(
            address, data={"token": client.token, "format": "json", "returnFormat": "json", **data}, timeout=5
        )

    return call


@pytest.fixture
def event_id(client):
    return client.post(content="event").json()[0]["event_id"]


def thread(event_id, *entries, **given):
    row = {
        "status_id": "0", "project_id": "17", "record": "1", "event_id": str(event_id), "field_name": "age",
        "instance": None, "repeat_instrument": None, "assigned_username": "sandbox_admin", "resolutions": list(entries),
    }  # fmt: skip
    return row | given


def entry(at="2026-03-02 08:00:00", **given):
    row = {"ts": at, "username": "sandbox_admin", "comment": "[Q 1] is that so?", "current_query_status": "OPEN"}
    return row | {"response_requested": "1"} | given


def put(module, *rows):
    reply = module("import", data=json.dumps(rows))
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_thread_is_opened_and_read_back(module, event_id):
    assert module("export").json() == []
    ids = put(module, thread(event_id, entry()))
    assert all(isinstance(number, int) for number in ids)
    [(number, row)] = module("export").json().items()
    assert list(row) == [
        "status_id", "rule_id", "pd_rule_id", "non_rule", "project_id", "record", "event_id", "field_name",
        "repeat_instrument", "instance", "status", "exclude", "query_status", "group_id", "assigned_username",
        "resolutions",
    ]  # fmt: skip
    assert (row["status_id"], row["event_id"], row["query_status"]) == (number, str(event_id), "OPEN")
    assert (row["group_id"], row["assigned_username"], row["instance"]) == ("17501", "sandbox_admin", None)
    assert row["resolutions"] == {
        str(ids[0]): {
            "res_id": str(ids[0]), "status_id": number, "ts": "2026-03-02 08:00:00", "response_requested": "1",
            "response": None, "comment": "[Q 1] is that so?", "current_query_status": "OPEN", "upload_doc_id": None,
            "field_comment_edited": "0", "username": "sandbox_admin",
        }
    }  # fmt: skip


def test_the_same_second_of_the_same_user_collapses_and_sending_again_adds_nothing(module, event_id):
    ids = put(module, thread(event_id, entry(), entry(comment="twice"), entry("2026-03-02 08:00:01")))
    assert len(ids) == 2
    assert put(module, thread(event_id, entry(), entry("2026-03-02 08:00:01"))) == []


def test_only_a_later_resolution_moves_the_status(module, event_id):
    put(module, thread(event_id, entry("2026-03-02 09:00:00")))
    put(module, thread(event_id, entry("2026-03-01 09:00:00", current_query_status="CLOSED")))
    assert [row["query_status"] for row in module("export").json().values()] == ["OPEN"]
    put(module, thread(event_id, entry("2026-03-03 09:00:00", current_query_status="CLOSED")))
    assert [row["query_status"] for row in module("export").json().values()] == ["CLOSED"]
    assert module("export", status="OPEN").json() == []
    assert len(module("export", status="CLOSED").json()) == 1


def test_threads_are_one_a_field_and_repeating_instruments_are_misfiled(module, event_id):
    put(module, thread(event_id, entry()), thread(event_id, entry("2026-03-02 08:01:00", comment="another check")))
    assert len(module("export").json()) == 1
    row = thread(event_id, entry(), field_name="drug", repeat_instrument="medication", instance="2")
    put(module, row)
    put(module, row)
    found = [row for row in module("export").json().values() if row["field_name"] == "drug"]
    assert [(row["repeat_instrument"], row["instance"]) for row in found] == [(None, "2"), (None, "2")]


def test_anyone_of_the_project_can_be_written_as(module, event_id, sandbox):
    put(module, thread(event_id, entry(username="nobody"), entry("2026-03-02 08:00:09", username="sandbox_admin")))
    [row] = module("export").json().values()
    assert [one["username"] for one in row["resolutions"].values()] == [None, "sandbox_admin"]


@pytest.mark.parametrize(
    "change",
    [
        {"field_name": "nope"}, {"event_id": "baseline_arm_1"}, {"event_id": "99"}, {"record": ""},
        {"project_id": "18"}, {"project_id": ""},
    ],
)  # fmt: skip
def test_rows_that_fit_nothing_are_passed_over_in_silence(module, event_id, change):
    assert put(module, thread(event_id, entry()) | change) == []
    assert module("export").json() == []


def test_a_thread_without_number_breaks_the_sql(module, event_id):
    reply = module("import", data=json.dumps([thread(event_id, entry(), status_id="")]))
    assert reply.status_code == 500
    assert module("export").json() == []


def test_what_was_exported_can_be_imported(module, event_id):
    put(module, thread(event_id, entry()))
    export = module("export")
    assert module("import", data=export.text).json() == []
    row = next(iter(export.json().values()))
    row["resolutions"] = {"x": entry("2026-03-02 10:00:00", current_query_status="CLOSED")}
    assert len(module("import", data=json.dumps({"1": row})).json()) == 1
    assert next(iter(module("export").json().values()))["query_status"] == "CLOSED"


def test_filters(module, event_id):
    put(module, thread(event_id, entry()), thread(event_id, entry(), record="2", assigned_username=""))
    assert [row["record"] for row in module("export", record="2").json().values()] == ["2"]
    assert len(module("export", **{"record[0]": "1", "record[1]": "2"}).json()) == 2
    assert [row["record"] for row in module("export", user="sandbox_admin").json().values()] == ["1"]
    assert len(module("export", user="nobody").json()) == 2


def test_closed_projects_and_projects_without_workflow_refuse(module, event_id, sandbox):
    handle = sandbox.project("invented")
    handle.change_settings(data_resolution=0)
    reply = module("import", data="[]")
    text = "Data may not be imported because the project does not have data quality enabled."
    assert (reply.status_code, reply.json()) == (403, {"error": text})
    handle.change_settings(data_resolution=2, status=3)
    reply = module("import", data="[]")
    assert "because the project is in Archived status" in reply.json()["error"]
    assert module("export").status_code == 200


def test_the_address_matters(module, client):
    assert module("export", pid="18").content == b""
    assert "Log In" in module("export", no_auth="").text
    assert "disabled on this project" in module("export", prefix="other").text
    assert module("nope").status_code == 404
    client.token = "f" * 32
    assert module("export").status_code == 403


@pytest.mark.parametrize("data", ["", "null", "{", "[1, null, []]", '[{"resolutions": 5}]', '{"a": {"record": {}}}'])
def test_nonsense_adds_nothing(module, data):
    reply = module("import", data=data)
    assert (reply.status_code, reply.json()) == (200, [])


def test_staff_answer_and_the_state_keeps_it(module, event_id, sandbox, tmp_path, invented_xml):
    with Sandbox(state=tmp_path, clock=sandbox.clock) as kept:
        handle = kept.add_project(invented_xml, slug="one", token="a" * 32, project_id=17)
        handle.change_settings(quality_module=PREFIX)
        address = f"{kept.start()}?prefix={PREFIX}&page=import&pid=17&type=module&NOAUTH"
        data = {"token": "a" * 32, "data": json.dumps([thread(event_id, entry())])}
        assert len(requests.post(address, data=data, timeout=5).json()) == 1
        number = next(iter(handle.project.queries)).status_id
        handle.answer_query(number, user="nurse", comment="yes", response="CONFIRMED_CORRECT")
        before = requests.post(address.replace("import", "export"), data=data, timeout=5).json()
    with Sandbox(state=tmp_path) as again:
        address = f"{again.start()}?prefix={PREFIX}&page=export&pid=17&type=module&NOAUTH"
        after = requests.post(address, data=data, timeout=5).json()
    assert after == before
    assert [one["response"] for one in after[str(number)]["resolutions"].values()] == [None, "CONFIRMED_CORRECT"]


def test_faults_can_be_narrowed_to_the_modules_pages(module, client):
    control = client.url.replace("/api/", "/__sandbox__/faults")
    requests.post(control, json={"mode": "maintenance", "content": "module_import"}, timeout=5)
    assert module("export").status_code == 200
    assert module("import", data="[]").status_code == 503
