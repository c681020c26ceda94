"""What only a real socket can do: trickle, break off, lie about lengths, unpack without end."""

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.clock import SystemClock
from sync.errors import SourceUnavailable
from sync.ports.source import Source
from sync.redcap.replies import ReplyFailed
from tests.redcap.fake import TOKEN, FakeClock

Open = Callable[..., Source]
Behaviour = Callable[[socket.socket], None]
CERTIFICATE = Path(__file__).with_name("self_signed.pem")
"""Certificate and key of a server that calls itself "localhost"."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Server:
    """Answer each connection with one behaviour, after reading the request."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/api/"
        self.behaviour: Behaviour = lambda peer: None
        self.connections = 0
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while not self.closing.is_set():
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with peer:
                try:
                    self._swallow(peer)
                    self.behaviour(peer)
                except OSError:
                    continue

    @staticmethod
    def _swallow(peer: socket.socket) -> None:
        text = b""
        while TOKEN.encode() not in text:
            part = peer.recv(65536)
            if not part:
                return
            text += part

    def speak_tls(self) -> None:
        """Be https from now on, as "localhost"; whoever trusts the certificate is left without an answer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._swallow = lambda peer: context.wrap_socket(peer, server_side=True).close()  # type: ignore[method-assign,assignment]
        self.url = self.url.replace("http:", "https:")

    def close(self) -> None:
        if not self.closing.is_set():
            self.closing.set()
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.thread.join(timeout=5)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def failure(server: Server, source: Open, **transport: float) -> tuple[SourceUnavailable, float]:
    """Ask for the structure; the error and the seconds that it took."""
    began = time.monotonic()
    with pytest.raises(SourceUnavailable) as caught:
        source(url=server.url, own_clock=SystemClock(), **{"retries": 0, **transport}).structure()
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value, time.monotonic() - began


def test_a_server_that_trickles_is_cut_at_the_deadline(server: Server, source: Open) -> None:
    def trickle(peer: socket.socket) -> None:
        peer.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        while not server.closing.is_set():
            peer.sendall(b" ")
            time.sleep(0.02)

    server.behaviour = trickle
    error, seconds = failure(server, source, deadline=0.5, read_timeout=5)
    assert "within 0.5 seconds" in str(error)
    assert 0.4 < seconds < 2


def test_a_silent_server_meets_the_read_timeout(server: Server, source: Open) -> None:
    server.behaviour = lambda peer: server.closing.wait(3) and None
    error, seconds = failure(server, source, read_timeout=0.3)
    assert "sent nothing for 0.3 seconds" in str(error)
    assert isinstance(error, ReplyFailed)
    assert seconds < 2


def test_silence_that_meets_the_deadline_first_is_told_so(server: Server, source: Open) -> None:
    server.behaviour = lambda peer: server.closing.wait(3) and None
    error, seconds = failure(server, source, deadline=0.3, read_timeout=30)
    assert "within 0.3 seconds" in str(error)
    assert seconds < 2


def test_silence_in_the_middle_meets_it_too(server: Server, source: Open) -> None:
    def stop(peer: socket.socket) -> None:
        peer.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        server.closing.wait(3)

    server.behaviour = stop
    error, _ = failure(server, source, read_timeout=0.3)
    assert "sent nothing for 0.3 seconds" in str(error)


@pytest.mark.parametrize(
    "part",
    [
        HEAD + b'Content-Length: 100\r\n\r\n{"project_id"',
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"pro\r\n5\r\nje',
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b'{"project_id": 17}')[:-12],
        b"HTTP/1.1 200",
        b"",
    ],
    ids=["length", "chunked", "gzip", "head", "nothing"],
)
def test_a_reply_that_is_cut(server: Server, source: Open, part: bytes) -> None:
    server.behaviour = lambda peer: peer.sendall(part)
    error, _ = failure(server, source)
    assert isinstance(error, ReplyFailed)


def test_a_reset_connection(server: Server, source: Open) -> None:
    def reset(peer: socket.socket) -> None:
        peer.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server.behaviour = reset
    error, _ = failure(server, source)
    assert "broke before the reply was complete" in str(error)


def test_a_broken_reply_is_asked_for_again(server: Server, source: Open) -> None:
    server.behaviour = lambda peer: peer.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
    failure(server, source, retries=2)
    assert server.connections == 3


def test_a_reply_that_unpacks_without_end_is_cut_at_the_limit(server: Server, source: Open) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    server.behaviour = lambda peer: peer.sendall(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    )
    error, _ = failure(server, source, max_bytes=1_000_000, retries=4)
    assert "more than 1000000 bytes" in str(error)
    assert server.connections == 1  # the same again would bring as much


def test_nobody_listens(server: Server, source: Open) -> None:
    server.close()
    error, _ = failure(server, source)
    assert "refuses connections" in str(error)
    assert server.url.split("/")[2] in str(error)


def test_a_plain_server_behind_https(server: Server, source: Open) -> None:
    server.behaviour = lambda peer: None
    server.url = server.url.replace("http:", "https:")
    server._swallow = lambda peer: peer.sendall(b"not TLS\r\n" * 10)  # type: ignore[method-assign,assignment]
    error, _ = failure(server, source, retries=1)
    assert "the encrypted connection" in str(error)
    assert "broke before a reply began; check the site's url and its port" in str(error)
    assert server.connections == 2  # a server that is being started speaks so, too


@pytest.mark.parametrize("trusted", [None, CERTIFICATE], ids=["unknown authority", "another host's"])
def test_a_certificate_that_cannot_be_verified_is_not_asked_for_again(
    server: Server, source: Open, trusted: Path | None
) -> None:
    server.speak_tls()
    error, _ = failure(server, source, retries=4, ca_bundle=trusted)  # type: ignore[arg-type]
    assert "the certificate of 127.0.0.1:" in str(error)
    assert "transport.ca_bundle" in str(error)
    assert server.connections == 1


def test_a_host_that_does_not_exist(source: Open) -> None:
    with pytest.raises(SourceUnavailable, match=r"there is no host nowhere\.invalid"):
        source(url="https://nowhere.invalid/api/", retries=0, own_clock=SystemClock()).structure()


def test_a_proxy_that_is_not_there_and_an_environment_that_is_ignored(
    server: Server, source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", "/nonexistent")
    server.behaviour = lambda peer: peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    error, _ = failure(server, source)
    assert "no REDCap API at the configured address" in str(error)
    error, _ = failure(server, source, proxy="http://127.0.0.1:9")  # type: ignore[arg-type]
    assert "check transport.proxy" in str(error)


def test_a_ca_bundle_that_is_not_there(source: Open) -> None:
    clock = FakeClock()
    opened = source(url="https://127.0.0.1:9/api/", ca_bundle="/nonexistent.pem", own_clock=clock)
    with pytest.raises(SourceUnavailable, match="ca_bundle or the site's url is not usable"):
        opened.structure()
    assert clock.pauses == []
