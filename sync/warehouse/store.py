"""Open a warehouse and write to it (``Warehouse`` of the ports)."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from schemas.study import Study
from sync.errors import ConfigError
from sync.ports.stored import LeaseRow, ParkedRun, RunRow
from sync.warehouse import catalogue, connection, keys, locks, small_rows, tables, transaction
from sync.warehouse import upgrade as upgrades
from sync.warehouse.faults import discreet
from sync.warehouse.keys import GivenKey, Key
from sync.warehouse.read import SqlReader
from sync.warehouse.transaction import SqlSiteTransaction
from sync.warehouse.upgrade import Status


class SqlWarehouse:
    """Keep one study in SQLite or PostgreSQL. Threads may share it; close it when done."""

    def __init__(
        self,
        url: str,
        study: Study,
        *,
        secret: bytes | Key,
        busy_seconds: float = connection.BUSY_SECONDS,
        stop: threading.Event | None = None,
    ) -> None:
        """Open without touching the database; ``secret`` keys the hashes of the ledger.

        ``busy_seconds``: how long a writer waits on SQLite for another's transaction; ``stop`` ends the wait.

        ConfigError where the URL names no database that Syncline knows.
        """
        self.study = study
        self._key = GivenKey(secret) if isinstance(secret, bytes) else secret
        self._engine = connection.open_engine(url, busy_seconds=busy_seconds, stop=stop)
        #: for what must never wait, and must not hold up a run
        self._aside = connection.open_engine(url, busy_seconds=0)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        self._aside.dispose()

    def upgrade(self) -> list[str]:
        """Bring tables, columns and views to what the study needs; say what was done.

        Where nothing is due it does not ask to write, so that it never waits for a transaction of another run.
        """
        if not self.pending():
            return []
        with discreet():
            connection.make_file(self._engine)
            return upgrades.upgrade(self._engine, self.study)

    def add_columns(self) -> None:
        """Make the tables and columns that the study needs beside what stands; see the port for the contract."""
        with discreet(), connection.reading(self._engine) as reading:
            due = upgrades.due(reading, self.study)
        if due is upgrades.Due.MORE:
            self.upgrade()

    def check_key(self) -> None:
        """Refuse where key and database do not belong together; see the port for the contract."""
        key = self._key.read()
        stands = not connection.is_missing(self._engine)
        if stands:
            with discreet(), connection.reading(self._engine) as reading:
                stands = sa.inspect(reading).has_table("chain_head")
                keys.refuse_other(key, keys.used(reading) if stands else ())
        if key is not None and not stands:
            remedy = "restore the backup or correct [warehouse] url; `sync warehouse upgrade` makes an empty one"
            where = f"[warehouse] url: there is no warehouse in {self._engine.url.database}"
            raise ConfigError([f"{where}, but there was one, for its key (.syncline.key) is here; {remedy}"])

    def pending(self) -> tuple[str, ...]:
        """Say what ``upgrade`` would do."""
        return self.status().pending

    def status(self) -> Status:
        """Tell how far the database is; a file that is not there is told of as an empty one, and not made."""
        if connection.is_missing(self._engine):
            with sa.create_engine("sqlite://", poolclass=sa.NullPool).connect() as empty:
                return upgrades.status(empty, self.study)
        with discreet(), connection.reading(self._engine) as reading:
            return upgrades.status(reading, self.study)

    def site_lock(self, site: str) -> AbstractContextManager[None]:
        """Hold the right to work on a site; raise SiteLocked at once where somebody else has it."""
        return locks.hold(self._engine, site)

    @contextmanager
    def transaction(
        self, site: str, run_id: str, at: datetime, *, upgrade: bool = False
    ) -> Iterator[SqlSiteTransaction]:
        """Open the one transaction of a run at a site; committed on a clean exit, else nothing happened.

        With ``upgrade`` tables and columns that the study still needs are made in it.
        """
        with discreet(), self._engine.begin() as writing:
            if writing.dialect.name == "postgresql":
                # Runs and people's commands at one site follow one another; readers are not held up.
                key = {"key": locks.advisory_key("write", site)}
                writing.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), key)
            self._refuse_outdated(writing)
            if upgrade:
                upgrades.settle_within(writing, self.study)
            known = keys.used(writing, site)
            keys.refuse_other(self._key.read(), known)
            secret = self._key.give()
            keys.refuse_other(secret, known)
            tx = SqlSiteTransaction(writing, catalogue.read(writing), site=site, run_id=run_id, at=at, secret=secret)
            yield tx
            tx.close()
            self._key.keep()

    def _refuse_outdated(self, writing: sa.Connection) -> None:
        if not sa.inspect(writing).has_table("form_column"):
            raise ConfigError(["warehouse: the database is empty; run `sync warehouse upgrade`"])

    def record_run(self, row: RunRow) -> None:
        """Note a run that wrote nothing else; the row of one that was stored stays as it is."""
        columns = tables.sync_run.c
        stored = sa.select(columns.seq).where(
            columns.site == row.site, columns.run_id == row.run_id, columns.outcome == "ok"
        )
        with discreet(), self._engine.begin() as writing:
            if writing.execute(stored).first() is None:
                transaction.put_run(writing, row)

    def park(self, row: ParkedRun) -> None:
        """Keep a run that a brake stopped, for a person to decide on."""
        with discreet(), self._engine.begin() as writing:
            small_rows.put(writing, tables.parked_run, asdict(row) | {"difference": dict(row.difference)})

    def decide(self, site: str, run_id: str, *, decision: str, by: str, at: datetime) -> bool:
        """Note a person's decision on a parked run, or another one while an approval is unused; see the port."""
        columns = tables.parked_run.c
        unused = columns.used_by_run_id.is_(None) & columns.superseded_by_run_id.is_(None)
        waiting = columns.decision.is_(None) | ((columns.decision == "approved") & unused)
        here = (columns.site == site) & (columns.run_id == run_id)
        with discreet(), self._engine.begin() as writing:
            done = writing.execute(
                sa.update(tables.parked_run)
                .where(here, waiting)
                .values(decision=decision, decided_by=by, decided_at=at)
            )
        return bool(done.rowcount)

    def take_lease(self, row: LeaseRow) -> None:
        """Tell that a run works on a site; informs only."""
        with discreet(), self._aside.begin() as writing:
            small_rows.put(writing, tables.lease, asdict(row))

    def beat(self, site: str, run_id: str, *, at: datetime) -> None:
        """Tell that the run is alive."""
        with discreet(), self._aside.begin() as writing:
            writing.execute(sa.update(tables.lease).where(*_lease(site, run_id)).values(heartbeat_at=at))

    def drop_lease(self, site: str, run_id: str) -> None:
        """Tell that the run has ended."""
        with discreet(), self._aside.begin() as writing:
            writing.execute(sa.delete(tables.lease).where(*_lease(site, run_id)))

    def reader(self) -> SqlReader:
        """Give the reading side."""
        return SqlReader(self._engine, self.study, key=self._key)


def is_begun(url: str) -> bool:
    """Tell whether a warehouse stands at a URL; makes no file where none does."""
    engine = connection.open_engine(url)
    path = connection.sqlite_path(engine)
    try:
        if path is not None and (not path.exists() or not path.stat().st_size):
            return False
        with discreet(), connection.reading(engine) as reading:
            return sa.inspect(reading).has_table("form_column")
    finally:
        engine.dispose()


def _lease(site: str, run_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return tables.lease.c.site == site, tables.lease.c.run_id == run_id
