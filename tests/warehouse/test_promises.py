"""What readers may rely on: names of relations and columns, privacy of the file, and words instead of driver errors."""

import os
import stat

import pytest
import sqlalchemy as sa

from schemas import loading
from sync.errors import ConfigError, SyncError
from sync.warehouse.store import SqlWarehouse
from tests.warehouse import building as b

PROMISED = {
    "site": {"site"},
    "subject": {"site", "record"},
    "visit": {"site", "record", "visit", "actual_date", "study_day", "window_status"},
    "cell_change": {
        *("table_name", "site", "record", "event", "instrument", "instance", "column_name", "old", "new"),
        *("raw_old", "raw_new", "run_id", "changed_at"),
    },
    "record_end": {"site", "run_id", "record", "new_record", "ended_at"},
    "sync_run": {"run_id", "site", "kind", "started", "finished", "outcome", "counts", "reason"},
    "query": {
        *("number", "site", "record", "event", "instrument", "instance", "field", "site_field", "check_id"),
        *("severity", "state", "condition", "reason", "round", "opened_at", "evaluated_at"),
    },
    "query_event": {"site", "seq", "number", "prev_hash", "hash"},
    "check_coverage": {"run_id", "site", "check_id", "evaluated", "failing", "not_evaluated", "reasons"},
    "labs": {
        *("site", "record", "event", "instrument", "instance", "is_quarantined", "run_id"),
        *("lab_date", "creat", "organs___1"),
    },
    "efficacy_by_visit": {"measure", "visit", "n", "mean", "sd"},
    "response_summary": {"visit", "category", "n", "denominator", "percent"},
}


def test_relations_and_columns_have_their_promised_names(warehouse):
    inspector = sa.inspect(warehouse._engine)
    for relation, columns in PROMISED.items():
        assert columns <= {column["name"] for column in inspector.get_columns(relation)}, relation


def test_the_shipped_study_fits(opened):
    study = loading.load_study(loading.shipped_folder("sle"))
    warehouse = opened(study)
    assert warehouse.pending() == ()
    assert warehouse.upgrade() == []
    inspector = sa.inspect(warehouse._engine)
    assert {form.name for form in study.forms} <= set(inspector.get_table_names())
    assert warehouse.reader().efficacy() == ()
    assert warehouse.reader().responses() == ()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_new_file_is_its_owner_s_alone(warehouse, url):
    mode = os.stat(url.removeprefix("sqlite:///")).st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_an_empty_database_asks_for_an_upgrade(opened):
    reader = opened(upgrade=False).reader()
    for ask in (reader.runs, reader.queries, reader.efficacy, reader.verify, lambda: reader.frames(b.SITE)):
        with pytest.raises(ConfigError, match=r"sync warehouse upgrade|`sync run` makes it"):
            ask()


def test_a_server_that_is_not_there_is_told_in_words():
    warehouse = SqlWarehouse("postgresql+psycopg://u:hush@127.0.0.1:9/none", b.STUDY, secret=b.SECRET)
    with pytest.raises(SyncError, match="cannot be reached") as caught:
        warehouse.upgrade()
    assert "hush" not in str(caught.value)
    warehouse.close()


def test_a_file_that_is_no_database_is_told_in_words(tmp_path):
    (tmp_path / "w.sqlite").write_bytes(b"certainly not a database" * 100)
    warehouse = SqlWarehouse(f"sqlite:///{tmp_path}/w.sqlite", b.STUDY, secret=b.SECRET)
    with pytest.raises(SyncError, match="no SQLite database"):
        warehouse.upgrade()
    warehouse.close()


def test_raw_replies_are_forgotten_when_they_are_old(warehouse):
    with warehouse.transaction(b.SITE, "run-0", b.moment(0)) as transaction:
        transaction.put_payload("records", b"a", pulled_at=b.moment(0))
        transaction.put_payload("metadata", b"b", pulled_at=b.moment(5))
    with warehouse.transaction("yangzhou", "run-1", b.moment(9)) as transaction:
        assert transaction.forget_payloads(before=b.moment(9)) == 0
    with warehouse.transaction(b.SITE, "run-1", b.moment(9)) as transaction:
        assert transaction.forget_payloads(before=b.moment(3)) == 1
