"""Keep a table of plain rows (text, whole numbers, dates) equal to what a run found, set against set.

For tables that hold a few rows a record: what stands is read, compared and written as frames, and only rows that
differ are touched.
"""

from collections.abc import Collection, Mapping, Sequence

import polars as pl
import sqlalchemy as sa
from polars.datatypes import DataType

from sync.warehouse import bulk

_TYPES: Mapping[type, DataType] = {
    sa.Text: pl.String(),
    sa.BigInteger: pl.Int64(),
    sa.Date: pl.Date(),
}
_RECORDS_AT_ONCE = 2_000


def replace(
    connection: sa.Connection,
    table: sa.Table,
    site: str,
    rows: Sequence[object],
    *,
    run_id: str,
    records: Collection[str] | None,
) -> None:
    """Make a site's rows be exactly ``rows`` (each with the table's columns but ``site`` and ``run_id``).

    With ``records``, rows of other records are left alone; ValueError where one of ``rows`` is of another.
    """
    schema = {
        column.name: _TYPES[type(column.type)] for column in table.columns if column.name not in ("site", "run_id")
    }
    key = [column.name for column in table.primary_key.columns if column.name != "site"]
    wanted = pl.DataFrame({name: [getattr(row, name) for row in rows] for name in schema}, schema=schema)
    wanted = wanted.unique(key, keep="last", maintain_order=True)
    if records is not None and not set(wanted["record"].unique().to_list()) <= set(records):
        raise ValueError(f"{table.name}: a row outside of what is to be replaced")
    standing = _standing(connection, table.name, site, schema, records)
    if standing.equals(wanted):
        return
    gone = standing.join(wanted, on=key, how="anti").select(key)
    differing = wanted.join(standing, on=list(schema), how="anti", nulls_equal=True, maintain_order="left")
    fresh = differing.join(standing, on=key, how="anti", maintain_order="left")
    changed = differing.join(standing, on=key, how="semi", maintain_order="left")
    stamp = {"site": site, "run_id": run_id}
    at_key = " AND ".join(f"{name} = ?" for name in key)
    bulk.execute_many(
        connection, f"DELETE FROM {table.name} WHERE site = ? AND {at_key}", bulk.with_fixed(gone, {"site": site})
    )
    bulk.upsert(connection, table.name, bulk.with_fixed(changed, stamp), key=["site", *key])
    bulk.insert(connection, table.name, fresh.sort(key), fixed=stamp)


def _standing(
    connection: sa.Connection,
    table: str,
    site: str,
    schema: dict[str, DataType],
    records: Collection[str] | None,
) -> pl.DataFrame:
    sql = f"SELECT {', '.join(schema)} FROM {table} WHERE site = ?"
    if records is None:
        return bulk.fetch(connection, sql, (site,), schema)
    found = [pl.DataFrame(schema=schema)]
    listed = sorted(set(records))
    for start in range(0, len(listed), _RECORDS_AT_ONCE):
        some = listed[start : start + _RECORDS_AT_ONCE]
        marks = ", ".join("?" * len(some))
        found.append(bulk.fetch(connection, f"{sql} AND record IN ({marks})", (site, *some), schema))
    return pl.concat(found)
