"""What is kept of the texts as entered, and that all of them can be read all the same."""

import sqlite3
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.frames import POLARS_TYPES
from schemas.study import Kind
from sync.errors import ConfigError
from sync.warehouse import difference, layout, texts
from tests.warehouse import building as b
from tests.warehouse.test_storing import ONE, TWO

FORM = b.form(
    "labs",
    b.field("creat", Kind.NUMBER),
    b.field("whole", Kind.NUMBER),
    b.field("tubes", Kind.INTEGER),
    b.field("drawn", Kind.DATE),
    b.field("seen", Kind.DATETIME),
    b.field("remark", Kind.TEXT),
)
CELLS = {
    "creat": 71.25,
    "whole": 7.0,
    "tubes": 3,
    "drawn": date(2012, 3, 5),
    "seen": datetime(2012, 3, 5, 8, 30),  # noqa: DTZ001  (a site's wall clock)
    "remark": "calm",
}
PLAIN = {
    "creat": "71.25",
    "whole": "7",
    "tubes": "3",
    "drawn": "2012-03-05",
    "seen": "2012-03-05 08:30",
    "remark": "calm",
}
ODD = {"creat": "71,25", "whole": "7.0", "tubes": "03", "drawn": "5.3.2012", "seen": "5.3.12 8h30", "remark": " calm"}


@pytest.fixture
def stored(opened):
    """Hold a row whose values tell their texts, one whose values do not, and one that nothing was entered for."""
    warehouse = opened(b.study(FORM))
    derived = ("ZJ-03", "day_0", 1)
    frame = b.frame(
        FORM,
        {ONE: CELLS, TWO: CELLS, derived: CELLS},
        raw={ONE: PLAIN, TWO: ODD, derived: dict.fromkeys(CELLS)},
    )
    b.store(warehouse, 0, frame)
    return warehouse


def read(warehouse, table):
    """Read the text columns of a table or view."""
    with warehouse._engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT {', '.join(CELLS)} FROM {table} ORDER BY record").mappings()
        return [dict(row) for row in found]


def test_the_view_shows_every_text_as_entered(stored):
    assert read(stored, "labs__raw") == [PLAIN, ODD, dict.fromkeys(CELLS)]


def test_the_table_keeps_only_what_the_values_do_not_tell(stored):
    plain, odd, derived = read(stored, "labs__txt")
    always = {name: PLAIN[name] for name in ("whole", "seen")}
    assert plain == {**dict.fromkeys(CELLS), **always}
    assert odd == ODD
    told = ("creat", "whole", "tubes", "drawn", "remark")
    assert derived == {**dict.fromkeys(CELLS), **dict.fromkeys(told, "\x1f")}


def test_texts_outlive_a_value_column_that_is_replaced(stored, opened):
    kinds = {"tubes": Kind.TEXT, "drawn": Kind.TEXT, "remark": Kind.INTEGER}
    changed = b.form("labs", *(b.field(f.name, kinds.get(f.name, f.kind)) for f in FORM.fields))
    new = opened(b.study(changed))
    assert read(new, "labs__raw") == [PLAIN, ODD, dict.fromkeys(CELLS)]


def test_texts_outlive_columns_that_come_to_hold_text_for_two_studies(stored, opened):
    every = b.form("labs", *(b.field(f.name, Kind.UNKNOWN) for f in FORM.fields))
    # both follow dictionaries of their own, so that neither may take the other's values away
    other = opened(replace(b.study(every), name="another"), upgrade=False)
    assert any("holds text now" in sentence for sentence in other.upgrade())
    assert read(other, "labs__raw") == [PLAIN, ODD, dict.fromkeys(CELLS)]


def test_a_row_whose_values_tell_everything_stands_once(opened):
    warehouse = opened(b.study(FORM))
    told = {name: value for name, value in CELLS.items() if name not in ("whole", "seen")}
    b.store(warehouse, 0, b.frame(FORM, {ONE: told}, raw={ONE: {name: PLAIN[name] for name in told}}))
    assert read(warehouse, "labs__txt") == []
    assert read(warehouse, "labs__raw") == [{**dict.fromkeys(CELLS), **{name: PLAIN[name] for name in told}}]
    odd = b.frame(FORM, {ONE: told}, raw={ONE: {name: ODD[name] for name in told}})
    for night, frame in enumerate(
        [odd, b.frame(FORM, {ONE: told}, raw={ONE: {name: PLAIN[name] for name in told}})], 1
    ):
        assert b.store(warehouse, night, frame).cells_changed == len(told)
        assert read(warehouse, "labs__raw")[0]["creat"] == frame.raw["creat"][0]
        assert warehouse.reader().verify().problems == ()


def test_a_row_whose_texts_are_told_again_stands_once(opened):
    warehouse = opened(b.study(FORM))
    for night, text in enumerate(("3", "03", "3")):
        b.store(warehouse, night, b.frame(FORM, {ONE: {"tubes": 3, "remark": "calm"}}, raw={ONE: {"tubes": text}}))
        assert len(read(warehouse, "labs__txt")) == (text == "03")
        assert read(warehouse, "labs__raw")[0]["tubes"] == text


def test_texts_of_a_field_that_left_stay(opened):
    b.store(opened(b.study(FORM)), 0, b.frame(FORM, {ONE: {"tubes": 3, "creat": 1.5}}, raw={ONE: {"tubes": "03"}}))
    less = b.form("labs", *(field for field in FORM.fields if field.name != "tubes"))
    warehouse = opened(b.study(less))
    for night, text in enumerate(("1,5", "1.5"), 1):
        b.store(warehouse, night, b.frame(less, {ONE: {"creat": 1.5}}, raw={ONE: {"creat": text}}))
        (kept,) = read(warehouse, "labs__txt")
        assert (kept["tubes"], kept["creat"]) == ("03", None if text == "1.5" else text)


def test_a_warehouse_of_before_the_first_release_is_left_alone(stored, opened):
    with stored._engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW labs__raw")
        connection.exec_driver_sql("CREATE TABLE labs__raw (record TEXT)")
    with pytest.raises(ConfigError, match="before the first release"):
        opened(b.study(FORM))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(value=st.decimals(-(10**10), 10**10, places=6) | st.floats(-1e12, 1e12).map(Decimal))
def test_no_number_is_left_to_a_database_that_writes_it_otherwise(value):
    number = float(value)
    written = pl.Series([f"{number}", f"{value:f}", f"{value.normalize():f}"])
    (slot,) = layout.place(b.study(b.form("f", b.field("x", Kind.NUMBER, "f"))), ()).slots
    kept = texts.kept(slot, written, difference.text_of(pl.Series([number] * 3)), pl.Series([number] * 3))
    with sqlite3.connect(":memory:") as base:
        (in_sql,) = base.execute("SELECT CAST(CAST(? AS DOUBLE PRECISION) AS TEXT)", (number,)).fetchone()
    assert all(text is not None or text_entered == in_sql for text, text_entered in zip(kept, written, strict=True))
    # PostgreSQL writes the shortest decimal that gives the number back, as Python does
    assert all(
        text is not None or text_entered == repr(number) for text, text_entered in zip(kept, written, strict=True)
    )


cells = {
    Kind.TEXT: st.sampled_from(["", " ", "\x1f", "7", "x'y", "é", "2012-03-05"]),
    Kind.INTEGER: st.integers(-3, 3),
    Kind.NUMBER: st.sampled_from([0.0, 7.0, 0.1, 1e22]),
    Kind.DATE: st.dates(min_value=date(1000, 1, 1)),
}


@settings(max_examples=80, derandomize=True, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(cells, key=lambda kind: kind.value)))
def test_what_is_kept_gives_back_what_was_entered(data, kind):
    entered = st.none() | st.sampled_from(["", "7", "7.0", "0", "-0", "2012-03-05", "seven", "\x1f", "\x1f\x1f7"])
    rows = data.draw(st.lists(st.tuples(st.none() | cells[kind], entered), min_size=1, max_size=5))
    values = pl.Series("values", [value for value, _ in rows], POLARS_TYPES[kind])
    written = pl.Series("texts", [text for _, text in rows], pl.String)
    (slot,) = layout.place(b.study(b.form("f", b.field("x", kind, "f"))), ()).slots
    kept = texts.kept(slot, written, difference.text_of(values), values)
    assert texts.entered(slot, kept, values).to_list() == written.to_list()
