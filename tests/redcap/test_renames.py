"""Which of the vanished records became which of the new ones. All records are made up."""

import polars as pl
import pytest

from schemas.known import KNOWN_SCHEMA
from schemas.pull import BLANK, fingerprints
from sync.redcap.logbook import NO_RIGHT, Logbook
from sync.redcap.renames import pair

COLUMNS = ("record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "age")
NO_CELLS = pl.DataFrame([[None] * 5], schema=dict.fromkeys(COLUMNS, pl.String()), orient="row")


def known(**records: str) -> pl.DataFrame:
    """Make a frame of records with one row a letter; the letter is its hash, "-" a row without cells."""
    rows = [
        (record, f"event_{place}", None, None, None, BLANK if letter == "-" else ord(letter))
        for record, letters in records.items()
        for place, letter in enumerate(letters)
    ]
    return pl.DataFrame(rows, schema=KNOWN_SCHEMA, orient="row")


def paired(gone: pl.DataFrame, come: pl.DataFrame, **book: set[str]) -> dict[str, str]:
    names = {name: frozenset(records) for name, records in book.items()}
    exist = {*gone["record"], *come["record"]}
    return pair(gone, come, book=Logbook(**names), exist=exist)  # type: ignore[arg-type]


def test_a_row_without_cells_has_the_mark_of_nothing() -> None:
    assert fingerprints(NO_CELLS, "record_id")["hash"].to_list() == [BLANK]
    assert fingerprints(NO_CELLS.drop("age"), "record_id")["hash"].to_list() == [BLANK]


def test_the_same_rows_tell() -> None:
    assert paired(known(a="xy", b="zw"), known(c="zw", d="xy"), renamed={"c", "d"}) == {"a": "d", "b": "c"}


def test_most_rows_tell_where_some_were_edited() -> None:
    assert paired(known(a="xyz", b="uvw"), known(c="xyZ", d="uVW"), renamed={"c", "d"})["a"] == "c"
    assert "b" not in paired(known(a="xyz", b="uvw", e="t"), known(c="xyZ", d="uVW"), renamed={"c", "d"})


@pytest.mark.parametrize(("gone", "come"), [({"a": "x", "b": "x"}, {"c": "x"}), ({"a": "x"}, {"c": "x", "d": "x"})])
def test_twins_are_not_told_apart(gone: dict[str, str], come: dict[str, str]) -> None:
    assert paired(known(**gone), known(**come), renamed={"c", "d"}) == {}


def test_rows_without_cells_tell_nothing() -> None:
    assert pair(known(a="--"), known(b="--"), book=Logbook(problem=NO_RIGHT), exist=("a", "b")) == {}


def test_what_the_log_does_not_call_renamed_is_new() -> None:
    assert paired(known(a="xy"), known(b="xy")) == {}
    assert pair(known(a="xy"), known(b="xy"), book=Logbook(problem=NO_RIGHT), exist=("a", "b")) == {"a": "b"}


def test_a_name_that_was_taken_over_leaves_no_last_of_each() -> None:
    """One became b and another took its name: the one whose name is gone need not be b."""
    gone, come = known(a="x"), known(b="y")
    names = Logbook(renamed=frozenset({"b", "c"}))
    assert pair(gone, come, book=names, exist=("a", "b", "c")) == {}
    assert pair(gone, known(b="x"), book=names, exist=("a", "b", "c")) == {"a": "b"}


def test_the_last_of_each_are_one_unless_something_else_explains_them() -> None:
    gone, come = known(a="x"), known(b="y")
    assert paired(gone, come, renamed={"b"}) == {"a": "b"}
    assert paired(gone, come, renamed={"b"}, deleted={"a"}) == {}
    assert paired(gone, come, renamed={"b"}, created={"b"}) == {}
    assert paired(gone, come, renamed={"b"}, created={"made and gone"}) == {}
    assert paired(known(a="x", c="z"), come, renamed={"b"}) == {}
