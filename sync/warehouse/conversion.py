"""Change what a column holds, with every value standing where it is.

A field may change its kind (a number becomes a whole number, a text a date). The column follows where every value that
stands, of every site, reads the same in the new kind. Where one does not, the column holds text for as long: nobody's
values go before their own site is stored anew, and that store finds in the table what each cell held, and notes the
change like any other. Values and texts of a row stay what they were, so its fingerprint holds.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import sqlalchemy as sa

from schemas import frames
from schemas.coordinates import KEY_COLUMNS
from schemas.study import Kind
from sync.warehouse import bulk, difference, forms, layout, texts
from sync.warehouse.layout import Placing, Slot

_KEY = {"site": pl.String(), "record": pl.String(), "event": pl.String(), "instance": pl.Int64()}
_AT_KEY = " AND ".join(f"{name} = ?" for name in _KEY)
_VALUE, _KEPT = "\0", "\1"
"""No column of a form is called so."""


def same_storage(before: Slot, after: Slot) -> bool:
    """Tell whether two kinds are stored alike."""
    return forms.STORAGE[before.kind] is forms.STORAGE[after.kind]


def attainable(connection: sa.Connection, placing: Placing) -> Placing:
    """Plan text, for as long, where a column holds a value that is none of the kind which the study wants."""
    held = {
        wanted: before if _is_text(before) else replace(wanted, kind=Kind.TEXT)
        for before, wanted in placing.changed
        if not (same_storage(before, wanted) or _is_text(wanted)) and not _fits(connection, before, wanted)
    }
    if not held:
        return placing
    changed = ((before, held.get(wanted, wanted)) for before, wanted in placing.changed)
    return replace(
        placing,
        slots=tuple(held.get(slot, slot) for slot in placing.slots),
        changed=tuple((before, after) for before, after in changed if before != after),
        waiting=tuple(held),
    )


def _is_text(slot: Slot) -> bool:
    return forms.STORAGE[slot.kind] is sa.Text


def _fits(connection: sa.Connection, before: Slot, wanted: Slot) -> bool:
    """Tell whether all values that stand read the same in the wanted kind."""
    column = bulk.quoted(before.column_name)
    sql = f"SELECT DISTINCT {column} FROM {bulk.quoted(before.table_name)} WHERE {column} IS NOT NULL"
    values = bulk.fetch(connection, sql, (), {_VALUE: frames.POLARS_TYPES[before.kind]})[_VALUE]
    return fits(values, wanted.kind)


def fits(values: pl.Series, kind: Kind) -> bool:
    """Tell whether values can be of another kind and are written as before."""
    told = difference.text_of(values)
    turned = difference.as_read(told, frames.POLARS_TYPES[kind])
    if turned.dtype == pl.Float64 and not turned.is_finite().all():
        return False
    if turned.dtype in (pl.Date, pl.Datetime) and not turned.dt.year().is_between(1, 9999).all():
        return False
    return bool(difference.text_of(turned).eq_missing(told).all())


def convert(connection: sa.Connection, before: Slot, after: Slot, slots: Sequence[Slot]) -> None:
    """Rewrite a column's values in another kind that they fit, and its texts where the values tell others of them.

    ``slots`` are all of the form.
    """
    rows = _standing(connection, before)
    values, kept = rows[_VALUE], rows[_KEPT]
    told = difference.text_of(values)
    turned = difference.as_read(told, frames.POLARS_TYPES[after.kind])
    keep = texts.kept(after, texts.entered(before, kept, values), told, turned)
    _rewrite_values(connection, after, rows.select(turned.alias(_VALUE), *_KEY))
    differs = rows.select(*_KEY, pl.lit(before.form).alias("instrument"), keep.alias(after.column_name))
    bulk.upsert(connection, after.texts_table_name, differs.filter(keep.ne_missing(kept)), key=KEY_COLUMNS)
    texts.forget_blank(connection, [slot for slot in slots if slot.table_name == after.table_name])


def _standing(connection: sa.Connection, slot: Slot) -> pl.DataFrame:
    """Read a column of all sites: value, text that is kept, and key."""
    value, kept = (f"{alias}.{bulk.quoted(slot.column_name)}" for alias in "vt")
    same = " AND ".join(f"v.{name} = t.{name}" for name in KEY_COLUMNS)
    sql = (
        f"SELECT {value}, {kept}, {', '.join(f'v.{name}' for name in _KEY)} FROM {bulk.quoted(slot.table_name)} v "
        f"LEFT JOIN {bulk.quoted(slot.texts_table_name)} t ON {same} WHERE {value} IS NOT NULL OR {kept} IS NOT NULL"
    )
    return bulk.fetch(connection, sql, (), {_VALUE: frames.POLARS_TYPES[slot.kind], _KEPT: pl.String(), **_KEY})


def _rewrite_values(connection: sa.Connection, after: Slot, values: pl.DataFrame) -> None:
    """Put a column of another type into the place of one; ``values`` hold the new value and the key."""
    table, column = bulk.quoted(after.table_name), bulk.quoted(after.column_name)
    new = bulk.quoted(layout.fit(f"{after.column_name}__new"))
    type_ = forms.stored_column(after).type.compile(connection.dialect)
    bulk.run(connection, f"ALTER TABLE {table} ADD COLUMN {new} {type_}")
    filled = values.filter(pl.col(_VALUE).is_not_null())
    bulk.execute_many(connection, f"UPDATE {table} SET {new} = ? WHERE {_AT_KEY}", filled)
    bulk.run(connection, f"ALTER TABLE {table} DROP COLUMN {column}")
    bulk.run(connection, f"ALTER TABLE {table} RENAME COLUMN {new} TO {column}")
