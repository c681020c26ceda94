"""A field that leaves the study keeps its values; when it comes back, what the site has now stands again."""

import pytest

from schemas.coordinates import Coordinate
from schemas.study import Kind
from sync.ports.stored import StoreCounts
from tests.warehouse import building as b

ONE, TWO = ("ZJ-01", "day_0", 1), ("ZJ-02", "day_0", 1)


def form(names):
    return b.form("labs", *(b.field(name, Kind.INTEGER) for name in names))


@pytest.fixture
def night(opened):
    """Store rows under a study with some of the fields, verify before and after, and give counts and warehouse."""

    def _night(number, names, rows, *, complete=True):
        warehouse = opened(b.study(form(names)))
        assert warehouse.reader().verify().problems == ()
        frame = b.frame(form(names), {key: dict(zip(names, cells, strict=True)) for key, cells in rows.items()})
        counts = b.store(warehouse, number, frame, complete=complete, records=[record for record, *_ in rows])
        assert warehouse.reader().verify().problems == ()
        return counts, warehouse

    return _night


def life(warehouse, field, record="ZJ-01"):
    versions = warehouse.reader().history(Coordinate(row=b.key(record), field=field))
    return [(version.change, version.value) for version in versions]


def test_a_field_that_comes_back_blank_is_blank(night):
    night(0, "abc", {ONE: (1, 2, 3), TWO: (1, 2, 3)})
    assert night(1, "ac", {ONE: (1, 3), TWO: (1, 3)})[0] == StoreCounts()
    night(2, "ac", {ONE: (7, 3), TWO: (1, 3)})
    counts, warehouse = night(3, "abc", {ONE: (7, None, 3), TWO: (1, None, 3)})
    assert counts == StoreCounts(updated=2, cells_changed=2)
    assert life(warehouse, "b") == life(warehouse, "b", "ZJ-02") == [("first", "2"), ("changed", None)]
    assert night(4, "abc", {ONE: (7, None, 3), TWO: (1, None, 3)})[0] == StoreCounts()


def test_a_field_that_comes_back_with_its_value_changes_nothing(night):
    night(0, "abc", {ONE: (1, 2, 3), TWO: (1, 2, 3)})
    night(1, "ac", {ONE: (7, 3), TWO: (1, 3)})
    assert night(2, "abc", {ONE: (7, 2, 3), TWO: (1, 2, 3)})[0] == StoreCounts()


def test_rows_that_were_not_read_meanwhile_are_no_false_alarm(night):
    night(0, "abcd", {ONE: (1, 2, 3, 4), TWO: (1, 2, 3, 4)})
    night(1, "acd", {ONE: (9, 3, 4)}, complete=False)
    night(2, "ad", {TWO: (9, 4)}, complete=False)
    night(3, "abd", {TWO: (9, 2, 4)}, complete=False)
    counts, warehouse = night(4, "abcd", {ONE: (9, None, 3, 4), TWO: (9, 2, None, 4)}, complete=False)
    assert counts == StoreCounts(updated=2, cells_changed=2)
    assert life(warehouse, "b") == [("first", "2"), ("changed", None)]
    assert life(warehouse, "c", "ZJ-02") == [("first", "3"), ("changed", None)]


def test_what_was_altered_while_a_field_was_away_is_shown_all_the_same(night, opened):
    night(0, "abc", {ONE: (1, 2, 3), TWO: (1, 2, 3)})
    warehouse = opened(b.study(form("ac")))
    with warehouse._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE labs SET a = 5 WHERE record = 'ZJ-02'")
    frame = b.frame(form("ac"), {ONE: {"a": 1, "c": 3}})
    b.store(warehouse, 1, frame, complete=False, records=["ZJ-01"])
    assert warehouse.reader().verify().problems == ("zhenjiang: 1 rows of form labs are not what was stored.",)
