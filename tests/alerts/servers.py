"""Real servers on this machine that take an alert: HTTP, SMTP."""

import http.server
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Hook(http.server.BaseHTTPRequestHandler):
    """Keep what was posted; answer as the server is told to."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, dict(self.headers), json.loads(body)))  # type: ignore[attr-defined]
        answer = self.server.answer  # type: ignore[attr-defined]
        if answer == "silence":
            time.sleep(1.5)
            return
        self.send_response(answer)
        if answer == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.posted.append((self.path, {}, "followed a redirect"))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Web(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.posted: list[tuple[str, dict[str, str], Any]] = []
        self.answer: int | str = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook/secret-part"


class Sink(socketserver.StreamRequestHandler):
    """Speak as much SMTP as a letter needs."""

    def handle(self) -> None:
        self.say("220 sink.example.org ESMTP")
        sender, recipients = "", []
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("EHLO"):
                self.say("250-sink.example.org")
                self.say("250 AUTH PLAIN")
            elif word.startswith("AUTH PLAIN"):
                self.server.logins.append(line.split()[2])  # type: ignore[attr-defined]
                self.say("235 welcome")
            elif word.startswith("MAIL FROM"):
                sender = line.partition(":")[2].split()[0]
                self.say("250 ok")
            elif word.startswith("RCPT TO"):
                if "refused" in line:
                    self.say("550 no such box")
                else:
                    recipients.append(line.partition(":")[2])
                    self.say("250 ok")
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline().decode()) not in (".\r\n", ""):
                    lines.append(text.rstrip("\r\n"))
                self.server.letters.append((sender, recipients, "\n".join(lines)))  # type: ignore[attr-defined]
                self.say("250 taken")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class Post(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Sink)
        self.letters: list[tuple[str, list[str], str]] = []
        self.logins: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def running(server: Any) -> Iterator[Any]:
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
