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


def _hits(client, calls: int = 40) -> list[str]:
    """Tell for each of some calls what came back: the status and the kind of body."""
    out = []
    for _ in range(calls):
        reply = client.post(content="version")
        out.append(f"{reply.status_code} {len(reply.content)}")
    return out


def test_chance_strikes_alike_for_the_same_seed_and_otherwise_for_another(client, sandbox):
    told = switch(client, mode="maintenance", chance=0.3, seed=7, times=None)
    assert (told["chance"], told["seed"]) == (0.3, 7)
    first = _hits(client)
    assert 2 < sum(hit.startswith("503") for hit in first) < 25
    sandbox.faults.clear()
    switch(client, mode="maintenance", chance=0.3, seed=7, times=None)
    assert _hits(client) == first
    sandbox.faults.clear()
    switch(client, mode="maintenance", chance=0.3, seed=8, times=None)
    assert _hits(client) != first


def test_a_fault_of_several_modes_takes_one_each_time(client):
    switch(client, modes=["maintenance", "empty_body", "token_revoked"], seed=3, times=20)
    hits = set(_hits(client, 20))
    assert {hit[:3] for hit in hits} == {"503", "200", "403"}
    assert client.post(content="version").text == "15.2.1"
    assert "slow" not in switch(client, modes="all", times=1)["modes"]


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "nonsense"}, {"mode": "slow", "seconds": -1}, {"mode": "slow", "seconds": "nan"},
        {"mode": "sso", "chance": 2}, {"mode": "sso", "times": "some"}, {"modes": "none"}, {"modes": [1]},
        {"mode": "sso", "after": -1},
    ],
)  # fmt: skip
def test_faults_that_make_no_sense_are_refused(client, fault):
    control = client.url.replace("/api/", "/__sandbox__/faults")
    assert requests.post(control, json=fault, timeout=5).status_code == 400


def test_latency_and_the_rate_limit_with_its_ban(client):
    control = client.url.replace("/api/", "/__sandbox__/traffic")
    off = {"latency": 0.0, "requests_per_minute": None, "banned": []}
    assert requests.get(control, timeout=5).json() == off
    requests.post(control, json={"latency": 0.2}, timeout=5)
    start = time.monotonic()
    client.post(content="version")
    assert time.monotonic() - start >= 0.2
    requests.post(control, json={"requests_per_minute": 5}, timeout=5)
    replies = [client.post(content="version") for _ in range(7)]
    assert [reply.text for reply in replies[:5]] == ["15.2.1"] * 5
    for reply in replies[5:]:
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "has been banned due to suspected abuse" in reply.text
    assert requests.get(control, timeout=5).json()["banned"] == ["127.0.0.1"]
    assert requests.delete(control, timeout=5).json() == off
    assert client.post(content="version").text == "15.2.1"
