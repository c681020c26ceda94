"""A field that changes what it holds: no value goes before its own site is stored anew, and the history tells all."""

import polars as pl
import pytest

from schemas.coordinates import Coordinate, RowKey
from schemas.study import Kind
from sync.ports.stored import StoreCounts
from sync.warehouse import catalogue, conversion
from tests.warehouse import building as b

OTHER = "yangzhou"
TEXT, INTEGER, NUMBER, DATE = Kind.TEXT, Kind.INTEGER, Kind.NUMBER, Kind.DATE


def form(kind):
    return b.form("labs", b.field("a", kind), b.field("z", INTEGER))


def frame(kind, cells, site=b.SITE):
    """Build a frame of ``record: (value, text)``."""
    rows = {(record, "day_0", 1): {"a": value, "z": 1} for record, (value, _) in cells.items()}
    raw = {(record, "day_0", 1): {"a": text} for record, (_, text) in cells.items()}
    return b.frame(form(kind), rows, site=site, raw=raw)


@pytest.fixture
def night(opened):
    """Upgrade for a kind, store one site's night, and verify before and after; gives counts and warehouse."""

    def _night(number, kind, cells, site=b.SITE):
        warehouse = opened(b.study(form(kind)))
        assert warehouse.reader().verify().problems == ()
        assert warehouse.pending() == ()
        with warehouse.transaction(site, f"run-{number}", b.moment(number)) as transaction:
            counts = transaction.store([frame(kind, cells, site)], mapping_version="1", complete=True)
        assert warehouse.reader().verify().problems == ()
        return counts, warehouse

    return _night


def life(warehouse, record="ZJ-01", site=b.SITE):
    row = RowKey(site=site, record=record, event="day_0", instrument="labs", instance=1)
    return [(v.value, v.raw) for v in warehouse.reader().history(Coordinate(row=row, field="a"))]


def column(warehouse, table="labs", site=b.SITE):
    with warehouse._engine.connect() as connection:
        sql = f"SELECT a FROM {table} WHERE site = '{site}' ORDER BY record"
        return list(connection.exec_driver_sql(sql).scalars())


def test_the_history_of_a_cell_goes_through_every_change_of_kind(night):
    lived = [
        (INTEGER, 7, "7"),
        (INTEGER, 8, "8"),
        (TEXT, "8", "8"),
        (TEXT, "8x", "8x"),
        (INTEGER, None, "8x"),
        (NUMBER, None, "8x"),
        (NUMBER, 9.5, "9.5"),
        (INTEGER, None, "9.5"),
        (NUMBER, 9.5, "9.5"),
        (DATE, None, "9.5"),
    ]
    told = []
    for number, (kind, value, text) in enumerate(lived):
        counts, warehouse = night(number, kind, {"ZJ-01": (value, text)})
        cell = None if value is None else str(value), text
        changed = bool(told) and told[-1] != cell
        assert counts == StoreCounts(inserted=not told, updated=changed, cells_changed=changed)
        told += [cell] if changed or not told else []
        assert life(warehouse) == told
        assert column(warehouse, "labs__raw") == [text]


def test_values_that_read_the_same_stand_in_the_new_kind_at_once(night, opened):
    night(0, INTEGER, {"ZJ-01": (7, "7"), "ZJ-02": (8, "08"), "ZJ-03": (9, None)})
    warehouse = opened(b.study(form(NUMBER)), upgrade=False)
    sentence = "form labs: a is number now, was integer"
    assert warehouse.pending() == (sentence,)
    assert warehouse.upgrade() == [sentence]
    assert column(warehouse) == [7.0, 8.0, 9.0]
    assert column(warehouse, "labs__raw") == ["7", "08", None]
    counts, warehouse = night(1, NUMBER, {"ZJ-01": (7.0, "7"), "ZJ-02": (8.0, "08"), "ZJ-03": (9.0, None)})
    assert counts == StoreCounts()


def test_a_column_holds_text_until_no_value_of_another_kind_is_left(night, opened):
    night(0, NUMBER, {"ZJ-01": (61.5, "61.5"), "ZJ-02": (7.0, "7.0")})
    warehouse = opened(b.study(form(INTEGER)), upgrade=False)
    says = "holds text for now, was number; it is integer once every site's values are, which takes a full run of each"
    assert warehouse.upgrade() == [f"form labs: a {says}"]
    assert warehouse.pending() == ()
    assert column(warehouse) == ["61.5", "7"]
    assert column(warehouse, "labs__raw") == ["61.5", "7.0"]
    counts, warehouse = night(1, INTEGER, {"ZJ-01": (None, "61.5"), "ZJ-02": (7, "7.0")})
    assert counts == StoreCounts(updated=1, cells_changed=1)
    assert life(warehouse) == [("61.5", "61.5"), (None, "61.5")]
    assert warehouse.upgrade() == ["form labs: a is integer now, was text"]
    assert column(warehouse) == [None, 7]
    assert column(warehouse, "labs__raw") == ["61.5", "7.0"]
    assert night(2, INTEGER, {"ZJ-01": (None, "61.5"), "ZJ-02": (7, "7.0")})[0] == StoreCounts()


def test_another_site_s_values_stand_until_it_is_stored_itself(night):
    night(0, NUMBER, {"ZJ-01": (60.0, "60")})
    night(0, NUMBER, {"YZ-01": (500.5, "500.5")}, OTHER)
    _, warehouse = night(1, INTEGER, {"ZJ-01": (60, "60")})
    assert column(warehouse, site=OTHER) == ["500.5"]
    assert life(warehouse, "YZ-01", OTHER) == [("500.5", "500.5")]
    counts, warehouse = night(2, INTEGER, {"YZ-01": (None, "500.5")}, OTHER)
    assert counts == StoreCounts(updated=1, cells_changed=1)
    assert life(warehouse, "YZ-01", OTHER) == [("500.5", "500.5"), (None, "500.5")]
    _, warehouse = night(3, INTEGER, {"ZJ-01": (60, "60")})
    assert column(warehouse) == [60]


def test_values_of_a_second_period_outlive_it(night):
    night(0, INTEGER, {"ZJ-01": (1, "1")})
    night(1, TEXT, {"ZJ-01": ("1", "1")})
    night(2, INTEGER, {"ZJ-01": (1, "1"), "ZJ-02": (42, "forty-two")})
    _, warehouse = night(3, TEXT, {"ZJ-01": ("1", "1"), "ZJ-02": ("forty-two", "forty-two")})
    assert life(warehouse, "ZJ-02") == [("42", "forty-two"), ("forty-two", "forty-two")]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("7", {INTEGER, NUMBER}),
        ("-0", set()),
        ("07", set()),
        ("7.5", {NUMBER}),
        ("7.50", set()),
        ("NaN", set()),
        ("inf", set()),
        ("9007199254740993", {INTEGER}),
        ("9223372036854775808", set()),
        ("2026-02-28", {DATE}),
        ("2026-02-30", set()),
        ("0000-01-01", set()),
        ("12026-01-01", set()),
        ("2026-02-28T08:00:00.000500", {Kind.DATETIME}),
        ("2026-02-28T08:00:00", {Kind.DATETIME}),
        ("2026-02-28 08:00", set()),
        ("08:00:00", {Kind.TIME}),
        ("24:00:00", set()),
    ],
)
def test_a_text_is_a_value_only_where_it_is_written_so(text, kinds):
    every = {INTEGER, NUMBER, DATE, Kind.DATETIME, Kind.TIME}
    assert {kind for kind in every if conversion.fits(pl.Series([None, text], dtype=pl.String), kind)} == kinds


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (INTEGER, "9007199254740993"),
        (NUMBER, "0.30000000000000004"),
        (DATE, "2026-02-28"),
        (Kind.DATETIME, "2026-02-28T08:00:00.000500"),
        (Kind.TIME, "08:00:00"),
    ],
)
def test_a_value_goes_to_another_kind_and_back(night, opened, kind, text):
    night(0, TEXT, {"ZJ-01": (text, text), "ZJ-02": (None, text), "ZJ-03": (text, None)})
    for each in (kind, TEXT):
        warehouse = opened(b.study(form(each)))
        with warehouse._engine.connect() as connection:
            assert [slot.kind for slot in catalogue.read(connection) if slot.frame_column == "a"] == [each]
        assert column(warehouse, "labs__raw") == [text, text, None]
        assert [life(warehouse, record) for record in ("ZJ-01", "ZJ-02", "ZJ-03")] == [
            [(text, text)],
            [(None, text)],
            [(text, None)],
        ]
        assert warehouse.reader().verify().problems == ()
