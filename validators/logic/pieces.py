"""The values that logic is evaluated with: one polars expression plus what is known about its rows.

Theory. Every subexpression becomes a `Piece` over whole columns, and every row of it is in one of three states:

* a value;
* blank: `value` is null (or '' for text), as REDCap reads an empty field;
* unknown: `unknown` is true, because a value is there that cannot be read as what is needed.

Blank is an ordinary operand with REDCap's rules and leads to true or false. Unknown leads to "not evaluated"
and spreads to whatever depends on it, except where logic settles without it (`false and unknown` is false).
A Boolean piece holds no blank: its null *is* unknown, so polars' own three-valued `&` and `|` apply.

Polars expands shared subexpressions when it plans, so an expression that mentions its operand twice doubles
at each level. The rules here mention operands once wherever possible; `weight` bounds the size of what
results, and `compile` refuses beyond a limit, before polars sees it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from validators.logic import tree


class Kind(StrEnum):
    """Name what a column or an expression holds; resolvers use all but BOOLEAN."""

    NUMBER = "number"
    TEXT = "text"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    CODED = "coded"
    CHECKBOX = "checkbox"
    BOOLEAN = "boolean"


MOMENTS = frozenset({Kind.DATE, Kind.DATETIME, Kind.TIME})
NUMERIC = frozenset({Kind.NUMBER, Kind.BOOLEAN})

NUMBER_PATTERN = r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))$"
"""What counts as a number in text: plain decimals. `1e3` is more often a code than a thousand."""
_NUMBER = re.compile(NUMBER_PATTERN.removeprefix("^").removesuffix("$"))

_NOT_FINITE = [float("nan"), float("inf"), float("-inf")]


class Refusal(Exception):
    """Carry out of the recursion that a construct cannot be evaluated, and where it stands."""

    def __init__(self, reason: str, span: tree.Span) -> None:
        """Take a sentence for the author of the logic and the construct's place."""
        super().__init__(reason)
        self.reason = reason
        self.span = span


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Hold one evaluated subexpression.

    `kind` is NUMBER (Float64), TEXT (String), DATE, DATETIME, TIME or BOOLEAN. `unknown` is a Boolean
    expression without nulls, or None where no row can be unknown. `literal` is the text of a literal.
    `missing` gives the missing-data code of a field's cell or null, or is None where no row holds one; `takes_codes`
    says whether one could; `field` marks a direct reference. `weight` counts the nodes of `value` and `unknown` (of a
    BOOLEAN, whose unknown is its null, those of `value`).
    """

    value: pl.Expr
    kind: Kind
    span: tree.Span
    unknown: pl.Expr | None = None
    literal: str | None = None
    missing: pl.Expr | None = None
    takes_codes: bool = False
    field: bool = False
    weight: int = 1

    @property
    def blank_literal(self) -> bool:
        """Tell whether this is the literal '' (or REDCap's older spelling of it, 'NaN')."""
        return self.kind is Kind.TEXT and self.literal in {"", "NaN"}


def number(value: pl.Expr, of: tuple[Piece, ...], span: tree.Span, *, times: int = 1) -> Piece:
    """Make a NUMBER piece that is unknown wherever one of its operands is.

    `times` is how often the value mentions each operand.
    """
    return _derived(value, Kind.NUMBER, of, span, times)


def text(value: pl.Expr, of: tuple[Piece, ...], span: tree.Span, *, times: int = 1) -> Piece:
    """Make a TEXT piece that is unknown wherever one of its operands is."""
    return _derived(value, Kind.TEXT, of, span, times)


def truth(value: pl.Expr, of: tuple[Piece, ...], span: tree.Span, *, times: int = 1) -> Piece:
    """Make a BOOLEAN piece from a Boolean without nulls; unknown wherever one of its operands is."""
    unknown = any_unknown(*of)
    masked = value if unknown is None else pl.when(~unknown).then(value)
    return certain_or_null(masked, of, span, uncertain=unknown is not None, times=times)


def certain_or_null(
    value: pl.Expr, of: tuple[Piece, ...], span: tree.Span, *, uncertain: bool, times: int = 1
) -> Piece:
    """Make a BOOLEAN piece whose nulls already say which rows are unknown."""
    weight = 1 + times * sum(piece.weight for piece in of)
    unknown = value.is_null() if uncertain else None
    return Piece(value=value, kind=Kind.BOOLEAN, span=span, unknown=unknown, weight=weight)


def _derived(value: pl.Expr, kind: Kind, of: tuple[Piece, ...], span: tree.Span, times: int) -> Piece:
    weight = 1 + times * sum(piece.weight for piece in of)
    return Piece(value=value, kind=kind, span=span, unknown=any_unknown(*of), weight=weight)


def any_unknown(*pieces: Piece) -> pl.Expr | None:
    """Combine the unknown rows of several pieces, or None where none can be."""
    flags = [piece.unknown for piece in pieces if piece.unknown is not None]
    if len(flags) <= 1:
        return flags[0] if flags else None
    return pl.any_horizontal(flags)


def finite(value: pl.Expr) -> pl.Expr:
    """Turn the results that are no numbers (1/0, the root of -1) into blanks, as REDCap shows them."""
    return value.replace(_NOT_FINITE, [None] * len(_NOT_FINITE))


def spread(result: pl.Expr) -> pl.Expr:
    """Give an expression one answer a row, even where literals alone decide it.

    polars gives a single answer for `3 + 4`, and also for a choice among columns whose condition is a literal.
    """
    return pl.when(pl.int_range(pl.len()) >= 0).then(result)


def parsed_number(value: pl.Expr) -> pl.Expr:
    """Read text as a Float64; null where it is blank or not a plain decimal number."""
    return value.str.extract(NUMBER_PATTERN, 1).cast(pl.Float64, strict=False)


def literal_number(piece: Piece) -> float | None:
    """Return the number that a literal spells, quoted or not; None for anything else."""
    if piece.literal is None or piece.kind not in {Kind.NUMBER, Kind.TEXT}:
        return None
    return float(piece.literal) if _NUMBER.fullmatch(piece.literal) else None


def is_blank(piece: Piece) -> pl.Expr:
    """Tell row by row whether a piece is blank; null where that cannot be known.

    A field's unreadable value or missing-data code is there, so the field is not blank: no need to read it.
    """
    if piece.kind is Kind.BOOLEAN:
        return pl.when(piece.value.is_not_null()).then(pl.lit(False))
    blank = piece.value.fill_null("") == "" if piece.kind is Kind.TEXT else piece.value.is_null()
    if piece.field:
        absent = [blank]
        absent += [] if piece.unknown is None else [~piece.unknown]
        absent += [] if piece.missing is None else [piece.missing.is_null()]
        return pl.all_horizontal(absent)
    return blank if piece.unknown is None else pl.when(~piece.unknown).then(blank)


def to_number(piece: Piece) -> Piece:
    """Read a piece as numbers: text that is there but no number makes its row unknown.

    Raises Refusal for dates, and for a quoted text that is no number.
    """
    match piece.kind:
        case Kind.NUMBER:
            return piece
        case Kind.BOOLEAN:
            return number(piece.value.cast(pl.Float64), (piece,), piece.span, times=2)
        case Kind.TEXT if piece.blank_literal:
            return number(pl.lit(None, dtype=pl.Float64), (), piece.span)
        case Kind.TEXT if piece.literal is not None:
            found = literal_number(piece)
            if found is None:
                raise Refusal(f"A number is needed here, not the text '{piece.literal}'.", piece.span)
            return number(pl.lit(found), (), piece.span)
        case Kind.TEXT:
            return unreadable_where_null(parsed_number(piece.value), Kind.NUMBER, piece)
        case _:
            raise Refusal(f"A number is needed here, not a {piece.kind}.", piece.span)


def unreadable_where_null(value: pl.Expr, kind: Kind, source: Piece) -> Piece:
    """Make a piece of text that was read as `kind`: unknown where text is there and nothing was read."""
    unread = value.is_null() & (source.value.fill_null("") != "")
    unknown = unread if source.unknown is None else unread | source.unknown
    return Piece(
        value=value,
        kind=kind,
        span=source.span,
        unknown=unknown,
        missing=source.missing,
        takes_codes=source.takes_codes,
        weight=1 + 3 * source.weight,
    )


def to_text(piece: Piece) -> Piece:
    """Read a piece as text: whole numbers without decimals, dates as Y-M-D, as an export has them."""
    value = piece.value
    match piece.kind:
        case Kind.TEXT:
            return piece
        case Kind.NUMBER if piece.literal is not None:
            return text(pl.lit(piece.literal), (), piece.span)
        case Kind.NUMBER:
            return text(value.cast(pl.String).str.strip_suffix(".0"), (piece,), piece.span)
        case Kind.BOOLEAN:
            return text(value.cast(pl.Int8).cast(pl.String), (piece,), piece.span)
        case Kind.DATE:
            return text(value.dt.strftime("%Y-%m-%d"), (piece,), piece.span)
        case Kind.TIME:
            return text(value.dt.strftime("%H:%M:%S").str.strip_suffix(":00"), (piece,), piece.span)
        case _:
            return text(value.dt.strftime("%Y-%m-%d %H:%M:%S").str.strip_suffix(":00"), (piece,), piece.span)


def to_truth(piece: Piece) -> Piece:
    """Read a piece as a condition: blank, 0 and '0' are false, everything else is true."""
    match piece.kind:
        case Kind.BOOLEAN:
            return piece
        case Kind.NUMBER:
            return truth((piece.value != 0).fill_null(False), (piece,), piece.span)
        case Kind.TEXT:
            return truth(~piece.value.fill_null("").is_in(["", "0"]), (piece,), piece.span)
        case _:
            return truth(piece.value.is_not_null(), (piece,), piece.span)
