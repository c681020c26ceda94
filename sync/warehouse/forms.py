"""Build the tables of a study's forms from their layout."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from schemas.coordinates import KEY_COLUMNS
from schemas.study import Kind
from sync.warehouse import layout, tables
from sync.warehouse.columns import Instant
from sync.warehouse.layout import Slot

STORAGE: Mapping[Kind, type[sa.types.TypeEngine[Any]]] = {
    Kind.TEXT: sa.Text,
    Kind.NUMBER: sa.Double,
    Kind.INTEGER: sa.BigInteger,
    Kind.DATE: sa.Date,
    Kind.DATETIME: sa.DateTime,
    Kind.TIME: sa.Time,
    Kind.CODED: sa.Text,
    Kind.YESNO: sa.Text,
    Kind.CHECKBOX: sa.BigInteger,
    Kind.FILE: sa.Text,
    Kind.UNKNOWN: sa.Text,
}

_SLIM = 60
"""Up to this many columns a table is its own primary key on SQLite (WITHOUT ROWID): a third faster to fill, while
wide rows would swell the inner pages of the tree."""


def key_columns() -> list[sa.Column[Any]]:
    """Build the five columns that address a row."""
    return [
        sa.Column(
            name,
            sa.BigInteger() if name == "instance" else sa.Text(),
            primary_key=True,
            autoincrement=False,
        )
        for name in KEY_COLUMNS
    ]


def stored_column(slot: Slot) -> sa.Column[Any]:
    """Build the column of the harmonised value."""
    return sa.Column(slot.column_name, STORAGE[slot.kind]())


def raw_column(slot: Slot) -> sa.Column[Any]:
    """Build the column of the text as entered, where the value does not tell it."""
    return sa.Column(slot.column_name, sa.Text())


def build(slots: Iterable[Slot]) -> sa.MetaData:
    """Build the form tables and their siblings for texts, bound to no database.

    The first table of a form carries ``is_quarantined``, ``run_id`` (the run that last changed the row), ``row_hash``,
    where the row stands at the site, its status, what was remarked when it was read, and the run that first brought
    it. Further parts, and the siblings, carry the key and their columns.
    """
    metadata = sa.MetaData(naming_convention=tables.NAMING)
    every = tuple(slots)
    for form in dict.fromkeys(slot.form for slot in every):
        for table_name, mine in layout.tables_of(every, form).items():
            wide = len(mine) > _SLIM
            first = mine[0].part == 1
            typed = [*key_columns(), *(_own() if first else ()), *map(stored_column, mine)]
            raw = [*key_columns(), *map(raw_column, mine)]
            values = sa.Table(table_name, metadata, *typed, sqlite_with_rowid=wide)
            if first:
                _index_quarantined(values)
            sa.Table(layout.texts_of(table_name), metadata, *raw, sqlite_with_rowid=wide)
    return metadata


def _index_quarantined(table: sa.Table) -> None:
    """Index the few rows that are held back, which every night asks for."""
    held = table.c.is_quarantined
    name = layout.fit(f"{table.name}__quarantined")
    sa.Index(name, held, table.c.site, sqlite_where=held, postgresql_where=held)


def _own() -> list[sa.Column[Any]]:
    return [
        sa.Column("is_quarantined", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("row_hash", sa.BigInteger()),
        sa.Column("status", sa.BigInteger()),
        sa.Column("site_event", sa.Text()),
        sa.Column("site_instrument", sa.Text()),
        sa.Column("site_instance", sa.BigInteger()),
        sa.Column("mapping_version", sa.Text(), nullable=False),
        sa.Column("remarks", sa.Text()),
        sa.Column("first_run_id", sa.Text(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
    ]
