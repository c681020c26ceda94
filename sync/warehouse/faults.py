"""Turn the database's errors into ours: theirs quote values, and a logged cause would carry them along."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
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
    "28P01": "the password is wrong; look at [warehouse] url",
    "3D000": "there is no such database; look at [warehouse] url",
}


@contextmanager
def discreet() -> Iterator[None]:
    """Raise ConfigError where tables are missing, else SyncError with the error's code and never its text."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error, psycopg.Error) as error:
        origin = error.orig if isinstance(error, exc.DBAPIError) else error
        raise _translated(origin) from None


def _translated(origin: BaseException | None) -> SyncError:
    code = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    lacks = isinstance(origin, sqlite3.OperationalError) and str(origin).startswith("no such")
    if lacks or code in _OUTDATED:
        return ConfigError(["warehouse: tables are missing or older than this program; run `sync warehouse upgrade`"])
    if isinstance(origin, psycopg.OperationalError) and code is None:
        return SyncError("the warehouse cannot be reached: no answer from PostgreSQL; look at [warehouse] url")
    hint = _HINTS.get(code or "", "nothing was written")
    return SyncError(f"the warehouse refused ({type(origin).__name__}, {code or 'no code'}): {hint}")
