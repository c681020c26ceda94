"""Columns that a site's own dictionary brings: made in short, beside other sites and beside readers."""

import threading
from dataclasses import replace

import psycopg
import pytest
import sqlalchemy as sa

from schemas.study import Kind
from sync.errors import SyncError
from sync.warehouse import upgrade
from tests.warehouse import building as b

GROWN = b.study(replace(b.LABS, fields=(*b.LABS.fields, b.field("extra", Kind.TEXT))))
on_postgresql = pytest.mark.parametrize("url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
"""SQLite lets one write at a time, and its readers see the former state."""

FRAME = b.frame(b.LABS, {("ZJ-01", "day_0", 1): {"creat": 1.0}})


def asked(url: str, *statements: str) -> None:
    """Ask as a statistician does, and never wait long."""
    text = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(text) as connection:
        connection.execute("SET lock_timeout = '2s'")
        for statement in statements:
            connection.execute(statement)


def test_columns_are_added_once_and_outlive_a_night_that_is_undone(opened):
    b.store(opened(), 0, FRAME)
    grown = opened(GROWN, upgrade=False)
    assert grown.pending()
    grown.add_columns()
    assert grown.pending() == ()
    with pytest.raises(RuntimeError), grown.transaction(b.SITE, "run-1", b.moment(1), upgrade=True):
        raise RuntimeError
    assert grown.pending() == ()
    grown.add_columns()
    full = b.frame(GROWN.forms[0], {("ZJ-01", "day_0", 1): {"creat": 1.0, "extra": "x"}})
    assert b.store(grown, 2, full).updated == 1
    assert grown.reader().verify().problems == ()


def test_what_alters_values_waits_for_the_transaction_and_is_undone_with_it(opened):
    b.store(opened(), 0, FRAME)
    fields = tuple(replace(f, kind=Kind.TEXT) if f.name == "creat" else f for f in b.LABS.fields)
    other = opened(b.study(replace(b.LABS, fields=fields)), upgrade=False)
    other.add_columns()
    assert other.pending()
    with pytest.raises(RuntimeError), other.transaction(b.SITE, "run-1", b.moment(1), upgrade=True):
        raise RuntimeError
    assert other.pending()
    with other.transaction(b.SITE, "run-1", b.moment(1), upgrade=True):
        pass
    assert other.pending() == ()


@on_postgresql
def test_sites_are_stored_side_by_side(opened):
    warehouse = opened()
    done = threading.Event()

    def other() -> None:
        with warehouse.transaction("yangzhou", "run-0", b.moment(0), upgrade=True):
            done.set()

    with warehouse.transaction(b.SITE, "run-0", b.moment(0), upgrade=True):
        thread = threading.Thread(target=other)
        thread.start()
        beside = done.wait(20)
    thread.join()
    assert beside, "one site waited for the other's transaction"


@on_postgresql
def test_a_reader_does_not_wait_while_a_site_that_brought_columns_is_stored(opened, url):
    b.store(opened(), 0, FRAME)
    grown = opened(GROWN, upgrade=False)
    grown.add_columns()
    with grown.transaction(b.SITE, "run-1", b.moment(1), upgrade=True) as transaction:
        full = b.frame(GROWN.forms[0], {("ZJ-01", "day_0", 1): {"creat": 2.0, "extra": "x"}})
        transaction.store([full], mapping_version="1", complete=True)
        asked(url, "SELECT extra FROM labs__raw", "SELECT * FROM labs", "SELECT * FROM efficacy_by_visit")


@on_postgresql
def test_a_reader_that_holds_the_tables_is_told_of(opened, url, monkeypatch):
    b.store(opened(), 0, FRAME)
    monkeypatch.setattr(upgrade, "_PATIENCE", "300ms")
    grown = opened(GROWN, upgrade=False)
    text = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(text) as reader:
        reader.execute("SELECT * FROM labs__raw")
        with pytest.raises(SyncError, match="somebody reads or changes what has to be altered"):
            grown.add_columns()
    grown.add_columns()
    assert grown.pending() == ()
