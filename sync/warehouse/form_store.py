"""Bring one form's tables from what stands to what was pulled, with history.

difference (pure) -> history -> rows. Everything happens in the caller's transaction, under the site's lock, so what
was read here cannot change before it is written.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl
import sqlalchemy as sa

from schemas.coordinates import KEY_COLUMNS
from schemas.frames import META_COLUMNS, POLARS_TYPES, FormFrame
from schemas.parts import PART_ROWS
from sync.ports.stored import StoreCounts
from sync.warehouse import bulk, covered, difference, fingerprints, form_rows, layout, tables, tally, texts
from sync.warehouse.layout import Slot

ROW = list(difference.ROW)
_PLACE = list(form_rows.PLACE_SCHEMA)
_AT_KEY = "site = ? AND record = ? AND event = ? AND instance = ?"
_OFTEN_ALIKE = ("status", "site_event", "site_instrument", "site_instance")
_KEPT = ("is_quarantined", "first_run_id", "first_at")
_ROWS_AT_ONCE = PART_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Say who writes: one run's transaction over one site."""

    connection: sa.Connection
    site: str
    run_id: str
    at: datetime
    mapping_version: str

    @property
    def moment(self) -> datetime:
        """Give the moment as the driver takes it, bypassing SQLAlchemy's types."""
        at = self.at.astimezone(UTC)
        return at if self.connection.dialect.name == "postgresql" else at.replace(tzinfo=None)

    @property
    def stamp(self) -> str:
        """Give the moment as text, as the database itself writes it."""
        at = self.at.astimezone(UTC)
        is_sqlite = self.connection.dialect.name == "sqlite"
        return at.strftime("%Y-%m-%d %H:%M:%S.%f") if is_sqlite else at.isoformat()


def store(
    write: Write,
    frame: FormFrame,
    slots: Sequence[Slot],
    *,
    complete: bool,
    records: Collection[str],
    proving: bool = False,
) -> StoreCounts:
    """Store one form of one pull; see ``SiteTransaction.store`` for the contract."""
    _refuse_unfit(write.site, frame)
    frame = _storable(frame)
    arriving = _arriving(frame, slots)
    # tables that are their own index fill fastest in the order of the key
    order = arriving.beside.select(pl.arg_sort_by(ROW)).to_series()
    looked_at = None if complete else _few({*records, *frame.rows["record"]})
    standing = form_rows.read_hashes(write.connection, write.site, slots, looked_at)
    found = difference.rows(standing, arriving.beside.select(*ROW, "row_hash")[order])
    mended = 0
    if proving:
        altered = _altered(write, frame, slots, looked_at)
        found, mended = difference.suspecting(found, arriving.beside.select(ROW)[order], altered)
    new, came = order.gather(found.inserted), 0
    for part in new.to_frame("at").iter_slices(_ROWS_AT_ONCE):
        batch = arriving.at(part["at"])
        _insert(write, batch, slots)
        came += int(batch.raw.count().sum_horizontal().sum())
    updated, cells = _update(write, arriving.at(order.gather(found.suspected)), slots)
    touched = pl.concat([arriving.beside[new].select("record"), updated])
    vanished = found.vanished
    if not complete:
        vanished = vanished.filter(pl.col("record").is_in(list(records)))
    ended = _delete(write, slots, vanished)
    if complete:
        join_mapping(write, slots)
    return StoreCounts(
        inserted=found.inserted.len(),
        updated=updated.height,
        deleted=vanished.height,
        cells_changed=cells.height,
        cells_more=came + cells["raw_old"].null_count() - cells["raw_new"].null_count() - ended,
        mended=mended,
        touched=tally.touched(slots, cells=cells, changed=touched, vanished=vanished),
    )


def _altered(write: Write, frame: FormFrame, slots: Sequence[Slot], records: list[str] | None) -> pl.DataFrame:
    """Find rows (ROW) that do not stand as their fingerprint says; it covers the frame's columns by now."""
    stored = form_rows.read(write.connection, write.site, slots, records)
    actual = covered.hashes(stored, slots, frozenset(frame.raw.columns))
    return stored.values.select(ROW).filter(actual.ne_missing(stored.values["_row_hash"]))


def end(write: Write, slots: Sequence[Slot], records: Collection[str]) -> StoreCounts:
    """End all rows of some records in one form, with history."""
    standing = form_rows.read_hashes(write.connection, write.site, slots, _few(records))
    vanished = standing.filter(pl.col("record").is_in(list(records))).select(ROW)
    return StoreCounts(deleted=vanished.height, cells_more=-_delete(write, slots, vanished))


def _refuse_unfit(site: str, frame: FormFrame) -> None:
    """Refuse what no harmonised frame may be; that is a fault of the program, not of the data."""
    if (frame.rows["site"] != site).any():
        raise ValueError(f"form {frame.form.name}: rows of another site than {site}")
    if frame.rows.select(ROW).is_duplicated().any():
        raise ValueError(f"form {frame.form.name}: two rows with one key")


def _storable(frame: FormFrame) -> FormFrame:
    """Take out what one of the databases does not keep: U+0000 (PostgreSQL), NaN and the sign of zero (SQLite)."""

    def cleaned(cells: pl.DataFrame) -> pl.DataFrame:
        dirty = [c.name for c in cells if c.dtype == pl.String and c.str.contains("\0", literal=True).any()]
        return cells.with_columns(pl.col(dirty).str.replace_all("\0", "", literal=True)) if dirty else cells

    raw = cleaned(frame.raw)
    # texts among the values were entered as such, or are words of the study
    rows = frame.rows if raw is frame.raw else cleaned(frame.rows)
    numbers = [c.name for c in rows if c.dtype == pl.Float64 and (c.is_nan().any() or (c == 0).any())]
    positive = pl.when(pl.col(numbers) == 0).then(0.0).otherwise(pl.col(numbers).fill_nan(None)).name.keep()
    return replace(frame, rows=rows.with_columns(positive) if numbers else rows, raw=raw)


def remarks_of(frame: FormFrame) -> pl.Series:
    """Write each row's reading problems and declared gaps as one JSON text; null where there are none."""
    if not frame.problems.height and not frame.declared.height:
        return pl.repeat(None, frame.rows.height, dtype=pl.String, eager=True).alias("remarks")
    by_row: dict[int, dict[str, dict[str, list[str]]]] = {}
    for kind, listed in (("problems", frame.problems), ("declared", frame.declared)):
        for row, column, word in listed.iter_rows():
            by_row.setdefault(row, {}).setdefault(kind, {}).setdefault(column, []).append(word)
    lines = [
        json.dumps(by_row[row], ensure_ascii=False, sort_keys=True) if row in by_row else None
        for row in range(frame.rows.height)
    ]
    return pl.Series("remarks", lines, pl.String)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Hold rows of a frame, harmonised and entered, with what is stored beside them; one order, one height."""

    rows: pl.DataFrame
    raw: pl.DataFrame
    #: the cells of ``rows`` as texts
    told: pl.DataFrame
    #: ROW, PLACE_SCHEMA's columns with a leading underscore, ``row_hash``
    beside: pl.DataFrame

    def at(self, positions: pl.Series) -> "_Batch":
        """Take some rows."""
        return self._each(lambda frame: frame[positions])

    def where(self, mask: pl.Series) -> "_Batch":
        """Take the rows for which a mask is true."""
        return self._each(lambda frame: frame.filter(mask))

    def _each(self, taken: Callable[[pl.DataFrame], pl.DataFrame]) -> "_Batch":
        return _Batch(rows=taken(self.rows), raw=taken(self.raw), told=taken(self.told), beside=taken(self.beside))


def _arriving(frame: FormFrame, slots: Sequence[Slot]) -> _Batch:
    remarks = remarks_of(frame)
    beside = frame.rows.select(*ROW, *META_COLUMNS).with_columns(remarks.alias("_remarks"))
    told = difference.told(frame.rows, slots)
    beside = beside.with_columns(fingerprints.row_hashes(beside, told, frame.raw, slots))
    return _Batch(rows=frame.rows, raw=frame.raw, told=told, beside=beside)


def _fixed_values(write: Write, slots: Sequence[Slot], table: str) -> dict[str, str | bool]:
    """Name what is the same in all rows of a form table."""
    fixed: dict[str, str | bool] = {"site": write.site, "instrument": slots[0].form}
    if table == slots[0].table_name:
        fixed |= {"is_quarantined": False, "run_id": write.run_id, "mapping_version": write.mapping_version}
        fixed |= {"first_run_id": write.run_id, "first_at": write.stamp}
    return fixed


def _values_of(batch: _Batch, slots: Sequence[Slot], table: str) -> pl.DataFrame:
    """Build the rows of a form table, or of one of its parts, without what is the same in all."""
    columns = [batch.rows[name] for name in ROW]
    if table == slots[0].table_name:
        columns.append(batch.beside["row_hash"])
        columns += [batch.beside[f"_{name}"].alias(name) for name in _PLACE]
    present = _present(slots, table, batch.rows)
    for slot in present:
        values = difference.as_stored(batch.rows[slot.frame_column], POLARS_TYPES[slot.kind])
        columns.append(values.alias(slot.column_name))
    return pl.DataFrame(columns)


def _texts_of(batch: _Batch, slots: Sequence[Slot], table: str) -> pl.DataFrame:
    """Build the rows of a table of texts, or of one of its parts: null where the value tells the text."""
    columns = [batch.rows[name] for name in ROW]
    for slot in _present(slots, table, batch.raw):
        name = slot.frame_column
        kept = texts.kept(slot, batch.raw[name], batch.told[name], batch.rows[name])
        columns.append(kept.alias(slot.column_name))
    return pl.DataFrame(columns)


def _untold(kept: pl.DataFrame) -> pl.Series:
    """Mark the rows that hold a text which no value tells."""
    cells = [column for column in kept.drop(ROW) if column.null_count() < column.len()]
    if not cells:
        return pl.repeat(False, kept.height, eager=True)
    return pl.select(pl.any_horizontal(pl.lit(column).is_not_null() for column in cells)).to_series()


def _present(slots: Sequence[Slot], table: str, frame: pl.DataFrame) -> list[Slot]:
    """Leave out columns that the study no longer has: they keep what they hold."""
    there = frozenset(frame.columns)
    return [slot for slot in slots if slot.table_name == table and slot.frame_column in there]


def _insert(write: Write, batch: _Batch, slots: Sequence[Slot]) -> None:
    for table in form_rows.table_names(slots):
        fixed = _fixed_values(write, slots, table)
        bulk.insert(write.connection, table, _values_of(batch, slots, table), fixed=fixed, alike=_OFTEN_ALIKE)
        kept = _texts_of(batch, slots, table)
        place = {"site": write.site, "instrument": slots[0].form}
        bulk.insert(write.connection, layout.texts_of(table), kept.filter(_untold(kept)), fixed=place)


def _update(write: Write, batch: _Batch, slots: Sequence[Slot]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rewrite the rows that differ from what stands; give the records of their rows, and the cells that changed."""
    if not batch.rows.height:
        return batch.rows.select("record"), pl.DataFrame(schema=difference.CHANGE_SCHEMA)
    values, entered = _standing(write, slots, batch.rows.select(ROW))
    there = frozenset(batch.rows.columns)
    compared = [slot for slot in slots if slot.frame_column in there]
    cells = difference.cells(compared, values, entered, batch.rows, batch.raw)
    touched = _holds(batch.rows, cells)
    for name in _PLACE:
        touched |= entered[f"_{name}"].ne_missing(batch.beside[f"_{name}"])
    record_changes(write, slots[0].form, cells)
    changed = batch.where(touched)
    for table in form_rows.table_names(slots):
        part = bulk.with_fixed(_values_of(changed, slots, table), _fixed_values(write, slots, table))
        bulk.upsert(write.connection, table, part, key=KEY_COLUMNS, keep=_KEPT)
        _update_texts(write, _texts_of(changed, slots, table), [slot for slot in slots if slot.table_name == table])
    _refresh_hashes(write, slots, batch.beside.filter(~touched))
    return changed.rows.select("record"), cells


def _update_texts(write: Write, kept: pl.DataFrame, slots: Sequence[Slot]) -> None:
    """Rewrite texts of one table's slots; columns that the study no longer has keep theirs, rows without any go."""
    table = slots[0].texts_table_name
    untold = _untold(kept)
    part = bulk.with_fixed(kept.filter(untold), {"site": write.site, "instrument": slots[0].form})
    bulk.upsert(write.connection, table, part, key=KEY_COLUMNS)
    told = kept.filter(~untold).select(pl.lit(write.site).alias("site"), *ROW)
    gone = set(kept.drop(ROW).columns)
    left = [slot for slot in slots if slot.column_name not in gone]
    if left and gone:
        blank = ", ".join(f"{bulk.quoted(name)} = NULL" for name in kept.drop(ROW).columns)
        bulk.execute_many(write.connection, f"UPDATE {bulk.quoted(table)} SET {blank} WHERE {_AT_KEY}", told)
    condition = f"{_AT_KEY} AND {texts.is_blank(left)}" if left else _AT_KEY
    bulk.execute_many(write.connection, f"DELETE FROM {bulk.quoted(table)} WHERE {condition}", told)


def _standing(write: Write, slots: Sequence[Slot], keys: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read what stands under some keys, values and texts, in the order of the keys."""
    stored = form_rows.read(write.connection, write.site, slots, _few(set(keys["record"])))
    return (
        keys.join(stored.values, on=ROW, how="left", maintain_order="left"),
        keys.join(stored.texts, on=ROW, how="left", maintain_order="left"),
    )


def _few(records: Collection[str]) -> list[str] | None:
    """Name the records to read; None, for all, where that is no more work.

    A part of a large site (``schemas.parts``) is read by its records, or each part would read all the others.
    """
    return sorted(records) if len(records) <= PART_ROWS else None


def _holds(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.Series:
    touched = cells.select(ROW).unique().with_columns(touched=True)
    return rows.select(ROW).join(touched, on=ROW, how="left", maintain_order="left")["touched"].fill_null(False)


def _refresh_hashes(write: Write, slots: Sequence[Slot], same: pl.DataFrame) -> None:
    """Renew fingerprints of rows in which nothing changed but the way of computing them."""
    table = bulk.quoted(slots[0].table_name)
    keyed = same.select("row_hash", pl.lit(write.site).alias("site"), *ROW)
    sql = f"UPDATE {table} SET row_hash = ? WHERE {_AT_KEY}"
    bulk.execute_many(write.connection, sql, keyed)


def record_changes(write: Write, form: str, cells: pl.DataFrame) -> None:
    """Append changed cells (CHANGE_SCHEMA) to the history."""
    history = cells.with_columns(
        pl.lit(write.site).alias("site"),
        pl.lit(write.run_id).alias("run_id"),
        pl.lit(form).alias("instrument"),
        pl.lit(write.moment).alias("changed_at"),
    )
    bulk.insert(write.connection, "cell_change", history.select([column.name for column in tables.cell_change.columns]))


def _delete(write: Write, slots: Sequence[Slot], vanished: pl.DataFrame) -> int:
    """End rows that the site no longer has: their last values go to the history, then the rows go.

    Gives the number of cells that held an entry.
    """
    if not vanished.height:
        return 0
    form = slots[0].form
    keys = vanished.sort(ROW)
    values, entered = _standing(write, slots, keys)
    ended = difference.ends(slots, values, entered)
    record_changes(write, form, ended)
    _record_ends(write, slots, keys)
    keyed = keys.select(pl.lit(write.site).alias("site"), *ROW)
    for table in form_rows.table_names(slots):
        for name in (table, layout.texts_of(table)):
            bulk.execute_many(write.connection, f"DELETE FROM {bulk.quoted(name)} WHERE {_AT_KEY}", keyed)
    return ended["raw_old"].len() - ended["raw_old"].null_count()


def _record_ends(write: Write, slots: Sequence[Slot], keys: pl.DataFrame) -> None:
    first = slots[0].table_name
    keyed = keys.select(
        pl.lit(write.run_id).alias("run_id"),
        pl.lit(first).alias("table_name"),
        pl.lit(write.moment).alias("ended_at"),
        pl.lit(write.site).alias("site"),
        *ROW,
    )
    sql = (
        "INSERT INTO row_end (site, record, event, instrument, instance, first_run_id, first_at, run_id, table_name,"
        " ended_at) SELECT site, record, event, instrument, instance, first_run_id, first_at, ?, ?, ?"
        f" FROM {bulk.quoted(first)} WHERE {_AT_KEY}"
    )
    bulk.execute_many(write.connection, sql, keyed)


def join_mapping(write: Write, slots: Sequence[Slot]) -> None:
    """Note the mapping version that joins raw and harmonised values now; a no-op where it stands already."""
    table = bulk.quoted(slots[0].table_name)
    sql = f"UPDATE {table} SET mapping_version = ? WHERE site = ? AND mapping_version <> ?"
    bulk.execute_many(
        write.connection,
        sql,
        pl.DataFrame([[write.mapping_version], [write.site], [write.mapping_version]], schema=["a", "b", "c"]),
    )
