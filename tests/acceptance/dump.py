"""Read a whole warehouse as data that two runs of the same history must agree on."""

from pathlib import Path

import sqlalchemy as sa

RUN_OWN = {"sync_run", "lease", "alembic_version", "raw_payload"}
"""Tables that say when and by which run, and nothing else."""

WHEN_AND_WHO = {
    "run_id", "last_run_id", "used_by_run_id", "changed_at", "at", "since", "opened_at", "raised_at", "evaluated_at",
    "prev_hash", "hash", "last_hash", "pulled_at", "first_seen", "ended_at", "used_at", "written_at", "updated_at",
}  # fmt: skip
"""Columns that differ between two runs that did the same."""


def dump(url: str, folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """Give every table's rows, sorted, as text, without what is a run's own."""
    if url.startswith("sqlite:///"):
        url = f"sqlite:///{folder / url.removeprefix('sqlite:///')}"
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            tables = sa.MetaData()
            tables.reflect(connection)
            return {
                table.name: sorted({_row(row) for row in connection.execute(sa.select(*_kept(table)))})
                for table in tables.sorted_tables
                if table.name not in RUN_OWN and _kept(table)
            }
    finally:
        engine.dispose()


def _kept(table: sa.Table) -> list[sa.Column]:
    return [column for column in table.columns if column.name not in WHEN_AND_WHO]


def _row(row: sa.Row) -> tuple[str, ...]:
    return tuple(str(value) for value in row)
