"""Know which columns the fingerprints of a site's rows cover, and renew them where others come to be read.

A fingerprint cannot tell a column that was not read from one that was blank. A field that left the study keeps its
values, so that, were it to come back blank, a row would look unchanged and keep them for ever. Hence all rows of one
form at one site are held to cover the same columns (``form_mapping.covered``): those that it was last read into.
"""

from collections.abc import Collection, Mapping, Sequence

import polars as pl
import sqlalchemy as sa

from schemas.parts import PART_ROWS
from sync.warehouse import bulk, difference, fingerprints, form_rows, tables
from sync.warehouse.form_rows import StoredRows
from sync.warehouse.layout import Slot

_ROW = list(difference.ROW)
_AT_KEY = "site = ? AND record = ? AND event = ? AND instance = ?"


def read(connection: sa.Connection, site: str) -> Mapping[str, frozenset[str]]:
    """Name the frame columns that a site's rows cover, for each form that was ever stored of it."""
    columns = tables.form_mapping.c
    wanted = sa.select(columns.form, columns.covered).where(columns.site == site)
    return {row.form: frozenset(row.covered) for row in connection.execute(wanted)}


def hashes(stored: StoredRows, slots: Sequence[Slot], covered: Collection[str]) -> pl.Series:
    """Compute the fingerprints of stored rows over some columns."""
    aside = [slot.frame_column for slot in slots if slot.frame_column not in covered]
    return fingerprints.row_hashes(stored.texts, difference.told(stored.values, slots), stored.texts.drop(aside), slots)


def renew(
    connection: sa.Connection, site: str, slots: Sequence[Slot], before: Collection[str], now: Collection[str]
) -> None:
    """Let the fingerprints of a site's rows of one form cover the columns that are read ``now``.

    A row whose fingerprint is not what ``before`` gives was altered behind the program's back; it stays as it is.
    """
    other = [slot for slot in slots if (slot.frame_column in before) != (slot.frame_column in now)]
    if not any(_holds(connection, site, table, mine) for table, mine in _by_table(other).items()):
        return
    records = form_rows.read_hashes(connection, site, slots)["record"].unique().sort().to_list()
    for start in range(0, len(records), PART_ROWS):
        stored = form_rows.read(connection, site, slots, records[start : start + PART_ROWS])
        old, new = hashes(stored, slots, before), hashes(stored, slots, now)
        known = stored.values["_row_hash"]
        keyed = stored.values.select(new.alias("row_hash"), pl.lit(site).alias("site"), *_ROW)
        sql = f"UPDATE {bulk.quoted(slots[0].table_name)} SET row_hash = ? WHERE {_AT_KEY}"
        bulk.execute_many(connection, sql, keyed.filter((known == old) & (new != old)))


def _by_table(slots: Sequence[Slot]) -> dict[str, list[str]]:
    """Name columns by the tables that hold anything of them, values or texts."""
    found: dict[str, list[str]] = {}
    for slot in slots:
        for table in (slot.table_name, slot.texts_table_name):
            found.setdefault(table, []).append(slot.column_name)
    return found


def _holds(connection: sa.Connection, site: str, table: str, columns: Sequence[str]) -> bool:
    """Tell whether any row of a site holds something in one of some columns."""
    filled = " OR ".join(f"{bulk.quoted(name)} IS NOT NULL" for name in columns)
    sql = f"SELECT record FROM {bulk.quoted(table)} WHERE site = ? AND ({filled}) LIMIT 1"
    return bool(bulk.fetch_texts(connection, sql, (site,)))
