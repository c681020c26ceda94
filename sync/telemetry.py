"""Log events with fields: never locals, values, patients or tokens.

Event names are ``subject.verb`` words joined by dots (``site.pull.finished``); what varies goes into fields. The
site and the run are bound once (``about``) and stand in every line. A field that is not a plain scalar is dropped,
so that a frame, a row or a reply cannot slip in; text that looks like a token is blotted out.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, Literal, TextIO
from uuid import UUID

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from sync import errors

EventDict = MutableMapping[str, Any]

_SECRET_KEYS = re.compile(
    r"token|secret|passw|credential|authorization|cookie|^(?:value|raw|old|new|row|rows|record|records)$",
    re.IGNORECASE,
)
_TOKEN_LIKE = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{32})?(?![0-9A-Za-z])")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+:[^/@\s]*(?=@)")
_BLOT = "[hidden]"
_SCALARS = (str, int, float, bool, datetime, date, Path, UUID, StrEnum, type(None))
_LONGEST = 2000

#: fields that structlog's own processors put in, in shapes of their own
_OWN = frozenset({"event", "level", "timestamp", "exception", "exc_info", "stack"})


@unique
class Event(StrEnum):
    """Name the events that others may rely on."""

    RUN_STARTED = "run.started"
    RUN_FINISHED = "run.finished"
    SITE_PULL_STARTED = "site.pull.started"
    SITE_PULL_HALVED = "site.pull.batch_halved"
    SITE_PULL_REPEATED = "site.pull.repeated"
    SITE_PULL_FINISHED = "site.pull.finished"
    SITE_REQUEST = "site.request"
    SITE_REQUEST_RETRIED = "site.request.retried"
    SITE_STORED = "site.stored"
    SITE_QUERIES_RECONCILED = "site.queries.reconciled"
    SITE_DELIVERED = "site.delivered"
    SITE_FAILED = "site.failed"
    SITE_BRAKED = "site.braked"
    SITE_LOCKED = "site.locked"


def configure(
    *,
    form: Literal["console", "json"] = "console",
    verbose: bool = False,
    quiet: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Set logging up for the process: lines for people or JSON lines, to stderr (or ``stream``).

    ``verbose`` lets debug events through, ``quiet`` only warnings and errors. Records
    of the standard library's loggers (of the packages in use) pass
    at WARNING and above, through the same redaction.
    """
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending = [_traceback, redact, _renderer(form, out)]
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[_without_record, *ending], foreign_pre_chain=shared)
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


@contextmanager
def about(**context: str | int | None) -> Iterator[None]:
    """Put fields such as ``site`` and ``run_id`` into every event inside the block (of this thread or task)."""
    with structlog.contextvars.bound_contextvars(**context):
        yield


def redact(logger: object, method: str, event: EventDict) -> EventDict:
    """Drop what must not be logged: secret keys, non-scalars, token-like text, passwords in addresses."""
    kept: EventDict = {}
    for key, value in event.items():
        if key in _OWN:
            kept[key] = _clean(value)
        elif _SECRET_KEYS.search(key):
            kept[key] = value if isinstance(value, int) else _BLOT
        elif isinstance(value, _SCALARS):
            kept[key] = _clean(value)
        else:
            kept[key] = f"[{type(value).__name__}]"
    return kept


def _clean(value: Any) -> Any:
    """Blot tokens out of text, however deep it stands in a rendered traceback."""
    if isinstance(value, Mapping):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    if isinstance(value, bool | int | float | None):
        return value
    text = str(value)
    text = _USER_INFO.sub(_BLOT, _TOKEN_LIKE.sub(_BLOT, text))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


_tracebacks = ExceptionDictTransformer(show_locals=False, max_frames=30)


def _traceback(logger: object, method: str, event: EventDict) -> EventDict:
    """Turn an exception into places and its type; its text only where it is one of our own.

    Messages of other packages' exceptions may quote cells (polars, pandera) or requests (urllib3).
    """
    given = event.pop("exc_info", None)
    if isinstance(given, BaseException):
        given = (type(given), given, given.__traceback__)
    elif given and not isinstance(given, tuple):
        given = sys.exc_info()
    if not given or given[0] is None:
        return event
    event["exception"] = [
        {
            "type": each["exc_type"],
            "message": each["exc_value"] if each["exc_type"] in _OUR_ERRORS else "",
            "frames": [f"{Path(f['filename']).name}:{f['lineno']} {f['name']}" for f in each["frames"]],
        }
        for each in _tracebacks(given)
    ]
    return event


_OUR_ERRORS = frozenset(name for name, each in vars(errors).items() if isinstance(each, type)) | {
    "ReplyFailed",
    "TooLarge",
    "WayBlocked",
    "PullTooLong",
    "EndUnknown",
    "NothingToExport",
    "RightMissing",
    "TokenRefused",
}
"""Exceptions whose messages are written to be read: they hold neither values nor tokens."""


def _renderer(form: Literal["console", "json"], out: TextIO) -> structlog.typing.Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return _console(colours=out.isatty())


def _console(*, colours: bool) -> structlog.typing.Processor:
    """Render lines for people; tracebacks below the line, as places only."""
    plain = structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False)

    def render(logger: Any, method: str, event: EventDict) -> str:
        exceptions = event.pop("exception", None) or []
        lines = [str(plain(logger, method, event))]
        for each in exceptions:
            lines.append(f"  {each['type']}: {each['message']}".rstrip(": "))
            lines += [f"    at {place}" for place in each["frames"]]
        return "\n".join(lines)

    return render


def _without_record(logger: object, method: str, event: EventDict) -> EventDict:
    """Take out what ProcessorFormatter adds for its own use."""
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event
