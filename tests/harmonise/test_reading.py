"""What each way of writing becomes, and what becomes a problem instead."""

from datetime import date, datetime, time

import pytest

from schemas.study import Choice, Kind
from sync.harmonise import harmonise, mapping
from tests.harmonise.builders import a_field, a_form, a_pull, a_structure, a_study

HEAD = '[mapping]\nversion = "1"\nproject = "classic"\nrecord = "id"\n'


def read(kind, texts, *, entry='"x"', head="", more=None):
    """Read each text as one record's field and return (values, problem checks by row, declared words by row)."""
    given = a_study(a_form(a_field("id"), a_field("x", kind, **(more or {}))), visits=())
    text = f'{HEAD}{head}\n[defaults]\nnames = "{{name}}"\n[forms.f.fields]\nx = {entry}\n'
    site = mapping.parse(text.replace("classic", "longitudinal"), given)
    structure = a_structure({"f": ["id", "x", "x_unit"]})
    pull = a_pull(structure, *({"id": str(n), **(t if isinstance(t, dict) else {"x": t})} for n, t in enumerate(texts)))
    (frame,) = harmonise.harmonise(pull, given, site).frames
    problems = {row: check for row, _, check in frame.problems.iter_rows()}
    declared = {row: word for row, _, word in frame.declared.iter_rows()}
    assert frame.raw["x"].to_list() == [t["x"] if isinstance(t, dict) else t for t in texts]
    return frame.rows["x"].to_list(), problems, declared


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.NUMBER, "85", 85.0),
        (Kind.NUMBER, " 1.50 ", 1.5),
        (Kind.NUMBER, "１２．５", 12.5),  # full-width
        (Kind.NUMBER, "-3", -3.0),
        (Kind.INTEGER, "12", 12),
        (Kind.INTEGER, "12.0", 12),
        (Kind.DATE, "2012-03-05", date(2012, 3, 5)),
        (Kind.DATETIME, "2012-03-05 07:30", datetime.fromisoformat("2012-03-05 07:30")),
        (Kind.TIME, "07:30", time(7, 30)),
        (Kind.TEXT, "随访", "随访"),
    ],
)
def test_readable_text_becomes_its_value(kind, text, value):
    assert read(kind, [text]) == ([value], {}, {})


@pytest.mark.parametrize(
    ("kind", "text", "check"),
    [
        (Kind.NUMBER, "abc", "TY01"),
        (Kind.NUMBER, "nan", "TY01"),
        (Kind.NUMBER, "inf", "TY01"),
        (Kind.NUMBER, "85 g/L", "TY01"),
        (Kind.NUMBER, "<10.0", "TY01"),
        (Kind.INTEGER, "12.5", "TY01"),
        (Kind.DATE, "2012-02-30", "DT01"),
        (Kind.DATE, "12-03-05", "DT01"),
        (Kind.DATE, "not known", "DT01"),
        (Kind.DATETIME, "2012-03-05 25:00", "DT01"),
        (Kind.TIME, "7.30 h", "TY01"),
    ],
)
def test_unreadable_text_is_a_problem_and_hides_nothing(kind, text, check):
    good = {Kind.NUMBER: "1", Kind.INTEGER: "1", Kind.DATE: "2012-01-01", Kind.TIME: "00:00"}.get(
        kind, "2012-01-01 00:00"
    )
    values, problems, _ = read(kind, [good, text, good])
    assert problems == {1: check}
    assert values[1] is None
    assert values[0] == values[2] is not None


def test_blank_is_neither_value_nor_problem():
    assert read(Kind.NUMBER, [None, "  "]) == ([None, None], {}, {})


def test_words_for_missing_are_declared_and_not_problems():
    values, problems, declared = read(Kind.NUMBER, ["未查", "ＮＤ", "7"], head='missing = ["未查", "ND"]')
    assert (values, problems, declared) == ([None, None, 7.0], {}, {0: "未查", 1: "ND"})


def test_a_word_for_missing_that_is_a_code_of_the_field_means_what_the_field_says():
    choices = (Choice(code="A", label={"en": "a"}), Choice(code="ND", label={"en": "not done"}))
    head = 'missing = ["ND", "/"]'
    values, problems, declared = read(Kind.CODED, ["ND", "/", "A"], head=head, more={"choices": choices})
    assert (values, problems, declared) == (["ND", None, "A"], {}, {1: "/"})


def test_chinese_and_slashed_dates_are_read_in_the_given_order():
    head = 'dates = ["%Y年%m月%d日", "%d/%m/%Y", "excel"]'
    assert read(Kind.DATE, ["2012年3月5日", "05/03/2012", "40973"], head=head)[0] == [date(2012, 3, 5)] * 3


def test_codes_are_recoded_and_an_unlisted_code_is_a_problem_not_a_meaning():
    choices = (Choice(code="M", label={"en": "m"}), Choice(code="F", label={"en": "f"}))
    entry = '{ field = "x", codes = { "1" = "M", "2" = "F" } }'
    values, problems, _ = read(Kind.CODED, ["1", "2", "M", "3"], entry=entry, more={"choices": choices})
    assert values == ["M", "F", None, None]
    assert problems == {2: "CD01", 3: "CD01"}


def test_a_fixed_unit_is_converted_and_rounded_half_up():
    more = {"unit": "umol/L", "units": {"mg/dL": 88.42}, "decimals": 0}
    assert read(Kind.NUMBER, ["0.792"], entry='{ field = "x", unit = "mg/dL" }', more=more)[0] == [70.0]


def test_a_value_too_small_for_the_studys_decimals_does_not_turn_to_zero():
    more = {"unit": "g/L", "units": {"mg/L": 0.001}, "decimals": 2}
    texts = ["1.02", "0", "14.6", "10"]
    assert read(Kind.NUMBER, texts, entry='{ field = "x", unit = "mg/L" }', more=more)[0] == [0.00102, 0.0, 0.01, 0.01]


def test_the_studys_own_unit_is_left_to_the_last_digit():
    assert read(Kind.NUMBER, ["70.123"], more={"unit": "umol/L", "decimals": 0})[0] == [70.123]


def test_a_unit_given_beside_the_value_is_followed_row_by_row():
    more = {"unit": "10*9/L", "units": {"10*4/uL": 10}}
    entry = '{ field = "x", unit_field = "x_unit", units = { "1" = "10*9/L", "2" = "10*4/uL" } }'
    rows = [
        {"x": "20", "x_unit": "1"},
        {"x": "20", "x_unit": "2"},
        {"x": "20"},
        {"x": "20", "x_unit": "9"},
        {"x": None},
    ]
    values, problems, _ = read(Kind.NUMBER, rows, entry=entry, more=more)
    assert values == [20.0, 200.0, None, None, None]
    assert problems == {2: "UN01", 3: "UN01"}


def test_a_titre_is_taken_out_of_its_text():
    entry = "{ field = \"x\", extract = '1[:：]\\s*(\\d+)' }"
    assert read(Kind.INTEGER, ["1:320", "1：80", "320"], entry=entry)[:2] == ([320, 80, None], {2: "TY01"})


def test_a_product_of_two_fields_is_one_value_and_shows_both_factors():
    given = a_study(a_form(a_field("id"), a_field("utp", Kind.NUMBER, decimals=2)), visits=())
    text = HEAD.replace("classic", "longitudinal") + (
        '[defaults]\nnames = "{name}"\n[forms.f.fields]\nutp = { product = ["conc", "vol"], factor = 0.001 }\n'
    )
    structure = a_structure({"f": ["id", "conc", "vol"]})
    pull = a_pull(
        structure,
        {"id": "1", "conc": "1.2537", "vol": "2000"},
        {"id": "2", "conc": "1.25"},
        {"id": "3", "conc": "x", "vol": "1"},
    )
    (frame,) = harmonise.harmonise(pull, given, mapping.parse(text, given)).frames
    assert frame.rows["utp"].to_list() == [2.51, None, None]
    assert frame.raw["utp"].to_list() == ["1.2537 × 2000", "1.25", "x × 1"]
    assert {row for row, _, _ in frame.problems.iter_rows()} == {1, 2}
