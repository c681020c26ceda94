"""Open each test's warehouse twice: on SQLite and on PostgreSQL. One exam for both."""

from collections.abc import Callable, Iterator

import pytest

from schemas.study import Study
from sync.warehouse.store import SqlWarehouse
from tests.warehouse import building

Opener = Callable[..., SqlWarehouse]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/warehouse.sqlite"
    return request.getfixturevalue("postgres_url")


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
