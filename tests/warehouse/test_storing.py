"""What stands after a store, what it leaves in the history, and what it leaves alone."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from schemas.coordinates import Coordinate
from schemas.study import Kind
from sync.errors import ConfigError, SyncError
from sync.ports.stored import StoreCounts
from sync.volume import ColumnTally, Touched
from sync.warehouse import layout
from sync.warehouse.store import SqlWarehouse
from tests.warehouse import building as b

ONE = ("ZJ-01", "day_0", 1)
TWO = ("ZJ-02", "day_0", 1)


def dump(warehouse, *tables):
    """Read whole tables, as comparable text."""
    with warehouse._engine.connect() as connection:
        return {
            table: sorted(map(str, connection.exec_driver_sql(f'SELECT * FROM "{table}"').all())) for table in tables
        }


def same_frames(found, wanted):
    order = ["record", "event", "instance"]
    index = wanted.rows.with_row_index("at").sort(order)["at"]
    assert_frame_equal(found.rows, wanted.rows[index])
    assert_frame_equal(found.raw, wanted.raw[index])


class TestStoredRows:
    def test_come_back_as_they_were_in_every_kind(self, warehouse):
        frame = b.frame(b.LABS, {TWO: b.FULL, ONE: {}, ("ZJ-01", "month_3", 2): {"creat": -0.1}})
        assert b.store(warehouse, 0, frame) == StoreCounts(inserted=3)
        (found,) = warehouse.reader().frames(b.SITE)
        same_frames(found, frame)
        assert found.site_fields == frame.site_fields
        assert found.site_fields_at == frame.site_fields_at
        assert found.absent == frame.absent

    def test_keep_what_could_not_be_read(self, warehouse):
        frame = b.frame(
            b.LABS,
            {ONE: {}, TWO: {}},
            raw={ONE: {"creat": "7l", "lab_date": "yesterday"}, TWO: {"creat": "ND"}},
            problems=[(0, "creat", "TY01"), (0, "lab_date", "DT01")],
            declared=[(1, "creat", "ND")],
        )
        b.store(warehouse, 0, frame)
        (found,) = warehouse.reader().frames(b.SITE)
        assert found.problems.rows() == frame.problems.rows()
        assert found.declared.rows() == frame.declared.rows()
        same_frames(found, frame)

    def test_tell_their_mapping_version_and_place_at_the_site(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL}), mapping_version="2.1")
        with warehouse._engine.connect() as connection:
            row = connection.exec_driver_sql("SELECT * FROM labs__raw").mappings().one()
        assert (row["mapping_version"], row["site_event"], row["status"]) == ("2.1", "day_0_arm_1", 2)
        assert (row["creat"], row["first_run_id"]) == ("71.5", "run-0")

    def test_of_a_study_wider_than_a_table_come_back_whole(self, opened):
        wide = b.form("wide", *(b.field(f"f{i}", Kind.TEXT, "wide") for i in range(layout.WIDTH * 5 + 200)))
        warehouse = opened(b.study(wide))
        # 24 bytes a cell is what PostgreSQL cannot move out of a row.
        frame = b.frame(wide, {ONE: {f"f{i}": f"{i:024d}" for i in range(layout.WIDTH * 5 + 200)}, TWO: {}})
        b.store(warehouse, 0, frame)
        changed = b.frame(wide, {ONE: {"f1": "new", "f1699": "new"}, TWO: {"f1600": "x"}})
        assert b.store(warehouse, 1, changed).updated == 2
        (found,) = warehouse.reader().frames(b.SITE)
        same_frames(found, changed)
        cell = Coordinate(row=b.key(instrument="wide"), field="f1699")
        assert [version.value for version in warehouse.reader().history(cell)] == [f"{1699:024d}", "new"]

    def test_hold_no_character_that_one_database_refuses(self, warehouse):
        frame = b.frame(b.LABS, {ONE: {"remark": "a\0b", "creat": float("nan")}})
        b.store(warehouse, 0, frame)
        (found,) = warehouse.reader().frames(b.SITE)
        assert (found.rows["remark"][0], found.raw["remark"][0], found.rows["creat"][0]) == ("ab", "ab", None)
        assert b.store(warehouse, 1, frame) == StoreCounts()

    def test_are_refused_where_two_have_one_key(self, warehouse):
        frame = b.frame(b.LABS, {ONE: {}})
        doubled = replace(frame, rows=frame.rows.vstack(frame.rows), raw=frame.raw.vstack(frame.raw))
        with pytest.raises(ValueError, match="two rows with one key"):
            b.store(warehouse, 0, doubled)
        assert warehouse.reader().frames(b.SITE) == ()

    def test_of_a_form_unknown_to_the_database_ask_for_an_upgrade(self, opened):
        warehouse = opened()
        other = b.form("urine", b.field("utp", Kind.NUMBER, "urine"))
        with pytest.raises(ConfigError, match="sync warehouse upgrade"):
            b.store(warehouse, 0, b.frame(other, {ONE: {"utp": 1.0}}))


class TestASecondStore:
    TABLES = ("labs", "labs__raw", "cell_change", "row_end", "form_mapping", "mapping_version")

    def test_of_the_same_data_writes_nothing(self, warehouse):
        frame = b.frame(b.LABS, {ONE: b.FULL, TWO: {"creat": 1.0}})
        b.store(warehouse, 0, frame)
        before = dump(warehouse, *self.TABLES)
        assert b.store(warehouse, 1, frame) == StoreCounts()
        assert dump(warehouse, *self.TABLES) == before

    def test_under_a_new_mapping_that_changes_no_value_changes_no_row(self, warehouse):
        frame = b.frame(b.LABS, {ONE: b.FULL})
        b.store(warehouse, 0, frame)
        before = dump(warehouse, "labs__txt", "cell_change")
        assert b.store(warehouse, 1, frame, mapping_version="2") == StoreCounts()
        assert dump(warehouse, "labs__txt", "cell_change") == before
        with warehouse._engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT run_id, first_run_id FROM labs").all() == [("run-0", "run-0")]
        with warehouse._engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT mapping_version FROM labs__raw").scalars().all() == ["2"]

    def test_notes_a_change_with_values_and_texts_and_marks_its_row_only(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL, TWO: {"creat": 88.0}}))
        counts = b.store(warehouse, 1, b.frame(b.LABS, {ONE: b.FULL, TWO: {"creat": 90.0, "ana": "2"}}))
        assert counts == StoreCounts(updated=1, cells_changed=2)
        with warehouse._engine.connect() as connection:
            sql = "SELECT record, table_name, column_name, old, new, raw_old, raw_new, run_id FROM cell_change"
            changes = sorted(map(tuple, connection.exec_driver_sql(sql)), key=lambda row: row[2])
            runs = connection.exec_driver_sql("SELECT record, run_id FROM labs ORDER BY record").all()
        assert changes == [
            ("ZJ-02", "labs", "ana", None, "2", None, "2", "run-1"),
            ("ZJ-02", "labs", "creat", "88", "90", "88.0", "90.0", "run-1"),
        ]
        assert [tuple(run) for run in runs] == [("ZJ-01", "run-0"), ("ZJ-02", "run-1")]

    def test_notes_a_text_that_changed_while_its_value_did_not(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: {"creat": 7.0}}, raw={ONE: {"creat": "7"}}))
        counts = b.store(warehouse, 1, b.frame(b.LABS, {ONE: {"creat": 7.0}}, raw={ONE: {"creat": "7.0"}}))
        assert counts == StoreCounts(updated=1, cells_changed=1)

    def test_that_moves_a_form_status_alone_renews_the_row_without_a_cell_change(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL}, status=0))
        assert b.store(warehouse, 1, b.frame(b.LABS, {ONE: b.FULL}, status=2)) == StoreCounts(updated=1)
        (found,) = warehouse.reader().frames(b.SITE)
        assert found.rows["_status"].to_list() == [2]

    def test_renews_fingerprints_of_another_make_in_silence(self, warehouse):
        frame = b.frame(b.LABS, {ONE: b.FULL})
        b.store(warehouse, 0, frame)
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE labs SET row_hash = 1")
        assert b.store(warehouse, 1, frame) == StoreCounts()
        assert not warehouse.reader().verify().problems
        assert dump(warehouse, "cell_change") == {"cell_change": []}

    def test_of_a_run_that_is_repeated_under_its_name_notes_each_change(self, warehouse):
        for minute, value in enumerate((1.0, 2.0, 3.0)):
            with warehouse.transaction(b.SITE, "run-0", b.moment(0) + timedelta(minutes=minute)) as transaction:
                transaction.store([b.frame(b.LABS, {ONE: {"creat": value}})], mapping_version="1", complete=True)
        history = warehouse.reader().history(Coordinate(row=b.key(), field="creat"))
        assert [version.value for version in history] == ["1", "2", "3"]


class TestRowsThatVanish:
    def test_from_a_complete_pull_go_with_their_last_values_kept(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL, TWO: {"creat": 1.0}}))
        assert b.store(warehouse, 1, b.frame(b.LABS, {ONE: b.FULL})) == StoreCounts(deleted=1)
        history = warehouse.reader().history(Coordinate(row=b.key("ZJ-02"), field="creat"))
        assert [(v.value, v.raw, v.run_id, v.change) for v in history] == [
            ("1", "1.0", "run-0", "first"),
            (None, None, "run-1", "ended"),
        ]
        assert len(dump(warehouse, "labs__raw")["labs__raw"]) == 1

    def test_from_a_partial_pull_stay_unless_their_record_was_pulled_whole(self, warehouse):
        rows = {ONE: b.FULL, TWO: {"creat": 1.0}, ("ZJ-02", "month_3", 1): {"creat": 2.0}}
        b.store(warehouse, 0, b.frame(b.LABS, rows))
        part = b.frame(b.LABS, {TWO: {"creat": 1.0}})
        assert b.store(warehouse, 1, part, complete=False) == StoreCounts()
        assert b.store(warehouse, 2, part, complete=False, records=["ZJ-02"]) == StoreCounts(deleted=1)

    def test_and_come_back_have_two_lives(self, warehouse):
        for night, value in enumerate([1.0, 2.0, None, 3.0, 4.0]):
            rows = {} if value is None else {ONE: {"creat": value}}
            b.store(warehouse, night, b.frame(b.LABS, rows))
        history = warehouse.reader().history(Coordinate(row=b.key(), field="creat"))
        assert [(v.value, v.run_id, v.change) for v in history] == [
            ("1", "run-0", "first"),
            ("2", "run-1", "changed"),
            (None, "run-2", "ended"),
            ("3", "run-3", "first"),
            ("4", "run-4", "changed"),
        ]

    def test_of_a_form_that_was_not_looked_at_stay(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL}))
        assert b.store(warehouse, 1) == StoreCounts()
        assert len(dump(warehouse, "labs")["labs"]) == 1

    def test_never_take_another_site_along(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL}))
        with warehouse.transaction("yangzhou", "run-1", b.moment(1)) as transaction:
            transaction.store([b.frame(b.LABS, {ONE: {}}, site="yangzhou")], mapping_version="1", complete=True)
        b.store(warehouse, 2, b.frame(b.LABS, {}))
        assert warehouse.reader().frames(b.SITE)[0].rows.height == 0
        assert warehouse.reader().frames("yangzhou")[0].rows.height == 1


class TestQuarantine:
    def test_marks_exactly_the_rows_asked_for(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL, TWO: {}}))

        def quarantined(*keys):
            with warehouse.transaction(b.SITE, "run-1", b.moment(1)) as transaction:
                changed = transaction.quarantine(keys)
            with warehouse._engine.connect() as connection:
                sql = sa.text("SELECT record FROM labs WHERE is_quarantined ORDER BY record")
                return changed, connection.execute(sql).scalars().all()

        assert quarantined(b.key("ZJ-01")) == (1, ["ZJ-01"])
        assert quarantined(b.key("ZJ-01"), b.key("nobody")) == (0, ["ZJ-01"])
        assert quarantined(b.key("ZJ-02")) == (2, ["ZJ-02"])
        assert b.store(warehouse, 2, b.frame(b.LABS, {ONE: b.FULL, TWO: {"creat": 4.0}})).updated == 1
        assert quarantined(b.key("ZJ-02")) == (0, ["ZJ-02"])
        assert quarantined() == (1, [])


class TestATransaction:
    def test_that_fails_leaves_nothing(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: b.FULL}))
        tables = (*TestASecondStore.TABLES, "subject", "sync_run")
        before = dump(warehouse, *tables)
        with pytest.raises(RuntimeError), warehouse.transaction(b.SITE, "run-1", b.moment(1)) as transaction:
            transaction.store([b.frame(b.LABS, {TWO: {}})], mapping_version="2", complete=True)
            transaction.finish_run(b.run_row(1))
            raise RuntimeError
        assert dump(warehouse, *tables) == before

    def test_quotes_no_value_when_the_database_refuses(self, warehouse):
        secret = sa.text("INSERT INTO site VALUES ('s', 'Secret Patient', 'S', 1, 'en')")
        with (
            pytest.raises(SyncError, match="refused") as caught,
            warehouse.transaction(b.SITE, "run-1", b.moment(1)) as transaction,
        ):
            for _ in range(2):
                transaction._connection.execute(secret)
        assert "Secret" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.postgres
def test_a_server_that_writes_numbers_short_changes_none(postgres_url):
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET extra_float_digits = 0')
    engine.dispose()
    warehouse = SqlWarehouse(postgres_url, b.STUDY, secret=b.SECRET)
    warehouse.upgrade()
    cells = {"creat": 0.1 + 0.2, "tubes": 1}
    b.store(warehouse, 0, b.frame(b.LABS, {ONE: cells}))
    changed = b.frame(b.LABS, {ONE: cells | {"tubes": 2}})
    assert b.store(warehouse, 1, changed) == StoreCounts(updated=1, cells_changed=1)
    assert warehouse.reader().frames(b.SITE)[0].rows["creat"].to_list() == [0.1 + 0.2]
    assert warehouse.reader().verify().problems == ()
    warehouse.close()


class TestWhatStoringTouched:
    def test_is_told_by_column_record_and_form(self, warehouse):
        three = ("ZJ-03", "day_0", 1)
        before = {ONE: {"creat": 70.0, "tubes": 1}, TWO: {"creat": 80.0}, three: {"remark": "x"}}
        b.store(warehouse, 0, b.frame(b.LABS, before))
        after = {ONE: {"creat": 7.0, "tubes": 1, "remark": "y"}, TWO: {}, ("ZJ-04", "day_0", 1): {"creat": 1.0}}
        counts = b.store(warehouse, 1, b.frame(b.LABS, after))
        columns = counts.touched.columns
        assert columns["labs", "creat"] == ColumnTally(changed=2, emptied=1, ratios={-50: (1, -1.0)})
        assert columns["labs", "remark"] == ColumnTally(filled=1)
        assert ("labs", "tubes") not in columns
        assert counts.touched.records == {"ZJ-01", "ZJ-02", "ZJ-03", "ZJ-04"}
        assert counts.touched.vanished == {("labs", "day_0", "ZJ-03"): 1}
        assert b.store(warehouse, 2, b.frame(b.LABS, after)).touched == Touched()

    def test_is_no_change_of_value_where_only_the_text_differs(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {ONE: {"creat": 7.0}}, raw={ONE: {"creat": "7"}}))
        counts = b.store(warehouse, 1, b.frame(b.LABS, {ONE: {"creat": 7.0}}, raw={ONE: {"creat": "7.00"}}))
        assert counts.cells_changed == 1
        assert counts.touched.columns["labs", "creat"].changed == 0

    def test_can_be_set_against_what_stood_before_the_run(self, opened):
        wide = b.form("wide", *(b.field(f"f{i}", Kind.TEXT, "wide") for i in range(layout.WIDTH + 2)))
        last = f"f{layout.WIDTH + 1}"
        warehouse = opened(b.study(wide))
        b.store(warehouse, 0, b.frame(wide, {ONE: {"f0": "x", last: "x"}, TWO: {last: "x"}}))
        later = b.frame(wide, {ONE: {"f0": "y", last: "y"}, TWO: {last: "x"}, ("ZJ-03", "day_0", 1): {last: "z"}})
        with warehouse.site_lock(b.SITE), warehouse.transaction(b.SITE, "run-1", b.moment(1)) as transaction:
            transaction.store([later], mapping_version="1", complete=True)
            found = transaction.count_filled([("wide", "f0"), ("wide", "f1"), ("wide", last)])
        assert found == {("wide", "f0"): 1, ("wide", "f1"): 0, ("wide", last): 2}
