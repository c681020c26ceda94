"""Keep small tables equal to what a run found, touching only the rows that differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]


def replace(
    connection: sa.Connection,
    table: sa.Table,
    fixed: Row,
    rows: Iterable[Row],
    *,
    stamp: Row | None = None,
) -> int:
    """Make the rows under ``fixed`` (column -> value) be exactly ``rows``; count what was written.

    ``stamp`` is written with a row that is new or differs, and does not count as a difference.
    """
    keys = [column.name for column in table.primary_key.columns if column.name not in fixed]
    under = [table.c[name] == value for name, value in fixed.items()]
    ignored = {*fixed, *(stamp or {})}
    compared = [column for column in table.columns if column.name not in ignored]
    wanted = {_key(row, keys): dict(row) for row in rows}
    standing = {
        _key(row._mapping, keys): dict(row._mapping) for row in connection.execute(sa.select(*compared).where(*under))
    }
    gone = [key for key in standing if key not in wanted]
    changed = [row for key, row in wanted.items() if key in standing and standing[key] != row]
    fresh = [row for key, row in wanted.items() if key not in standing]
    _delete(connection, table, under, keys, gone)
    _update(connection, table, under, keys, [row | dict(stamp or {}) for row in changed])
    if fresh:
        connection.execute(sa.insert(table), [dict(fixed) | row | dict(stamp or {}) for row in fresh])
    return len(gone) + len(changed) + len(fresh)


def put(connection: sa.Connection, table: sa.Table, row: Row, *, stamp: Row | None = None) -> bool:
    """Make one row stand as given; tell whether it had to be written."""
    fixed = {column.name: row[column.name] for column in table.primary_key.columns}
    rest = {name: value for name, value in row.items() if name not in fixed}
    return bool(replace(connection, table, fixed, [rest], stamp=stamp))


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
