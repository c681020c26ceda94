"""A run at work is shown to people, and neither a busy warehouse nor a dead run does harm."""

import os
import platform
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa

from sync.commands import status
from sync.ports.stored import LeaseRow
from sync.workflows import lease
from sync.workflows import run as runs
from sync.workflows.results import NightOptions
from tests.workflows import small


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def trial(tmp_path):
    with small.serve(tmp_path) as trial:
        small.fill(trial, 2)
        yield trial


def standing(app):
    (status,) = app.warehouse().reader().status(aged_before=small.START)
    return status.lease


def test_a_run_at_work_is_shown_and_named_to_who_is_locked_out(trial, warehouse_url):
    app = trial.app("one", warehouse=warehouse_url)
    app.warehouse().upgrade()
    seen, at_work, go_on = [], threading.Event(), threading.Event()

    def hold(_site):
        def progress(_done, _total):
            at_work.set()
            go_on.wait(30)

        return progress

    first = []
    options = NightOptions()
    thread = threading.Thread(target=lambda: first.append(runs.run(app, app.sites(), options=options, progress=hold)))
    thread.start()
    try:
        assert at_work.wait(30)
        for _ in range(100):
            if held := standing(app):
                seen.append(held)
                break
            threading.Event().wait(0.05)
        (second,) = small.run_night(app).sites
        trial.clock.at += timedelta(hours=7)
        (third,) = small.run_night(app).sites
        trial.clock.at -= timedelta(hours=7)
    finally:
        go_on.set()
        thread.join()
    assert first[0].exit_code == 0, first[0].sites[0].reason
    assert seen[0].run_id == first[0].run_id
    assert (second.exit_code, second.warnings) == (75, ())
    assert first[0].run_id in second.reason
    assert "since 2026-03-02 02:00" in second.reason
    assert "held this site for 7 hours" in third.warnings[0]
    assert standing(app) is None, "dropped at the end"


def test_a_run_that_was_killed_stands_in_the_list_once_the_next_one_begins(trial, warehouse_url):
    """Its lease is left, and whoever has the lock now knows that nobody works under it."""
    app = trial.app("one", warehouse=warehouse_url)
    assert small.run_night(app).exit_code == 0
    began = trial.clock.at + timedelta(hours=1)
    left = LeaseRow(
        site="all", run_id="dead", holder="elsewhere:7", taken_at=began, heartbeat_at=began + timedelta(minutes=3)
    )
    app.warehouse().take_lease(left)
    trial.move(timedelta(hours=24))
    done = small.run_night(app)
    newest, killed, _ = app.warehouse().reader().runs(site="all")
    assert (newest.run_id, newest.outcome) == (done.run_id, "ok")
    assert (killed.run_id, killed.outcome, killed.exit_code) == ("dead", "killed", 75)
    assert (killed.started, killed.finished) == (left.taken_at, left.heartbeat_at)
    assert "nothing of this site was changed" in killed.reason
    small.run_night(app)
    assert len(app.warehouse().reader().runs(site="all")) == 4, "it is noted once"


def test_a_run_whose_lease_could_not_be_dropped_was_not_killed(trial):
    app = trial.app("one")
    first = small.run_night(app)
    at = trial.clock.at
    app.warehouse().take_lease(
        LeaseRow(site="all", run_id=first.run_id, holder="elsewhere:7", taken_at=at, heartbeat_at=at)
    )
    trial.move(timedelta(hours=24))
    small.run_night(app)
    assert [row.outcome for row in app.warehouse().reader().runs(site="all")] == ["ok", "ok"]


def test_a_warehouse_that_is_busy_costs_a_sign_of_life_and_no_time(trial):
    app = trial.app("one")
    app.warehouse().upgrade()
    engine = sa.create_engine(app.config.warehouse.url)
    now = app.clock.now()
    row = LeaseRow(site="all", run_id="r", holder="h:1", taken_at=now, heartbeat_at=now)
    with closing(engine.raw_connection()) as other:
        other.driver_connection.isolation_level = None
        other.driver_connection.execute("BEGIN IMMEDIATE")
        done = threading.Event()

        def work():
            with lease.shown(app, app.warehouse(), "all", "r"):
                done.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(1)
        thread.join(2)
        assert not thread.is_alive()
        other.driver_connection.execute("ROLLBACK")
    engine.dispose()
    app.warehouse().take_lease(row)
    assert standing(app) == row


def test_a_lease_that_could_not_be_dropped_ends_with_its_run(trial, warehouse_url):
    app = trial.app("one", warehouse=warehouse_url)
    done = small.run_night(app)
    now = app.clock.now()
    app.warehouse().take_lease(LeaseRow(site="all", run_id=done.run_id, holder="h:1", taken_at=now, heartbeat_at=now))
    assert standing(app) is None
    assert app.warehouse().reader().lease("all") is None


def test_a_lease_without_a_sign_of_life_is_old():
    now = small.START
    row = LeaseRow(site="all", run_id="r", holder="h:1", taken_at=now, heartbeat_at=now)
    assert not lease.is_old(row, now + timedelta(minutes=10))
    assert lease.is_old(row, now + timedelta(minutes=16))
    assert status._work(row, now, small.ZONE) == "run r works here since 2026-03-02 02:00 (h:1)"
    assert "last sign of life 3 h ago" in status._work(row, now + timedelta(hours=3), small.ZONE)


def test_a_run_whose_process_is_gone_is_called_killed_at_once():
    now = small.START
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    def held(holder: str) -> LeaseRow:
        return LeaseRow(site="all", run_id="r", holder=holder, taken_at=now, heartbeat_at=now)

    dead = held(f"{platform.node()}:{gone.pid}")
    assert lease.is_dead(dead)
    assert "run r was killed while it worked here" in status._work(dead, now, small.ZONE)
    for alive in (f"{platform.node()}:{os.getpid()}", f"elsewhere:{gone.pid}", "h:none", f"{platform.node()}:0"):
        assert not lease.is_dead(held(alive))
        assert "works here" in status._work(held(alive), now, small.ZONE)
