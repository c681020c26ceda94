"""Tell what storing touched: changed cells by column, the records, and rows that went. Pure but for one count."""

from collections.abc import Collection, Mapping, Sequence

import polars as pl
import sqlalchemy as sa

from schemas.study import Kind
from sync.volume import Column, ColumnTally, Place, Touched, ratios
from sync.warehouse import bulk
from sync.warehouse.layout import Slot

_NUMBERS = (Kind.NUMBER, Kind.INTEGER)


def touched(slots: Sequence[Slot], *, cells: pl.DataFrame, changed: pl.DataFrame, vanished: pl.DataFrame) -> Touched:
    """Sum up what storing one form did.

    ``cells``: CHANGE_SCHEMA, of rows that stay. ``changed`` (any frame with ``record``): rows that came or changed.
    ``vanished``: ROW columns of rows that went.
    """
    form = slots[0].form
    gone = vanished.group_by("event", "record").len()
    return Touched(
        columns=_columns(slots, cells) if cells.height else {},
        records=frozenset(changed["record"].unique().to_list()) | frozenset(gone["record"].to_list()),
        vanished={(form, event, record): rows for event, record, rows in gone.iter_rows()},
    )


def _columns(slots: Sequence[Slot], cells: pl.DataFrame) -> dict[Column, ColumnTally]:
    by_place = {(slot.table_name, slot.column_name): slot for slot in slots}
    found: dict[Column, ColumnTally] = {}
    for place, mine in cells.partition_by("table_name", "column_name", as_dict=True).items():
        slot = by_place[place[0], place[1]]
        known = mine.filter(pl.col("old").is_not_null() & pl.col("old").ne_missing(pl.col("new")))
        numbers = known.select(pl.col("old", "new").cast(pl.Float64, strict=False)) if slot.kind in _NUMBERS else None
        found[slot.form, slot.frame_column] = ColumnTally(
            changed=known.height,
            emptied=known["new"].null_count(),
            filled=mine.filter(pl.col("old").is_null() & pl.col("new").is_not_null()).height,
            ratios={} if numbers is None else ratios(numbers.iter_rows()),
        )
    return found


def count_filled(
    connection: sa.Connection, site: str, run_id: str, slots: Sequence[Slot], columns: Collection[str]
) -> Mapping[Column, int]:
    """Count a form's filled cells, by frame column, in rows that stood before a run, as they are now."""
    first = bulk.quoted(slots[0].table_name)
    wanted = [slot for slot in slots if slot.frame_column in columns]
    found: dict[Column, int] = {}
    for table in dict.fromkeys(slot.table_name for slot in wanted):
        mine = [slot for slot in wanted if slot.table_name == table]
        counts = ", ".join(f"count(t.{bulk.quoted(slot.column_name)})" for slot in mine)
        keys = " AND ".join(f"t.{name} = f.{name}" for name in ("site", "record", "event", "instance"))
        # the first part tells by itself which rows stood before
        rows, own = (f"{first} t", "t") if table == slots[0].table_name else (
            f"{bulk.quoted(table)} t JOIN {first} f ON {keys}", "f")  # fmt: skip
        sql = f"SELECT {counts} FROM {rows} WHERE t.site = ? AND {own}.first_run_id <> ?"
        schema = {str(at): pl.Int64() for at in range(len(mine))}
        (row,) = bulk.fetch(connection, sql, (site, run_id), schema).iter_rows()
        found |= {(slot.form, slot.frame_column): count for slot, count in zip(mine, row, strict=True)}
    return found


def count_standing(connection: sa.Connection, site: str, run_id: str, slots: Sequence[Slot]) -> Mapping[Place, int]:
    """Count a form's rows, by visit, that stood before a run and stand now."""
    sql = (
        f"SELECT event, count(*) FROM {bulk.quoted(slots[0].table_name)} WHERE site = ? AND first_run_id <> ? "
        "GROUP BY event"
    )
    schema = {"event": pl.String(), "rows": pl.Int64()}
    found = bulk.fetch(connection, sql, (site, run_id), schema)
    return {(slots[0].form, event): rows for event, rows in found.iter_rows()}
