"""Ask the warehouse: what it promises to whoever runs a site, acts on queries, or reads.

A contract suite (tests/warehouse) examines every implementation, on SQLite and on PostgreSQL.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from schemas.coordinates import Coordinate, RowKey
from schemas.frames import FormFrame
from schemas.study import Study
from sync.ports.stored import (
    CellVersion,
    EfficacyRow,
    LeaseRow,
    OutcomeRow,
    ParkedRun,
    QueryFilter,
    QueryThread,
    ResponseRow,
    RunRow,
    SiteRow,
    SiteStatus,
    StoreCounts,
    SubjectRow,
    Verification,
    VisitRow,
)
from sync.queries.model import Query, QueryEventDraft
from sync.volume import Column, Place
from validators.findings import Coverage


class SiteTransaction(Protocol):
    """Write to one site: everything or nothing.

    Before: the caller holds the site's lock. After a clean exit of the ``with`` block all of it is visible at once
    and durable; after an exception, or the death of the process, none of it ever was. Every method belongs to the
    one transaction and sees what the methods before it wrote. Repeating a whole transaction with the same data
    writes nothing to form tables, ``cell_change``, ``subject``, ``visit`` or the ledger.
    """

    site: str
    run_id: str
    at: datetime

    def put_site(self, row: SiteRow) -> None:
        """Note the site's description; a no-op where it stands so."""
        ...

    def store(
        self,
        frames: Sequence[FormFrame],
        *,
        mapping_version: str,
        complete: bool,
        records: Collection[str] = (),
        proving: bool = False,
    ) -> StoreCounts:
        """Make the form tables hold the frames, and keep what they held as history.

        ``complete``: the frames are the whole site; rows that they do not hold are gone there and are deleted, with
        their last values in ``cell_change``. Otherwise only rows of ``records`` (pulled whole) can be gone. A form
        without a frame is left as it is: not looked at is not gone. A row keeps ``run_id`` of the run that last
        changed it. ``proving``: rows that look unchanged are read and put right where somebody else altered them; this
        shows in the history as well. A new mapping version that changes no value changes no row. Frames hold no two
        rows of one key (ValueError).
        """
        ...

    def end_records(self, records: Collection[str], *, besides: Collection[str]) -> Mapping[str, StoreCounts]:
        """End the rows of records that the site no longer has, in every form but ``besides`` (which were stored).

        A form that left the site's project has no frame, and its rows stay; those of a deleted record do not. Where a
        record's name went to another patient, all of it ends before the new rows are stored. Counts, form by
        form, rows and cells only.
        """
        ...

    def ended_rows(self) -> frozenset[RowKey]:
        """Name the rows that this run has ended, those in whose place others stand by now included."""
        ...

    def leave_names(self, names: Mapping[str, str | None]) -> None:
        """Note that records left their names (record -> new name; None where it went for good)."""
        ...

    def settle(self, forms: Collection[str], *, mapping_version: str) -> None:
        """Note that all rows of these forms are read by this mapping version: the end of a pull stored in parts.

        A pull is stored in parts by one ``store`` without ``complete`` for each, with the part's records, and one
        without rows for the records that the site has no longer.
        """
        ...

    def frames(self, study: Study, records: Collection[str]) -> tuple[FormFrame, ...]:
        """Read the stored frames of some records, as of this transaction."""
        ...

    def count_rows(self, study: Study, records: Collection[str]) -> int:
        """Count the form rows of some records, as of this transaction, in the forms of a study."""
        ...

    def count_filled(self, columns: Collection[Column]) -> Mapping[Column, int]:
        """Count the filled cells of some columns in rows that stood before this run, as of this transaction.

        A row that got other cells tonight counts with what it holds now; one that came tonight does not count.
        """
        ...

    def count_standing(self, forms: Collection[str]) -> Mapping[Place, int]:
        """Count the rows of some forms, by form and visit, that stood before this run and stand now."""
        ...

    def put_subjects(self, rows: Iterable[SubjectRow], *, records: Collection[str] | None = None) -> None:
        """Make the site's subjects be exactly these; with ``records``, those of these records (others stay)."""
        ...

    def put_visits(self, rows: Iterable[VisitRow], *, records: Collection[str] | None = None) -> None:
        """Make the site's visits be exactly these; with ``records``, those of these records (others stay)."""
        ...

    def put_outcomes(self, rows: Iterable[OutcomeRow], *, records: Collection[str] | None = None) -> None:
        """Make the site's derived outcomes be exactly these; with ``records``, those of these records."""
        ...

    def quarantine(self, rows: Collection[RowKey]) -> int:
        """Set ``is_quarantined`` on exactly these rows of the site; count the rows whose flag changed.

        Keys of rows that do not stand are ignored (their query points at a gap). Not a change of data: ``run_id``
        stays and nothing goes to the history.
        """
        ...

    def queries(self) -> tuple[Query, ...]:
        """Read all queries of the site, by number, as of this transaction."""
        ...

    def next_number(self) -> int:
        """Give the running part of the first query number never given at this site; 1 in the beginning."""
        ...

    def put_queries(
        self, drafts: Sequence[QueryEventDraft], queries: Iterable[Query], *, next_number: int | None = None
    ) -> None:
        """Append ledger rows and write the queries as they stand after them.

        ``drafts`` are sealed (seq, hashes) behind the site's chain in the given order. ``queries`` holds at least
        every query that a draft is about; each carries its version after its drafts, and where the query stands at
        another version than the one before them, StaleQuery is raised (exit of the block: nothing happened).
        Queries without a draft are written where something that the machine saw differs. ``next_number`` is the
        first number not given after this.
        """
        ...

    def coverage(self, rows: Iterable[Coverage]) -> None:
        """Note how far each check reached in this run."""
        ...

    def state(self, name: str) -> Any:
        """Read a small value that this site's last run left (cursor, dictionary digest); None where none is."""
        ...

    def put_state(self, name: str, value: Any) -> None:
        """Leave a small value, anything JSON can hold, for the next run."""
        ...

    def put_memory(self, name: str, body: bytes) -> None:
        """Leave a large value for the next run, in place of the last one."""
        ...

    def put_payload(self, name: str, body: bytes, *, pulled_at: datetime) -> None:
        """Keep a raw reply of the source, as it came."""
        ...

    def settle_parked(self, used: Collection[str]) -> None:
        """Leave no parked run of the site to decide on: what goes through now was made of later data than theirs.

        Approvals of the runs ``used`` are used up by this run; other unused ones and undecided parked runs are
        superseded by it.
        """
        ...

    def forget_payloads(self, *, before: datetime) -> int:
        """Delete raw replies of the site that were pulled before a moment; count them."""
        ...

    def finish_run(self, row: RunRow) -> None:
        """Note the run as done, in the same transaction as what it did."""
        ...


class Warehouse(Protocol):
    """Keep the study. Safe to use from several threads; writers of different sites never wait on each other's data."""

    def upgrade(self) -> list[str]:
        """Bring tables, columns and views to what the study needs; say what was done, nothing where all stood."""
        ...

    def add_columns(self) -> None:
        """Make the tables and columns that the study needs beside what stands, in a short transaction of its own.

        Does nothing where nothing is needed, and leaves to ``transaction`` what alters columns that stand.
        """
        ...

    def pending(self) -> tuple[str, ...]:
        """Say what ``upgrade`` would do."""
        ...

    def check_key(self) -> None:
        """Raise ConfigError where the key and the database do not belong together; changes nothing.

        The ledger was written with another key, or the key is gone; or there is a key and no warehouse: a disk that
        was lost or a path that was mistyped, which ``upgrade`` would take for a new beginning.
        """
        ...

    def site_lock(self, site: str) -> AbstractContextManager[None]:
        """Hold the right to work on a site; raise SiteLocked at once where another process or thread has it.

        The system releases it when the process dies, so a killed run can be repeated at once.
        """
        ...

    def transaction(
        self, site: str, run_id: str, at: datetime, *, upgrade: bool = False
    ) -> AbstractContextManager[SiteTransaction]:
        """Open the one transaction of a run at a site; ``at`` is the moment that its changes are noted with.

        With ``upgrade`` what the study still needs of tables and columns is made in it, and undone with it; whoever
        reads them waits until its end, so that ``add_columns`` should have gone before. ConfigError
        where the site's ledger was written with another key.
        """
        ...

    def record_run(self, row: RunRow) -> None:
        """Note a run that wrote nothing else: unreachable, refused, braked, failed.

        A run that is noted as "ok" was stored; whatever befell it afterwards, its row stays as it is.
        """
        ...

    def park(self, row: ParkedRun) -> None:
        """Keep a run that a brake stopped, for a person to decide on."""
        ...

    def decide(self, site: str, run_id: str, *, decision: str, by: str, at: datetime) -> bool:
        """Note a person's decision on a parked run; False where none waits under that name.

        An approval that no run has used or superseded can be withdrawn (discarded), or given anew.
        """
        ...

    def take_lease(self, row: LeaseRow) -> None:
        """Tell that a run works on a site; informs only.

        This and the two below never wait for another writer: SyncError at once, or after a few seconds.
        """
        ...

    def beat(self, site: str, run_id: str, *, at: datetime) -> None:
        """Tell that the run is alive."""
        ...

    def drop_lease(self, site: str, run_id: str) -> None:
        """Tell that the run has ended."""
        ...

    def reader(self) -> "WarehouseReader":
        """Give the reading side."""
        ...


class WarehouseReader(Protocol):
    """Read the warehouse; every call sees one moment of it and changes nothing."""

    def sites(self) -> tuple[SiteRow, ...]:
        """List the sites."""
        ...

    def status(self, *, aged_before: datetime) -> tuple[SiteStatus, ...]:
        """Tell of every site its last success, last run, queries by state, and OPEN ones opened before a moment."""
        ...

    def runs(self, *, site: str | None = None, limit: int = 50) -> tuple[RunRow, ...]:
        """List runs, newest first."""
        ...

    def last_success(self, site: str, *, kind: str | None = None) -> RunRow | None:
        """Give the site's newest run that went through, of one kind or of any; None where there is none."""
        ...

    def run(self, run_id: str) -> tuple[RunRow, ...]:
        """Give what one run did, a row a site."""
        ...

    def lease(self, site: str) -> LeaseRow | None:
        """Tell which run says to be working on a site; None where none is, or where it has ended."""
        ...

    def parked(self, *, site: str | None = None, undecided: bool = False) -> tuple[ParkedRun, ...]:
        """List parked runs, newest first."""
        ...

    def coverage(self, site: str, run_id: str | None = None) -> tuple[Coverage, ...]:
        """Give how far each check reached, in one run or in the last one that noted it."""
        ...

    def queries(self, filter_: QueryFilter | None = None) -> tuple[Query, ...]:
        """List queries by site and number."""
        ...

    def thread(self, number: str, *, site: str | None = None) -> QueryThread | None:
        """Give one query with its ledger rows and texts; None where no such number was given."""
        ...

    def history(self, cell: Coordinate) -> tuple[CellVersion, ...]:
        """Tell one cell's whole life, oldest first: first value with its run, each change, the end of its row.

        A renamed record's life under its former names comes first. Of a name that several records had, one after
        the other, each one's is told. ``row`` says under which name it was.
        """
        ...

    def frames(self, site: str, records: Sequence[str] | None = None) -> tuple[FormFrame, ...]:
        """Give back the site's frames (of some records) as they were stored, rows by record, event and instance."""
        ...

    def state(self, site: str, name: str) -> Any:
        """Read a small value that the site's last run left."""
        ...

    def states(self, site: str) -> Mapping[str, Any]:
        """Read all small values that the site's last run left, by name."""
        ...

    def memory(self, site: str, name: str) -> bytes | None:
        """Read a large value that the site's last run left; None where none is."""
        ...

    def records(self, site: str) -> frozenset[str]:
        """Name the records of a site's subjects."""
        ...

    def subjects(self, site: str | None = None) -> Mapping[str, tuple[SubjectRow, ...]]:
        """Give the subjects of each site."""
        ...

    def visits(self, site: str | None = None) -> Mapping[str, tuple[VisitRow, ...]]:
        """Give the visits of each site."""
        ...

    def outcomes(self, site: str | None = None) -> Mapping[str, tuple[OutcomeRow, ...]]:
        """Give the derived outcomes of each site."""
        ...

    def efficacy(self) -> tuple[EfficacyRow, ...]:
        """Read ``efficacy_by_visit`` in the order of measures and visits of the study."""
        ...

    def responses(self) -> tuple[ResponseRow, ...]:
        """Read ``response_summary`` in the order of the study's visits."""
        ...

    def verify(self) -> Verification:
        """Prove chain, replay, texts beside it, rows (fingerprints, history, held back or not), and the triggers.

        ConfigError where the ledger was written with another key: then nothing can be proved.
        """
        ...
