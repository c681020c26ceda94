"""Know how far the core tables of a database are, and bring them on (Alembic).

Alembic is imported where a database has to be brought on and nowhere else: with what it brings along it is a third of
what the program takes to start, and on nearly every start there is nothing for it to do.
"""

from pathlib import Path

import sqlalchemy as sa

KNOWN = ("0001",)
"""Every revision of the folder ``migrations``, oldest first."""

NEWEST = KNOWN[-1]

_TABLE = "alembic_version"


def current(connection: sa.Connection) -> str | None:
    """Read the revision of a database; None where it is empty."""
    if not sa.inspect(connection).has_table(_TABLE):
        return None
    return connection.execute(sa.select(sa.column("version_num")).select_from(sa.table(_TABLE))).scalar()


def advance(connection: sa.Connection) -> None:
    """Bring the core tables to the newest revision, within the transaction of the connection."""
    from alembic import command  # noqa: PLC0415 -- see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # The folder may hold a per cent sign, which the config parser would read as a placeholder.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
