"""Answer a full pull from finished bytes, in a process of its own, so that the server's own work is hardly measured.

Everything but the records is answered by the sandbox; records come as CSV that was written beforehand. Run as
``python -m benchmarks.canned RECORDS EVENTS FIELDS``; prints its address.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks import invent
from benchmarks.invent import Design
from sync.sandbox import wire
from sync.sandbox.sandbox import Sandbox

ROOT = Path(__file__).parents[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    sandbox: Sandbox
    header: bytes
    by_name: dict[str, bytes]
    names: bytes

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parameters = wire.parse_body(self.headers.get("Content-Type", ""), body)
        if parameters.get("content") != "record":
            reply = self.sandbox.answer(parameters, "http://127.0.0.1").reply
            self._send(reply.body, reply.content_type, reply.status)
            return
        records = parameters.items("records")
        if parameters.get("dateRangeBegin"):  # nothing changes here
            is_json = parameters.get("format") == "json"
            self._send(b"[]" if is_json else b"\n", wire.CONTENT_TYPES["json" if is_json else "csv"])
            return
        if parameters.items("fields") and not records:
            self._send(self.names, wire.CONTENT_TYPES["csv"])
            return
        wanted = records or list(self.by_name)
        self._send(self.header + b"".join(map(self.by_name.__getitem__, wanted)), wire.CONTENT_TYPES["csv"])

    def _send(self, body: bytes, content_type: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(design: Design) -> None:
    """Serve until the parent ends; prints the address in one line."""
    rows = invent.Rows(design)
    _Handler.sandbox = Sandbox()
    invent.fill(_Handler.sandbox, design, with_records=False)
    _Handler.header = rows.header().encode()
    _Handler.by_name = {name: rows.of_record(n).encode() for n, name in enumerate(design.record_names())}
    events = [f",{event}" for event in design.event_names] or [""]
    head = f"{invent.RECORD_ID},redcap_event_name\n" if design.event_names else f"{invent.RECORD_ID}\n"
    listed = (f"{name}{event}\n" for name in _Handler.by_name for event in events)
    _Handler.names = (head + "".join(listed)).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}/api/", flush=True)
    server.serve_forever()


@contextmanager
def running(design: Design) -> Iterator[str]:
    """Run the server in another process and give its address."""
    sizes = [str(design.records), str(design.events), str(design.fields)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.canned", *sizes], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    count, visits, width = map(int, sys.argv[1:4])
    serve(Design(records=count, events=visits, fields=width))
