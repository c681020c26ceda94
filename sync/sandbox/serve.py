"""Serve projects from the command line until a signal comes."""

import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TextIO

from sync.sandbox import xml_load
from sync.sandbox.sandbox import Sandbox

_SUPER_LENGTH = 64


class ServeError(ValueError):
    """Refuse to serve: a `--project` text, a file or a token is wrong. The message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """Hold one parsed `FILE.xml,slug=S,token=HEX32,pid=N`; `project_id` None takes the next free one."""

    path: Path
    slug: str
    token: str
    project_id: int | None = None


def parse_project(text: str) -> ProjectFile:
    """Parse `FILE.xml,slug=S,token=HEX32,pid=N`; only file and token are needed. Raises ServeError."""
    name, *parts = text.split(",")
    given: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key.strip() not in ("slug", "token", "pid"):
            raise ServeError(f"--project {name}: '{key}' is not one of slug=, token=, pid=")
        given[key.strip()] = value.strip()
    if "token" not in given:
        raise ServeError(f"--project {name}: token= is missing (32 hexadecimal digits)")
    pid = given.get("pid", "")
    if pid and not (pid.isascii() and pid.isdigit() and int(pid) > 0):
        raise ServeError(f"--project {name}: pid= is not a whole number")
    path = Path(name)
    return ProjectFile(
        path=path,
        slug=given.get("slug") or path.stem,
        token=given["token"],
        project_id=int(pid) if pid else None,
    )


def load_into(sandbox: Sandbox, projects: Iterable[str]) -> None:
    """Load `--project` texts into a sandbox; a slug that its state holds keeps its data. Raises ServeError."""
    for text in projects:
        wanted = parse_project(text)
        try:
            xml_text = xml_load.decode(wanted.path.read_bytes())
            sandbox.add_project(xml_text, slug=wanted.slug, token=wanted.token, project_id=wanted.project_id)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ServeError(f"--project {wanted.path}: {reason}") from None


def serve(
    projects: list[str],
    host: str,
    port: int,
    state_dir: Path | str | None = None,
    super_token: str | None = None,
    out: TextIO | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, printing exactly one line, `ready <url>`, to `out` when accepting.

    Raises ServeError before that for anything wrong with the arguments or a port that is taken.
    """
    out = out or sys.stdout
    if super_token and len(super_token) != _SUPER_LENGTH:
        raise ServeError("--super-token is not 64 hexadecimal digits")
    stop = Event()
    before = {
        number: signal.signal(number, lambda *_received: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    sandbox = Sandbox(state=Path(state_dir) if state_dir else None, super_token=super_token or "")
    try:
        load_into(sandbox, projects)
        try:
            url = sandbox.start(host, port)
        except (OSError, ValueError) as error:
            raise ServeError(f"cannot listen on {host}:{port}: {error}") from None
        print(f"ready {url}", file=out, flush=True)
        while not stop.wait(1.0):
            pass
        print("stopped", file=sys.stderr)
    finally:
        sandbox.close()
        for number, handler in before.items():
            signal.signal(number, handler)
