"""Prove that the history of cells leads to what stands.

A cell's changes are links: each begins with a state (value, text) that another one ended with, the first of a row's
life with what the row came with, and the last ends with what stands, or with nothing where the row went. So of all
states that a change ended with, each must be where another change began, or be the one that stands. No order by time is
needed, since a clock may be set back between two runs.
"""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import sqlalchemy as sa
from polars.datatypes import DataType

from sync.warehouse import bulk, difference, form_rows
from sync.warehouse.form_rows import StoredRows
from sync.warehouse.layout import Slot

_ROW = list(difference.ROW)
_STATE = ["value", "text"]


def problems(connection: sa.Connection, site: str, slots: Sequence[Slot], stored: StoredRows) -> Iterator[str]:
    """Say, in sentences without values, what of a form's history does not lead to its ``stored`` rows."""
    form = slots[0].form
    changes = _read(connection, "cell_change", difference.CHANGE_SCHEMA, site, form)
    if not changes.height:
        return
    ends = _read(connection, "row_end", form_rows.ROW_SCHEMA, site, form)
    ended = ends.group_by(_ROW).len("ended")
    known = pl.concat([stored.values.select(_ROW), ends.select(_ROW)])
    if lost := changes.select(_ROW).unique().join(known, on=_ROW, how="anti").height:
        yield f"{site}: {lost} rows of form {form} have a history, but neither stand nor have ended."
    broken = 0
    for slot in slots:
        mine = changes.filter((pl.col("table_name") == slot.table_name) & (pl.col("column_name") == slot.column_name))
        if mine.height:
            broken += _broken(slot, mine, stored, ended)
    if broken:
        yield f"{site}: the history of {broken} cells of form {form} does not lead to what stands."


def _read(connection: sa.Connection, table: str, schema: Mapping[str, DataType], site: str, form: str) -> pl.DataFrame:
    sql = f"SELECT {', '.join(schema)} FROM {table} WHERE site = ? AND instrument = ?"
    return bulk.fetch(connection, sql, (site, form), schema)


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
