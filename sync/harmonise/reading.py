"""Read text into types, once, and say which cells could not be read.

Theory of operation, in stages, each of which reads all columns of a form in one select, so that the cost follows the
data and not the Python: the texts are cleaned (folded only in columns that hold anything beyond ASCII); words for a
missing value are taken out; what is left is read by each column's own expression (:class:`Reading`); and only in
columns that lost a cell on the way is it looked for which.

A cell that cannot be read becomes null and is named in the problems; it never changes how its neighbours are read.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from schemas import frames, units
from schemas.study import Field, Kind
from sync.harmonise.mapping import SiteMapping, Source

EARLIEST_YEAR, LATEST_YEAR = 1850, 2200
"""A year outside these was misread or mistyped (``%Y`` takes the 12 of 12-03-05): unreadable, not early."""

_CELLS_AT_ONCE = 4_000_000
"""Bounds the memory that reading takes beside the texts and the values."""

TIME_FORMATS = ("%H:%M", "%H:%M:%S")

UNIT_SUFFIX = "§unit"
FACTOR_SUFFIX = "§factor"
"""Endings of the auxiliary columns that carry a cell's unit, and the factors of a product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Read one column; the expressions see cleaned texts under study names, without words for a missing value."""

    column: str
    #: folded words that declare a missing value
    words: tuple[str, ...]
    typed: pl.Expr
    #: built-in check that reports a text without a typed value; None where every text is one
    check: str | None
    #: columns beside its own that are read
    auxiliary: tuple[str, ...] = ()
    #: over the column as read: what it may be; a stage of its own, since polars would read twice within one expression
    settled: pl.Expr | None = None
    #: over the typed columns and the auxiliary texts: the value in the field's own unit
    converted: pl.Expr | None = None
    #: likewise: true where the unit is blank or unknown
    unknown_unit: pl.Expr | None = None


def read(column: str, each: Field, source: Source, mapping: SiteMapping, missing_codes: Mapping[str, str]) -> Reading:
    """Plan how one column of a field is read at one site."""
    # a word that is one of the field's own codes (ND, a BILAG grade) means what the field says
    own = {_fold(code) for code in source.codes or (choice.code for choice in each.choices)}
    said = (_fold(word) for word in (*mapping.missing, *source.missing, *missing_codes))
    words = tuple(word for word in said if word not in own)
    text = pl.col(column)
    if each.kind is Kind.CHECKBOX:
        return Reading(column=column, words=words, typed=text.cast(pl.Int64, strict=False), check="TY01")
    if source.product:
        factors = tuple(f"{column}{FACTOR_SUFFIX}{place}" for place in range(len(source.product)))
        typed = _round(_product(factors, source, mapping), each.decimals)
        return Reading(column=column, words=words, typed=typed, check="TY01", auxiliary=factors)
    inner = text.str.extract(source.extract, 1) if source.extract else text
    if each.kind in (Kind.CODED, Kind.YESNO) and source.codes:
        typed = inner.replace_strict(_folded(source.codes), default=None, return_dtype=pl.String)
        return Reading(column=column, words=words, typed=typed, check="CD01")
    recoded = inner.replace(_folded(source.codes)) if source.codes else inner
    typed, settled, check = _typed(recoded, each, source, mapping)
    converted = unknown = None
    if each.kind is Kind.NUMBER:
        converted, unknown = _converted(column, each, source)
    return Reading(
        column=column,
        words=words,
        typed=typed,
        settled=None if settled is None else settled(pl.col(column)).cast(frames.POLARS_TYPES[each.kind]),
        # an extract may find nothing in a text, so that even a text field can lose one
        check=check,
        auxiliary=(f"{column}{UNIT_SUFFIX}",) if unknown is not None else (),
        converted=converted,
        unknown_unit=unknown,
    )


def apply(raw: pl.DataFrame, readings: Sequence[Reading]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read all columns, as many at once as make ``_CELLS_AT_ONCE`` cells.

    ``raw`` holds the site's texts (and auxiliary columns). Returns the typed columns, the problems
    (``frames.PROBLEM_SCHEMA``) and the declared missing cells (``frames.DECLARED_SCHEMA``).
    """
    many = max(_CELLS_AT_ONCE // max(raw.height, 1), 1)
    parts = [_applied(raw, readings[start : start + many]) for start in range(0, max(len(readings), 1), many)]
    typed, problems, declared = zip(*parts, strict=True)
    return (
        pl.concat(typed, how="horizontal") if len(typed) > 1 else typed[0],
        pl.concat([pl.DataFrame(schema=frames.PROBLEM_SCHEMA), *problems]),
        pl.concat([pl.DataFrame(schema=frames.DECLARED_SCHEMA), *declared]),
    )


def _applied(raw: pl.DataFrame, readings: Sequence[Reading]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read some columns at once, all stages."""
    texts = _cleaned(raw, [name for each in readings for name in (each.column, *each.auxiliary)])
    said = _said(texts, readings)
    given = texts.with_columns(
        pl.when(~mask).then(pl.col(name)).otherwise(None).alias(name) for name, mask in said.items()
    )
    typed = given.select(each.typed.alias(each.column) for each in readings)
    typed = typed.with_columns(each.settled.alias(each.column) for each in readings if each.settled is not None)
    bad = list(_lost(given, typed, readings))
    measured = [each for each in readings if each.unknown_unit is not None]
    beside = typed.hstack(texts.select(name for each in measured for name in each.auxiliary))
    unknown = beside.select(each.unknown_unit.alias(each.column) for each in measured if each.unknown_unit is not None)
    bad += [(name, "UN01", unknown[name]) for name in _columns_with(unknown)]
    typed = beside.select(
        pl.col(each.column) if each.converted is None else each.converted.alias(each.column) for each in readings
    )
    problems = [
        pl.DataFrame({"row": mask.arg_true()}).with_columns(column=pl.lit(name), check=pl.lit(check))
        for name, check, mask in bad
    ]
    declared = [
        pl.DataFrame({"row": mask.arg_true(), "word": texts[name].filter(mask)}).with_columns(column=pl.lit(name))
        for name, mask in said.items()
    ]
    return typed, _stacked(problems, frames.PROBLEM_SCHEMA), _stacked(declared, frames.DECLARED_SCHEMA)


def _cleaned(raw: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Fold full-width signs and digits to plain ones, trim, and read an empty text as blank."""
    odd = raw.select((pl.col(name).str.len_bytes() != pl.col(name).str.len_chars()).any() for name in names)
    wide = set(_columns_with(odd))

    def trimmed(name: str) -> pl.Expr:
        text = pl.col(name).str.normalize("NFKC") if name in wide else pl.col(name)
        return text.str.strip_chars()

    texts = raw.select(trimmed(name).alias(name) for name in names)
    # columns in which nothing had to be done are the pull's own, so that they are not held twice
    done = texts.select((pl.col(name).ne_missing(raw[name]) | (pl.col(name) == "")).any() for name in names)
    changed = set(_columns_with(done))
    return pl.DataFrame(
        [
            texts.select(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name))[name]
            if name in changed
            else raw[name]
            for name in names
        ]
    )


def _said(texts: pl.DataFrame, readings: Sequence[Reading]) -> dict[str, pl.Series]:
    """Mark the cells that declare a missing value, for the columns that hold any."""
    asked = [each for each in readings if each.words]
    found = texts.select(
        pl.col(each.column).is_in(list(each.words)).fill_null(value=False).alias(each.column) for each in asked
    )
    return {name: found[name] for name in _columns_with(found)}


def _lost(
    given: pl.DataFrame, typed: pl.DataFrame, readings: Sequence[Reading]
) -> Iterator[tuple[str, str, pl.Series]]:
    """Yield column, check and mask of the cells whose text did not become a value."""
    for each in readings:
        text, value = given[each.column], typed[each.column]
        # a value is never made of nothing, but a product is, whose text stands for factors that are read apart
        if each.check is None or (text.null_count() == value.null_count() and not each.auxiliary):
            continue
        mask = text.is_not_null() & value.is_null()
        if mask.any():
            yield each.column, each.check, mask


def _stacked(parts: Sequence[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    typed = [part.select(pl.col(name).cast(kind) for name, kind in schema.items()) for part in parts]
    return pl.concat([pl.DataFrame(schema=schema), *typed])


def _columns_with(flags: pl.DataFrame) -> list[str]:
    if not flags.height or not flags.width:
        return []
    held = flags.select(pl.all().any()).row(0)
    return [name for name, any_true in zip(flags.columns, held, strict=True) if any_true]


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKC", word).strip()


def _folded(codes: Mapping[str, str]) -> dict[str, str]:
    return {_fold(code): meaning for code, meaning in codes.items()}


def _number(text: pl.Expr, decimal: str) -> pl.Expr:
    plain = text.str.replace_all(",", ".", literal=True) if decimal == "," else text
    return plain.cast(pl.Float64, strict=False)


def _finite(value: pl.Expr) -> pl.Expr:
    """Take out "nan" and "inf", which polars reads as numbers; no laboratory means them."""
    return pl.when(value.is_finite()).then(value)


def _whole(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite() & (value == value.floor())).then(value).cast(pl.Int64, strict=False)


_Settled = Callable[[pl.Expr], pl.Expr] | None
"""What turns a column as it was read into what it may be."""


def _typed(text: pl.Expr, each: Field, source: Source, mapping: SiteMapping) -> tuple[pl.Expr, _Settled, str | None]:
    decimal = "," if each.extra.get("decimal_comma") else mapping.decimal
    match each.kind:
        case Kind.NUMBER:
            return _number(text, decimal), _finite, "TY01"
        case Kind.INTEGER:
            return _number(text, decimal), _whole, "TY01"
        case Kind.DATE:
            return _date(text, source.dates or mapping.dates), _plausible, "DT01"
        case Kind.DATETIME:
            return _first(text, mapping.datetimes, pl.Datetime("us")), _plausible, "DT01"
        case Kind.TIME:
            return _first(text, TIME_FORMATS, pl.Time()), None, "TY01"
        case _:
            return text, None, None


def _first(text: pl.Expr, formats: Sequence[str], kind: pl.Datetime | pl.Time) -> pl.Expr:
    return pl.coalesce(text.str.strptime(kind, each, strict=False) for each in formats)


def _date(text: pl.Expr, formats: Sequence[str]) -> pl.Expr:
    """Try each way of writing; ``excel`` reads the day numbers that spreadsheets leave behind (1 = 1900-01-01)."""
    written = [each for each in formats if each != "excel"]
    tries = [text.str.strptime(pl.Date, each, strict=False) for each in written]
    if "excel" in formats:
        days = text.str.extract(r"^(\d{4,5})$", 1).cast(pl.Int32, strict=False)
        tries.append((pl.date(1899, 12, 30) + pl.duration(days=days)).cast(pl.Date))
    return pl.coalesce(tries)


def _plausible(moment: pl.Expr) -> pl.Expr:
    # whole days are compared, since taking the year out of each costs as much as reading it
    first, end = pl.lit(date(EARLIEST_YEAR, 1, 1)), pl.lit(date(LATEST_YEAR + 1, 1, 1))
    return pl.when(moment.is_between(first, end, closed="left")).then(moment)


def _product(factors: Sequence[str], source: Source, mapping: SiteMapping) -> pl.Expr:
    value = pl.lit(source.factor)
    for factor in factors:
        value = value * _number(pl.col(factor), mapping.decimal)
    return _finite(value)


def _round(value: pl.Expr, decimals: int | None) -> pl.Expr:
    """Round half away from zero; what is smaller than the last place keeps three digits, so that nothing turns to 0."""
    if decimals is None:
        return value
    tiny = (value.abs() < 10.0**-decimals) & (value != 0)
    return pl.when(tiny).then(value.round_sig_figs(3)).otherwise(value.round(decimals, mode="half_away_from_zero"))


def _converted(column: str, each: Field, source: Source) -> tuple[pl.Expr | None, pl.Expr | None]:
    """Bring a number into the field's own unit; the second result is true where the unit is blank or unknown."""
    typed = pl.col(column)
    if source.unit_field is None:
        if source.unit is None or source.unit == each.unit:
            return None, None
        return _round(_times(typed, each, source.unit), each.decimals), None
    said = pl.col(f"{column}{UNIT_SUFFIX}")
    known = _folded(source.units)
    value = pl.lit(None, pl.Float64)
    for word, unit in known.items():
        same = unit == each.unit
        there = typed if same else _round(_times(typed, each, unit), each.decimals)
        value = pl.when(said == word).then(there).otherwise(value)
    return value, typed.is_not_null() & ~said.is_in(list(known)).fill_null(value=False)


def _times(typed: pl.Expr, each: Field, unit: str) -> pl.Expr:
    conversion = units.conversion(each, unit)
    if conversion is None:  # mapping.parse has refused such a unit already
        raise LookupError(f"no conversion from {unit} to {each.unit} for {each.form}.{each.name}")
    return typed * conversion.factor + conversion.offset if conversion.offset else typed * conversion.factor
