"""Texts become frames without a cell being lost, invented or interpreted."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.project import RedcapField
from sync.redcap import wire

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

CELL = st.text(
    st.one_of(
        st.sampled_from("\",\n\r;\\ \t'=é中文\u2028\x85\ufeff0NA"),
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
    ),
    max_size=8,
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(2, 5))
    return draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=6))


def written(columns: list[str], table: list[list[str]], *, line_end: str = "\n", quotes_all: bool = False) -> str:
    """Write a table as PHP does: cells with a separator, quote, line end, tab or space are quoted."""

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quotes_all or set(text) & set('",\n\r\t ') else text

    return "".join(",".join(map(cell, row)) + line_end for row in [columns, *table])


@given(
    table=tables(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quotes_all=st.booleans(),
    ends=st.booleans(),
)
def test_csv_round_trip(table: list[list[str]], line_end: str, quotes_all: bool, ends: bool) -> None:
    columns = [f"c{i}" for i in range(len(table[0]) if table else 2)]
    text = written(columns, table, line_end=line_end, quotes_all=quotes_all)
    # without its last line end a final blank cell is ambiguous only to the eye, not to the reader
    frame = wire.rows_from_csv(text if ends else text.removesuffix(line_end))
    assert frame.columns == columns
    assert frame.dtypes == [pl.String()] * len(columns)
    assert frame.rows() == [tuple(cell or None for cell in row) for row in table]


@given(table=tables().filter(bool), data=st.data())
def test_a_cut_reply_never_passes_for_the_whole(table: list[list[str]], data: st.DataObject) -> None:
    """A cut inside the last cell is invisible in the text itself; it leaves the right number of cells."""
    columns = [f"c{i}" for i in range(len(table[0]))]
    text = written(columns, table)
    at = data.draw(st.integers(len(text.partition("\n")[0]), len(text) - 1))
    try:
        frame = wire.rows_from_csv(text[:at])
    except wire.Malformed:
        return
    whole = [tuple(cell or None for cell in row) for row in table]
    assert frame.rows()[:-1] == whole[: max(frame.height - 1, 0)]
    if frame.height:
        assert frame.rows()[-1][:-1] == whole[frame.height - 1][:-1]


@given(table=tables().filter(bool))
def test_json_gives_the_same_frame(table: list[list[str]]) -> None:
    columns = [f"c{i}" for i in range(len(table[0]))]
    text = written(columns, table)
    items = [dict(zip(columns, row, strict=True)) for row in table]
    assert wire.rows_from_json(items).equals(wire.rows_from_csv(text))


def test_a_nul_is_shown_as_what_cannot_be_shown() -> None:
    """PostgreSQL keeps no U+0000; what is judged, stored and asked about is cleaned in one place."""
    csv_rows = wire.rows_from_csv('record_id,weight\nR1,"6\x001"\n')
    assert csv_rows["weight"].to_list() == ["6\ufffd1"]
    assert wire.rows_from_json([{"record_id": "R1", "weight": "6\x001"}]).equals(csv_rows)


@pytest.mark.parametrize("text", ["", "\n", "\r\n", "  \n"])
def test_nothing_is_no_rows(text: str) -> None:
    assert wire.rows_from_csv(text).height == 0


def test_a_header_alone_keeps_its_columns() -> None:
    assert wire.rows_from_csv("\ufeffrecord_id,x\n").schema == {"record_id": pl.String(), "x": pl.String()}


def test_words_stay_as_they_are() -> None:
    frame = wire.rows_from_csv("a,b,c,d\n001,NA,null,1e5\n")
    assert frame.rows() == [("001", "NA", "null", "1e5")]


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\n1,2\n",
        "a,b\n1,2,3\n",
        'a,b\n1,"secret\n',
        'a,b\n1,"x\\"secret"\n',  # PHP's undoubled quote after a backslash
        "a,a\n1,2\n",
        "a,\n1,2\n",
        "a,b\n1,2\n\n3,4\n",
    ],
)
def test_what_is_not_one_table_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(wire.Malformed) as caught:
        wire.rows_from_csv(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_json_rows_of_different_shape_are_refused() -> None:
    with pytest.raises(wire.Malformed):
        wire.rows_from_json([{"a": "1"}, {"b": "1"}])
    assert wire.rows_from_json([{"a": 1, "b": None}]).rows() == [("1", None)]


def test_missing_codes_keep_commas_in_labels() -> None:
    assert wire.missing_codes("NA, Not applicable|UNK,Unknown, or not told") == {
        "NA": "Not applicable",
        "UNK": "Unknown, or not told",
    }
    assert wire.missing_codes("") == {}


def test_export_columns_are_in_order_with_files_boxes_and_statuses() -> None:
    def field(name: str, form: str, kind: str = "text", choices: str = "") -> RedcapField:
        return RedcapField(
            field_name=name, form_name=form, field_type=kind, field_label="", select_choices_or_calculations=choices
        )

    fields = [
        field("id", "one"),
        field("hint", "one", "descriptive"),
        field("box", "one", "checkbox", "1, A | -9, B"),
        field("scan", "one", "file"),
        field("far", "two", "checkbox", "x, X"),
    ]
    listed = [{"original_field_name": "far", "choice_value": "x", "export_field_name": "far___x"}]
    listed += [{"original_field_name": "far", "choice_value": "NA", "export_field_name": "far___na"}]
    assert wire.export_columns(fields, listed) == (
        *("id", "box___1", "box____9", "scan", "one_complete"),
        *("far___x", "far___na", "two_complete"),
    )


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded exports are not part of the repository")
@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/data.csv")), ids=lambda path: path.parent.name)
def test_recorded_exports_are_read_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    header, *rows = list(csv.reader(io.StringIO(text)))
    frame = wire.rows_from_csv(text)
    assert frame.columns == header
    assert frame.rows() == [tuple(cell or None for cell in row) for row in rows]
