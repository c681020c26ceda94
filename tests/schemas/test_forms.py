"""A compiled form judges each cell by its field, and the batched way finds what pandera finds."""

from datetime import date
from typing import Any

import pandera.errors
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.forms import column_checks, compile_form
from schemas.frames import POLARS_TYPES, columns_of
from schemas.study import Choice, Field, Form, Interval, Kind

LABEL = {"en": "made up"}


def field(name: str, kind: Kind, **given: Any) -> Field:
    if "codes" in given:
        given["choices"] = tuple(Choice(code=code, label=LABEL) for code in given.pop("codes"))
    return Field(name=name, form="labs", kind=kind, label=LABEL, **given)


def form(*fields: Field) -> Form:
    return Form(name="labs", label=LABEL, fields=fields)


FORM = form(
    field("creat", Kind.NUMBER, hard=Interval(low=10, high=2500), soft=Interval(low=30, high=200)),
    field("score", Kind.INTEGER, hard=Interval(low=0, high=105), soft=Interval(high=40)),
    field("loose", Kind.NUMBER, hard=Interval(), soft=Interval(low=1)),
    field("sex", Kind.CODED, codes=("F", "M")),
    field("done", Kind.YESNO),
    field("signs", Kind.CHECKBOX, codes=("1", "-9")),
    field("sid", Kind.TEXT, pattern=r"{prefix}-\d{3}|none"),
    field("free", Kind.TEXT),
    field("when", Kind.DATE),
)


def frame(what: Form, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {column: POLARS_TYPES[each.kind] for column, each in columns_of(what).items()}
    return pl.DataFrame(rows, schema=schema)


def batched(what: Form, rows: pl.DataFrame, **options: Any) -> set[tuple[int, str, str]]:
    """Evaluate all checks in one select, as the engine does."""
    checks = column_checks(compile_form(what, **options))
    judged = rows.select(check.passes().not_().alias(f"{n}") for n, check in enumerate(checks))
    failing = ((judged[f"{n}"].fill_null(False).arg_true(), check) for n, check in enumerate(checks))
    return {(int(row), check.column, check.check) for where, check in failing for row in where}


def by_pandera(what: Form, rows: pl.DataFrame, **options: Any) -> set[tuple[int, str, str]]:
    try:
        compile_form(what, **options).validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        assert set(cases["schema_context"]) == {"Column"}
        return {(row["index"], row["column"], row["check"]) for row in cases.iter_rows(named=True)}
    return set()


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        ("creat", 9.99, "RG01"),
        ("creat", 10.0, "RG02"),
        ("creat", 29.9, "RG02"),
        ("creat", 30.0, None),
        ("creat", 200.0, None),
        ("creat", 2500.0, "RG02"),
        ("creat", 2501.0, "RG01"),
        ("score", -1, "RG01"),
        ("score", 0, None),
        ("score", 41, "RG02"),
        ("loose", 0.5, "RG02"),
        ("sex", "F", None),
        ("sex", "f", "CD01"),
        ("done", "0", None),
        ("done", "2", "CD01"),
        ("signs___1", 1, None),
        ("signs____9", 2, "CD01"),
        ("sid", "ZJJU-001", None),
        ("sid", "none", None),
        ("sid", "nonee", "PT01"),
        ("sid", "xZJJU-001", "PT01"),
        ("sid", "ZJJU-001\n", "PT01"),
        ("sid", "NJDT-001", "PT01"),
        ("free", "anything", None),
        ("when", date(2012, 3, 5), None),
    ],
)
def test_a_cell_fails_the_check_that_fits_it(column: str, value: Any, check: str | None) -> None:
    rows = frame(FORM, [{}, {column: value}])
    expected = set() if check is None else {(1, column, check)}

    assert batched(FORM, rows, site_prefix="ZJJU") == expected


def test_a_prefix_is_a_word_not_a_pattern() -> None:
    rows = frame(FORM, [{"sid": "ZXJ-001"}, {"sid": "Z.J-001"}])

    assert batched(FORM, rows, site_prefix="Z.J") == {(0, "sid", "PT01")}
    assert batched(FORM, rows) == {(1, "sid", "PT01")}


def test_blank_cells_are_not_judged() -> None:
    rows = frame(FORM, [{}, {}])
    checks = column_checks(compile_form(FORM))
    judged = rows.select(check.passes().alias(f"{n}") for n, check in enumerate(checks))

    assert all(column.null_count() == 2 for column in judged)


def test_the_same_form_is_compiled_once() -> None:
    again = form(*FORM.fields)

    assert again is not FORM
    assert compile_form(FORM) is compile_form(again)
    assert compile_form(FORM) is not compile_form(FORM, site_prefix="ZJJU")
    assert compile_form(FORM) is not compile_form(form(*FORM.fields[1:]))


def test_a_wrong_type_or_a_missing_column_is_no_data_finding() -> None:
    rows = frame(FORM, [{}]).drop("when").with_columns(pl.lit("x").alias("score"))
    with pytest.raises(pandera.errors.SchemaErrors) as caught:
        compile_form(FORM).validate(rows, lazy=True)

    reasons = {error.reason_code.name for error in caught.value.schema_errors}
    assert {"COLUMN_NOT_IN_DATAFRAME", "WRONG_DATATYPE"} <= reasons


NUMBERS = st.none() | st.floats(-50, 4000) | st.sampled_from([10.0, 30.0, 200.0, 2500.0, 0.0])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "creat": NUMBERS,
            "loose": NUMBERS,
            "score": st.none() | st.integers(-5, 120),
            "sex": st.none() | st.sampled_from(["F", "M", "f", "男", ""]),
            "done": st.none() | st.sampled_from(["0", "1", "2"]),
            "signs___1": st.none() | st.integers(-1, 2),
            "signs____9": st.none() | st.integers(0, 1),
            "sid": st.none() | st.from_regex(r"(ZJJU|X)-\d{2,4}\n?", fullmatch=True),
            "free": st.none() | st.text(max_size=3),
        }
    ),
    max_size=8,
)


@st.composite
def limits(draw: st.DrawFn) -> tuple[Interval | None, Interval | None]:
    ends = st.none() | st.integers(-20, 300).map(float)

    def interval() -> Interval | None:
        low, high = draw(ends), draw(ends)
        if low is not None and high is not None and low > high:
            low, high = high, low
        return draw(st.sampled_from([None, Interval(low=low, high=high)]))

    return interval(), interval()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=ROWS, bounds=limits())
def test_batched_evaluation_finds_exactly_what_pandera_finds(
    rows: list[dict[str, Any]], bounds: tuple[Interval | None, Interval | None]
) -> None:
    drawn = field("loose", Kind.NUMBER, hard=bounds[0], soft=bounds[1])
    what = form(*(drawn if each.name == "loose" else each for each in FORM.fields))
    data = frame(what, rows)

    assert batched(what, data, site_prefix="ZJJU") == by_pandera(what, data, site_prefix="ZJJU")
