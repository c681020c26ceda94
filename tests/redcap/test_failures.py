"""Every way in which a server is known to fail becomes an error that says what to do, and shows no secret."""

import json
import traceback
from collections.abc import Callable, Iterator

import pytest
import responses
import structlog

from sync import telemetry
from sync.config import SiteConfig, TransportConfig
from sync.errors import ConfigError, SourceRefused, SourceUnavailable, SyncError
from sync.ports.source import Source
from sync.redcap.circuit import Circuits
from sync.redcap.client import WriteRefused
from sync.redcap.failures import TooLarge
from sync.redcap.replies import Reply, ReplyFailed, pause_asked_for, text_of
from sync.redcap.source import open_source
from sync.redcap.transport import Paces
from tests.redcap.fake import CSV, HTML, JSON, TOKEN, URL, Answer, FakeClock, FakeProject, patients

Open = Callable[..., Source]
SECRET = "invented-remark-of-a-patient"


def error(status: int, text: str) -> Answer:
    return status, JSON, json.dumps({"error": text})


TROUBLE: dict[str, tuple[Answer, type[SyncError], str]] = {
    "revoked token": (
        error(403, "You do not have permissions to use the API"),
        SourceRefused,
        "ask the site's REDCap administrator for a valid one",
    ),
    "no export right": (
        error(403, "You do not have API Export privileges"),
        SourceRefused,
        "You do not have API Export privileges",
    ),
    "unknown refusal": (error(400, f"{SECRET} is not valid"), SourceRefused, "check the rights"),
    "error with status 200": (
        error(200, "You do not have permissions to use the API"),
        SourceRefused,
        "does not accept",
    ),
    "error in XML": ((403, {}, "<?xml version='1.0'?><hash><error>No</error></hash>"), SourceRefused, "403"),
    "error as CSV": ((400, CSV, 'ERROR: The value of the parameter "content" is not valid'), SourceRefused, "content"),
    "tabs page": ((200, HTML, "<html>multiple browser tabs of the same REDCap page</html>"), SourceUnavailable, "web"),
    "sign-on page labelled as data": ((200, JSON, "\n<!DOCTYPE html><p>Access</p>"), SourceUnavailable, "web page"),
    "maintenance": ((503, HTML, "<html>offline</html>"), SourceUnavailable, "maintenance"),
    "gateway": ((504, HTML, "<html>504</html>"), ReplyFailed, "status 504"),
    "500 with JSON": ((500, JSON, json.dumps([{"x": SECRET}])), ReplyFailed, "status 500"),
    "500 with an error message": (error(500, f"{SECRET} failed"), ReplyFailed, "status 500"),
    "memory": ((200, HTML, "<br><b>Fatal error</b>: REDCap ran out of server memory."), ReplyFailed, "batch_records"),
    "empty": ((200, JSON, ""), ReplyFailed, "empty reply"),
    "cut JSON": ((200, JSON, '[{"x": "' + SECRET), ReplyFailed, "cut or not JSON"),
    "not UTF-8": ((200, JSON, b'[{"x": "\xff"}]'), ReplyFailed, "not UTF-8"),
    "database": (
        (200, HTML, "ERROR: could not connect to host h with username u and password p"),
        SourceUnavailable,
        "its own database",
    ),
    "banned": (
        (200, HTML, "The IP address has been banned due to suspected abuse."),
        SourceUnavailable,
        "lift the ban",
    ),
    "wrong address": ((404, HTML, "<html>Not found</html>"), SourceUnavailable, "correct the site's url"),
    "too large": ((413, HTML, ""), ReplyFailed, "turned this request away"),
    "plain text": ((200, {"Content-Type": "text/plain"}, "hello"), SourceUnavailable, "text/plain where"),
    "odd status": ((206, JSON, "[]"), SourceUnavailable, "unexpected status 206"),
    "object for a list": ((200, JSON, "{}"), SourceUnavailable, "not the list"),
}


def shown(caught: pytest.ExceptionInfo[SyncError]) -> str:
    return "".join(traceback.format_exception(caught.value)) + repr(caught.value.args)


CASES = [(name, content) for name in TROUBLE for content in ("metadata", "project", "dag", "record")]
CASES.remove(("no export right", "dag"))  # groups that may not be seen are taken for none: test_pull


@pytest.mark.parametrize(("name", "content"), CASES)
def test_trouble_is_named_and_shows_no_secret(project: FakeProject, source: Open, name: str, content: str) -> None:
    answer, kind, words = TROUBLE[name]
    if content == "project" and name == "object for a list":
        words = "no project id"
    project.faults[content] = lambda form, n: answer
    project.rows = [row | {"note": SECRET} for row in patients(2)]
    if content == "record":
        if name in ("empty", "plain text", "cut JSON", "object for a list", "500 with JSON", "not UTF-8"):
            words = ""
        kind = SyncError if kind is ReplyFailed else kind
    with structlog.testing.capture_logs() as logs, pytest.raises(kind) as caught:
        source().pull()
    assert words in str(caught.value)
    text = shown(caught) + str(logs)
    for secret in (TOKEN, SECRET, "password p"):
        assert secret not in text
    assert "redcap.example.org" in str(caught.value) or words in ("not the list", "no project id", "")


def test_a_version_that_is_none(project: FakeProject, source: Open) -> None:
    project.faults["version"] = lambda form, n: (200, HTML, "hello")
    with pytest.raises(SourceUnavailable, match="no REDCap version"):
        source().pull()


def test_a_web_page_in_place_of_records_never_becomes_data(project: FakeProject, source: Open) -> None:
    project.faults["record"] = lambda form, n: (200, CSV, "<html><body>a,b\n1,2</body></html>")
    with pytest.raises(SourceUnavailable, match="web page"):
        source().pull()


def test_words_of_trouble_inside_a_cell_are_data(project: FakeProject, source: Open) -> None:
    project.rows = patients(1)
    project.rows[0]["note"] = "REDCap ran out of server memory; could not connect; banned due to suspected abuse"
    project.metadata[1]["field_label"] = project.rows[0]["note"]
    assert source().pull().records == 1


def test_a_redirection_is_not_followed(source: Open) -> None:
    with responses.RequestsMock() as mock:
        mock.post(URL, status=302, headers={"Location": f"https://other.example.org/?token={TOKEN}"})
        with pytest.raises(SourceUnavailable, match=r"sends on to https://other\.example\.org instead") as caught:
            source().pull()
        assert len(mock.calls) == 1
    assert TOKEN not in shown(caught)


def test_passing_trouble_is_waited_out(project: FakeProject, source: Open, clock: FakeClock) -> None:
    project.rows = patients(1)
    project.faults["metadata"] = lambda form, n: (503, HTML, "<html/>") if n < 4 else None
    assert source().pull().records == 1
    assert len(clock.pauses) == 3
    assert 0 < clock.pauses[0] < clock.pauses[1] + 1 < clock.pauses[2] + 2


def test_the_server_may_say_how_long_to_wait(project: FakeProject, source: Open, clock: FakeClock) -> None:
    project.faults["metadata"] = lambda form, n: (429, {**HTML, "Retry-After": "30"}, "<html/>") if n < 2 else None
    source().structure()
    assert [30 <= pause <= 31 for pause in clock.pauses] == [True]


IN_HALF_A_MINUTE = ("Sun, 01 Mar 2026 02:03:34 GMT", "Sunday, 01-Mar-26 02:03:34 GMT", "Sun Mar  1 02:03:34 2026")


@pytest.mark.parametrize("asked", IN_HALF_A_MINUTE)
def test_the_server_may_say_until_when_to_wait(
    project: FakeProject, source: Open, clock: FakeClock, asked: str
) -> None:
    project.faults["metadata"] = lambda form, n: (429, {**HTML, "Retry-After": asked}, "<html/>") if n < 2 else None
    source().structure()
    assert [30 <= pause <= 31 for pause in clock.pauses] == [True]


@pytest.mark.parametrize(
    ("asked", "date", "seconds"),
    [
        ("120", "", 120),
        ("0", "", 0),
        ("Sun, 01 Mar 2026 02:04:04 GMT", "", 60),
        ("Sun, 01 Mar 2026 12:00:10 GMT", "Sun, 01 Mar 2026 12:00:00 GMT", 10),  # that server's clock is ahead
        ("Sun, 01 Mar 2026 02:04:04 GMT", "yesterday", 60),
        ("Sun, 01 Mar 2026 02:00:00 GMT", "", 0),
        ("", "", None),
        ("soon", "", None),
        ("-5", "", None),
        ("²", "", None),
        ("Sun, 99 Mar 2026 02:04:04 GMT", "", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "", None),
        ("Sun, 01 Mar 2026 02:04:04 GMT", "Sun, 01 Mar 2026 02:03:04 +99999999999999", 60),
    ],
)
def test_the_pause_that_is_asked_for(asked: str, date: str, seconds: float | None) -> None:
    reply = Reply(host="h", status=503, content_type="", body=b"", retry_after=asked, date=date)
    assert pause_asked_for(reply, FakeClock().now()) == seconds


@pytest.mark.parametrize("asked", ["3600", "Sun, 01 Mar 2026 03:03:04 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400])
def test_a_wait_beyond_the_deadline_is_not_begun(
    project: FakeProject, source: Open, clock: FakeClock, asked: str
) -> None:
    project.faults["metadata"] = lambda form, n: (503, {**HTML, "Retry-After": asked}, "<html/>")
    with pytest.raises(SourceUnavailable, match="maintenance"):
        source().structure()
    assert clock.pauses == []


@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (2, 3)])
def test_attempts_are_counted(project: FakeProject, source: Open, retries: int, asked: int) -> None:
    project.faults["project"] = lambda form, n: (502, HTML, "<html/>")
    with pytest.raises(ReplyFailed):
        source(retries=retries).structure()
    assert len(project.asked) == asked


@pytest.mark.parametrize(
    "answer",
    [TROUBLE["revoked token"][0], TROUBLE["wrong address"][0], (500, HTML, "REDCap ran out of server memory.")],
)
def test_lasting_trouble_is_not_asked_again(project: FakeProject, source: Open, answer: Answer) -> None:
    project.faults["project"] = lambda form, n: answer
    with pytest.raises(SyncError):
        source().structure()
    assert len(project.asked) == 1


def test_a_batch_whose_reply_is_too_large_is_halved_at_once(
    project: FakeProject, source: Open, clock: FakeClock
) -> None:
    project.rows = [row | {"note": "x" * 1000} for row in patients(8)]
    assert source(batch_records=8, max_bytes=3000).pull().records == 8
    assert [len(batch) for batch in project.batches()] == [8, 4, 2, 2, 2, 2]
    assert clock.pauses == []


def test_a_reply_that_is_too_large_does_not_speak_against_the_host() -> None:
    clock, circuits = FakeClock(), Circuits()
    site = SiteConfig(slug="n", name="N", subject_prefix="N", url=URL, project_id=17, token_env="T")
    small = TransportConfig(max_bytes=1024)
    with responses.RequestsMock() as mock:
        mock.post(URL, body=b"x" * 2000)
        for _ in range(20):
            with pytest.raises(TooLarge):
                open_source(site, TOKEN, small, clock, paces=Paces(), circuits=circuits).structure()


def test_the_messages_of_all_errors_may_be_logged() -> None:
    """A new kind of failure has a place in the list, or its message would be missing where it is looked for."""

    def kinds(of: type[SyncError]) -> Iterator[type[SyncError]]:
        for each in of.__subclasses__():
            yield each
            yield from kinds(each)

    ours = {each.__name__ for each in kinds(SyncError) if each.__module__.startswith("sync.redcap.")}
    assert ours <= telemetry._OUR_ERRORS


def test_requests_keep_to_the_pace(project: FakeProject, source: Open, clock: FakeClock) -> None:
    project.rows = patients(20)
    source(requests_per_minute=10, batch_records=1).pull()
    assert len(project.asked) > 25
    assert 120 <= clock.seconds <= 180


def test_nothing_that_writes_leaves_the_client(project: FakeProject, source: Open) -> None:
    inner = source()._work()[0]._project  # type: ignore[attr-defined]
    for write in (
        lambda: inner.import_records([{"record_id": "1"}]),
        lambda: inner.delete_records(["1"]),
        lambda: inner.import_metadata([]),
        lambda: inner.delete_file("1", "scan"),
        lambda: inner.import_users([]),
        lambda: inner.import_repeating_instruments_events([]),
    ):
        with pytest.raises(WriteRefused):
            write()
    # PyCap looks at the dictionary before it deletes a file
    assert {each["content"] for each in project.asked} <= {"metadata"}
    assert not any("data" in each or "action" in each for each in project.asked)


def test_a_malformed_token_is_not_shown(source: Open) -> None:
    with pytest.raises(ConfigError) as caught:
        source(token="short-secret")
    assert "short-secret" not in str(caught.value)
    assert TOKEN not in repr(source())


def test_labels_of_content_types_are_quoted_only_when_plain() -> None:
    reply = Reply(host="h", status=200, content_type="<b>secret</b>", body=b"x")
    with pytest.raises(SourceUnavailable, match="something unlabelled"):
        text_of(reply, "csv")
