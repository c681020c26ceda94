"""Keep small tables equal to what a run found, touching only the rows that differ."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from sync.warehouse import bulk

Row = Mapping[str, Any]

_VALUES_AT_ONCE = 500
_PLAIN = (sa.Text, sa.Date, sa.BigInteger)
"""Types that need no help on their way into either database."""


def replace(
    connection: sa.Connection,
    table: sa.Table,
    fixed: Row,
    rows: Iterable[Row],
    *,
    stamp: Row | None = None,
    within: tuple[str, Collection[str]] | None = None,
) -> int:
    """Make the rows under ``fixed`` (column -> value) be exactly ``rows``; count what was written.

    ``stamp`` is written with a row that is new or differs, and does not count as a difference. ``within`` (column,
    values) leaves rows with other values alone; ValueError where one of ``rows`` has such a value.
    """
    keys = [column.name for column in table.primary_key.columns if column.name not in fixed]
    under = [table.c[name] == value for name, value in fixed.items()]
    ignored = {*fixed, *(stamp or {})}
    compared = [column for column in table.columns if column.name not in ignored]
    wanted = {_key(row, keys): dict(row) for row in rows}
    if within is not None and not {row[within[0]] for row in wanted.values()} <= set(within[1]):
        raise ValueError(f"{table.name}: a row outside of what is to be replaced")
    standing = {
        _key(row._mapping, keys): dict(row._mapping)
        for some in _parts(table, within)
        for row in connection.execute(sa.select(*compared).where(*under, *some))
    }
    gone = [key for key in standing if key not in wanted]
    changed = [row for key, row in wanted.items() if key in standing and standing[key] != row]
    fresh = [row for key, row in wanted.items() if key not in standing]
    _delete(connection, table, under, keys, gone)
    _update(connection, table, under, keys, [row | dict(stamp or {}) for row in changed])
    _insert(connection, table, [dict(fixed) | row | dict(stamp or {}) for row in fresh])
    return len(gone) + len(changed) + len(fresh)


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    plain = all(isinstance(column.type, _PLAIN) for column in table.columns)
    if plain and len(rows) > _VALUES_AT_ONCE:
        bulk.insert(connection, table.name, pl.DataFrame(rows, infer_schema_length=None))
    elif rows:
        connection.execute(sa.insert(table), rows)


def put(connection: sa.Connection, table: sa.Table, row: Row, *, stamp: Row | None = None) -> bool:
    """Make one row stand as given; tell whether it had to be written."""
    fixed = {column.name: row[column.name] for column in table.primary_key.columns}
    rest = {name: value for name, value in row.items() if name not in fixed}
    return bool(replace(connection, table, fixed, [rest], stamp=stamp))


def _parts(table: sa.Table, within: tuple[str, Collection[str]] | None) -> Iterator[list[sa.ColumnElement[bool]]]:
    """Give the conditions of each of the statements that read what is to be replaced."""
    if within is None:
        yield []
        return
    name, values = within[0], sorted(set(within[1]))
    for start in range(0, len(values), _VALUES_AT_ONCE):
        yield [table.c[name].in_(values[start : start + _VALUES_AT_ONCE])]


def _key(row: Mapping[Any, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in keys)


def _delete(
    connection: sa.Connection, table: sa.Table, under: list[Any], keys: Sequence[str], gone: list[tuple[Any, ...]]
) -> None:
    if not gone:
        return
    matches = [table.c[name] == sa.bindparam(f"b_{name}") for name in keys]
    rows = [{f"b_{name}": part for name, part in zip(keys, key, strict=True)} for key in gone]
    connection.execute(sa.delete(table).where(*under, *matches), rows)


def _update(
    connection: sa.Connection, table: sa.Table, under: list[Any], keys: Sequence[str], changed: list[dict[str, Any]]
) -> None:
    if not changed:
        return
    matches = [table.c[name] == sa.bindparam(f"b_{name}") for name in keys]
    names = [name for name in changed[0] if name not in keys]
    statement = sa.update(table).where(*under, *matches).values({name: sa.bindparam(f"v_{name}") for name in names})
    rows = [{f"b_{name}": row[name] for name in keys} | {f"v_{name}": row[name] for name in names} for row in changed]
    connection.execute(statement, rows)
