"""Open the warehouse's database so that both kinds behave alike.

SQLite: WAL, foreign keys, a busy time-out, and writers begin with ``BEGIN IMMEDIATE`` (a deferred transaction that
reads first and writes later fails with "database is locked" whatever the time-out). Readers ask for the plain
``BEGIN`` with the execution option ``syncline_reads`` and get a snapshot without blocking a writer.
PostgreSQL: psycopg 3, sessions in UTC that write numbers in full.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy import event, exc

from sync.errors import ConfigError, Stopped
from sync.warehouse.faults import discreet

log = structlog.get_logger()

BUSY_SECONDS = 900.0
"""How long a writer waits on SQLite for another's transaction, unless told otherwise: a large site's first night."""

_SLICE = 5.0
"""Seconds of waiting at a time; between them the log hears of it."""

_LIMITS = " -c lock_timeout=2000 -c statement_timeout=5000"
"""Milliseconds, for connections that must not wait on PostgreSQL."""

_SESSION = "-c timezone=UTC -c extra_float_digits=1"
"""Settings that a server, a database or a role may have otherwise: in which zone moments are written, and that a
number is written with every digit that it has."""

_AS_NEEDED = -1
"""Each site's thread holds up to three connections (lock, transaction, reader); a limit could starve them all."""


def open_engine(url: str, *, busy_seconds: float = BUSY_SECONDS, stop: threading.Event | None = None) -> sa.Engine:
    """Build the engine for a warehouse URL; ConfigError where it names no database that Syncline knows.

    ``busy_seconds``: how long a writer waits for another on SQLite. With 0 a statement that another transaction holds
    up fails, at once or (PostgreSQL) after two seconds. Once ``stop`` is set the wait ends with Stopped.
    """
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(["[warehouse] url: not a database URL"]) from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, busy_seconds=busy_seconds, stop=stop)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed, limits="" if busy_seconds else _LIMITS)
    raise ConfigError(["[warehouse] url: must begin with sqlite:/// or postgresql+psycopg://"])


def sqlite_path(engine: sa.Engine) -> Path | None:
    """Name the file of a SQLite warehouse; None on PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return None
    return Path(str(engine.url.database))


def is_missing(engine: sa.Engine) -> bool:
    """Tell whether the file of a SQLite warehouse is not there."""
    path = sqlite_path(engine)
    return path is not None and not path.exists()


def make_file(engine: sa.Engine) -> None:
    """Make the file of a SQLite warehouse where it is not there; only an upgrade does."""
    path = sqlite_path(engine)
    if path is not None:
        # Patients' data: a new file is nobody else's to read; SQLite gives its WAL the same rights.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _sqlite(url: sa.URL, *, busy_seconds: float, stop: threading.Event | None) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError(["[warehouse] url: SQLite needs a file, such as sqlite:///warehouse.sqlite"])
    if not Path(url.database).parent.is_dir():
        raise ConfigError(["[warehouse] url: the folder of the SQLite file does not exist; create it"])
    engine = sa.create_engine(
        url.set(drivername="sqlite"),
        connect_args={"timeout": min(busy_seconds, _SLICE)},
        hide_parameters=True,
        max_overflow=_AS_NEEDED,
    )

    @event.listens_for(engine, "do_connect")
    def _never_anew(*_arguments: object) -> None:
        # The driver would make an empty file, and a warehouse that was lost would look like one without data.
        if is_missing(engine):
            remedy = "`sync run` makes it; if there was one, restore the backup or correct [warehouse] url"
            raise ConfigError([f"there is no warehouse at {url.database} yet; {remedy}"])

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        # The driver's own transaction handling is switched off: "begin" below decides.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -65536",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("syncline_reads", False)
        if reads:
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_writing(connection.connection.driver_connection, busy_seconds, stop)

    return engine


def _begin_writing(driver: Any, busy_seconds: float, stop: threading.Event | None) -> None:
    """Begin as the one writer; where another writes, wait in slices and say so in the log."""
    slices = max(1, round(busy_seconds / _SLICE))
    for number in range(1, slices + 1):
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            is_busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            if not is_busy or number == slices:
                raise
        if stop is not None and stop.is_set():
            raise Stopped("stopped while another run was writing, as the program was told to; nothing was changed")
        if number == 1 or number % 12 == 0:
            log.info(
                "warehouse.waiting",
                reason="another run or command writes to the warehouse; this one waits for its turn",
                waited=round(number * _SLICE),
                at_most=round(busy_seconds),
            )


def _postgresql(url: sa.URL, *, limits: str) -> sa.Engine:
    if url.get_driver_name() not in ("psycopg", "postgresql"):
        raise ConfigError(["[warehouse] url: PostgreSQL is reached through postgresql+psycopg://"])
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"options": f"{_SESSION}{limits}"},
        pool_pre_ping=True,
        hide_parameters=True,
        max_overflow=_AS_NEEDED,
    )


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that sees one moment of the database and changes nothing."""
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    if engine.dialect.name == "sqlite":
        options = {"syncline_reads": True}
    with discreet(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection
