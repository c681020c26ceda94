"""Stand up to nonsense over real HTTP: errors in three shapes, bad requests, the control pages, `serve`."""

import http.client
import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from sync.sandbox import serve
from sync.sandbox.sandbox import Sandbox

XML_ERROR = '<?xml version="1.0" encoding="UTF-8" ?><hash><error>{}</error></hash>'
NO_API = "You do not have permissions to use the API"
BAD_CONTENT = 'The value of the parameter "content" is not valid'


@pytest.mark.parametrize(
    ("form", "returned", "body", "kind"),
    [
        ("json", "", f'{{"error":"{NO_API}"}}', "application/json; charset=utf-8"),
        ("csv", "", f"ERROR: {NO_API}", "text/csv; charset=utf-8"),
        ("xml", "", XML_ERROR.format(NO_API), "text/xml; charset=utf-8"),
        ("", "", XML_ERROR.format(NO_API), "text/xml; charset=utf-8"),
        ("xml", "json", f'{{"error":"{NO_API}"}}', "application/json; charset=utf-8"),
    ],
)
def test_errors_have_three_shapes(client, form, returned, body, kind):
    for token in ("", "f" * 32, "x"):
        client.token = token
        reply = client.post(content="version", format=form, returnFormat=returned)
        assert (reply.status_code, reply.text, reply.headers["Content-Type"]) == (403, body, kind)


def test_an_unknown_content_is_refused_in_its_words(client):
    assert client.error(content="nonsense") == (400, BAD_CONTENT)
    assert client.error() == (400, BAD_CONTENT)
    assert client.error(content="record", action="explode")[0] == 400


def test_the_recorded_headers_are_there(client):
    headers = client.post(content="version").headers
    assert headers["cache-control"] == "no-store, no-cache, must-revalidate"
    assert (headers["Expires"], headers["Pragma"]) == ("0", "no-cache")
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["REDCap-Random-Text"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("arm", "You cannot export arms for classic projects"),
        ("event", "You cannot export events for classic projects"),
        ("formEventMapping", "You cannot export form/event mappings for classic projects"),
        (
            "repeatingFormsEvents",
            "You cannot export repeating instruments and events because the project does not contain any repeating "
            "instruments and events",
        ),
    ],
)
def test_classic_projects_refuse_what_they_have_not(client, sandbox, content, text):
    sandbox.super_token = "9" * 64
    client.token = "9" * 64
    created = client.post(content="project", data='[{"project_title": "Classic", "purpose": 0}]')
    assert created.status_code == 200
    client.token = created.text
    assert client.error(content=content) == (400, text)


def test_creation_by_super_token(client, invented_xml):
    project_token, client.token = client.token, "5" * 64
    refused = client.error(content="project", data='[{"project_title": "X", "purpose": 1}]')
    assert refused == (
        400,
        "You must provide some text for 'purpose_other' since you specified 'purpose' as '1' (Other).",
    )
    created = client.post(content="project", data='[{"project_title": "Copy", "purpose": 2}]', odm=invented_xml)
    assert len(created.text) == 32
    assert client.error(content="record")[0] == 400
    client.token = project_token
    original = client.records()
    client.token = created.text
    copy = client.records()
    assert copy == original
    info = client.post(content="project").json()
    assert (info["project_title"], info["purpose"], info["project_id"]) == ("Copy", 2, 18)
    assert len(info) == 27


def test_random_bytes_never_break_it(client):
    chance = random.Random(20260302)
    for _ in range(60):
        body = bytes(chance.randrange(256) for _ in range(chance.randrange(400)))
        kind = chance.choice(["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""])
        reply = client.session.post(client.url, data=body, headers={"Content-Type": kind}, timeout=5)
        assert reply.status_code in (400, 403)
        assert "Traceback" not in reply.text


@pytest.mark.parametrize(
    "data",
    [
        {"content": "record", "format": "martian"},
        {"content": "record", "type": "round"},
        {"content": "record", "csvDelimiter": "x"},
        {"content": "record", "filterLogic": "[age] > (" + "(" * 4000},
        {"content": "record", "filterLogic": "frobnicate([age])"},
        {"content": "log", "beginTime": "now-ish"},
        {"content": "file", "action": "export", "field": "../../etc/passwd", "record": "1"},
        {"content": "file", "action": "export", "field": "letter", "record": "1", "event": "nope"},
        {"content": "report", "report_id": "9" * 40},
        {"content": "metadata", "data": "\x00\x01"},
        {"content": "user", "data": '[{"username": {"a": 1}, "forms": [1]}]'},
        {"content": "arm", "data": '[{"arm_num": "-1"}]'},
        {"content": "record", "type": "eav", "data": '[{"value": 1}]'},
        {"content": "record", "format": "xml", "data": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'},
        {"content": "record", "format": "csv", "data": '"open,1\n'},
        {"content": "user", "data": '[{"username": "x", "design": "²", "forms": {"visit": "²"}}]'},
        {"content": "arm", "data": '[{"arm_num": "' + "9" * 5000 + '"}]'},
        {"content": "project_settings", "data": '{"surveys_enabled": "' + "9" * 5000 + '"}'},
        {
            "content": "record",
            "data": '[{"record_id": "1", "redcap_event_name": "unscheduled_arm_1", "redcap_repeat_instance": "'
            + "9" * 5000
            + '"}]',
        },
    ],
)
def test_nonsense_is_refused_and_changes_nothing(client, data):
    before = client.records()
    reply = client.post(**data)
    assert reply.status_code < 500
    assert "Traceback" not in reply.text
    assert client.records() == before


@pytest.mark.parametrize(
    "path", ["/api/../../etc/passwd", "/etc/passwd", "/%2e%2e/", "/__sandbox__/../x", "/__sandbox__/nope"]
)
def test_other_paths_are_not_found(client, path):
    parts = urlsplit(client.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    connection.request("GET", path)
    reply = connection.getresponse()
    assert reply.status in (200, 404)
    assert b"root:" not in reply.read()
    connection.close()


def _raw(client, sent: bytes) -> bytes:
    parts = urlsplit(client.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nshort", b"400"),
        (b"POST /api/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"BREW /api/ HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"GET /__sandbox__/clock HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example.org\r\n\r\n", b"403"),
        (b"POST /__sandbox__/faults HTTP/1.1\r\nHost: evil.example.org\r\nContent-Length: 2\r\n\r\n{}", b"403"),
    ],
)
def test_broken_http_is_answered_plainly(client, sent, status):
    assert _raw(client, sent).split(b" ", 2)[1] == status


def test_chunked_requests_are_read(client):
    body = f"token={client.token}&content=version".encode()
    reply = client.session.post(
        client.url,
        data=iter([body[:10], body[10:]]),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=5,
    )
    assert reply.text == "15.2.1"


def test_control_pages(client, sandbox):
    base = client.url.replace("/api/", "/__sandbox__/")
    assert requests.get(base + "projects", timeout=5).json()["projects"][0] == {
        "slug": "invented", "project_id": 17, "title": "Invented project (nobody in it is real)", "records": 3,
    }  # fmt: skip
    assert len(requests.get(base + "guesses", timeout=5).json()["guesses"]) > 10
    set_to = requests.post(
        base + "clock", json={"now": "2026-05-01 07:00", "timezone": "Asia/Shanghai"}, timeout=5
    ).json()
    assert set_to == {"now": "2026-05-01 07:00:00", "timezone": "Asia/Shanghai"}
    zoned = requests.post(base + "clock", json={"now": "2026-05-01T07:00:00+00:00"}, timeout=5).json()
    assert zoned["now"] == "2026-05-01 15:00:00"
    for bad in ({"now": "soon"}, {"timezone": "Nowhere/Atlantis"}, [1], "x"):
        assert requests.post(base + "clock", json=bad, timeout=5).status_code == 400


def test_it_listens_on_loopback_only():
    with Sandbox() as sandbox, pytest.raises(ValueError, match="loopback"):
        sandbox.start("0.0.0.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.xml", "token= is missing"),
        ("a.xml,token=zz", "No such file"),
        ("a.xml,colour=red", "not one of slug="),
        ("a.xml,token=" + "a" * 32 + ",pid=x", "not a whole number"),
    ],
)
def test_serve_names_what_is_wrong(text, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(serve.ServeError, match=reason):
        serve.serve([text], "127.0.0.1", 0, out=io.StringIO())


def _started(folder: Path, xml: Path) -> tuple[subprocess.Popen, str]:
    code = (
        "from sync.sandbox.serve import serve\n"
        f"serve([{str(xml)!r} + ',slug=one,token={'a' * 32},pid=5'], '127.0.0.1', 0, {str(folder)!r})\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root,
        env=os.environ,
    )  # fmt: skip
    line = process.stdout.readline()
    assert line.startswith("ready http://127.0.0.1:"), process.stderr.read()
    return process, line.removeprefix("ready ").strip()


def test_state_survives_a_kill_and_serving_again_keeps_it(tmp_path):
    xml = Path(__file__).parent / "invented.xml"
    call = {"token": "a" * 32, "content": "record", "format": "json"}
    process, url = _started(tmp_path / "state", xml)
    changed = requests.post(url, data={**call, "data": '[{"record_id":"1","age":"77"}]'}, timeout=10)
    assert changed.json() == {"count": 1}
    requests.post(url, data={**call, "action": "delete", "records": "10"}, timeout=10)
    rows = requests.post(url, data=call, timeout=10).json()
    log = requests.post(url, data={**call, "content": "log", "logtype": "record"}, timeout=10).json()
    process.kill()
    process.communicate()
    process, url = _started(tmp_path / "state", xml)
    again = requests.post(url, data=call, timeout=10).json()
    assert (again, again[0]["age"]) == (rows, "77")
    assert requests.post(url, data={**call, "content": "log", "logtype": "record"}, timeout=10).json() == log
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")


def test_an_idle_connection_does_not_hold_up_the_stop(invented_xml):
    sandbox = Sandbox()
    sandbox.add_project(invented_xml, slug="one", token="a" * 32)
    parts = urlsplit(sandbox.start())
    with socket.create_connection((parts.hostname, parts.port)):
        start = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - start < 5


def test_a_stopped_sandbox_starts_again_with_its_state(tmp_path, invented_xml):
    with Sandbox(state=tmp_path) as sandbox:
        sandbox.add_project(invented_xml, slug="one", token="a" * 32)
        sandbox.start()
        sandbox.stop()
        sandbox.project("one").set("1", {"age": "70"}, event="baseline_arm_1")
        call = {"token": "a" * 32, "content": "record", "format": "json", "records": "1"}
        assert requests.post(sandbox.start(), data=call, timeout=5).json()[0]["age"] == "70"
    with Sandbox(state=tmp_path) as again:
        assert requests.post(again.start(), data=call, timeout=5).json()[0]["age"] == "70"
        again.revoke_token("a" * 32)
        assert requests.post(again.start(), data=call, timeout=5).status_code == 403
    with Sandbox(state=tmp_path) as last:
        assert requests.post(last.start(), data=call, timeout=5).status_code == 403


def test_the_date_of_a_reply_is_the_servers_own(invented_xml):
    with Sandbox() as sandbox:
        sandbox.add_project(invented_xml, slug="one", token="a" * 32)
        sandbox.clock.set(datetime(2012, 3, 5, 2, 0, tzinfo=UTC), timezone="Asia/Shanghai")
        reply = requests.post(sandbox.start(), data={"token": "a" * 32, "content": "version"}, timeout=5)
        assert reply.headers["Date"] == "Mon, 05 Mar 2012 02:00:00 GMT"


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(serve.ServeError, match="no time zone is called 'Mars/Base'"):
        serve.serve([], "127.0.0.1", 0, timezone="Mars/Base")
