"""Prove that the history of cells leads to what stands.

A cell's changes are links: each begins with a state (value, text) that another one ended with, the first of a row's
life with what the row came with, and the last ends with what stands, or with nothing where the row went. So of all
states that a change ended with, each must be where another change began, or be the one that stands. No order by time is
needed, since a clock may be set back between two runs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import sqlalchemy as sa
from polars.datatypes import DataType

from schemas.parts import PART_ROWS
from sync.warehouse import bulk, difference, form_rows
from sync.warehouse.form_rows import StoredRows
from sync.warehouse.layout import Slot

_ROW = list(difference.ROW)
_STATE = ["value", "text"]


def strays(connection: sa.Connection, site: str, slots: Sequence[Slot]) -> Iterator[str]:
    """Say, in sentences without values, what of a site's history is of tables that no form has."""
    sql = "SELECT table_name, count(*) FROM cell_change WHERE site = ? GROUP BY table_name"
    counted = bulk.fetch(connection, sql, (site,), {"table_name": pl.String(), "count": pl.Int64()})
    known = {slot.table_name for slot in slots}
    lost = sum(count for table, count in counted.iter_rows() if table not in known)
    if lost:
        yield f"{site}: {lost} changes are of tables that no form has."


def in_parts(connection: sa.Connection, site: str, slots: Sequence[Slot]) -> Iterator[list[str]]:
    """Name the records of a form, those that have only a history left included, as many at a time as make a part."""
    schema = {"record": pl.String(), "rows": pl.Int64()}
    tables = {
        bulk.quoted(form_rows.table_names(slots)[0]): "",
        "cell_change": _of_form(slots),
        "row_end": _of_form(slots),
    }
    weights: Counter[str] = Counter()
    for table, condition in tables.items():
        sql = f"SELECT record, count(*) FROM {table} WHERE {condition}site = ? GROUP BY record"
        weights.update(dict(bulk.fetch(connection, sql, (site,), schema).iter_rows()))
    part: list[str] = []
    filled = 0
    for record in sorted(weights):
        if part and filled + weights[record] > PART_ROWS:
            yield part
            part, filled = [], 0
        part.append(record)
        filled += weights[record]
    if part:
        yield part


def problems(
    connection: sa.Connection, site: str, slots: Sequence[Slot], stored: StoredRows, records: Sequence[str]
) -> dict[str, int]:
    """Count what of the history of some records of a form does not lead to their ``stored`` rows.

    By sentences without values, in which the count is still to be put.
    """
    form = slots[0].form
    changes = _read(connection, "cell_change", difference.CHANGE_SCHEMA, site, slots, records)
    if not changes.height:
        return {}
    ends = _read(connection, "row_end", form_rows.ROW_SCHEMA, site, slots, records)
    ended = ends.group_by(_ROW).len("ended")
    known = pl.concat([stored.values.select(_ROW), ends.select(_ROW)])
    broken = 0
    for slot in slots:
        mine = changes.filter((pl.col("table_name") == slot.table_name) & (pl.col("column_name") == slot.column_name))
        if mine.height:
            broken += _broken(slot, mine, stored, ended)
    return {
        f"{site}: {{}} rows of form {form} have a history, but neither stand nor have ended.": (
            changes.select(_ROW).unique().join(known, on=_ROW, how="anti").height
        ),
        f"{site}: the history of {{}} cells of form {form} does not lead to what stands.": broken,
    }


def _of_form(slots: Sequence[Slot]) -> str:
    """Write the condition that a ledger's row is of a form's tables."""
    names = ", ".join(map(bulk.literal, form_rows.table_names(slots)))
    return f"table_name IN ({names}) AND "


def _read(
    connection: sa.Connection,
    table: str,
    schema: Mapping[str, DataType],
    site: str,
    slots: Sequence[Slot],
    records: Sequence[str],
) -> pl.DataFrame:
    sql = f"SELECT {', '.join(schema)} FROM {table} WHERE {_of_form(slots)}site = ?"
    return bulk.fetch_records(connection, sql, site, records, schema)


def _broken(slot: Slot, changes: pl.DataFrame, stored: StoredRows, ended: pl.DataFrame) -> int:
    """Count the cells of one column whose changes leave a state open that does not stand."""
    name = slot.frame_column
    cells = stored.values.select(_ROW).with_columns(
        difference.text_of(stored.values[name]).alias("value"), stored.texts[name].alias("text")
    )
    standing = changes.select(_ROW).unique().join(cells, on=_ROW)
    states = pl.concat(
        [
            changes.select(*_ROW, value="new", text="raw_new", open=pl.lit(1)),
            changes.select(*_ROW, value="old", text="raw_old", open=pl.lit(-1)),
            standing.select(*_ROW, *_STATE, open=pl.lit(-1)),
        ]
    )
    left = states.group_by(*_ROW, *_STATE).agg(pl.col("open").sum()).filter(pl.col("open") > 0)
    left = left.join(ended, on=_ROW, how="left")
    went = pl.col("value").is_null() & pl.col("text").is_null() & (pl.col("open") <= pl.col("ended").fill_null(0))
    return left.filter(~went).select(_ROW).n_unique()
