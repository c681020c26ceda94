"""A real proxy on this machine: it wants a password or not, leads on, or refuses."""

import base64
import http.client
import http.server
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class _Door(http.server.BaseHTTPRequestHandler):
    server: "Proxy"

    def do_POST(self) -> None:
        """Lead a plain request on, without what was meant for the proxy."""
        if not self._admits():
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = urlsplit(self.path)
        inner = http.client.HTTPConnection(target.netloc)
        headers = {name: value for name, value in self.headers.items() if not name.startswith("Proxy-")}
        inner.request("POST", target.path, body=body, headers=headers)
        reply = inner.getresponse()
        content = reply.read()
        inner.close()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_CONNECT(self) -> None:
        """Lead to a server, without a look at what is said there."""
        if not self._admits():
            return
        host, _, port = self.path.rpartition(":")
        with suppress(ConnectionError), socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            while True:
                ready, _, _ = select.select([self.connection, far], [], [], 5)
                for side in ready:
                    if not (part := side.recv(65536)):
                        return
                    (far if side is self.connection else self.connection).sendall(part)
                if not ready:
                    return

    def _admits(self) -> bool:
        self.server.asked.append(self.path)
        given = self.headers.get("Proxy-Authorization", "")
        wanted = "Basic " + base64.b64encode(self.server.login.encode()).decode() if self.server.login else given
        if self.server.refusal is None and given == wanted:
            return True
        self.close_connection = True
        self.send_response(self.server.refusal or 407)
        self.send_header("Proxy-Authenticate", 'Basic realm="made up"')
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Proxy(http.server.ThreadingHTTPServer):
    """Hold what is wanted, and what was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        #: "user:password" that is wanted; "": none
        self.login = ""
        #: status with which everybody is refused
        self.refusal: int | None = None
        self.asked: list[str] = []

    def url(self, login: str = "") -> str:
        """Give its address, with the user and the password of ``login`` as a URL writes them."""
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.server_address[1]}"


@contextmanager
def serve() -> Iterator[Proxy]:
    """Run one."""
    with Proxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join(5)
