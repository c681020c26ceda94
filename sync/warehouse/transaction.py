"""Write one run's work at one site in one transaction (``SiteTransaction`` of the ports)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from schemas.coordinates import RowKey
from schemas.frames import FormFrame
from schemas.study import Study
from sync.errors import ConfigError
from sync.ports.stored import OutcomeRow, RunRow, SiteRow, StoreCounts, SubjectRow, VisitRow
from sync.queries.model import Query, QueryEventDraft
from sync.volume import Column, Place
from sync.warehouse import (
    bulk,
    covered,
    form_rows,
    form_store,
    ledger,
    plain_rows,
    small_rows,
    stored_frames,
    tables,
    tally,
)
from sync.warehouse.form_store import Write
from sync.warehouse.layout import Slot
from sync.warehouse.row_counts import RowCounts
from validators.findings import Coverage


class SqlSiteTransaction:
    """Hold one site's transaction; built by ``store.SqlWarehouse.transaction``."""

    def __init__(
        self,
        connection: sa.Connection,
        slots: Sequence[Slot],
        *,
        site: str,
        run_id: str,
        at: datetime,
        secret: bytes,
    ) -> None:
        """Bind to a connection whose transaction has begun."""
        self.site = site
        self.run_id = run_id
        self.at = at
        self._connection = connection
        self._secret = secret
        self._forms: dict[str, list[Slot]] = {}
        for slot in slots:
            self._forms.setdefault(slot.form, []).append(slot)
        for mine in self._forms.values():
            mine.sort(key=lambda slot: slot.position)
        self._rows = RowCounts(connection, site, self._forms)
        self._counts_afresh = False

    @property
    def _stamp(self) -> dict[str, str]:
        return {"run_id": self.run_id}

    def put_site(self, row: SiteRow) -> None:
        """Note the site's description; a no-op where it stands so."""
        small_rows.put(self._connection, tables.site, asdict(row))

    def store(
        self,
        frames: Sequence[FormFrame],
        *,
        mapping_version: str,
        complete: bool,
        records: Collection[str] = (),
        proving: bool = False,
    ) -> StoreCounts:
        """Make the form tables hold the frames; see the port for the contract."""
        if unknown := [problem for frame in frames for problem in self._unknown(frame)]:
            raise ConfigError(unknown)
        total = StoreCounts()
        write = self._write(mapping_version)
        before = covered.read(self._connection, self.site)
        for frame in frames:
            slots = self._forms.get(frame.form.name)
            if not slots:
                continue
            if frame.form.name in before:
                covered.renew(self._connection, self.site, slots, before[frame.form.name], frame.raw.columns)
            stored = form_store.store(
                write, frame, slots, complete=complete, records=records, proving=proving and frame.form.name in before
            )
            self._rows.add(frame.form.name, stored.inserted - stored.deleted)
            total += stored
        self._note_mapping(frames, mapping_version)
        return total

    def end_records(self, records: Collection[str], *, besides: Collection[str]) -> Mapping[str, StoreCounts]:
        """End rows in forms that have no frame; see the port for the contract."""
        write = self._write("")
        found: dict[str, StoreCounts] = {}
        for form, slots in self._forms.items() if records else ():
            if form not in besides:
                found[form] = form_store.end(write, slots, records)
                self._rows.add(form, -found[form].deleted)
        return found

    def ended_rows(self) -> frozenset[RowKey]:
        """Name the rows that this run has ended."""
        ends = tables.row_end.c
        wanted = sa.select(ends.record, ends.event, ends.instrument, ends.instance).where(
            ends.site == self.site, ends.run_id == self.run_id, ends.ended_at == self.at
        )
        return frozenset(
            RowKey(site=self.site, record=record, event=event, instrument=instrument, instance=instance)
            for record, event, instrument, instance in self._connection.execute(wanted)
        )

    def leave_names(self, names: Mapping[str, str | None]) -> None:
        """Note that records left their names."""
        rows = [
            {"site": self.site, "run_id": self.run_id, "record": old, "new_record": new, "ended_at": self.at}
            for old, new in sorted(names.items())
        ]
        if rows:
            self._connection.execute(sa.insert(tables.record_end), rows)

    def settle(self, forms: Collection[str], *, mapping_version: str) -> None:
        """Note that all rows of these forms are read by this mapping version; see the port."""
        write = self._write(mapping_version)
        for form in forms:
            if slots := self._forms.get(form):
                form_store.join_mapping(write, slots)

    def frames(self, study: Study, records: Collection[str]) -> tuple[FormFrame, ...]:
        """Read the stored frames of some records, as of this transaction."""
        slots = [slot for mine in self._forms.values() for slot in mine]
        return stored_frames.read(self._connection, study, slots, self.site, sorted(records))

    def count_rows(self, study: Study, records: Collection[str]) -> int:
        """Count the form rows of some records, as of this transaction, in the forms of a study."""
        forms = [self._forms[form.name] for form in study.forms if form.name in self._forms]
        wanted = sorted(records)
        return sum(form_rows.read_hashes(self._connection, self.site, slots, wanted).height for slots in forms)

    def count_filled(self, columns: Collection[Column]) -> Mapping[Column, int]:
        """Count the filled cells of some columns in rows that stood before this run; see the port."""
        wanted: dict[str, set[str]] = {}
        for form, column in columns:
            wanted.setdefault(form, set()).add(column)
        found: dict[Column, int] = {}
        for form, names in wanted.items():
            found |= tally.count_filled(self._connection, self.site, self.run_id, self._forms[form], names)
        return found

    def count_standing(self, forms: Collection[str]) -> Mapping[Place, int]:
        """Count the rows of some forms, by visit, that stood before this run and stand now; see the port."""
        found: dict[Place, int] = {}
        for form in sorted(forms):
            found |= tally.count_standing(self._connection, self.site, self.run_id, self._forms[form])
        return found

    def _write(self, mapping_version: str) -> Write:
        return Write(
            connection=self._connection,
            site=self.site,
            run_id=self.run_id,
            at=self.at,
            mapping_version=mapping_version,
        )

    def _unknown(self, frame: FormFrame) -> list[str]:
        known = {slot.frame_column for slot in self._forms.get(frame.form.name, ())}
        missing = [name for name in frame.raw.columns if name not in known]
        return [
            f"warehouse: form {frame.form.name} has no column {name}; run `sync warehouse upgrade`" for name in missing
        ]

    def _note_mapping(self, frames: Sequence[FormFrame], mapping_version: str) -> None:
        columns = tables.mapping_version.c
        here = (columns.site == self.site) & (columns.version == mapping_version)
        if not self._connection.execute(sa.select(columns.version).where(here)).first():
            self._connection.execute(
                sa.insert(tables.mapping_version).values(
                    site=self.site, version=mapping_version, first_run_id=self.run_id, first_at=self.at
                )
            )
        for frame in frames:
            at = [[*key, field] for key, field in sorted(frame.site_fields_at.items())]
            row = {
                "site": self.site,
                "form": frame.form.name,
                "mapping_version": mapping_version,
                "site_fields": dict(frame.site_fields),
                "site_fields_at": at,
                "absent": dict(frame.absent),
                "covered": sorted(frame.raw.columns),
            }
            small_rows.put(self._connection, tables.form_mapping, row)

    def put_subjects(self, rows: Iterable[SubjectRow], *, records: Collection[str] | None = None) -> None:
        """Make the site's subjects be exactly these; with ``records``, those of these records."""
        self._replace(tables.subject, list(rows), records)

    def put_visits(self, rows: Iterable[VisitRow], *, records: Collection[str] | None = None) -> None:
        """Make the site's visits be exactly these; with ``records``, those of these records."""
        self._replace(tables.visit, list(rows), records)

    def put_outcomes(self, rows: Iterable[OutcomeRow], *, records: Collection[str] | None = None) -> None:
        """Make the site's derived outcomes be exactly these; with ``records``, those of these records."""
        self._replace(tables.derived_outcome, list(rows), records)

    def _replace(self, table: sa.Table, rows: Sequence[object], records: Collection[str] | None) -> None:
        plain_rows.replace(self._connection, table, self.site, rows, run_id=self.run_id, records=records)

    def quarantine(self, rows: Collection[RowKey]) -> int:
        """Set ``is_quarantined`` on exactly these rows of the site; count the rows whose flag changed."""
        wanted: dict[str, set[tuple[str, str, int]]] = {}
        for row in rows:
            wanted.setdefault(row.instrument, set()).add((row.record, row.event, row.instance))
        changed = 0
        for form, slots in self._forms.items():
            table = bulk.quoted(slots[0].table_name)
            schema = {"record": pl.String(), "event": pl.String(), "instance": pl.Int64()}
            # said twice: SQLite takes the index of these rows for what is compared, and where it must hold anyway
            held = "is_quarantined AND is_quarantined = TRUE"
            sql = f"SELECT record, event, instance FROM {table} WHERE site = ? AND {held}"
            standing = set(bulk.fetch(self._connection, sql, (self.site,), schema).iter_rows())
            asked = wanted.get(form, set())
            for flag, keys in (("TRUE", asked - standing), ("FALSE", standing - asked)):
                sql = (
                    f"UPDATE {table} SET is_quarantined = {flag} "
                    "WHERE record = ? AND event = ? AND instance = ? AND site = ?"
                )
                frame = pl.DataFrame(sorted(keys), schema=schema, orient="row")
                frame = frame.with_columns(pl.lit(self.site).alias("site"))
                changed += bulk.execute_many(self._connection, sql, frame)
        return changed

    def queries(self) -> tuple[Query, ...]:
        """Read all queries of the site, by number, as of this transaction."""
        return ledger.read_queries(self._connection, self.site)

    def next_number(self) -> int:
        """Give the running part of the first query number never given at this site."""
        return ledger.read_head(self._connection, self.site)[0]

    def put_queries(
        self, drafts: Sequence[QueryEventDraft], queries: Iterable[Query], *, next_number: int | None = None
    ) -> None:
        """Append ledger rows and write the queries as they stand after them; see the port for the contract."""
        ledger.write(self._connection, self.site, drafts, queries, next_number=next_number, secret=self._secret)

    def coverage(self, rows: Iterable[Coverage]) -> None:
        """Note how far each check reached in this run."""
        small_rows.replace(
            self._connection,
            tables.check_coverage,
            {"site": self.site, "run_id": self.run_id},
            (
                {
                    "check_id": row.check,
                    "evaluated": row.evaluated,
                    "failing": row.failing,
                    "not_evaluated": row.not_evaluated,
                    "reasons": dict(row.reasons),
                }
                for row in rows
            ),
        )

    def state(self, name: str) -> Any:
        """Read a small value that this site's last run left; None where none is."""
        columns = tables.site_state.c
        wanted = sa.select(columns.value).where(columns.site == self.site, columns.name == name)
        return self._connection.execute(wanted).scalar_one_or_none()

    def put_state(self, name: str, value: Any) -> None:
        """Leave a small value for the next run."""
        row = {"site": self.site, "name": name, "value": value}
        small_rows.put(self._connection, tables.site_state, row, stamp=self._stamp)

    def put_memory(self, name: str, body: bytes) -> None:
        """Leave a large value for the next run."""
        row = {"site": self.site, "name": name, "body": body}
        small_rows.put(self._connection, tables.site_memory, row, stamp=self._stamp)

    def put_payload(self, name: str, body: bytes, *, pulled_at: datetime) -> None:
        """Keep a raw reply of the source, as it came."""
        row = {"site": self.site, "run_id": self.run_id, "name": name, "pulled_at": pulled_at, "body": body}
        small_rows.put(self._connection, tables.raw_payload, row)

    def settle_parked(self, used: Collection[str]) -> None:
        """Leave no parked run to decide on behind a run that goes through; see the port."""
        columns = tables.parked_run.c
        left = (columns.site == self.site) & columns.used_by_run_id.is_(None) & columns.superseded_by_run_id.is_(None)
        approved = left & (columns.decision == "approved")
        steps: tuple[tuple[sa.ColumnElement[bool], dict[str, Any]], ...] = (
            (approved & columns.run_id.in_(list(used)), {"used_by_run_id": self.run_id}),
            (approved & columns.run_id.not_in(list(used)), {"superseded_by_run_id": self.run_id}),
            (
                left & columns.decision.is_(None),
                {"decision": "superseded", "decided_at": self.at, "superseded_by_run_id": self.run_id},
            ),
        )
        for which, values in steps:
            self._connection.execute(sa.update(tables.parked_run).where(which).values(**values))

    def forget_payloads(self, *, before: datetime) -> int:
        """Delete raw replies of the site that were pulled before a moment; count them."""
        columns = tables.raw_payload.c
        old = sa.delete(tables.raw_payload).where(columns.site == self.site, columns.pulled_at < before)
        return int(self._connection.execute(old).rowcount)

    def finish_run(self, row: RunRow) -> None:
        """Note the run as done, in the same transaction as what it did."""
        put_run(self._connection, row)
        self._counts_afresh = row.kind == "full"

    def close(self) -> None:
        """Leave what proves later that nothing was taken out; the last step before the commit."""
        self._rows.keep(afresh=self._counts_afresh, run_id=self.run_id)


def put_run(connection: sa.Connection, row: RunRow) -> None:
    """Write a run's row, over an earlier one of the same run and site, which keeps its place in their order."""
    columns = tables.sync_run.c
    mine = columns.site == row.site
    seq = connection.execute(sa.select(columns.seq).where(mine, columns.run_id == row.run_id)).scalar()
    if seq is None:
        seq = 1 + (connection.execute(sa.select(sa.func.max(columns.seq)).where(mine)).scalar() or 0)
    small_rows.put(connection, tables.sync_run, asdict(row) | {"counts": dict(row.counts), "seq": seq})
