"""Move whole frames into and out of the database in the way that each database likes best.

SQLite takes tuples through ``executemany`` with dates as ISO text (as SQLAlchemy writes them); PostgreSQL takes
COPY. Per-cell Python and SQLAlchemy's own row handling stay off this path.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import polars as pl
import sqlalchemy as sa
from polars.datatypes import DataType

_SQLITE_FORMATS: dict[Any, str] = {
    pl.Date: "%Y-%m-%d",
    pl.Time: "%H:%M:%S%.6f",
    pl.Datetime: "%Y-%m-%d %H:%M:%S%.6f",
}
_RECORDS_AT_ONCE = 500
_ROWS_AT_ONCE = 5000


def quoted(name: str) -> str:
    """Quote an identifier for both databases."""
    return '"' + name.replace('"', '""') + '"'


def run(connection: sa.Connection, sql: str) -> None:
    """Run one statement without parameters, per cent signs and all."""
    connection.exec_driver_sql(sql if connection.dialect.name == "sqlite" else sql.replace("%", "%%"))


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(quoted, columns))


def _driver(connection: sa.Connection) -> Any:
    """Reach the driver's own connection, inside the transaction that SQLAlchemy has begun."""
    return connection.connection.driver_connection


def _for_sqlite(frame: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Hand out a frame's rows as the driver takes them.

    Slice by slice, so that a large frame never stands beside its rows as Python objects, which take ten times the
    room and slow the garbage collector; column by column, which is a third faster than row by row.
    """
    texts = [
        pl.col(name).dt.to_string(_SQLITE_FORMATS[dtype.base_type()])
        for name, dtype in frame.schema.items()
        if dtype.base_type() in _SQLITE_FORMATS
    ]
    parts = frame.with_columns(texts).iter_slices(_ROWS_AT_ONCE)
    return chain.from_iterable(zip(*(column.to_list() for column in part.get_columns()), strict=True) for part in parts)


def insert(
    connection: sa.Connection,
    table: str,
    frame: pl.DataFrame,
    *,
    fixed: Mapping[str, str | bool | int] | None = None,
    alike: Collection[str] = (),
) -> None:
    """Insert rows that are known to be new; the frame's columns carry the table's column names.

    ``fixed`` holds columns of our own that are the same in all rows: never anything out of a cell, since SQLite gets
    them in the statement, which spares it a fifth of its work. ``alike`` names columns of our own that may be the same
    in all rows. Columns without any value are left to their default.
    """
    if not frame.height:
        return
    same = dict(fixed or {})
    if connection.dialect.name == "sqlite":
        frame = frame.select(name for name in frame.columns if frame[name].null_count() < frame.height)
        same |= {name: frame[name][0] for name in alike if name in frame.columns and frame[name].n_unique() == 1}
        frame = frame.drop(name for name in alike if name in same)
        marks = ", ".join([*map(literal, same.values()), *("?" * frame.width)])
        sql = f"INSERT INTO {quoted(table)} ({_names([*same, *frame.columns])}) VALUES ({marks})"
        _driver(connection).executemany(sql, _for_sqlite(frame))
        return
    _copy(connection, table, with_fixed(frame, same))


def with_fixed(frame: pl.DataFrame, fixed: Mapping[str, str | bool | int]) -> pl.DataFrame:
    """Put columns that are the same in all rows before the others."""
    return frame.select(*(pl.lit(value).alias(name) for name, value in fixed.items()), pl.all())


def literal(value: str | bool | int) -> str:
    """Write a value of our own, never one of a patient's, into a statement."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value).upper()


def _copy(connection: sa.Connection, table: str, frame: pl.DataFrame) -> None:
    with (
        _driver(connection).cursor() as cursor,
        cursor.copy(f"COPY {quoted(table)} ({_names(frame.columns)}) FROM STDIN") as copy,
    ):
        for row in frame.iter_rows(buffer_size=_ROWS_AT_ONCE):
            copy.write_row(row)


def upsert(
    connection: sa.Connection, table: str, frame: pl.DataFrame, *, key: Sequence[str], keep: Collection[str] = ()
) -> None:
    """Insert rows or overwrite the standing ones; columns in ``keep`` are set by an insert only."""
    if not frame.height:
        return
    changing = [name for name in frame.columns if name not in key and name not in keep]
    action = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in changing)
    resolve = f"ON CONFLICT ({_names(key)}) DO " + (f"UPDATE SET {action}" if changing else "NOTHING")
    head = f"INSERT INTO {quoted(table)} ({_names(frame.columns)})"
    if connection.dialect.name == "sqlite":
        sql = f"{head} VALUES ({', '.join('?' * frame.width)}) {resolve}"
        _driver(connection).executemany(sql, _for_sqlite(frame))
        return
    staging = "syncline_staging"
    run(connection, f"DROP TABLE IF EXISTS pg_temp.{staging}")
    run(
        connection,
        f"CREATE TEMP TABLE {staging} ON COMMIT DROP AS "
        f"SELECT {_names(frame.columns)} FROM {quoted(table)} WITH NO DATA",
    )
    _copy(connection, staging, frame)
    run(connection, f"{head} SELECT {_names(frame.columns)} FROM {staging} {resolve}")


def execute_many(connection: sa.Connection, sql: str, frame: pl.DataFrame) -> int:
    """Run one statement for each row and count the rows that it touched.

    ``sql`` has a ``?`` for each of the frame's columns in order.
    """
    if not frame.height:
        return 0
    if connection.dialect.name == "sqlite":
        return int(_driver(connection).executemany(sql, _for_sqlite(frame)).rowcount)
    with _driver(connection).cursor() as cursor:
        cursor.executemany(sql.replace("%", "%%").replace("?", "%s"), frame.rows())
        return int(cursor.rowcount)


def fetch(
    connection: sa.Connection, sql: str, parameters: Sequence[Any], schema: Mapping[str, DataType]
) -> pl.DataFrame:
    """Read a query's rows into a frame of the given schema; ``sql`` marks parameters with ``?``."""
    if connection.dialect.name == "sqlite":
        found = _driver(connection).execute(sql, tuple(parameters)).fetchall()
        dated: dict[str, Any] = {name: dtype for name, dtype in schema.items() if dtype.base_type() in _SQLITE_FORMATS}
        frame = pl.DataFrame(found, schema={**schema, **dict.fromkeys(dated, pl.String())}, orient="row")
        return frame.with_columns(
            pl.col(name).str.strptime(dtype, _SQLITE_FORMATS[dtype.base_type()].replace("%.6f", "%.f"))
            for name, dtype in dated.items()
        )
    with _driver(connection).cursor() as cursor:
        marked = sql.replace("%", "%%").replace("?", "%s")
        found = cursor.execute(marked, tuple(parameters)).fetchall()
    return pl.DataFrame(found, schema=dict(schema), orient="row")


def fetch_texts(connection: sa.Connection, sql: str, parameters: Sequence[Any]) -> list[str]:
    """Read the one column of a query, of texts; ``sql`` marks parameters with ``?``."""
    if connection.dialect.name == "sqlite":
        # its driver takes thrice as long for a row of each text as for one row of all
        packed = f"WITH listed(body) AS ({sql}) SELECT json_group_array(body) FROM listed"
        (body,) = _driver(connection).execute(packed, tuple(parameters)).fetchone()
        return list(json.loads(body))
    with _driver(connection).cursor() as cursor:
        marked = sql.replace("%", "%%").replace("?", "%s")
        found = cursor.execute(marked, tuple(parameters)).fetchall()
    return [text for (text,) in found]


def fetch_records(
    connection: sa.Connection,
    sql: str,
    site: str,
    records: Sequence[str] | None,
    schema: Mapping[str, DataType],
) -> pl.DataFrame:
    """Read rows of one site, of some records or of all; ``sql`` ends with ``WHERE site = ?``, order by key follows.

    The order is that of (record, event, instance) in the frame, the same on both databases.
    """
    if records is None:
        found = fetch(connection, sql, (site,), schema)
    else:
        batches = [records[start : start + _RECORDS_AT_ONCE] for start in range(0, len(records), _RECORDS_AT_ONCE)]
        found = pl.concat(
            [
                pl.DataFrame(schema=dict(schema)),
                *(
                    fetch(connection, f"{sql} AND record IN ({', '.join('?' * len(each))})", (site, *each), schema)
                    for each in batches
                ),
            ]
        )
    return found.sort("record", "event", "instance")
