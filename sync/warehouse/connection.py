"""Open the warehouse's database so that both kinds behave alike.

SQLite: WAL, foreign keys, a busy time-out, and writers begin with ``BEGIN IMMEDIATE`` (a deferred transaction that
reads first and writes later fails with "database is locked" whatever the time-out). Readers ask for the plain
``BEGIN`` with the execution option ``syncline_reads`` and get a snapshot without blocking a writer.
PostgreSQL: psycopg 3, sessions in UTC.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from sync.errors import ConfigError
from sync.warehouse.faults import discreet

BUSY_SECONDS = 60
"""How long a writer waits for another site's transaction on SQLite."""


_LIMITS = " -c lock_timeout=2000 -c statement_timeout=5000"
"""Milliseconds, for connections that must not wait on PostgreSQL."""

_AS_NEEDED = -1
"""Each site's thread holds up to three connections (lock, transaction, reader); a limit could starve them all."""


def open_engine(url: str, *, waits: bool = True) -> sa.Engine:
    """Build the engine for a warehouse URL; ConfigError where it names no database that Syncline knows.

    Without ``waits`` a statement that another transaction holds up fails, at once or after two seconds.
    """
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(["[warehouse] url: not a database URL"]) from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, busy_seconds=BUSY_SECONDS if waits else 0)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed, limits="" if waits else _LIMITS)
    raise ConfigError(["[warehouse] url: must begin with sqlite:/// or postgresql+psycopg://"])


def sqlite_path(engine: sa.Engine) -> Path | None:
    """Name the file of a SQLite warehouse; None on PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return None
    return Path(str(engine.url.database))


def _sqlite(url: sa.URL, *, busy_seconds: float) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError(["[warehouse] url: SQLite needs a file, such as sqlite:///warehouse.sqlite"])
    if not Path(url.database).parent.is_dir():
        raise ConfigError(["[warehouse] url: the folder of the SQLite file does not exist; create it"])
    engine = sa.create_engine(
        url.set(drivername="sqlite"),
        connect_args={"timeout": busy_seconds},
        hide_parameters=True,
        max_overflow=_AS_NEEDED,
    )

    @event.listens_for(engine, "do_connect")
    def _private(*_arguments: object) -> None:
        # Patients' data: a new file is nobody else's to read; SQLite gives its WAL the same rights.
        with suppress(FileExistsError):
            os.close(os.open(str(url.database), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

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
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: sa.URL, *, limits: str) -> sa.Engine:
    if url.get_driver_name() not in ("psycopg", "postgresql"):
        raise ConfigError(["[warehouse] url: PostgreSQL is reached through postgresql+psycopg://"])
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"options": f"-c timezone=UTC{limits}"},
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
