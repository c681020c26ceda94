"""Another process writes to the SQLite warehouse for long: nights wait for their turn, and no site's row is lost."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from sync import bootstrap
from sync.warehouse import connection
from sync.warehouse.store import SqlWarehouse
from tests.workflows import small


@pytest.fixture
def trial(tmp_path) -> Iterator[small.Trial]:
    with small.serve(tmp_path) as trial:
        small.fill(trial, 4)
        assert small.run_night(trial.app("one", groups=["north", "south"])).exit_code == 0
        trial.move(timedelta(hours=24))
        trial.write("R1", "day", weight="66")
        yield trial


@contextmanager
def written_elsewhere(trial: small.Trial, seconds: float) -> Iterator[threading.Event]:
    """Hold the write lock, as another process would, for so long, or until the event is set."""
    engine = sa.create_engine(trial.apps["one"].config.warehouse.url, connect_args={"check_same_thread": False})
    with closing(engine.raw_connection()) as other:
        driver = other.driver_connection
        driver.isolation_level = None
        driver.execute("BEGIN IMMEDIATE")
        over = threading.Event()
        holder = threading.Thread(target=lambda: (over.wait(seconds), driver.execute("ROLLBACK")))
        holder.start()
        yield over
        over.set()
        holder.join()
    engine.dispose()


def settled(trial: small.Trial, busy_seconds: float) -> bootstrap.App:
    path = trial.folder / "one.toml"
    text = path.read_text("utf-8").replace("[warehouse]\n", f"[warehouse]\nbusy_seconds = {busy_seconds}\n")
    path.write_text(text, encoding="utf-8")
    trial.apps["one"].close()
    trial.apps["one"] = bootstrap.build(path, {"TOKEN": small.TOKEN}, cwd=trial.folder, clock=trial.clock)
    return trial.apps["one"]


def test_nights_wait_for_their_turn_and_say_so(trial, monkeypatch):
    monkeypatch.setattr(connection, "_SLICE", 0.2)
    app = settled(trial, 60)
    with written_elsewhere(trial, 2), capture_logs() as logs:
        done = small.run_night(app)
    assert small.codes(done) == {"s_north": 0, "s_south": 0}
    waiting = [each for each in logs if each["event"] == "warehouse.waiting"]
    assert "writes to the warehouse" in waiting[0]["reason"]


def test_a_night_that_waited_in_vain_is_noted_as_failed(trial, monkeypatch):
    app = settled(trial, 1)
    record_run = SqlWarehouse.record_run
    with written_elsewhere(trial, 30) as over:

        def once_failed(warehouse, row):
            over.set()
            record_run(warehouse, row)

        monkeypatch.setattr(SqlWarehouse, "record_run", once_failed)
        done = small.run_night(app)
    failed = [site for site in done.sites if site.exit_code]
    assert failed
    assert {site.exit_code for site in failed} == {70}
    assert "warehouse.busy_seconds" in failed[0].reason
    noted = {row.site: row.outcome for row in app.warehouse().reader().run(done.run_id)}
    assert noted == {site.site: site.outcome for site in done.sites}, "no site's row is lost"


def test_where_nothing_is_due_an_upgrade_asks_for_no_lock(trial):
    app = settled(trial, 1)
    with written_elsewhere(trial, 30):
        assert app.warehouse().upgrade() == []
