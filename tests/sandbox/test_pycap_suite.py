"""Walk the way of PyCap's own integration suite: create with a super token, read and change everything, delete.

The expectations are those of its tests against a real server; the projects are the corpus' own.
"""

import io
from pathlib import Path

import pandas as pd
import pytest
import redcap
import requests

from sync.sandbox.sandbox import Sandbox

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SUPER = "5" * 64


@pytest.fixture(scope="module")
def url():
    if not CORPUS.exists():
        pytest.skip("the corpus of real projects is not beside this checkout")
    with Sandbox(super_token=SUPER) as sandbox:
        yield sandbox.start()


def _created(url: str, name: str) -> redcap.Project:
    """Create a project as PyCap's fixtures do: one XML item, the project's XML in odm, the reply's last 32 signs."""
    xml = (CORPUS / name / "project.xml").read_text(encoding="utf-8")
    item = f"""<?xml version="1.0" encoding="UTF-8" ?>
    <item>
    <project_title>PyCap {name}: 11-22 10:00:00</project_title>
    <purpose>0</purpose>
    </item>"""
    data = {"token": SUPER, "content": "project", "format": "xml", "data": item, "odm": xml}
    project = redcap.Project(url, requests.post(url, data=data, timeout=60).text[-32:])
    superuser = project.export_users()[0]
    superuser |= {"record_delete": 1, "record_rename": 1, "lock_records_all_forms": 1, "lock_records": 1}
    assert project.import_users([superuser]) == 1
    return project


@pytest.fixture(scope="module")
def simple(url):
    return _created(url, "simple")


@pytest.fixture(scope="module")
def long(url):
    return _created(url, "longitudinal")


def test_records_of_a_classic_project(simple):
    assert not simple.is_longitudinal
    count = len(simple.export_records())
    assert "record_id" in simple.export_records(fields=["name_first"])[0]
    assert len(simple.export_records(format_type="df")) == count
    eav = simple.export_records(format_type="df", record_type="eav")
    assert list(eav.columns) == ["record", "field_name", "value"]
    ids = [40, 50, 60]
    rows = [{"record_id": number} for number in ids]
    assert simple.import_records(rows)["count"] == 3
    assert len(simple.import_records(rows, return_content="ids")) == 3
    assert simple.import_records(rows, return_content="nothing") == [{}]
    assert simple.delete_records(ids) == 3


@pytest.mark.parametrize(
    ("form", "imported", "deleted"),
    [("csv", "3", "3"), ("xml", '<?xml version="1.0" encoding="UTF-8" ?><count>3</count>', "3")],
)
def test_records_in_other_formats(simple, form, imported, deleted):
    frame = pd.read_csv(io.StringIO("record_id\n40\n50\n60"))
    assert simple.import_records(frame, import_format="df", return_format_type=form) == imported
    assert simple.delete_records(["40", "50", "60"], return_format_type=form) == deleted


def test_a_frame_without_index_goes_back(simple):
    frame = simple.export_records(format_type="df", df_kwargs={"sep": ","}).convert_dtypes()
    assert simple.import_records(frame, import_format="df")["count"] == len(frame)


def test_people_of_a_classic_project(simple):
    users = simple.export_users()
    assert len(users) == 1
    assert users[0]["api_export"] == 1
    roles = len(simple.export_user_roles())
    assert simple.import_user_roles([{"role_label": "New Role"}]) == 1
    assert len(simple.export_user_roles()) == roles + 1
    role = simple.export_user_roles()[-1]["unique_role_name"]
    simple.import_users([{"username": "nobody@example.org"}])
    given = [{"username": "nobody@example.org", "unique_role_name": role}]
    assert simple.import_user_role_assignment(given) == 1
    assert [
        row["unique_role_name"]
        for row in simple.export_user_role_assignment()
        if row["username"] == "nobody@example.org"
    ] == [role]
    assert simple.delete_users(["nobody@example.org"]) == 1
    assert simple.delete_user_roles([role]) == 1
    groups = len(simple.export_dags())
    new = [{"data_access_group_name": "New DAG", "unique_group_name": ""}]
    assert simple.import_dags(new, return_format_type="csv") == "1"
    assert len(simple.export_dags(format_type="df")) == groups + 1
    assert simple.delete_dags(["new_dag"]) == 1
    assert simple.import_user_dag_assignment(simple.export_user_dag_assignment(), return_format_type="csv") == "1"


def test_dictionary_of_a_classic_project(simple):
    original = simple.export_metadata()
    assert simple.import_metadata(original[:-1]) == len(original) - 1
    assert simple.import_metadata(original) == len(original)
    assert simple.export_metadata() == original
    csv = simple.export_metadata("csv")
    assert "field_name,form_name" in csv
    assert simple.import_metadata(csv, import_format="csv") == len(original)
    types = {"text_validation_min": pd.Int64Dtype(), "text_validation_max": pd.Int64Dtype()}
    frame = simple.export_metadata(format_type="df", df_kwargs={"index_col": "field_name", "dtype": types})
    assert simple.import_metadata(frame, import_format="df") == len(original)
    assert [row["field_name"] for row in simple.export_metadata()] == [row["field_name"] for row in original]
    names = simple.export_field_names(format_type="df")
    assert list(names.columns) == ["choice_value", "export_field_name"]
    assert len(simple.export_field_names(field="name_first")) == 1


def test_the_rest_of_a_classic_project(simple):
    assert simple.export_project_info()["is_longitudinal"] == 0
    assert "manage/design" in simple.export_logging(log_type="manage").pop()["action"].lower()
    assert isinstance(simple.export_pdf()[0], bytes)
    for refused in (simple.export_arms, simple.export_events, simple.export_instrument_event_mappings):
        with pytest.raises(redcap.RedcapError):
            refused()


def test_records_of_a_longitudinal_project(long):
    assert long.is_longitudinal
    assert "Study ID" in long.export_records(format_type="csv", raw_or_label_headers="label")

    def status_columns(**asked):
        frame = long.export_records(format_type="df", **asked)
        assert long.def_field in frame.index.names
        return [name for name in frame.columns if name.endswith("_complete")]

    both = ["demographics_complete", "baseline_data_complete"]
    assert status_columns(forms=["demographics", "baseline_data"]) == both
    assert status_columns(fields=["study_comments"]) == []
    assert status_columns(forms=["baseline_data"], fields=["study_comments"]) == both[1:]


def test_arms_of_a_longitudinal_project(long):
    def arms():
        return [(arm["arm_num"], arm["name"]) for arm in long.export_arms()]

    assert arms() == [(1, "Drug A"), (2, "Drug B")]
    assert long.import_arms([{"arm_num": 3, "name": "Drug C"}]) == 1
    assert arms() == [(1, "Drug A"), (2, "Drug B")]
    long.import_events([{"event_name": "new_event", "arm_num": "3"}])
    assert arms() == [(1, "Drug A"), (2, "Drug B"), (3, "Drug C")]
    assert long.import_arms([{"arm_num": 1, "name": "Drug Alpha"}]) == 1
    assert arms()[0] == (1, "Drug Alpha")
    assert long.delete_arms([3]) == 1
    assert len(arms()) == 2


def test_arms_that_override_take_events_and_mappings_with_them(long):
    events, mapping = long.export_events(), long.export_instrument_event_mappings()
    records = long.export_records()
    both = [{"arm_num": 1, "name": "Drug A"}, {"arm_num": 2, "name": "Drug B"}]
    assert long.import_arms(both, override=1) == 2
    assert long.export_events() == []
    assert long.import_events(events) == len(events)
    assert long.import_instrument_event_mappings(mapping) == len(mapping)
    assert [(arm["arm_num"], arm["name"]) for arm in long.export_arms()] == [(1, "Drug A"), (2, "Drug B")]
    assert long.export_instrument_event_mappings() == mapping
    assert long.export_records() == records


def test_events_and_mappings_of_a_longitudinal_project(long):
    count = len(long.export_events())
    assert long.import_events([{"event_name": "XYZ", "arm_num": "2"}]) == 1
    assert len(long.export_events()) == count + 1
    assert long.delete_events(["xyz_arm_2"]) == 1
    assert len(long.export_events()) == count
    mapping = long.export_instrument_event_mappings()
    one = [{"arm_num": "1", "unique_event_name": "enrollment_arm_1", "form": "demographics"}]
    assert long.import_instrument_event_mappings(one) == 1
    assert long.export_instrument_event_mappings() == [one[0] | {"arm_num": 1}]
    assert long.import_instrument_event_mappings(mapping) == len(mapping)


def test_repeats_go_out_and_in_in_every_format(long):
    event = long.export_events()[1]["unique_event_name"]
    form = next(row["form"] for row in long.export_instrument_event_mappings() if row["unique_event_name"] == event)
    row = {"event_name": event, "form_name": form, "custom_form_label": "[study_id] again"}
    assert long.import_repeating_instruments_events([row]) == 1
    for kind in ("xml", "json", "csv", "df"):
        told = long.export_repeating_instruments_events(format_type=kind)
        assert long.import_repeating_instruments_events(to_import=told, import_format=kind) == 1
    assert long.export_repeating_instruments_events() == [row]
    assert '"' not in long.export_repeating_instruments_events(format_type="csv")
