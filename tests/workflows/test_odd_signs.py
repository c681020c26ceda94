"""Control signs that somebody pasted into a cell: the night goes on, and what was entered can be read."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.workflows import small


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/warehouse.sqlite"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def trial(tmp_path) -> Iterator[small.Trial]:
    with small.serve(tmp_path) as served:
        small.fill(served, 3)
        yield served


def rows(url, sql):
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(sql))]
    finally:
        engine.dispose()


@pytest.mark.parametrize("signs", ["6\x001", "\x1f", "6\x1e1", "\x1b6"])
def test_of_a_cell_that_gets_a_query(trial, url, signs):
    app = trial.app("one", warehouse=url)
    assert small.run_night(app).exit_code == 0
    trial.write("R1", "day", weight=signs)
    trial.move(timedelta(hours=3))
    assert small.run_night(app).exit_code == 0
    shown = signs.replace("\0", "\ufffd")
    assert rows(url, "SELECT raw FROM query WHERE field = 'weight' AND record = 'R1'") == [(shown,)]
    sql = "SELECT weight FROM visit_form__raw WHERE event = 'day_arm_1' AND record = 'R1'"
    assert rows(url, sql) == [(shown,)]
    assert app.warehouse().reader().verify().problems == ()
    assert small.run_night(app, full=True).sites[0].stored.cells_changed == 0
