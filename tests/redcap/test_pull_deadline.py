"""A whole pull ends within its own deadline, whatever the server does, and says how far it came."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from sync.clock import SystemClock
from sync.errors import SourceUnavailable
from sync.ports.source import Source
from sync.redcap.allowance import PullTooLong
from sync.redcap.replies import ReplyFailed
from tests.redcap.fake import HTML, TOKEN, Answer, FakeClock, FakeProject, patients
from tests.redcap.test_sockets import HEAD, Server

Open = Callable[..., Source]
Ask = Callable[[Source], Any]

PULL: Ask = lambda source: source.pull()  # noqa: E731
CHANGES: Ask = lambda source: source.changes(None)  # noqa: E731
BATCHES: Ask = lambda source: list(source.batches().frames)  # noqa: E731
WAYS = pytest.mark.parametrize("ask", [PULL, CHANGES, BATCHES], ids=["pull", "changes", "batches"])


def refusal(ask: Ask, source: Source) -> PullTooLong:
    with pytest.raises(PullTooLong) as caught:
        ask(source)
    assert TOKEN not in str(caught.value)
    assert "transport.pull_deadline_seconds" in str(caught.value)
    assert caught.value.exit_code == 3
    assert not isinstance(caught.value, ReplyFailed)
    return caught.value


def slow(project: FakeProject, clock: FakeClock, seconds: float, *contents: str) -> None:
    """Let each request for the contents take its time."""

    def take(form: dict[str, str], count: int) -> Answer | None:
        clock.seconds += seconds
        return None

    project.faults.update(dict.fromkeys(contents, take))


@WAYS
def test_many_slow_batches_end_at_the_deadline_with_their_count(
    project: FakeProject, clock: FakeClock, source: Open, ask: Ask
) -> None:
    project.rows = patients(10)
    slow(project, clock, 100, "record")
    error = refusal(ask, source(batch_records=2, pull_deadline_seconds=350))
    # the list and two batches took 300; the third would have been done at 400, and is not read
    assert "within 350 seconds" in str(error)
    assert "4 of 10 records" in str(error)
    assert clock.seconds == 400
    assert project.batches()[-1] == ["P-5", "P-6"]


@WAYS
def test_a_pull_that_is_quick_enough_does_not_notice(
    project: FakeProject, clock: FakeClock, source: Open, ask: Ask
) -> None:
    project.rows = patients(10)
    slow(project, clock, 100, "record")
    ask(source(batch_records=2, pull_deadline_seconds=100_000))
    assert len(project.batches()) == 5


def test_a_slow_structure_is_told_apart(project: FakeProject, clock: FakeClock, source: Open) -> None:
    slow(project, clock, 20, "version")
    error = refusal(PULL, source(pull_deadline_seconds=10))
    assert "before the first batch of records" in str(error)


def test_each_piece_of_work_has_its_own_time(project: FakeProject, clock: FakeClock, source: Open) -> None:
    project.rows = patients(2)
    opened = source(pull_deadline_seconds=10)
    slow(project, clock, 3, "record")
    for _ in range(4):
        opened.structure()
        clock.seconds += 100
    assert opened.changes(None).record_ids == {"P-1", "P-2"}


def test_progress_is_still_told(project: FakeProject, source: Open) -> None:
    project.rows = patients(5)
    told: list[tuple[int, int]] = []
    source(batch_records=2).pull(lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("status", [503, 504])
def test_pauses_between_attempts_stay_within_it(
    project: FakeProject, clock: FakeClock, source: Open, status: int
) -> None:
    project.rows = patients(3)
    project.faults["record"] = lambda form, count: (status, HTML | {"Retry-After": "50"}, "<html/>")
    with pytest.raises(SourceUnavailable):
        source(pull_deadline_seconds=120, retries=20, deadline=10_000).pull()
    assert clock.pauses
    assert clock.seconds < 120


def test_a_server_that_halves_batches_for_ever_is_left(project: FakeProject, clock: FakeClock, source: Open) -> None:
    project.rows = patients(64)

    def gateway(form: dict[str, str], count: int) -> Answer | None:
        clock.seconds += 60
        return (504, HTML, "<html/>") if "records[0]" in form else None

    project.faults["record"] = gateway
    refusal(PULL, source(pull_deadline_seconds=300, retries=0))
    assert clock.seconds < 300 + 61


def test_waiting_for_a_place_stays_within_it(project: FakeProject, clock: FakeClock, source: Open) -> None:
    project.rows = patients(30)
    error = refusal(PULL, source(requests_per_minute=10, batch_records=1, pull_deadline_seconds=90))
    assert " of 30 records" in str(error)
    assert clock.seconds < 90


def test_a_log_that_takes_too_long_does_not_pass_for_one_that_cannot_be_had(
    project: FakeProject, clock: FakeClock, source: Open
) -> None:
    project.rows = patients(3)
    slow(project, clock, 500, "log")
    refusal(CHANGES, source(pull_deadline_seconds=300))


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def answering(server: Server, project: FakeProject, spoil: Callable[[socket.socket, dict[str, str]], bool]) -> None:
    """Let a real server answer for a fake project, except where ``spoil`` has answered in its own way."""

    def swallow(peer: socket.socket) -> None:
        text = b""
        while b"\r\n\r\n" not in text:
            text += peer.recv(65536)
        head, _, body = text.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += peer.recv(65536)
        server.form = dict(parse_qsl(body.decode(), keep_blank_values=True))  # type: ignore[attr-defined]

    def behave(peer: socket.socket) -> None:
        form: dict[str, str] = server.form  # type: ignore[attr-defined]
        if spoil(peer, form):
            return
        status, headers, text = getattr(project, f"_{form['content']}")(form)
        raw = str(text).encode()
        lines = [f"HTTP/1.1 {status} X", *(f"{k}: {v}" for k, v in headers.items()), f"Content-Length: {len(raw)}"]
        peer.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + raw)

    server._swallow = swallow  # type: ignore[method-assign]
    server.behaviour = behave


def timed(server: Server, source: Open, **transport: float) -> tuple[str, float]:
    began = time.monotonic()
    opened = source(url=server.url, own_clock=SystemClock(), batch_records=1, **{"retries": 0, **transport})
    error = refusal(PULL, opened)
    return str(error), time.monotonic() - began


def rows_of(form: dict[str, str]) -> bool:
    return form["content"] == "record" and "records[0]" in form


def test_a_real_server_that_is_slow_each_time(server: Server, source: Open) -> None:
    def wait(peer: socket.socket, form: dict[str, str]) -> bool:
        time.sleep(0.2 if rows_of(form) else 0)
        return False

    answering(server, FakeProject(rows=patients(50)), wait)
    error, seconds = timed(server, source, pull_deadline_seconds=1.0, deadline=0.9, read_timeout=0.8)
    assert 0.9 < seconds < 2
    assert 1 <= int(error.partition(" of 50 records")[0].rpartition(" ")[2]) <= 5


def test_a_real_server_that_hangs_at_the_third_record(server: Server, source: Open) -> None:
    def hang(peer: socket.socket, form: dict[str, str]) -> bool:
        return form.get("records[0]") == "P-3" and not server.closing.wait(4)

    answering(server, FakeProject(rows=patients(5)), hang)
    error, seconds = timed(server, source, pull_deadline_seconds=0.8, deadline=30, read_timeout=30)
    assert seconds < 2
    assert "2 of 5 records" in error


def test_a_real_server_that_trickles_at_the_second_record(server: Server, source: Open) -> None:
    def trickle(peer: socket.socket, form: dict[str, str]) -> bool:
        if form.get("records[0]") != "P-2":
            return False
        peer.sendall(HEAD.replace(b"application/json", b"text/csv") + b"Content-Length: 100000\r\n\r\n")
        while not server.closing.is_set():
            peer.sendall(b"x")
            time.sleep(0.02)
        return True

    answering(server, FakeProject(rows=patients(5)), trickle)
    error, seconds = timed(server, source, pull_deadline_seconds=0.8, deadline=30, read_timeout=30)
    assert seconds < 2
    assert "1 of 5 records" in error


@pytest.mark.parametrize("ends", ["close", "keep-alive"])
def test_silence_after_a_long_trickle_does_not_outlast_it(server: Server, source: Open, ends: str) -> None:
    def trickle_and_stall(peer: socket.socket, form: dict[str, str]) -> bool:
        peer.sendall(HEAD + f"Connection: {ends}\r\nContent-Length: 100000\r\n\r\n".encode())
        until = time.monotonic() + 1.3
        while time.monotonic() < until:
            peer.sendall(b" ")
            time.sleep(0.02)
        server.closing.wait(6)
        return True

    answering(server, FakeProject(rows=patients(5)), trickle_and_stall)
    _, seconds = timed(server, source, pull_deadline_seconds=1.5, deadline=30, read_timeout=30)
    assert 1.4 < seconds < 2.2


def test_a_real_server_that_trickles_and_then_stops(server: Server, source: Open) -> None:
    def stall(peer: socket.socket, form: dict[str, str]) -> bool:
        if form["content"] != "metadata":
            return False
        body = json.dumps([{}] * 100).encode()
        peer.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:50])
        server.closing.wait(4)
        return True

    answering(server, FakeProject(rows=patients(5)), stall)
    error, seconds = timed(server, source, pull_deadline_seconds=0.8, deadline=30, read_timeout=30)
    assert seconds < 2
    assert "before the first batch" in error
