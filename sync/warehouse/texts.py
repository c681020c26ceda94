"""Keep the texts that a site entered, and write none of them twice.

Most texts are what their value reads as ("7" and 7, "2026-05-03" and that day). The table ``<form>__txt`` holds the
others only: null stands for a text that the value tells, one control sign (U+001F) for nothing entered under a value
that the mapping derived; a text that begins with that sign is kept with one more. The view ``<form>__raw`` shows every
text in full; whoever reads SQL reads the view.

What a value reads as must be the same here and in the view, on both databases. It is for texts, whole numbers, dates,
and numbers of some decimals; times and moments always keep their texts. Rows without any text to keep stand in the
form's own table alone.
"""

from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from schemas import frames
from schemas.coordinates import KEY_COLUMNS
from sync.warehouse import bulk, difference, layout
from sync.warehouse.bulk import quoted
from sync.warehouse.layout import Slot

_TOLD = (pl.String, pl.Int64, pl.Date, pl.Float64)
"""Types whose values may tell their text."""

_LONGEST = 15
"""Signs of a number that both databases write alike: no more digits than a double holds for certain."""

_NOTHING = "\x1f"
_NOTHING_IN_SQL = {"sqlite": "char(31)", "postgresql": "chr(31)"}


def tells(slot: Slot) -> bool:
    """Say whether a column's values may tell their texts."""
    return frames.POLARS_TYPES[slot.kind] in _TOLD


def kept(slot: Slot, texts: pl.Series, told: pl.Series, values: pl.Series) -> pl.Series:
    """Leave out the texts that the values tell (``told``: them as texts); gives what ``entered`` reads back."""
    if not tells(slot):
        return texts
    same = texts.eq_missing(told)
    if values.dtype == pl.Float64 and frames.POLARS_TYPES[slot.kind] == pl.Float64:
        same &= texts.is_null() | _is_plain(told, values)
    if same.all():
        return pl.Series([None], dtype=pl.String).new_from_index(0, texts.len())
    derived = texts.is_null() & told.is_not_null()
    doubled = pl.when(texts.str.starts_with(_NOTHING)).then(_NOTHING + texts).otherwise(texts)
    return pl.select(pl.when(same).then(None).when(derived).then(pl.lit(_NOTHING)).otherwise(doubled)).to_series()


def _is_plain(told: pl.Series, values: pl.Series) -> pl.Series:
    """Mark decimals that both databases write as we do; SQLite writes 7.0 for 7, and all have powers of their own."""
    middling = values.abs().is_between(1e-4, 1e9)
    return told.str.contains(".", literal=True) & (told.str.len_bytes() <= _LONGEST) & middling


def entered(slot: Slot, kept_texts: pl.Series, values: pl.Series) -> pl.Series:
    """Give a column's texts as entered, from what was kept and the values (as stored)."""
    if not tells(slot):
        return kept_texts
    told = difference.text_of(values)
    if kept_texts.null_count() == kept_texts.len():
        return told
    full = kept_texts.fill_null(told)
    signed = kept_texts.str.starts_with(_NOTHING).fill_null(False)
    if not signed.any():
        return full
    after = kept_texts.str.slice(1).replace("", None)
    return pl.select(pl.when(signed).then(after).otherwise(full)).to_series()


# --- in SQL


def view(table: str, slots: Sequence[Slot], dialect: str) -> str:
    """Write the SELECT of the view that shows the texts of a form table, or of one of its parts."""
    own = layout.PLACE_COLUMNS if slots[0].part == 1 else ()
    columns = [f"v.{quoted(name)} AS {quoted(name)}" for name in (*KEY_COLUMNS, *own)]
    columns += [f"{_in_sql(slot, dialect)} AS {quoted(slot.column_name)}" for slot in slots]
    same = " AND ".join(f"v.{name} = t.{name}" for name in KEY_COLUMNS)
    names = f"{quoted(table)} v LEFT JOIN {quoted(layout.texts_of(table))} t ON {same}"
    return f"SELECT {', '.join(columns)} FROM {names}"


def _in_sql(slot: Slot, dialect: str) -> str:
    text, column = f"t.{quoted(slot.column_name)}", f"v.{quoted(slot.column_name)}"
    return _full(text, _told(slot, column, dialect), dialect) if tells(slot) else text


def _full(text: str, told: str, dialect: str) -> str:
    signed = f"substr({text}, 1, 1) = {_NOTHING_IN_SQL[dialect]}"
    return f"CASE WHEN {text} IS NULL THEN {told} WHEN {signed} THEN NULLIF(substr({text}, 2), '') ELSE {text} END"


def _told(slot: Slot, column: str, dialect: str) -> str:
    dated = frames.POLARS_TYPES[slot.kind] == pl.Date and dialect == "postgresql"
    return f"to_char({column}, 'YYYY-MM-DD')" if dated else f"CAST({column} AS TEXT)"


def forget_blank(connection: sa.Connection, slots: Sequence[Slot]) -> None:
    """Take away rows of texts that keep none; ``slots`` are all of one table."""
    bulk.run(connection, f"DELETE FROM {quoted(slots[0].texts_table_name)} WHERE {is_blank(slots)}")


def is_blank(slots: Sequence[Slot]) -> str:
    """Write the condition that a row of texts keeps none; ``slots`` are all of its table."""
    return " AND ".join(f"{quoted(slot.column_name)} IS NULL" for slot in slots)
