"""Turn the database's errors into ours: theirs quote values, and a logged cause would carry them along."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from sync.errors import ConfigError, SyncError

_OUTDATED = ("42P01", "42703")
"""PostgreSQL: undefined table, undefined column."""

_HINTS = {
    "SQLITE_BUSY": "another run or command was still writing after warehouse.busy_seconds; run again when it has ended",
    "SQLITE_CANTOPEN": "the file cannot be opened; look at its folder and rights",
    "SQLITE_READONLY": "the file or its folder is read-only; look at its rights",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_NOTADB": "the file is no SQLite database; look at [warehouse] url",
    "SQLITE_CORRUPT": "the file is damaged; restore a backup",
    "53100": "the disk is full",
    "55P03": "somebody reads or changes what has to be altered; end that (pg_stat_activity shows it), and run again",
}

_FULL = "PostgreSQL has no connection left; end some, or raise its max_connections"
_NO_DATABASE = "there is no such database; create it, or correct [warehouse] url"
_NOT_LET_IN = "PostgreSQL does not let this role in; look at name and password in [warehouse] url, and at pg_hba.conf"
_NOT_READY = "PostgreSQL is starting or stopping; wait a little and run again"
_NO_ANSWER = "no answer from PostgreSQL; look at [warehouse] url"

_UNREACHABLE = {
    "53300": _FULL,
    "3D000": _NO_DATABASE,
    "28000": _NOT_LET_IN,
    "28P01": _NOT_LET_IN,
    "57P03": _NOT_READY,
}
"""Why no connection came about, by code."""

_UNREACHABLE_TEXTS = (
    ("too many c", _FULL),  # clients, connections
    ("remaining connection slots", _FULL),
    ('role "', _NOT_LET_IN),
    ("authentication failed", _NOT_LET_IN),
    ("no password supplied", _NOT_LET_IN),
    ("pg_hba.conf", _NOT_LET_IN),
    ('database "', _NO_DATABASE),
    ("the database system is", _NOT_READY),
)
"""The same by what libpq says, for it gives no code then; its text names people and hosts, and is never shown."""

_LOST = ("57P01", "57P02", "57P05", "25P03", "08000", "08003", "08006")
"""PostgreSQL: ended by a person, a crash or a time-out; a connection that is there no longer."""


@contextmanager
def discreet() -> Iterator[None]:
    """Raise ConfigError where tables are missing, else SyncError with the error's code and never its text."""
    try:
        yield
    except _known() as error:
        origin = error.orig if isinstance(error, exc.DBAPIError) else error
        raise _translated(origin) from None


def _known() -> tuple[type[Exception], ...]:
    return (exc.DBAPIError, sqlite3.Error, *_of_psycopg("Error"))


def _of_psycopg(name: str) -> tuple[type[Exception], ...]:
    """Give one of psycopg's classes of errors; nothing where no PostgreSQL was asked for and it is not loaded."""
    loaded = sys.modules.get("psycopg")
    return (getattr(loaded, name),) if loaded else ()


def _translated(origin: BaseException | None) -> SyncError:
    code = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    lacks = isinstance(origin, sqlite3.OperationalError) and str(origin).startswith("no such")
    if lacks or code in _OUTDATED:
        return ConfigError(["warehouse: tables are missing or older than this program; run `sync warehouse upgrade`"])
    if isinstance(origin, _of_psycopg("Error")) and (reason := _unreachable(origin, code)):
        return SyncError(f"the warehouse cannot be reached: {reason}")
    if isinstance(origin, _of_psycopg("OperationalError")) and (code is None or code in _LOST):
        undone = "what was not committed is undone; run again"
        return SyncError(f"the warehouse was lost: the connection to PostgreSQL ended in between; {undone}")
    hint = _HINTS.get(code or "", "nothing was written")
    return SyncError(f"the warehouse refused ({type(origin).__name__}, {code or 'no code'}): {hint}")


def _unreachable(origin: BaseException, code: str | None) -> str | None:
    """Say why no connection came about; None where one was there."""
    if code is not None:
        return _UNREACHABLE.get(code)
    text = str(origin)
    if not text.startswith(("connection failed", "connection timeout", "failed to resolve", "connection is bad")):
        return None
    told = text.partition("FATAL:")[2]
    return next((reason for sign, reason in _UNREACHABLE_TEXTS if sign in told), _NO_ANSWER)
