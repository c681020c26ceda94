"""Cells and the signs between them never look alike."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from schemas.pull import fingerprints
from schemas.signs import plain

TEXTS = st.text(alphabet="0befx\0\x1b\x1e\x1f\n", max_size=5)


@given(cells=st.lists(TEXTS | st.none(), min_size=1, max_size=5))
def test_no_separator_is_left_in_a_cell_and_no_two_cells_become_alike(cells):
    written = plain(pl.Series("cells", cells, pl.String)).to_list()
    assert not any(sign in cell for cell in written if cell is not None for sign in "\0\x1e\x1f")
    assert len(set(written)) == len(set(cells))


def test_ordinary_cells_are_left_alone():
    cells = pl.Series("cells", ["a\nb\t", None, ""])
    assert plain(cells) is cells


def row(**cells):
    columns = {
        "record_id": "R1",
        "redcap_event_name": "",
        "redcap_repeat_instrument": "",
        "redcap_repeat_instance": None,
    }
    return pl.DataFrame([{**columns, **cells}], schema_overrides=dict.fromkeys([*columns, "a", "b"], pl.String))


@given(cells=st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=2, unique=True))
def test_rows_that_differ_by_such_signs_have_hashes_of_their_own(cells):
    one, other = (fingerprints(row(a=a or None, b=b or None), "record_id")["hash"] for a, b in cells)
    assert one.to_list() != other.to_list()


def test_a_cell_that_reads_like_two_has_a_hash_of_its_own():
    one, two = (fingerprints(row(a=a, b=b), "record_id")["hash"][0] for a, b in [("x", "y"), ("x\x1eb\x1fy", None)])
    assert one != two
