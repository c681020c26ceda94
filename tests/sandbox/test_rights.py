"""Give tokens to users with less than full rights, by the control pages and by `serve`, and see what they get."""

import io
import json
import re

import pytest
import requests

from sync.sandbox import serve, xml_load
from sync.sandbox.sandbox import Sandbox

HASHED = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def admit(client):
    """Return a way to post to a control page, and a client for who was admitted."""
    base = client.url.replace("/api/", "/__sandbox__/")

    def post(page: str = "users", **given: object) -> requests.Response:
        return requests.post(base + page, json={"project": "invented", **given}, timeout=5)

    return post


@pytest.fixture
def as_user(client, admit):
    def become(**given: object) -> None:
        reply = admit(username="nurse", **given)
        assert reply.status_code == 200, reply.text
        client.token = reply.json()["token"]

    return become


def test_a_token_is_made_or_taken_and_its_user_listed_without_it(client, admit):
    made = admit(username="nurse").json()
    assert re.fullmatch("[0-9A-F]{32}", made["token"])
    assert admit(username="doctor", token="b" * 32, dag="drum_tower").json()["token"] == "b" * 32
    listed = requests.get(client.url.replace("/api/", "/__sandbox__/users"), timeout=5)
    assert "b" * 32 not in listed.text
    users = listed.json()["users"]
    assert [(row["username"], row["dag"], row["tokens"]) for row in users] == [
        ("sandbox_admin", "", 1), ("nurse", "", 1), ("doctor", "drum_tower", 1),
    ]  # fmt: skip
    assert {row["project"] for row in users} == {"invented"}


def test_users_and_tokens_can_be_taken_away(client, admit):
    base = client.url.replace("/api/", "/__sandbox__/users")
    client.token = admit(username="nurse").json()["token"]
    assert client.post(content="version").status_code == 200
    requests.delete(base, json={"token": client.token}, timeout=5)
    assert client.post(content="version").status_code == 403
    client.token = admit(username="nurse").json()["token"]
    left = requests.delete(base, json={"project": "invented", "username": "nurse"}, timeout=5).json()["users"]
    assert [row["username"] for row in left] == ["sandbox_admin"]
    assert client.post(content="version").status_code == 403


@pytest.mark.parametrize(
    "given",
    [
        {}, {"username": ""}, {"username": "x", "dag": "nope"}, {"username": "x", "role": "nope"},
        {"username": "x", "token": "short"}, {"username": "x", "rights": {"fly": 1}}, {"username": "x", "rights": [1]},
        {"username": "x", "forms": {"nope": 1}}, {"username": "x", "rights": {"design": "yes"}},
        {"username": "x", "colour": "red"}, {"username": 5}, {"username": "x", "project": "nope"},
    ],
)  # fmt: skip
def test_descriptions_that_make_no_sense_are_refused_in_words(admit, given):
    reply = admit(**given)
    assert reply.status_code == 400
    assert len(reply.json()["error"]) > 10


def test_a_role_overrides_the_users_own_rights(client, admit, as_user):
    assert admit("roles", label="reader", rights={"api_import": 0, "record_delete": 0}).status_code == 200
    as_user(role="reader")
    assert len(client.records()) == 9
    data = '[{"record_id": "1", "age": "50"}]'
    assert client.error(content="record", data=data) == (403, "You do not have API Import/Update privileges")
    own = client.post(content="user").json()[0]
    assert (own["username"], own["api_import"], own["api_export"]) == ("nurse", 0, 1)


def test_members_of_a_group_see_and_change_only_its_records(client, as_user):
    client.post(content="record", data='[{"record_id": "1", "redcap_data_access_group": "drum_tower"}]')
    groups = {row["record_id"]: row["redcap_data_access_group"] for row in client.records(exportDataAccessGroups="1")}
    as_user(dag="drum_tower")
    own = {name for name, dag in groups.items() if dag == "drum_tower"}
    rows = client.records(exportDataAccessGroups="1")
    assert {row["record_id"] for row in rows} == own
    assert "redcap_data_access_group" not in rows[0]
    other = next(name for name in groups if name not in own)
    assert client.error(content="record", data=json.dumps([{"record_id": other, "age": "5"}]))[0] == 400
    assert client.error(content="record", action="delete", records=other)[0] == 400
    assert client.post(content="generateNextRecordName").text == "17501-1"
    made = client.post(
        content="record", data='[{"record_id": "x", "age": "5"}]', forceAutoNumber="1", returnContent="auto_ids"
    )
    assert made.json() == ["17501-1,x"]
    assert "17501-1" in {row["record_id"] for row in client.records()}


@pytest.mark.parametrize(
    ("right", "asked", "answer"),
    [
        ("api_import", {"content": "record", "data": "[]"}, "You do not have API Import/Update privileges"),
        ("record_delete", {"content": "record", "action": "delete", "records": "1"},
         "You do not have Delete Record privileges"),
        ("logging", {"content": "log"}, None),
        ("api_export", {"content": "record"}, None),
        ("design", {"content": "metadata", "data": "[]"}, None),
        ("user_rights", {"content": "user", "data": '[{"username": "x"}]'}, None),
        ("data_access_groups", {"content": "dag", "data": '[{"data_access_group_name": "x"}]'}, None),
        ("record_rename", {"content": "record", "action": "rename", "record": "1", "new_record_name": "9"}, None),
        ("file_repository", {"content": "fileRepository", "action": "createFolder", "name": "x"}, None),
    ],
)  # fmt: skip
def test_each_right_is_asked_for(client, as_user, right, asked, answer):
    before = client.records()
    admin = client.token
    as_user(rights={right: 0})
    status, text = client.error(**asked)
    assert status == 403
    assert answer in (None, text)
    client.token = admin
    assert client.records() == before


def test_without_any_api_right_the_token_is_worthless(client, as_user):
    as_user(rights={"api_export": 0, "api_import": 0})
    assert client.error(content="version") == (403, "You do not have permissions to use the API")


def test_groups_need_their_right_in_the_documented_words(client, as_user):
    as_user(rights={"data_access_groups": 0})
    assert client.error(content="record", exportDataAccessGroups="true") == (
        400,
        "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access Groups' "
        "privileges in the project.",
    )


def _columns(client) -> set[str]:
    return set(client.records()[0])


def test_export_rights_drop_columns_and_hash_ids(client, as_user, sandbox):
    full = _columns(client)
    forms = list(sandbox.project("invented").structure.form_by_name)
    fields = sandbox.project("invented").structure.field_by_name
    as_user(forms_export=dict.fromkeys(forms, 3))
    without_identifiers = _columns(client)
    identifiers = {name for name, field in fields.items() if field.identifier}
    assert full - without_identifiers == identifiers
    assert client.records()[0]["record_id"] == "1"
    as_user(forms_export=dict.fromkeys(forms, 2))
    safe = _columns(client)
    assert safe < without_identifiers
    gone = without_identifiers - safe
    assert all(
        fields[name].field_type in ("notes", "file") or fields[name].validation.startswith(("date", "time"))
        or not fields[name].validation
        for name in gone
    )  # fmt: skip
    ids = {row["record_id"] for row in client.records()}
    assert all(HASHED.fullmatch(name) for name in ids)
    assert ids == {row["record_id"] for row in client.records(fields="record_id")}
    assert ids == {row["record"] for row in client.post(content="record", type="eav").json()}
    xml = client.post(content="project_xml").text
    assert set(re.findall('SubjectKey="([^"]*)"', xml)) == ids
    for value in ("Invented One", "letter-1.txt"):
        assert value not in xml
    assert client.error(content="file", action="export", field="letter", record="1", event="baseline_arm_1")[0] == 403


def test_a_form_without_export_right_is_dropped_in_silence(client, as_user):
    as_user(forms_export={"visit": 0})
    columns = _columns(client)
    assert "visit_complete" not in columns
    assert "baseline_complete" in columns
    assert len(client.post(content="exportFieldNames").json()) > len(columns)
    as_user(forms_export={"baseline": 0, "visit": 0, "medication": 0, "diary": 0})
    assert client.error(content="record")[0] == 403


def test_expired_users_are_shut_out(client, as_user):
    as_user(expiration="2026-03-02")
    assert client.error(content="version")[0] == 403
    as_user(expiration="2026-03-03")
    assert client.post(content="version").status_code == 200


PEOPLE = {
    "roles": [{"label": "reader", "rights": {"api_import": 0}}],
    "users": [{"username": "nurse", "token": "b" * 32, "role": "reader", "dag": "drum_tower"}],
}


def test_serve_takes_people_and_the_module_from_its_project_text(tmp_path, invented_xml):
    (tmp_path / "p.xml").write_text(invented_xml, encoding="utf-8")
    (tmp_path / "people.json").write_text(json.dumps(PEOPLE), encoding="utf-8")
    text = f"{tmp_path / 'p.xml'},slug=one,token={'a' * 32},users={tmp_path / 'people.json'},quality=on"
    for _ in range(2):
        with Sandbox(state=tmp_path / "state") as sandbox:
            serve.load_into(sandbox, [text])
            assert [row["username"] for row in sandbox.people("one")] == ["sandbox_admin", "nurse"]
            assert [role.label for role in sandbox.project("one").project.roles.values()] == ["monitor", "reader"]
            assert sandbox.project("one").project.settings.quality_module
            data = {"token": "b" * 32, "content": "record", "format": "json", "data": "[]"}
            assert requests.post(sandbox.start(), data=data, timeout=5).status_code == 403


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ("{", "people.json"), ("5", "neither"), ('[{"username": "x"}]', "token is missing"), ("[5]", "users 1"),
        ('{"roles": [{}]}', "roles 1: label is missing"), ('[{"username": "x", "token": "y"}]', "32 hexadecimal"),
    ],
)  # fmt: skip
def test_serve_names_what_is_wrong_with_the_people(tmp_path, invented_xml, people, reason, monkeypatch):
    (tmp_path / "p.xml").write_text(invented_xml, encoding="utf-8")
    (tmp_path / "people.json").write_text(people, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    text = f"p.xml,token={'a' * 32},users=people.json"
    with pytest.raises(serve.ServeError, match=re.escape(reason)):
        serve.serve([text], "127.0.0.1", 0, out=io.StringIO())


def test_xml_keeps_roles(invented_xml, sandbox, client):
    sandbox.add_role("invented", {"label": "reader & writer", "rights": {"design": 0}, "forms_export": {"visit": 2}})
    xml = client.post(content="project_xml").text
    project = sandbox.project("invented").project
    again = xml_load.load(xml, slug="x", project_id=17, at=sandbox.clock.local())
    assert again.roles == project.roles
