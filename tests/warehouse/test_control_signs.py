"""The signs that the warehouse uses itself, where somebody entered them."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.study import Kind
from sync.ports.stored import StoreCounts
from sync.warehouse import difference, fingerprints, layout
from tests.warehouse import building as b

ONE = ("ZJ-01", "day_0", 1)
FORM = b.form("labs", b.field("a", Kind.TEXT), b.field("b", Kind.TEXT), b.field("c", Kind.INTEGER))


def frame(cells, raw=None):
    return b.frame(FORM, {ONE: cells}, raw={ONE: raw or {}})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (frame({"a": "x"}), frame({"a": "x\x1e"})),
        (frame({"a": "x", "b": "y"}), frame({"a": "x\x1ey"})),
        (frame({"a": "x"}), frame({"a": "x", "b": "\x1e"})),
        (frame({"a": "q"}, {"a": "p"}), frame({"a": "p\x1fq"})),
        (frame({"a": "x\x1be"}), frame({"a": "x\x1e"})),
    ],
)
def test_a_change_by_such_a_sign_is_seen(opened, before, after):
    warehouse = opened(b.study(FORM))
    b.store(warehouse, 0, before)
    assert b.store(warehouse, 1, after).updated == 1
    (found,) = warehouse.reader().frames(b.SITE)
    assert found.raw.rows() == after.raw.rows()
    assert warehouse.reader().verify().problems == ()
    assert b.store(warehouse, 2, after) == StoreCounts()


SIGNED = st.none() | st.text(alphabet="x0b\x1b\x1e\x1f", min_size=1, max_size=3)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(rows=st.lists(st.tuples(SIGNED, SIGNED, SIGNED, SIGNED), min_size=2, max_size=2, unique=True))
def test_rows_that_differ_by_such_signs_have_fingerprints_of_their_own(rows):
    slots = layout.place(b.study(FORM), ()).slots
    frames = [frame({"a": a, "b": c}, {"a": text_a, "b": text_b}) for a, text_a, c, text_b in rows]
    place = pl.DataFrame(
        {name: [None] for name in fingerprints.PLACE}, schema=dict.fromkeys(fingerprints.PLACE, pl.String)
    )
    one, other = (
        fingerprints.row_hashes(place, difference.told(each.rows, slots), each.raw, slots).to_list() for each in frames
    )
    assert one != other


@pytest.mark.parametrize("text", ["\x1f", "\x1f\x1f", "\x1f7", "7\x1f"])
def test_a_text_that_begins_with_the_sign_for_nothing_is_kept(opened, text):
    warehouse = opened(b.study(FORM))
    stored = frame({"a": text, "b": "x"}, {"a": text, "b": text, "c": text})
    b.store(warehouse, 0, stored)
    with warehouse._engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT a, b, c FROM labs__raw").one() == (text, text, text)
    assert warehouse.reader().frames(b.SITE)[0].raw.rows() == [(text, text, text)]
    assert b.store(warehouse, 1, stored) == StoreCounts()
    assert warehouse.reader().verify().problems == ()
