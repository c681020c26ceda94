"""Serve the invented trial over HTTP and run the program on it, in folders and databases of their own."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from schemas import loading
from schemas.study import Study
from sync.demo import odm, projects, stage, trial
from sync.harmonise import mapping

START = datetime(2026, 3, 2, 2, 0, tzinfo=ZoneInfo(stage.ZONE))


def _mappings(study: Study) -> dict[str, mapping.SiteMapping]:
    folder = loading.shipped_folder("sle") / "sites"
    return {site: mapping.parse((folder / f"{site}.toml").read_text("utf-8"), study) for site in stage.CENTRES}


@pytest.fixture(scope="session")
def invented() -> trial.Trial:
    """Invent the trial with its entry errors."""
    study = loading.shipped_study("sle")
    return trial.prepare(study, _mappings(study))


@pytest.fixture(scope="session")
def true_projects(invented: trial.Trial) -> dict[str, str]:
    """Give each centre's project XML, free of errors."""
    study = loading.shipped_study("sle")
    return {
        site: odm.write(projects.build(study, chosen, invented.truth, site))
        for site, chosen in _mappings(study).items()
    }


@pytest.fixture(scope="session")
def erring_projects(invented: trial.Trial) -> dict[str, str]:
    """Give each centre's project XML with its entry errors."""
    return dict(invented.projects)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    """Give a warehouse of each kind, empty."""
    if request.param == "sqlite":
        return "sqlite:///warehouse.sqlite"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def erring(tmp_path: Path, erring_projects: dict[str, str]) -> Iterator[stage.Stage]:
    """Serve the trial with its entry errors, so that runs raise queries."""
    playing = stage.set_up(tmp_path / "stage", erring_projects, start=START)
    yield playing
    playing.sandbox.stop()


@pytest.fixture
def served(tmp_path: Path, true_projects: dict[str, str]) -> Iterator[stage.Stage]:
    """Serve the true trial; the warehouse is SQLite in the same folder."""
    playing = stage.set_up(tmp_path / "stage", true_projects, start=START)
    yield playing
    playing.sandbox.stop()


@pytest.fixture
def postgres_databases(postgres_server: sa.URL) -> Iterator[Callable[[], str]]:
    """Give a maker of empty databases, all dropped after the test."""
    made: list[str] = []
    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")

    def make() -> str:
        made.append(f"syncline_{uuid.uuid4().hex[:12]}")
        with admin.connect() as connection:
            connection.execute(sa.text(f'CREATE DATABASE "{made[-1]}"'))
        return postgres_server.set(database=made[-1]).render_as_string(hide_password=False)

    yield make
    with admin.connect() as connection:
        for name in made:
            connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()
