"""Who may work on a site, and what a killed run leaves: nothing, and nobody locked out."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from schemas.coordinates import Coordinate
from sync.errors import SiteLocked
from sync.ports.stored import LeaseRow
from sync.warehouse.store import SqlWarehouse
from tests.warehouse import building as b
from tests.warehouse.crashing import night
from tests.warehouse.test_storing import dump

TABLES = (
    *("labs", "labs__raw", "cell_change", "row_end", "sync_run", "site_state", "query", "query_event"),
    *("mapping_version", "form_mapping", "chain_head"),
)


class TestTheLockOfASite:
    def test_lets_one_in_at_a_time(self, warehouse, opened):
        other = opened()
        with warehouse.site_lock(b.SITE):
            with pytest.raises(SiteLocked) as caught, other.site_lock(b.SITE):
                pass
            assert caught.value.exit_code == 75
            with other.site_lock("yangzhou"):
                pass
        with other.site_lock(b.SITE):
            pass

    def test_holds_between_threads_of_one_process(self, warehouse):
        refused = []

        def try_it():
            try:
                with warehouse.site_lock(b.SITE):
                    pass
            except SiteLocked:
                refused.append(True)

        with warehouse.site_lock(b.SITE):
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()
        assert refused == [True]

    def test_is_given_back_after_an_error(self, warehouse):
        with pytest.raises(RuntimeError), warehouse.site_lock(b.SITE):
            raise RuntimeError
        with warehouse.site_lock(b.SITE):
            pass


def test_sites_are_written_side_by_side_without_losing_a_row(warehouse):
    failures = []

    def work(site):
        try:
            for number in range(4):
                rows = {(f"R-{n}", "day_0", 1): {"creat": float(n + number)} for n in range(30)}
                with warehouse.site_lock(site), warehouse.transaction(site, f"run-{number}", b.moment(number)) as tx:
                    tx.store([b.frame(b.LABS, rows, site=site)], mapping_version="1", complete=True)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"site-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for n in range(4):
        assert warehouse.reader().frames(f"site-{n}")[0].rows["creat"].sum() == sum(range(3, 33))
    assert warehouse.reader().verify().problems == ()


def test_a_killed_run_leaves_nothing_and_can_be_repeated_at_once(opened, url, tmp_path_factory):
    warehouse = opened()
    night(warehouse, 0, 60.0)
    before = dump(warehouse, *TABLES)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.warehouse.crashing", url],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"written\n"
        with pytest.raises(SiteLocked), warehouse.site_lock(b.SITE):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert dump(warehouse, *TABLES) == before
    repeat(warehouse)
    undisturbed = on_sqlite(tmp_path_factory)
    night(undisturbed, 0, 60.0)
    night(undisturbed, 1, 70.0)
    mine, theirs = warehouse.reader(), undisturbed.reader()
    for found, wanted in zip(mine.frames(b.SITE), theirs.frames(b.SITE), strict=True):
        assert found.rows.equals(wanted.rows)
        assert found.raw.equals(wanted.raw)
    assert mine.runs() == theirs.runs()
    cell = b.key("ZJ-007")
    assert mine.history(Coordinate(row=cell, field="creat")) == theirs.history(Coordinate(row=cell, field="creat"))
    assert mine.verify().problems == ()
    undisturbed.close()


def repeat(warehouse):
    """Run the killed night again; PostgreSQL may need a moment to notice that its client is gone."""
    for _ in range(100):
        try:
            night(warehouse, 1, 70.0)
        except SiteLocked:
            threading.Event().wait(0.05)
        else:
            return
    pytest.fail("the dead run's lock was not released")


def on_sqlite(factory):
    warehouse = SqlWarehouse(f"sqlite:///{factory.mktemp('undisturbed')}/w.sqlite", b.STUDY, secret=b.SECRET)
    warehouse.upgrade()
    return warehouse


def test_a_lease_informs_and_does_not_bar(warehouse):
    lease = LeaseRow(site=b.SITE, run_id="dead", holder="host:1", taken_at=b.moment(0), heartbeat_at=b.moment(0))
    warehouse.record_run(b.run_row(0))
    warehouse.take_lease(lease)
    warehouse.beat(b.SITE, "dead", at=b.moment(1))
    (status,) = warehouse.reader().status(aged_before=b.moment(0))
    assert (status.lease.run_id, status.lease.heartbeat_at) == ("dead", b.moment(1))
    with warehouse.site_lock(b.SITE):
        warehouse.take_lease(LeaseRow(**{**{k: getattr(lease, k) for k in lease.__slots__}, "run_id": "alive"}))
        warehouse.drop_lease(b.SITE, "dead")
        assert warehouse.reader().status(aged_before=b.moment(0))[0].lease.run_id == "alive"
        warehouse.drop_lease(b.SITE, "alive")
    assert warehouse.reader().status(aged_before=b.moment(0))[0].lease is None
