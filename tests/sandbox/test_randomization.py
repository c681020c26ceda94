"""Randomize records over the API from an allocation table that the control pages set."""

import pytest
import requests


@pytest.fixture
def table(client):
    control = client.url.replace("/api/", "/__sandbox__/randomization")

    def put(**given):
        body = {"project": "invented", "target": "sex", "allocations": [{"target": "1", "alt": "R-1"}], **given}
        return requests.post(control, json=body, timeout=5)

    return put


def ask(client, record, **given):
    return client.post(content="record", action="randomize", record=record, **{"randomization_id": "1", **given})


def test_a_record_takes_the_next_allocation_once(client, table):
    client.post(content="record", data='[{"record_id": "90"}, {"record_id": "91"}, {"record_id": "92"}]')
    rows = [{"target": "2", "alt": "R-1"}, {"target": "1", "alt": "R-2"}]
    client.post(content="record", data='[{"record_id": "1", "sex": ""}]', overwriteBehavior="overwrite")
    used = sum(1 for row in client.records(events="baseline_arm_1") if row["sex"])
    assert table(allocations=[{"target": "1"}] * used + rows).json() == {"randomization_id": 1}
    assert ask(client, "90", returnAlt="true").json() == {
        "randomization_id": 1, "record": "90", "target_field": "2", "target_field_alt": "R-1",
    }  # fmt: skip
    assert client.records(records="90", fields="sex")[0]["sex"] == "2"
    assert ask(client, "90").status_code == 400
    assert ask(client, "91", format="csv").text == "randomization_id,record,target_field\n1,91,1\n"
    assert ask(client, "92").status_code == 400
    assert client.post(content="project").json()["randomization_enabled"] == 1


def test_concealed_allocations_stay_concealed(client, table):
    client.post(content="record", data='[{"record_id": "90", "age": "5"}]')
    table(concealed=True, strata=["age"], allocations=[{"target": "1", "alt": "secret", "strata": ["5"]}])
    reply = ask(client, "90", returnAlt="1", format="xml")
    assert "<target_field_alt><![CDATA[*]]></target_field_alt>" in reply.text
    assert "secret" not in reply.text


def test_refusals(client, table):
    client.post(content="record", data='[{"record_id": "90"}]')
    assert ask(client, "90").status_code == 400
    table(strata=["age"])
    assert ask(client, "nobody").status_code == 400
    assert ask(client, "90").status_code == 400
    for bad in ({"target": "nope"}, {"strata": ["nope"]}, {"event": "nope"}, {"allocations": [1]}, {"project": "x"}):
        assert table(**bad).status_code == 400
