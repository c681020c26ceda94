"""Serve projects from the command line until a signal comes."""

import json
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TextIO

from sync.sandbox import naming, quality_api, xml_load
from sync.sandbox.clock import ServerClock
from sync.sandbox.sandbox import Sandbox

_SUPER_LENGTH = 64
_KEYS = ("slug", "token", "pid", "users", "quality")


class ServeError(ValueError):
    """Refuse to serve: a `--project` text, a file or a token is wrong. The message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """Hold one parsed `--project`; `project_id` None takes the next free one, `people` is a JSON file."""

    path: Path
    slug: str
    token: str
    project_id: int | None = None
    people: Path | None = None
    quality: bool = False


def parse_project(text: str) -> ProjectFile:
    """Parse `FILE.xml,slug=S,token=HEX32,pid=N,users=FILE.json,quality=on`. Raises ServeError.

    Only file and token are needed. `users` adds people with tokens of their own, `quality` switches the Data
    Quality API module and the query workflow on.
    """
    name, *parts = text.split(",")
    given: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key.strip() not in _KEYS:
            raise ServeError(f"--project {name}: '{key}' is not one of {', '.join(f'{known}=' for known in _KEYS)}")
        given[key.strip()] = value.strip()
    if "token" not in given:
        raise ServeError(f"--project {name}: token= is missing (32 hexadecimal digits)")
    pid = given.get("pid", "")
    if pid and not naming.whole(pid):
        raise ServeError(f"--project {name}: pid= is not a whole number")
    if given.get("quality", "off") not in ("on", "off"):
        raise ServeError(f"--project {name}: quality= is on or off")
    path = Path(name)
    return ProjectFile(
        path=path,
        slug=given.get("slug") or path.stem,
        token=given["token"],
        project_id=int(pid) if pid else None,
        people=Path(given["users"]) if given.get("users") else None,
        quality=given.get("quality") == "on",
    )


def load_into(sandbox: Sandbox, projects: Iterable[str]) -> None:
    """Load `--project` texts into a sandbox; a slug that its state holds keeps its data. Raises ServeError."""
    for text in projects:
        wanted = parse_project(text)
        try:
            xml_text = xml_load.decode(wanted.path.read_bytes())
            handle = sandbox.add_project(xml_text, slug=wanted.slug, token=wanted.token, project_id=wanted.project_id)
            if wanted.quality:
                handle.change_settings(quality_module=quality_api.PREFIX, data_resolution=2)
            if wanted.people is not None:
                _admit(sandbox, wanted.slug, wanted.people)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ServeError(f"--project {wanted.path}: {reason}") from None


def _admit(sandbox: Sandbox, slug: str, path: Path) -> None:
    """Admit the roles and users of a JSON file: `{"roles": […], "users": […]}`, or a list of users."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServeError(f"{path}: {error.strerror if isinstance(error, OSError) else error}") from None
    parts = {"users": given} if isinstance(given, list) else given
    if not isinstance(parts, dict) or not set(parts) <= {"users", "roles"}:
        raise ServeError(f"{path}: holds neither a list of users nor an object with users and roles")
    for name, admit in (("roles", sandbox.add_role), ("users", sandbox.admit)):
        for number, row in enumerate(parts.get(name, []), 1):
            try:
                if name == "users" and not row.get("token"):
                    raise ServeError("token is missing (32 hexadecimal digits)")
                admit(slug, row)
            except (ValueError, AttributeError, TypeError) as error:
                raise ServeError(f"{path}: {name} {number}: {error}") from None


def serve(
    projects: list[str],
    host: str,
    port: int,
    state_dir: Path | str | None = None,
    super_token: str | None = None,
    out: TextIO | None = None,
    *,
    timezone: str = "UTC",
) -> None:
    """Serve until SIGTERM or SIGINT, printing exactly one line, `ready <url>`, to `out` when accepting.

    `timezone` is the server's own (a name of the tz database): dates of the log are written in it. Raises
    ServeError before that for anything wrong with the arguments or a port that is taken.
    """
    out = out or sys.stdout
    if super_token and len(super_token) != _SUPER_LENGTH:
        raise ServeError("--super-token is not 64 hexadecimal digits")
    try:
        clock = ServerClock(timezone=timezone)
    except (KeyError, ValueError):
        raise ServeError(f"--timezone: no time zone is called '{timezone}'") from None
    stop = Event()
    before = {
        number: signal.signal(number, lambda *_received: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    sandbox = Sandbox(clock=clock, state=Path(state_dir) if state_dir else None, super_token=super_token or "")
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
