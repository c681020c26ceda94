"""Misbehave as real servers did: every fault mode as its bytes arrive."""

import time

import pytest
import requests

from sync.sandbox.faults import Fault, Mode


def switch(client, **fault):
    control = client.url.replace("/api/", "/__sandbox__/faults")
    reply = requests.post(control, json=fault, timeout=5)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize(
    ("mode", "status", "kind", "fragment"),
    [
        ("multiple_tabs", 200, "text/html", b"multiple browser tabs of the same REDCap page"),
        ("sso", 200, "text/html", b"Access Manager"),
        ("maintenance", 503, "text/html", b"offline"),
        ("maintenance_200", 200, "text/html", b"offline"),
        ("gateway_timeout", 504, "text/html", b"504"),
        ("out_of_memory", 200, "text/html", b"REDCap ran out of server memory. The request cannot be processed."),
        ("empty_body", 200, "application/json", b""),
        ("database_down", 200, "text/html", b"could not connect"),
        ("ip_ban", 200, "text/html", b"has been banned due to suspected abuse"),
        ("redirect", 302, "text/html", b""),
        ("token_revoked", 403, "application/json", b"You do not have permissions to use the API"),
    ],
)
def test_refusing_faults_hit_once_and_pass(client, mode, status, kind, fragment):
    switch(client, project="invented", mode=mode)
    data = {"token": client.token, "content": "record", "format": "json"}
    reply = requests.post(client.url, data=data, timeout=5, allow_redirects=False)
    assert reply.status_code == status
    assert reply.headers["Content-Type"].startswith(kind)
    assert fragment in reply.content
    if not fragment:
        assert reply.content == b""
    assert len(client.records()) == 9


def test_a_cut_body_without_length_looks_complete(client):
    whole = client.post(content="record", format="csv").content
    switch(client, mode="truncated", content="record")
    reply = client.post(content="record", format="csv")
    assert "Content-Length" not in reply.headers
    assert 0 < len(reply.content) < len(whole)
    assert whole.startswith(reply.content)


def test_a_cut_body_with_length_is_noticed(client):
    switch(client, mode="truncated_length")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.post(content="record")


def test_a_reset_connection(client):
    switch(client, mode="reset")
    with pytest.raises(requests.ConnectionError):
        requests.post(client.url, data={"token": client.token, "content": "record"}, timeout=5)


def test_bytes_that_are_no_text(client):
    switch(client, mode="not_utf8")
    with pytest.raises(UnicodeDecodeError):
        client.post(content="record").content.decode()


def test_rows_go_missing_in_silence(client):
    switch(client, mode="missing_rows", content="record")
    reply = client.post(content="record")
    assert (reply.status_code, len(reply.json())) == (200, 6)


def test_a_slow_first_byte(client):
    switch(client, mode="slow", seconds=0.3)
    start = time.monotonic()
    assert len(client.records()) == 9
    assert time.monotonic() - start >= 0.3


def test_a_stop_ends_a_slow_answer(client, sandbox):
    sandbox.faults.add(Fault(mode=Mode.SLOW, seconds=600))
    with pytest.raises(requests.Timeout):
        requests.post(client.url, data={"token": client.token, "content": "record"}, timeout=0.2)
    start = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - start < 5


def test_a_huge_import_is_cut(client):
    switch(client, mode="import_cut", content="record", times=None)
    small = client.post(content="record", data='[{"record_id":"1","age":"35"}]')
    assert small.json() == {"count": 1}
    huge = client.post(content="record", data="[" + " " * (17 * 1024 * 1024) + "]")
    assert (huge.status_code, huge.json()) == (400, {"error": ""})


def test_faults_wait_count_and_clear(client):
    switch(client, mode="maintenance", content="record", after=1, times=2)
    codes = [client.post(content="record").status_code for _ in range(4)]
    assert codes == [200, 503, 503, 200]
    switch(client, mode="maintenance", times=None, project="invented")
    assert client.post(content="version").status_code == 503
    control = client.url.replace("/api/", "/__sandbox__/faults")
    assert requests.delete(control, json={"project": "invented"}, timeout=5).json()["faults"] == []
    assert client.post(content="version").status_code == 200


def test_a_fault_of_one_project_spares_the_others(client, sandbox, invented_xml):
    sandbox.add_project(invented_xml, slug="other", token="e" * 32)
    switch(client, mode="maintenance", project="other", times=None)
    assert client.post(content="version").status_code == 200
    client.token = "e" * 32
    assert client.post(content="version").status_code == 503


def test_an_unknown_mode_is_refused(client):
    control = client.url.replace("/api/", "/__sandbox__/faults")
    assert requests.post(control, json={"mode": "earthquake"}, timeout=5).status_code == 400
