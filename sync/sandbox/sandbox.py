"""Put the parts together: projects, tokens, clock, faults, and one entry for every request."""

import re
import secrets
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Self

from sync.sandbox import admission, call, dispatch, faults, quality_api, wire, xml_load
from sync.sandbox.clock import ServerClock
from sync.sandbox.errors import NO_API, ApiError
from sync.sandbox.faults import REFUSING, Fault, FaultBox, Mode
from sync.sandbox.handle import ProjectHandle
from sync.sandbox.people import User
from sync.sandbox.project import Project
from sync.sandbox.server import Answer, Server
from sync.sandbox.store import MemoryStore, SqliteStore
from sync.sandbox.traffic import Traffic
from sync.sandbox.wire import Parameters

VERSION = "15.2.1"
ADMIN = "sandbox_admin"
_TOKEN = re.compile(r"[0-9A-Fa-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHolder:
    """Say whose token it is: a project's slug and a user's name."""

    project: str
    username: str


class Sandbox:
    """Serve projects over a REDCap-compatible API on loopback; a context manager that stops the server."""

    def __init__(
        self,
        *,
        clock: ServerClock | None = None,
        state: Path | None = None,
        super_token: str = "",
        version: str = VERSION,
    ) -> None:
        """Start without projects, or with those kept in the folder `state`."""
        self.clock = clock or ServerClock()
        self.faults = FaultBox()
        self.traffic = Traffic(time.monotonic)
        self.version = version
        self.super_token = super_token
        self._store = SqliteStore(state) if state else MemoryStore()
        self._lock = RLock()
        self._server: Server | None = None
        self._projects: dict[str, Project] = {}
        self._tokens: dict[str, TokenHolder] = {}
        for project in self._store.load():
            self._projects[project.slug] = project
        for token, slug, username in self._store.tokens():
            self._tokens[token] = TokenHolder(project=slug, username=username)

    def add_project(
        self, xml_text: str, *, slug: str, token: str, project_id: int | None = None, replace: bool = False
    ) -> ProjectHandle:
        """Load a project XML under a slug with one fully entitled token (32 hexadecimal digits).

        A slug that is there already (kept by `state`) keeps its data unless `replace`. Raises
        xml_load.ProjectXmlError, ValueError for a bad token or one that is taken.
        """
        with self._lock:
            self._check_token(token, slug)
            if slug not in self._projects or replace:
                number = project_id if project_id is not None else self._next_project_id()
                project = xml_load.load(xml_text, slug=slug, project_id=number, at=self.clock.local(), username=ADMIN)
                project.users[ADMIN] = User(
                    username=ADMIN, email="sandbox@example.org", firstname="Sandbox", lastname="Admin"
                )
                self._projects[slug] = project
                self._store.save_new(project)
            self._set_token(token, slug, ADMIN)
            return self.project(slug)

    def adopt(self, project: Project, token: str, username: str) -> ProjectHandle:
        """Serve a project that was built elsewhere, such as by `content=project` with a super token."""
        with self._lock:
            self._check_token(token, project.slug)
            self._projects[project.slug] = project
            self._store.save_new(project)
            self._set_token(token, project.slug, username)
            return self.project(project.slug)

    def add_token(self, slug: str, token: str, username: str) -> None:
        """Give a user of a project a further token."""
        with self._lock:
            self._check_token(token, slug)
            self._set_token(token, slug, username)

    def admit(self, slug: str, given: admission.Given) -> admission.Admitted:
        """Add or replace a user of a project as JSON describes one, with a token of their own.

        Raises ValueError for a bad description, KeyError for an unknown project.
        """
        with self._lock:
            project = self._projects[slug]
            made = admission.admitted(project, given)
            self._check_token(made.token, slug)
            project.users[made.user.username] = made.user
            project.changes.structure = True
            self._store.save(project)
            self._set_token(made.token, slug, made.user.username)
            return made

    def add_role(self, slug: str, given: admission.Given) -> str:
        """Add or replace a role as JSON describes one and return its unique name. Raises as `admit` does."""
        with self._lock:
            project = self._projects[slug]
            made = admission.role(project, given)
            project.roles[made.unique_name] = made
            project.changes.structure = True
            self._store.save(project)
            return made.unique_name

    def dismiss(self, slug: str, username: str) -> None:
        """Take a user out of a project, with all tokens; an unknown one is ignored."""
        with self._lock:
            project = self._projects[slug]
            project.users.pop(username, None)
            project.changes.structure = True
            self._store.save(project)
            gone = TokenHolder(project=slug, username=username)
            for token in [token for token, holder in self._tokens.items() if holder == gone]:
                self.revoke_token(token)

    def people(self, slug: str) -> list[dict[str, object]]:
        """List the users of a project, without their tokens. Raises KeyError for an unknown project."""
        with self._lock:
            holders = list(self._tokens.values())
            return [
                admission.shown(user, holders.count(TokenHolder(project=slug, username=user.username)))
                for user in self._projects[slug].users.values()
            ]

    def revoke_token(self, token: str) -> None:
        """Make a token worthless; unknown ones are ignored."""
        with self._lock:
            self._tokens.pop(token.upper(), None)
            self._store.drop_token(token.upper())

    def project(self, slug: str) -> ProjectHandle:
        """Return the handle by which tests change a project's data. Raises KeyError."""
        return ProjectHandle(self._projects[slug], self._lock, self.clock, self._store)

    def projects(self) -> list[dict[str, object]]:
        """List slug, id, title and number of records of each project."""
        with self._lock:
            return [
                {
                    "slug": project.slug,
                    "project_id": project.settings.project_id,
                    "title": project.settings.title,
                    "records": len(project.records),
                }
                for project in self._projects.values()
            ]

    def next_project_id(self) -> int:
        """Return a project id that is free."""
        with self._lock:
            return self._next_project_id()

    def _next_project_id(self) -> int:
        return max((project.settings.project_id for project in self._projects.values()), default=0) + 1

    def _check_token(self, token: str, slug: str) -> None:
        if not _TOKEN.fullmatch(token):
            raise ValueError("a token is 32 hexadecimal digits")
        holder = self._tokens.get(token.upper())
        if holder is not None and holder.project != slug:
            raise ValueError(f"the token of {slug} is taken by {holder.project}")

    def _set_token(self, token: str, slug: str, username: str) -> None:
        self._tokens[token.upper()] = TokenHolder(project=slug, username=username)
        self._store.save_token(token.upper(), slug, username)

    def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, in threads of this process, and return the URL, which ends in `/api/`."""
        if self._server is not None:
            return self._server.url
        self._server = Server(self, host, port)
        self._server.start()
        return self._server.url

    def stop(self) -> None:
        """Stop listening; `start` may follow. Safe to call twice."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """Stop listening and close the state for good; safe to call twice."""
        self.stop()
        with self._lock:
            self._store.close()

    def __enter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop the server and close the state."""
        self.close()

    @contextmanager
    def _saved(self, project: Project) -> Iterator[None]:
        try:
            yield
        finally:
            self._store.save(project)

    def answer(self, parameters: Parameters, base_url: str, module: quality_api.ModuleCall | None = None) -> Answer:
        """Answer one API request, whatever it holds, or one to a module's page; never raises."""
        form, returned = call.formats(parameters)
        holder = self._tokens.get(parameters.get("token").upper())
        content = f"module_{module.page}" if module else parameters.get("content")
        size = len(parameters.get("data"))
        fault = self.faults.take(holder.project if holder else "", content, size)
        if fault is not None and fault.mode in REFUSING:
            return Answer(reply=faults.refusal(fault, returned), fault=fault)
        try:
            reply = self._handled(parameters, holder, form, returned, base_url, fault, module)
        except ApiError as error:
            reply = wire.error_reply(error.status, error.text, returned)
        except Exception:
            traceback.print_exc(limit=-3, file=sys.stderr)
            reply = wire.error_reply(500, "Internal server error of the sandbox", returned)
        if fault is not None:
            reply = faults.spoil(fault, reply)
        return Answer(reply=reply, fault=fault)

    def _handled(
        self,
        parameters: Parameters,
        holder: TokenHolder | None,
        form: str,
        returned: str,
        base_url: str,
        fault: Fault | None,
        module: quality_api.ModuleCall | None,
    ) -> wire.Reply:
        if holder is None:
            if module is None and self._is_super(parameters.get("token")):
                return self._super(parameters, returned)
            raise ApiError(403, NO_API)
        with self._lock:
            project = self._projects[holder.project]
            access = project.access(holder.username)
            today = self.clock.local().date().isoformat()
            if access is None or (access.user.expiration and access.user.expiration[:10] <= today):
                raise ApiError(403, NO_API)
            if module is not None:
                with self._saved(project):
                    return quality_api.answer(project, module, parameters)
            request = call.Call(
                project=project, access=access, parameters=parameters, format=form, return_format=returned,
                now=self.clock.local(), version=self.version, base_url=base_url,
                lose_rows=fault is not None and fault.mode is Mode.MISSING_ROWS,
            )  # fmt: skip
            with self._saved(project):
                return dispatch.handler_of(request)(request)

    def _is_super(self, token: str) -> bool:
        return bool(self.super_token) and secrets.compare_digest(
            token.lower().encode(), self.super_token.lower().encode()
        )

    def _super(self, parameters: Parameters, returned: str) -> wire.Reply:
        from sync.sandbox.contents import creation  # noqa: PLC0415 -- creation needs this module's types

        return creation.create_project(self, parameters, returned)
