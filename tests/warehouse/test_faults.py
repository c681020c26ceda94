"""Why a PostgreSQL does not answer: each reason in words of its own, and never in the server's."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from sync.errors import SyncError
from sync.warehouse.store import SqlWarehouse
from tests.warehouse import building as b

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_url: str) -> sa.URL:
    return sa.make_url(postgres_url)


@pytest.fixture
def role(url: sa.URL) -> Iterator[str]:
    """Make a role that may hold one connection."""
    with admin(url) as connection:
        connection.execute("CREATE ROLE invented_role LOGIN CONNECTION LIMIT 1")
        connection.execute("GRANT ALL ON SCHEMA public TO invented_role")
    yield "invented_role"
    with admin(url) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'invented_role'")
        connection.execute("DROP OWNED BY invented_role")
        connection.execute("DROP ROLE invented_role")


def admin(url: sa.URL) -> psycopg.Connection:
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(text, autocommit=True)


def told(url: sa.URL) -> str:
    """Give what is said where the warehouse is asked, and where a site's lock is wanted: the same."""
    with closing(SqlWarehouse(url.render_as_string(hide_password=False), b.STUDY, secret=b.SECRET)) as warehouse:
        with pytest.raises(SyncError) as one:
            warehouse.reader().runs()
        with pytest.raises(SyncError) as other, warehouse.site_lock(b.SITE):
            pass
    assert str(one.value) == str(other.value)
    assert "invented" not in str(one.value)
    assert one.value.__cause__ is None
    return str(one.value)


def test_a_database_that_is_not_there(url):
    assert "no such database" in told(url.set(database="invented_name"))


def test_a_role_that_is_not_known(url):
    assert "does not let this role in" in told(url.set(username="invented_person", password="x"))


def test_no_connection_left(url, role):
    with psycopg.connect(url.set(drivername="postgresql", username=role).render_as_string(hide_password=False)):
        assert "no connection left" in told(url.set(username=role))


def test_a_server_that_is_not_there():
    assert "no answer from PostgreSQL" in told(sa.make_url("postgresql+psycopg://invented@127.0.0.1:9/invented"))
    assert "no answer from PostgreSQL" in told(sa.make_url("postgresql+psycopg://invented@invented.invalid/x"))


def test_a_connection_that_is_lost_in_mid_transaction_leaves_nothing(url, warehouse_of):
    warehouse = warehouse_of(url)
    frame = b.frame(b.LABS, {("ZJ-01", "day_0", 1): {"creat": 1.0}})
    with (
        pytest.raises(SyncError, match=r"lost.*what was not committed is undone; run again"),
        warehouse.transaction(b.SITE, "run-0", b.moment(0)) as transaction,
    ):
        transaction.store([frame], mapping_version="1", complete=True)
        with admin(url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        transaction.store([frame], mapping_version="1", complete=True)
    assert warehouse.reader().frames(b.SITE) == ()
    b.store(warehouse, 0, frame)


@pytest.fixture
def warehouse_of() -> Iterator[object]:
    standing: list[SqlWarehouse] = []

    def _open(url: sa.URL) -> SqlWarehouse:
        warehouse = SqlWarehouse(url.render_as_string(hide_password=False), b.STUDY, secret=b.SECRET)
        standing.append(warehouse)
        warehouse.upgrade()
        return warehouse

    yield _open
    for warehouse in standing:
        warehouse.close()
