"""Make a table append-only: the database itself refuses UPDATE and DELETE.

Whoever owns the database can drop a trigger; ``verify`` therefore looks whether they stand, and the hash chain
shows what was done meanwhile.
"""

from collections.abc import Sequence

import sqlalchemy as sa


def names(table: str, dialect: str) -> tuple[str, ...]:
    """Name the triggers that guard a table."""
    if dialect == "sqlite":
        return (f"{table}_no_update", f"{table}_no_delete", f"{table}_no_replace")
    return (f"{table}_append_only", f"{table}_no_truncate")


def append_only(table: str, dialect: str, key: Sequence[str]) -> tuple[str, ...]:
    """Write the statements that guard a table; ``key`` names its primary key's columns."""
    message = f"{table} is append-only"
    if dialect == "sqlite":
        # INSERT OR REPLACE takes the old row away without any delete trigger's being asked
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        taken = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"
        return tuple(
            f"CREATE TRIGGER {table}_no_{name} BEFORE {verb} ON {table} {when} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            for name, verb, when in (("update", "UPDATE", ""), ("delete", "DELETE", ""), ("replace", "INSERT", taken))
        )
    return (
        "CREATE OR REPLACE FUNCTION syncline_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION syncline_append_only()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION syncline_append_only()",
    )


def standing(connection: sa.Connection) -> frozenset[str]:
    """List the names of all triggers that stand and are switched on."""
    if connection.dialect.name == "sqlite":
        sql = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        sql = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    return frozenset(connection.exec_driver_sql(sql).scalars())
