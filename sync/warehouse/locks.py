"""Let one run at a time work on a site, by a lock that dies with its holder.

SQLite: a lock file beside the database. PostgreSQL: an advisory lock of a session of its own. Both are released by
the system when the process dies, so that no dead run ever keeps a living one out.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock
import sqlalchemy as sa

from sync.errors import SiteLocked
from sync.warehouse.connection import sqlite_path
from sync.warehouse.faults import discreet


@contextmanager
def hold(engine: sa.Engine, site: str) -> Iterator[None]:
    """Hold a site's lock; SiteLocked at once where somebody else has it."""
    path = sqlite_path(engine)
    with _file_lock(path, site) if path is not None else _advisory_lock(engine, site):
        yield


def _refuse(site: str) -> SiteLocked:
    return SiteLocked(f"another run works on {site}; wait until it has ended, `sync status` shows it")


@contextmanager
def _file_lock(database: Path, site: str) -> Iterator[None]:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f"%{ord(c):x}" for c in site)
    lock = filelock.FileLock(f"{database}.{safe}.lock", is_singleton=False, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise _refuse(site) from error
    try:
        yield
    finally:
        lock.release()


def advisory_key(purpose: str, site: str) -> int:
    """Number a lock: 64 bits of a digest, signed as PostgreSQL wants it."""
    digest = hashlib.blake2b(f"syncline {purpose} {site}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@contextmanager
def _advisory_lock(engine: sa.Engine, site: str) -> Iterator[None]:
    key = {"key": advisory_key("site", site)}
    # A connection of its own, outside of any transaction: the lock lasts as long as its session.
    with ExitStack() as stack:
        with discreet():  # the taking alone: what goes wrong under the lock is told by whoever does it
            connection = stack.enter_context(engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
            if not connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
                raise _refuse(site)
        try:
            yield
        finally:
            try:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)
            except sa.exc.DBAPIError:
                # The session is lost, and the lock with it.
                connection.invalidate()
