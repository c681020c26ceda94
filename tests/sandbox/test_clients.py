"""Serve client libraries as they are: PyCap and redcaplite, unchanged."""

import io

import pytest
import redcap
import redcaplite

MONTH = "month_1_arm_1"


@pytest.fixture
def pycap(client):
    return redcap.Project(client.url, client.token)


@pytest.fixture
def lite(client):
    return redcaplite.RedcapClient(client.url, client.token)


def test_pycap_reads_structure(pycap):
    assert str(pycap.export_version()) == "15.2.1"
    assert pycap.is_longitudinal
    assert pycap.def_field == "record_id"
    assert set(pycap.forms) == {"baseline", "visit", "medication", "diary"}
    assert len(pycap.export_metadata(fields=["age"])) == 1
    assert {row["unique_event_name"] for row in pycap.export_events(arms=["1"])} == {
        "baseline_arm_1", MONTH, "unscheduled_arm_1",
    }  # fmt: skip
    assert pycap.export_arms() == [{"arm_num": 1, "name": "Cells"}, {"arm_num": 2, "name": "Control"}]
    assert {"arm_num": 1, "unique_event_name": MONTH, "form": "diary"} in pycap.export_instrument_event_mappings()
    assert pycap.export_repeating_instruments_events()[-1] == {
        "event_name": "unscheduled_arm_1", "form_name": "", "custom_form_label": "",
    }  # fmt: skip
    names = pycap.export_field_names()
    assert {"original_field_name": "organs", "choice_value": "-2", "export_field_name": "organs____2"} in names
    assert "letter" not in [row["original_field_name"] for row in names]
    assert pycap.export_project_info()["is_longitudinal"] == 1


def test_pycap_reads_records(pycap):
    assert len(pycap.export_records()) == 9
    rows = pycap.export_records(forms=["visit"], records=["1"], events=[MONTH])
    assert list(rows[0])[:3] == ["record_id", "redcap_event_name", "redcap_repeat_instrument"]
    frame = pycap.export_records(format_type="df")
    assert frame.index.names == ["record_id", "redcap_event_name"]
    points = pycap.export_records(record_type="eav", fields=["age"])
    assert [(point["field_name"], point["value"]) for point in points[:2]] == [("age", "34"), ("record_id", "1")]
    assert len(pycap.export_report("17001")) == 1
    assert pycap.export_logging(log_type="record")[0]["action"].startswith("Create record (import)")


def test_pycap_reads_people(pycap):
    user = pycap.export_users()[0]
    assert len(user) == 36
    assert list(user)[:8] == [
        "username", "email", "firstname", "lastname", "expiration", "data_access_group", "data_access_group_id",
        "data_access_group_label",
    ]  # fmt: skip
    assert user["forms_export"] == {"baseline": 1, "visit": 1, "medication": 1, "diary": 1}
    assert pycap.export_user_roles()[0]["role_label"] == "monitor"
    assert pycap.export_dags()[0] == {
        "data_access_group_name": "Drum Tower", "unique_group_name": "drum_tower", "data_access_group_id": 17501,
    }  # fmt: skip
    assert pycap.export_user_dag_assignment()[0]["username"] == "sandbox_admin"
    assert pycap.export_user_role_assignment()[0]["unique_role_name"] == ""
    csv = pycap.export_users(format_type="csv")
    assert '"baseline:1,visit:1,medication:1,diary:1"' in csv or "baseline:1,visit:1" in csv


def test_pycap_writes_records(pycap):
    assert pycap.import_records([{"record_id": "40", "age": 44}]) == {"count": 1}
    assert pycap.import_records([{"record_id": "41"}], return_content="ids") == ["41"]
    assert pycap.generate_next_record_name() == "42"
    assert pycap.delete_records(["40", "41"]) == 2
    with pytest.raises(redcap.RedcapError, match="do not exist in the project"):
        pycap.delete_records(["40"])


def test_pycap_writes_design_and_people(pycap):
    assert pycap.import_arms([{"arm_num": 3, "name": "Third"}]) == 1
    assert pycap.import_events([{"event_name": "Deadline to opt out", "arm_num": 3}]) == 1
    assert pycap.export_events(arms=["3"])[0]["unique_event_name"] == "deadline_to_opt_ou_arm_3"
    mapping = [
        *pycap.export_instrument_event_mappings(),
        {"arm_num": 3, "unique_event_name": "deadline_to_opt_ou_arm_3", "form": "visit"},
    ]
    assert pycap.import_instrument_event_mappings(mapping) == len(mapping)
    assert pycap.export_instrument_event_mappings() == mapping
    repeats = pycap.export_repeating_instruments_events()
    assert pycap.import_repeating_instruments_events(repeats) == len(repeats)
    assert pycap.export_repeating_instruments_events() == repeats
    assert pycap.delete_events(["deadline_to_opt_ou_arm_3"]) == 1
    assert pycap.delete_arms(["3"]) == 1
    dictionary = pycap.export_metadata(format_type="csv")
    assert pycap.import_metadata(dictionary, import_format="csv") == 19
    assert pycap.export_metadata(format_type="csv") == dictionary
    assert pycap.import_dags([{"data_access_group_name": "Third group", "unique_group_name": ""}]) == 1
    assert pycap.switch_dag("third_group") == "1"
    assert pycap.import_user_dag_assignment([{"username": "sandbox_admin", "redcap_data_access_group": ""}]) == 1
    assert pycap.delete_dags(["third_group"]) == 1
    assert pycap.import_users([{"username": "nurse", "api_export": 1, "forms": {"visit": 0}}]) == 1
    assert next(user for user in pycap.export_users() if user["username"] == "nurse")["forms"]["visit"] == 0
    assert pycap.import_user_roles([{"role_label": "data manager", "api_export": 1}]) == 1
    role = pycap.export_user_roles()[-1]["unique_role_name"]
    assert pycap.import_user_role_assignment([{"username": "nurse", "unique_role_name": role}]) == 1
    assert pycap.delete_user_roles([role]) == 1
    assert pycap.delete_users(["nurse"]) == 1


def test_pycap_moves_files(pycap):
    content, headers = pycap.export_file("1", "letter", event="baseline_arm_1")
    assert (content, headers["name"]) == (b"An invented letter.", "letter-1.txt")
    pycap.import_file("2", "letter", "new.txt", io.BytesIO(b"Another."), event="baseline_arm_1")
    assert pycap.export_file("2", "letter", event="baseline_arm_1")[0] == b"Another."
    pycap.delete_file("2", "letter", event="baseline_arm_1")
    with pytest.raises(redcap.RedcapError):
        pycap.export_file("2", "letter", event="baseline_arm_1")


def test_pycap_uses_the_file_repository(pycap):
    folder = pycap.create_folder_in_repository("Protocols")[0]["folder_id"]
    pycap.import_file_into_repository("p.txt", io.BytesIO(b"protocol"), folder_id=folder)
    assert pycap.export_file_repository()[0] == {"folder_id": folder, "name": "Protocols"}
    listed = pycap.export_file_repository(folder_id=folder)[0]
    assert pycap.export_file_from_repository(doc_id=listed["doc_id"])[0] == b"protocol"
    pycap.delete_file_from_repository(doc_id=listed["doc_id"])
    assert pycap.export_file_repository(folder_id=folder) == []
    with pytest.raises(redcap.RedcapError, match="folder_id=99 does not exist"):
        pycap.export_file_repository(folder_id=99)


def test_pycap_reads_surveys(pycap):
    assert pycap.export_survey_link("1", "diary", event=MONTH).startswith("http://127.0.0.1")
    assert len(pycap.export_survey_access_code("1", "diary", event=MONTH)) == 9
    people = pycap.export_survey_participant_list("diary", event=MONTH)
    assert [(person["record"], person["response_status"]) for person in people] == [("1", 2), ("2", 0)]
    content, _ = pycap.export_pdf(instrument="diary")
    assert content.startswith(b"%PDF")


def test_redcaplite_reads_and_writes(lite):
    frame = lite.export_records(format="csv", records=["1"], events=[MONTH], pd_read_csv_kwargs={"dtype": str})
    assert list(frame["record_id"]) == ["1"]
    assert lite.import_records(data=[{"record_id": "60", "age": 60}]) == ["60"]
    assert lite.rename_record(record="60", new_record_name="61") == 1
    assert lite.delete_records(records=["61"]) == 1
    assert lite.get_version() == "15.2.1"
    assert lite.get_project()["project_id"] == 17
    assert len(lite.get_metadata()) == 19
    assert len(lite.get_users()) == 1
    assert "<ClinicalData" in lite.get_project_xml()
    with pytest.raises(Exception, match="Bad Request"):
        lite.export_records(fields=["nope"])


def test_project_settings_and_xml(client, pycap, sandbox):
    reply = client.post(content="project_settings", data='{"project_title": "New name", "is_longitudinal": 0}')
    assert reply.text == "1"
    assert pycap.export_project_info()["project_title"] == "New name"
    xml = client.post(
        content="project_xml", exportFiles="true", exportSurveyFields="true", exportDataAccessGroups="true"
    ).text
    sandbox.add_project(xml, slug="copy", token="c" * 32, project_id=17)
    copy = redcap.Project(client.url, "c" * 32)
    for asked in ({}, {"record_type": "eav"}, {"raw_or_label": "label"}):
        assert copy.export_records(
            export_survey_fields=True, export_data_access_groups=True, **asked
        ) == pycap.export_records(export_survey_fields=True, export_data_access_groups=True, **asked)
    bare = client.post(content="project_xml", returnMetadataOnly="true").text
    assert "<ClinicalData" not in bare


def test_odm_goes_out_and_in(client, sandbox):
    odm = client.post(content="record", format="odm", exportDataAccessGroups="true").text
    rows = client.records(exportBlankForGrayFormStatus="true")
    for name in ("1", "2", "10"):
        sandbox.project("invented").delete_record(name)
    reply = client.post(content="record", format="odm", data=odm, returnFormat="json")
    assert reply.json() == {"count": 3}
    files = [{name: value for name, value in row.items() if name != "letter"} for row in rows]
    assert [
        {name: value for name, value in row.items() if name != "letter"}
        for row in client.records(exportBlankForGrayFormStatus="true")
    ] == files
    assert client.post(content="record", format="odm", data="<x").status_code == 400


@pytest.mark.parametrize("content", [bytes(range(256)), b"\r\n--x\r\n\r\n", b"", b"\r\n", b"a\rb\n" * 1000])
def test_files_keep_every_byte(pycap, content):
    pycap.import_file("1", "letter", "ünï code.bin", io.BytesIO(content), event="baseline_arm_1")
    assert pycap.export_file("1", "letter", event="baseline_arm_1")[0] == content
