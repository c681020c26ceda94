"""Misbehave on demand, in the sixteen ways that real servers were seen to."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from threading import Lock

from sync.sandbox import wire
from sync.sandbox.errors import NO_API, OUT_OF_MEMORY
from sync.sandbox.wire import HTML, Reply


class Mode(StrEnum):
    """Name the fault modes; the comments carry the numbers of the contract's list."""

    MULTIPLE_TABS = "multiple_tabs"  # 1
    SSO = "sso"  # 2
    MAINTENANCE = "maintenance"  # 3, status 503
    MAINTENANCE_OK = "maintenance_200"  # 3, status 200
    GATEWAY_TIMEOUT = "gateway_timeout"  # 4
    OUT_OF_MEMORY = "out_of_memory"  # 5
    EMPTY_BODY = "empty_body"  # 6
    TRUNCATED = "truncated"  # 7, no Content-Length
    TRUNCATED_LENGTH = "truncated_length"  # 7's sibling: a Content-Length that is never reached
    DATABASE_DOWN = "database_down"  # 8
    IP_BAN = "ip_ban"  # 9
    REDIRECT = "redirect"  # 10
    SLOW = "slow"  # 11
    RESET = "reset"  # 12
    NOT_UTF8 = "not_utf8"  # 13
    TOKEN_REVOKED = "token_revoked"  # 14  # noqa: S105 -- the name of a mode
    MISSING_ROWS = "missing_rows"  # 15
    IMPORT_CUT = "import_cut"  # 16


#: modes that answer without doing what was asked; the others spoil a real answer
REFUSING = frozenset(
    {
        Mode.MULTIPLE_TABS, Mode.SSO, Mode.MAINTENANCE, Mode.MAINTENANCE_OK, Mode.GATEWAY_TIMEOUT,
        Mode.OUT_OF_MEMORY, Mode.EMPTY_BODY, Mode.DATABASE_DOWN, Mode.IP_BAN, Mode.REDIRECT, Mode.RESET,
        Mode.TOKEN_REVOKED, Mode.IMPORT_CUT,
    }
)  # fmt: skip
#: how many bytes of an import arrive under IMPORT_CUT before the server gives up
IMPORT_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Hold one switched-on fault.

    `project` and `content` narrow it (blank: any), `after` lets that many matching calls pass first, `times`
    ends it after so many hits (None: until cleared), `seconds` is SLOW's wait. With `chance` below 1 it hits
    matching calls at random, and with `modes` each hit takes one of those instead of `mode`; both follow `seed`,
    so that the same calls in the same order meet the same trouble.
    """

    mode: Mode
    modes: tuple[Mode, ...] = ()
    chance: float = 1.0
    seed: int = 0
    project: str = ""
    content: str = ""
    times: int | None = 1
    after: int = 0
    seconds: float = 130.0

    def matches(self, project: str, content: str) -> bool:
        """Tell whether a request is meant."""
        return self.project in ("", project) and self.content in ("", content)


@dataclass(slots=True)
class FaultBox:
    """Keep the switched-on faults and count them down, safely between threads."""

    #: each fault with the chance that decides for it
    _faults: list[tuple[Fault, Random]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        with self._lock:
            self._faults.append((fault, Random(fault.seed)))  # noqa: S311 -- repeatable, not secret

    def clear(self, project: str = "") -> None:
        """Switch all faults off, or those of one project."""
        with self._lock:
            self._faults = [pair for pair in self._faults if project and pair[0].project != project]

    def active(self) -> list[Fault]:
        """List the faults that are on."""
        with self._lock:
            return [fault for fault, _ in self._faults]

    def take(self, project: str, content: str, size: int = 0) -> Fault | None:
        """Return the fault that hits this request, counting it; `size` is the length of its data in bytes."""
        with self._lock:
            for index, (fault, chance) in enumerate(self._faults):
                if not fault.matches(project, content):
                    continue
                if fault.mode is Mode.IMPORT_CUT and not fault.modes and size <= IMPORT_LIMIT:
                    continue
                if fault.after:
                    self._faults[index] = (replace(fault, after=fault.after - 1), chance)
                    continue
                if fault.chance < 1 and chance.random() >= fault.chance:
                    continue
                hit = replace(fault, mode=chance.choice(fault.modes)) if fault.modes else fault
                self._count(index, fault, chance)
                return hit
            return None

    def _count(self, index: int, fault: Fault, chance: Random) -> None:
        if fault.times is None:
            return
        if fault.times > 1:
            self._faults[index] = (replace(fault, times=fault.times - 1), chance)
        else:
            del self._faults[index]


def _page(title: str, text: str) -> str:
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
    return f"{head}<body><h3>{title}</h3><p>{text}</p></body></html>\n"


def _html(text: str, status: int = 200) -> Reply:
    return Reply(body=text.encode(), content_type=HTML, status=status)


_OFFLINE = _page("REDCap offline", "The system is currently offline for maintenance. Please try again later.")
_ANSWERS: dict[Mode, Callable[[str], Reply]] = {
    Mode.MULTIPLE_TABS: lambda _kind: _html(
        _page("Multiple tabs open!", "You have multiple browser tabs of the same REDCap page open.")
    ),
    Mode.SSO: lambda _kind: _html(_page("Access Manager", "Please sign in with your institution's account.")),
    Mode.MAINTENANCE: lambda _kind: _html(_OFFLINE, 503),
    Mode.MAINTENANCE_OK: lambda _kind: _html(_OFFLINE),
    Mode.GATEWAY_TIMEOUT: lambda _kind: _html(
        _page("504 Gateway Time-out", "The server did not respond in time."), 504
    ),
    Mode.OUT_OF_MEMORY: lambda _kind: _html(
        "<br />\n<b>Fatal error</b>: Allowed memory size exhausted<br />\n" + OUT_OF_MEMORY
    ),
    Mode.EMPTY_BODY: lambda kind: Reply(body=b"", content_type=wire.CONTENT_TYPES[kind]),
    Mode.DATABASE_DOWN: lambda _kind: _html(
        "ERROR: could not connect to the MySQL server. Please check the hostname, username and password."
    ),
    Mode.IP_BAN: lambda _kind: _html("Your IP address has been banned due to suspected abuse."),
    Mode.REDIRECT: lambda _kind: Reply(
        body=b"", content_type=HTML, status=302, headers={"Location": "https://127.0.0.1:1/api/"}
    ),
    Mode.TOKEN_REVOKED: lambda kind: wire.error_reply(403, NO_API, kind),
    Mode.IMPORT_CUT: lambda kind: wire.error_reply(400, "", kind),
    Mode.RESET: lambda _kind: Reply(body=b"", content_type=HTML),
}


def refusal(fault: Fault, kind: str) -> Reply:
    """Return the answer of a refusing fault in the format of the request."""
    return _ANSWERS[fault.mode](kind)


def spoil(fault: Fault, reply: Reply) -> Reply:
    """Return a real answer, spoiled: cut in the middle, or with bytes that are no UTF-8."""
    body = reply.body
    if fault.mode in (Mode.TRUNCATED, Mode.TRUNCATED_LENGTH):
        body = body[: max(1, len(body) * 3 // 5)]
    elif fault.mode is Mode.NOT_UTF8:
        middle = len(body) // 2
        body = body[:middle] + b"\xe9\xff" + body[middle:]
    return replace(reply, body=body)
