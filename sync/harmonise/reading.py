"""Read text into types, once, and say which cells could not be read.

Theory of operation: for every column a :class:`Reading` holds three polars expressions over the site's text: the
typed value, whether the cell *should* have been readable but was not, and the word with which the site declared it
missing. All columns of a form are then read in one select, so the cost follows the data and not the Python.

A cell that cannot be read becomes null and is named in the problems; it never changes how its neighbours are read.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from schemas import frames, units
from schemas.study import Field, Kind
from sync.harmonise.mapping import SiteMapping, Source

EARLIEST_YEAR, LATEST_YEAR = 1850, 2200
"""A year outside these was misread or mistyped (``%Y`` takes the 12 of 12-03-05): unreadable, not early."""

TIME_FORMATS = ("%H:%M", "%H:%M:%S")

UNIT_SUFFIX = "§unit"
FACTOR_SUFFIX = "§factor"
"""Endings of the auxiliary columns that carry a cell's unit, and the factors of a product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Read one column: expressions over a frame whose columns are the site's texts under study names."""

    column: str
    typed: pl.Expr
    #: built-in check id -> Boolean expression, true where the cell is unreadable in that way
    bad: Mapping[str, pl.Expr]
    #: the missing word found in the cell, else null
    declared: pl.Expr


def clean(text: pl.Expr) -> pl.Expr:
    """Fold full-width signs and digits to plain ones, trim, and read an empty text as blank."""
    folded = text.str.normalize("NFKC").str.strip_chars()
    return pl.when(folded != "").then(folded)


def read(column: str, each: Field, source: Source, mapping: SiteMapping, missing_codes: Mapping[str, str]) -> Reading:
    """Plan how one column of a field is read at one site."""
    text = clean(pl.col(column))
    words = [*mapping.missing, *source.missing, *missing_codes]
    declared = pl.when(text.is_in([_fold(word) for word in words])).then(text) if words else pl.lit(None, pl.String)
    given = pl.when(declared.is_null()).then(text)
    if each.kind is Kind.CHECKBOX:
        typed = given.cast(pl.Int64, strict=False)
        return Reading(column=column, typed=typed, bad={"TY01": _lost(given, typed)}, declared=declared)
    if source.product:
        typed = _round(_product(column, source, mapping), each.decimals)
        return Reading(column=column, typed=typed, bad={"TY01": _lost(given, typed)}, declared=declared)
    inner = given.str.extract(source.extract, 1) if source.extract else given
    if each.kind in (Kind.CODED, Kind.YESNO) and source.codes:
        typed = inner.replace_strict(_folded(source.codes), default=None, return_dtype=pl.String)
        return Reading(column=column, typed=typed, bad={"CD01": _lost(given, typed)}, declared=declared)
    recoded = inner.replace(_folded(source.codes)) if source.codes else inner
    typed, check = _typed(recoded, each, source, mapping)
    bad = {check: _lost(given, typed)} if check else {}
    if each.kind is Kind.NUMBER:
        typed, unknown = _converted(typed, column, each, source)
        if unknown is not None:
            bad["UN01"] = unknown
    return Reading(column=column, typed=typed.cast(frames.POLARS_TYPES[each.kind]), bad=bad, declared=declared)


def apply(raw: pl.DataFrame, readings: Sequence[Reading]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read all columns at once.

    ``raw`` holds the site's texts (and auxiliary columns). Returns the typed columns, the problems
    (``frames.PROBLEM_SCHEMA``) and the declared missing cells (``frames.DECLARED_SCHEMA``).
    """
    typed = raw.select(each.typed.alias(each.column) for each in readings)
    bad = raw.select(
        expression.alias(f"{check}{each.column}") for each in readings for check, expression in each.bad.items()
    )
    said = raw.select(each.declared.alias(each.column) for each in readings)
    problems = [
        pl.DataFrame({"row": bad[name].arg_true()}).with_columns(column=pl.lit(name[4:]), check=pl.lit(name[:4]))
        for name in _columns_with(bad.select(pl.all().any()))
    ]
    declared = [
        said.with_row_index("row").filter(pl.col(name).is_not_null()).select("row", column=pl.lit(name), word=name)
        for name in _columns_with(said.select(pl.all().is_not_null().any()))
    ]
    return (
        typed,
        pl.concat(
            [
                pl.DataFrame(schema=frames.PROBLEM_SCHEMA),
                *(_as(each, frames.PROBLEM_SCHEMA) for each in problems),
            ]
        ),
        pl.concat(
            [
                pl.DataFrame(schema=frames.DECLARED_SCHEMA),
                *(_as(each, frames.DECLARED_SCHEMA) for each in declared),
            ]
        ),
    )


def _as(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _columns_with(flags: pl.DataFrame) -> list[str]:
    return [name for name in flags.columns if flags.height and flags.item(0, name)]


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKC", word).strip()


def _folded(codes: Mapping[str, str]) -> dict[str, str]:
    return {_fold(code): meaning for code, meaning in codes.items()}


def _lost(given: pl.Expr, typed: pl.Expr) -> pl.Expr:
    return given.is_not_null() & typed.is_null()


def _number(text: pl.Expr, decimal: str) -> pl.Expr:
    plain = text.str.replace_all(",", ".", literal=True) if decimal == "," else text
    # polars reads "nan" and "inf" as numbers; no laboratory means them
    value = plain.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _typed(text: pl.Expr, each: Field, source: Source, mapping: SiteMapping) -> tuple[pl.Expr, str | None]:
    decimal = "," if each.extra.get("decimal_comma") else mapping.decimal
    match each.kind:
        case Kind.NUMBER:
            return _number(text, decimal), "TY01"
        case Kind.INTEGER:
            value = _number(text, decimal)
            return pl.when(value == value.floor()).then(value).cast(pl.Int64, strict=False), "TY01"
        case Kind.DATE:
            return _date(text, source.dates or mapping.dates), "DT01"
        case Kind.DATETIME:
            return _plausible(_first(text, mapping.datetimes, pl.Datetime("us"))), "DT01"
        case Kind.TIME:
            return _first(text, TIME_FORMATS, pl.Time()), "TY01"
        case _:
            return text, None


def _first(text: pl.Expr, formats: Sequence[str], kind: pl.Datetime | pl.Time) -> pl.Expr:
    return pl.coalesce(text.str.strptime(kind, each, strict=False) for each in formats)


def _date(text: pl.Expr, formats: Sequence[str]) -> pl.Expr:
    """Try each way of writing; ``excel`` reads the day numbers that spreadsheets leave behind (1 = 1900-01-01)."""
    written = [each for each in formats if each != "excel"]
    tries = [text.str.strptime(pl.Date, each, strict=False) for each in written]
    if "excel" in formats:
        days = text.str.extract(r"^(\d{4,5})$", 1).cast(pl.Int32, strict=False)
        tries.append((pl.date(1899, 12, 30) + pl.duration(days=days)).cast(pl.Date))
    return _plausible(pl.coalesce(tries))


def _plausible(moment: pl.Expr) -> pl.Expr:
    return pl.when(moment.dt.year().is_between(EARLIEST_YEAR, LATEST_YEAR)).then(moment)


def _product(column: str, source: Source, mapping: SiteMapping) -> pl.Expr:
    factors = [
        _number(clean(pl.col(f"{column}{FACTOR_SUFFIX}{place}")), mapping.decimal)
        for place in range(len(source.product))
    ]
    value = pl.lit(source.factor)
    for factor in factors:
        value = value * factor
    return value


def _round(value: pl.Expr, decimals: int | None) -> pl.Expr:
    return value if decimals is None else value.round(decimals, mode="half_away_from_zero")


def _converted(typed: pl.Expr, column: str, each: Field, source: Source) -> tuple[pl.Expr, pl.Expr | None]:
    """Bring a number into the field's own unit; the second result is true where the unit is blank or unknown."""
    if source.unit_field is None:
        if source.unit is None or source.unit == each.unit:
            return typed, None
        return _round(_times(typed, each, source.unit), each.decimals), None
    said = clean(pl.col(f"{column}{UNIT_SUFFIX}"))
    known = _folded(source.units)
    value = pl.lit(None, pl.Float64)
    for word, unit in known.items():
        same = unit == each.unit
        there = typed if same else _round(_times(typed, each, unit), each.decimals)
        value = pl.when(said == word).then(there).otherwise(value)
    return value, typed.is_not_null() & ~said.is_in(list(known)).fill_null(False)


def _times(typed: pl.Expr, each: Field, unit: str) -> pl.Expr:
    conversion = units.conversion(each, unit)
    if conversion is None:  # mapping.parse has refused such a unit already
        raise LookupError(f"no conversion from {unit} to {each.unit} for {each.form}.{each.name}")
    return typed * conversion.factor + conversion.offset if conversion.offset else typed * conversion.factor
