"""Open each test's warehouse twice: on SQLite and on PostgreSQL. One exam for both."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas.study import Study
from sync.warehouse.store import SqlWarehouse
from tests.plugins import postgres
from tests.warehouse import building

Opener = Callable[..., SqlWarehouse]


def _upgraded(url: str) -> str:
    """Make the tables of the tests' own study, and leave the database alone."""
    warehouse = SqlWarehouse(url, building.STUDY, secret=building.SECRET)
    warehouse.upgrade()
    warehouse.close()
    return url


@pytest.fixture(scope="session")
def ready_file(tmp_path_factory) -> Path:
    """Hold an upgraded warehouse to be copied: making the tables is most of what a short test would take."""
    path = tmp_path_factory.mktemp("ready") / "warehouse.sqlite"
    _upgraded(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def ready_database(postgres_server: sa.URL) -> Iterator[str]:
    """Do the same on PostgreSQL."""
    with postgres.database(postgres_server) as url:
        yield _upgraded(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give an empty database, or an upgraded one to tests that take ``warehouse``."""
    is_ready = "warehouse" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "warehouse.sqlite"
        if is_ready:
            shutil.copy(request.getfixturevalue("ready_file"), path)
        yield f"sqlite:///{path}"
    elif is_ready:
        like = request.getfixturevalue("ready_database")
        with postgres.database(request.getfixturevalue("postgres_server"), like=like) as url:
            yield url
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.fixture
def opened(url: str) -> Iterator[Opener]:
    """Open (again) on the test's database; upgraded, and closed at the end."""
    standing: list[SqlWarehouse] = []

    def _open(study: Study = building.STUDY, *, upgrade: bool = True) -> SqlWarehouse:
        warehouse = SqlWarehouse(url, study, secret=building.SECRET)
        standing.append(warehouse)
        if upgrade:
            warehouse.upgrade()
        return warehouse

    yield _open
    for warehouse in standing:
        warehouse.close()


@pytest.fixture
def warehouse(opened: Opener) -> SqlWarehouse:
    return opened()
