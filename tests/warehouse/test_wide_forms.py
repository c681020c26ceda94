"""Forms of more columns than one table takes: born so, or grown so while rows stand."""

import pytest

from schemas.coordinates import Coordinate
from schemas.study import Kind
from sync.ports.stored import StoreCounts
from sync.warehouse import layout
from tests.warehouse import building as b

ONE, TWO, NEW = ("ZJ-01", "day_0", 1), ("ZJ-02", "day_0", 1), ("ZJ-03", "day_0", 1)


def form(width):
    return b.form("labs", *(b.field(f"f{number}", Kind.INTEGER) for number in range(width)))


NARROW, WIDE = form(3), form(5)


@pytest.fixture(autouse=True)
def _narrow_tables(monkeypatch):
    monkeypatch.setattr(layout, "WIDTH", 3)


@pytest.fixture
def grown(opened):
    """Hold two rows of before the form had a second part."""
    b.store(opened(b.study(NARROW)), 0, b.frame(NARROW, {ONE: {"f0": 1}, TWO: {"f0": 1}}))
    return opened(b.study(WIDE))


def rows(warehouse, table, column):
    with warehouse._engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT record, {column} FROM {table} ORDER BY record")
        return [tuple(row) for row in found]


def life(warehouse, field, record="ZJ-01"):
    versions = warehouse.reader().history(Coordinate(row=b.key(record), field=field))
    return [(version.change, version.value, version.raw) for version in versions]


def test_rows_of_before_stand_in_the_new_part_too(grown):
    for table in ("labs__2", "labs__raw__2"):
        assert rows(grown, table, "f4") == [("ZJ-01", None), ("ZJ-02", None)]
    assert grown.reader().verify().problems == ()
    assert grown.reader().frames(b.SITE)[0].rows["f4"].to_list() == [None, None]


def test_rows_of_before_change_join_and_go(grown):
    assert b.store(grown, 1, b.frame(WIDE, {ONE: {"f0": 1}, TWO: {"f0": 1}})) == StoreCounts()
    changed = b.frame(WIDE, {ONE: {"f0": 1, "f4": 9}, TWO: {"f0": 1}, NEW: {"f4": 5}})
    assert b.store(grown, 2, changed) == StoreCounts(inserted=1, updated=1, cells_changed=1)
    assert rows(grown, "labs__raw__2", "f4") == [("ZJ-01", "9"), ("ZJ-02", None), ("ZJ-03", "5")]
    assert life(grown, "f4") == [("first", None, None), ("changed", "9", "9")]
    assert b.store(grown, 3, b.frame(WIDE, {TWO: {"f0": 1}, NEW: {"f4": 5}})).deleted == 1
    assert rows(grown, "labs__2", "f4") == [("ZJ-02", None), ("ZJ-03", 5)]
    assert grown.reader().verify().problems == ()


def test_a_row_that_a_further_part_lacks_is_blank_there(grown):
    with grown._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM labs__2")
    assert grown.reader().frames(b.SITE)[0].rows["f4"].to_list() == [None, None]
    assert grown.reader().verify().problems == ()
    assert b.store(grown, 1, b.frame(WIDE, {ONE: {"f0": 2, "f4": 9}, NEW: {"f0": 1}})).cells_changed == 2
    assert rows(grown, "labs__2", "f4") == [("ZJ-01", 9), ("ZJ-03", None)]


def test_the_life_of_a_cell_in_a_further_part_is_told(opened):
    warehouse = opened(b.study(WIDE))
    b.store(warehouse, 0, b.frame(WIDE, {ONE: {"f0": 1, "f4": 4}, TWO: {"f0": 1}}))
    assert life(warehouse, "f4") == [("first", "4", "4")]
    assert life(warehouse, "f4", "ZJ-02") == [("first", None, None)]
    b.store(warehouse, 1, b.frame(WIDE, {ONE: {"f0": 1, "f4": 5}}))
    assert life(warehouse, "f4") == [("first", "4", "4"), ("changed", "5", "5")]
    assert life(warehouse, "f4", "ZJ-02") == [("first", None, None), ("ended", None, None)]
