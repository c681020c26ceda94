"""Listen on loopback: HTTP/1.1 with keep-alive, and the ways of breaking off that faults need."""

import ipaddress
import secrets
import socket
import struct
import time
from dataclasses import dataclass
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from sync.sandbox import control, wire
from sync.sandbox.errors import ApiError
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.quality_api import ModuleCall
from sync.sandbox.wire import HTML, Reply

if TYPE_CHECKING:
    from sync.sandbox.sandbox import Sandbox

API = "/api/"
CONTROL = "/__sandbox__/"
MAX_BODY = 256 * 1024 * 1024
_STILL = 60.0
_ADDRESSES = (API, API.rstrip("/"), API + "index.php")
_HEADERS = {
    "Expires": "0",
    "cache-control": "no-store, no-cache, must-revalidate",
    "Pragma": "no-cache",
    "X-XSS-Protection": "1; mode=block",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold a reply and the fault that shapes its transport."""

    reply: Reply
    fault: Fault | None = None


class Server:
    """Run the listener in a thread of its own."""

    def __init__(self, sandbox: "Sandbox", host: str, port: int) -> None:
        """Bind to a loopback address. Raises ValueError for any other, OSError where the port is taken."""
        address = "127.0.0.1" if host == "localhost" else host
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError("the sandbox listens on loopback only (127.0.0.1 or ::1)")
        self._listener = _Listener((address, port), sandbox)
        shown = f"[{address}]" if ":" in address else address
        self.base = self._listener.base = f"http://{shown}:{self._listener.server_address[1]}"
        self.url = self.base + API
        self._thread = Thread(target=self._listener.serve_forever, args=(0.05,), name="sandbox", daemon=True)

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting and wait for the listener's end."""
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], sandbox: "Sandbox") -> None:
        self.sandbox = sandbox
        self.stopping = False
        self.base = ""
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def shutdown(self) -> None:
        self.stopping = True
        super().shutdown()

    def handle_error(self, request: object, client_address: object) -> None:
        """Drop a broken connection without a word: the client went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "SynclineSandbox"
    sys_version = ""
    timeout = _STILL
    disable_nagle_algorithm = True
    server: _Listener

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        path = self.path.partition("?")[0]
        if path.startswith(CONTROL):
            self._send(control.answer(self.server.sandbox, "POST", self.path, body, self._local()))
        elif path in _ADDRESSES:
            self._api(body)
        else:
            self._send(_not_found())

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(CONTROL):
            self._send(control.answer(self.server.sandbox, "GET", self.path, b"", self._local()))
        elif path in _ADDRESSES:
            # recorded where a redirected POST had become a GET
            self._send(wire.error_reply(501, "The requested method is not implemented.", wire.XML))
        else:
            self._send(_not_found())

    def do_DELETE(self) -> None:
        body = self._body()
        if body is not None:
            self._send(control.answer(self.server.sandbox, "DELETE", self.path, body, self._local()))

    def _local(self) -> bool:
        """Tell whether a request comes from this machine under a loopback name, and from no page of another site."""
        origin = self.headers.get("Origin")
        if origin is not None and origin != self.server.base:
            return False
        host = self.headers.get("Host", "").strip().lower()
        name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        return name in ("127.0.0.1", "localhost", "::1") and ipaddress.ip_address(self.client_address[0]).is_loopback

    def _api(self, body: bytes) -> None:
        traffic = self.server.sandbox.traffic
        banned = traffic.refused(self.client_address[0])
        self._wait(traffic.latency)
        if banned is not None:
            self._send(banned)
            return
        try:
            parameters = wire.parse_body(self.headers.get("Content-Type", ""), body)
        except ApiError as error:
            self._send(wire.error_reply(error.status, error.text, wire.XML))
            return
        self._transport(self.server.sandbox.answer(parameters, self.server.base, self._module()))

    def _module(self) -> ModuleCall | None:
        """Read the address of an external module's page, None for a plain call."""
        try:
            query = parse_qs(self.path.partition("?")[2], keep_blank_values=True, max_num_fields=100)
        except ValueError:
            return None
        given = {name: values[-1] for name, values in query.items()}
        if given.get("type") != "module":
            return None
        return ModuleCall(
            prefix=given.get("prefix", ""), page=given.get("page", ""), pid=given.get("pid", ""),
            no_auth="NOAUTH" in given,
        )  # fmt: skip

    def _transport(self, answer: Answer) -> None:
        mode = answer.fault.mode if answer.fault else None
        if mode is Mode.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif mode is Mode.TRUNCATED:
            self._send(answer.reply, length=None)
        elif mode is Mode.TRUNCATED_LENGTH:
            self._send(answer.reply, length=len(answer.reply.body) + 4096)
        else:
            if mode is Mode.SLOW and answer.fault:
                self._wait(answer.fault.seconds)
            self._send(answer.reply)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.server.stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _body(self) -> bytes | None:
        """Read the body; answer and return None where that cannot be done."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        text = self.headers.get("Content-Length", "0")
        if not text.isascii() or not text.isdigit():
            self._refuse(400, "bad Content-Length")
            return None
        size = int(text)
        if size > MAX_BODY:
            self._refuse(413, "the request is too large")
            return None
        body = self.rfile.read(size)
        if len(body) == size:
            return body
        self._refuse(400, "the request body ended early")
        return None

    def _chunks(self) -> bytes | None:
        parts: list[bytes] = []
        total = 0
        while True:
            head = self.rfile.readline(100).partition(b";")[0].strip()
            try:
                size = int(head, 16)
            except ValueError:
                self._refuse(400, "bad chunk")
                return None
            total += size
            if size < 0 or total > MAX_BODY:
                self._refuse(413, "the request is too large")
                return None
            if size == 0:
                while self.rfile.readline(1000).strip():
                    pass
                return b"".join(parts)
            parts.append(self.rfile.read(size))
            self.rfile.readline(10)

    def _refuse(self, status: int, text: str) -> None:
        self.close_connection = True
        self._send(Reply(body=text.encode(), content_type="text/plain; charset=utf-8", status=status))

    def _send(self, reply: Reply, *, length: int | None = -1) -> None:
        """Write a reply in one piece; `length` None leaves Content-Length out and closes after the body."""
        if length is None or length > len(reply.body):
            self.close_connection = True
        headers = {
            "Server": self.server_version,
            "Date": self.date_time_string(self.server.sandbox.clock.instant().timestamp()),
            **_HEADERS,
            **reply.headers,
            "REDCap-Random-Text": secrets.token_hex(12),
            "Content-Type": reply.content_type,
        }
        if length is not None:
            headers["Content-Length"] = str(len(reply.body) if length < 0 else length)
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
        lines += [f"{name}: {' '.join(value.splitlines())}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
        self.wfile.write(head + reply.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests hold tokens and data."""


def _not_found() -> Reply:
    return Reply(
        body=b"<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1></body></html>\n", content_type=HTML, status=404
    )
