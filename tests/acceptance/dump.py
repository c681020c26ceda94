"""Read a whole warehouse as data that two runs of the same history must agree on."""

import json
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from sync.warehouse.tables import VIEW_NAMES

RUN_OWN = {"sync_run", "lease", "alembic_version", "raw_payload"}
"""Tables that say when and by which run, and nothing else."""

CHAINED = {"hash", "prev_hash", "last_hash"}
"""Columns that differ because they cover times and run ids."""


KEYED = {"fingerprint", "fingerprint_answered", "fingerprint_decided"}
"""Columns that hold hashes keyed with the warehouse's own secret, beside those that end in ``_digest``."""


def dump(url: str, folder: Path, *, same_key: bool = True) -> dict[str, list[tuple[str, ...]]]:
    """Give every table's rows, sorted, as text, without what is a run's own."""
    if url.startswith("sqlite:///"):
        url = f"sqlite:///{folder / url.removeprefix('sqlite:///')}"
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            tables = {table.name: _kept(table, same_key) for table in _tables(connection)}
            return {
                name: sorted({_row(row) for row in connection.execute(sa.select(*columns))})
                for name, columns in tables.items()
                if columns
            }
    finally:
        engine.dispose()


def _tables(connection: sa.Connection) -> Iterator[sa.TableClause]:
    """Read which columns there are, and no constraint: reflecting those takes longer than the rows do."""
    inspector = sa.inspect(connection)
    # the results' views follow from the tables; those of the texts tell what no table holds in full
    for name in sorted({*inspector.get_table_names(), *inspector.get_view_names()} - RUN_OWN - {*VIEW_NAMES}):
        yield sa.table(name, *(sa.column(each["name"], each["type"]) for each in inspector.get_columns(name)))


def _kept(table: sa.TableClause, same_key: bool) -> list[sa.ColumnClause[object]]:
    """Leave out run ids and times: columns that end in ``run_id`` or ``_at``, ``at`` itself, and hashes over them."""
    left_out = CHAINED | {"at"} if same_key else CHAINED | {"at"} | KEYED
    endings = ("run_id", "_at") if same_key else ("run_id", "_at", "_digest")
    return [
        column
        for column in table.columns
        if column.name == "site_fields_at" or not (column.name in left_out or column.name.endswith(endings))
    ]


def _row(row: sa.Row) -> tuple[str, ...]:
    return tuple(_text(value) for value in row)


def _text(value: object) -> str:
    """Write a value alike for both databases: SQLite keeps truth as 1 and 0 and JSON as text."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str) and value[:1] in "[{":
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
