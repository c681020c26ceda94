"""Keep the texts that a site entered, and write none of them twice.

Most texts are what their value reads as ("7" and 7, "2026-05-03" and that day). The table ``<form>__txt`` holds the
others only: null stands for a text that the value tells, one control sign (U+001F) for nothing entered under a value
that the mapping derived. The view ``<form>__raw`` shows every text in full; whoever reads SQL reads the view.

What a value reads as must be the same here and in the view, on both databases. It is for texts, whole numbers and
dates; numbers with decimals, times and moments always keep their texts.
"""

from collections.abc import Iterator, Sequence

import polars as pl
import sqlalchemy as sa

from schemas import frames
from schemas.coordinates import KEY_COLUMNS
from sync.warehouse import bulk, difference, layout
from sync.warehouse.bulk import quoted
from sync.warehouse.layout import Slot

_TOLD = (pl.String, pl.Int64, pl.Date)
"""Types whose values tell their text."""

_NOTHING = "\x1f"
_NOTHING_IN_SQL = {"sqlite": "char(31)", "postgresql": "chr(31)"}


def tells(slot: Slot) -> bool:
    """Say whether a column's values tell their texts."""
    return frames.POLARS_TYPES[slot.kind] in _TOLD


def kept(slot: Slot, texts: pl.Series, values: pl.Series) -> pl.Series:
    """Leave out the texts that the values (as stored) tell; gives what ``entered`` reads back."""
    if not tells(slot):
        return texts
    told = difference.text_of(values)
    if texts.eq_missing(told).all():
        return pl.repeat(None, texts.len(), dtype=pl.String, eager=True)
    derived = texts.is_null() & told.is_not_null()
    return pl.select(
        pl.when(texts.eq_missing(told)).then(None).when(derived).then(pl.lit(_NOTHING)).otherwise(texts)
    ).to_series()


def entered(slot: Slot, kept_texts: pl.Series, values: pl.Series) -> pl.Series:
    """Give a column's texts as entered, from what was kept and the values (as stored)."""
    if not tells(slot):
        return kept_texts
    told = difference.text_of(values)
    if kept_texts.null_count() == kept_texts.len():
        return told
    nothing = kept_texts == _NOTHING
    return pl.select(pl.when(nothing).then(None).otherwise(kept_texts.fill_null(told))).to_series()


# --- in SQL


def view(table: str, slots: Sequence[Slot], dialect: str) -> str:
    """Write the SELECT of the view that shows the texts of a form table, or of one of its parts."""
    own = layout.RAW_PLACE if slots[0].part == 1 else ()
    columns = [f"t.{quoted(name)} AS {quoted(name)}" for name in (*KEY_COLUMNS, *own)]
    columns += [f"{_in_sql(slot, dialect)} AS {quoted(slot.column_name)}" for slot in slots]
    same = " AND ".join(f"v.{name} = t.{name}" for name in KEY_COLUMNS)
    names = f"{quoted(layout.texts_of(table))} t JOIN {quoted(table)} v ON {same}"
    return f"SELECT {', '.join(columns)} FROM {names}"


def _in_sql(slot: Slot, dialect: str) -> str:
    text, column = f"t.{quoted(slot.column_name)}", f"v.{quoted(slot.column_name)}"
    return _full(text, _told(slot, column, dialect), dialect) if tells(slot) else text


def _full(text: str, told: str, dialect: str) -> str:
    return f"NULLIF(COALESCE({text}, {told}), {_NOTHING_IN_SQL[dialect]})"


def _told(slot: Slot, column: str, dialect: str) -> str:
    dated = frames.POLARS_TYPES[slot.kind] == pl.Date and dialect == "postgresql"
    return f"to_char({column}, 'YYYY-MM-DD')" if dated else f"CAST({column} AS TEXT)"


def write_out(connection: sa.Connection, slot: Slot) -> None:
    """Write a column's texts in full, before its values go."""
    if not tells(slot):
        return
    texts, values, column = quoted(slot.texts_table_name), quoted(slot.table_name), quoted(slot.column_name)
    same = " AND ".join(f"v.{name} = {texts}.{name}" for name in KEY_COLUMNS)
    dialect = connection.dialect.name
    told = f"(SELECT {_told(slot, f'v.{column}', dialect)} FROM {values} v WHERE {same})"
    # where nothing was entered under a value, nothing is left to tell once the value is gone
    bulk.run(connection, f"UPDATE {texts} SET {column} = {_full(column, told, dialect)}")


def mark_derived(connection: sa.Connection, slot: Slot) -> None:
    """Note where nothing was entered under a value, in a column whose texts stand in full."""
    texts, values, column = quoted(slot.texts_table_name), quoted(slot.table_name), quoted(slot.column_name)
    same = " AND ".join(f"v.{name} = {texts}.{name}" for name in KEY_COLUMNS)
    derived = f"SELECT 1 FROM {values} v WHERE {same} AND v.{column} IS NOT NULL"
    nothing = _NOTHING_IN_SQL[connection.dialect.name]
    bulk.run(connection, f"UPDATE {texts} SET {column} = {nothing} WHERE {column} IS NULL AND EXISTS ({derived})")


def adopt(connection: sa.Connection, slots: Sequence[Slot]) -> list[str]:
    """Take over tables of full texts (``<form>__raw``) that an earlier program made; say which."""
    standing = set(sa.inspect(connection).get_table_names())
    return list(_adopted(connection, slots, standing))


def _adopted(connection: sa.Connection, slots: Sequence[Slot], standing: set[str]) -> Iterator[str]:
    for table in dict.fromkeys(slot.table_name for slot in slots):
        old, new = layout.raw_of(table), layout.texts_of(table)
        if old not in standing or new in standing:
            continue
        bulk.run(connection, f"ALTER TABLE {quoted(old)} RENAME TO {quoted(new)}")
        for slot in slots:
            if slot.table_name == table and tells(slot):
                mark_derived(connection, slot)
        yield f"{old}: a view now, its texts are in {new}"
