"""Dates, date-times and times: reading operands as moments, and the functions over them.

Dates in quotes are Y-M-D as an export has them, or 'today' and 'now', which are pinned to the run's `as_of`
so that the same data give the same answer tomorrow. A date beside a date-time counts from midnight. datediff
uses REDCap's constants for years and months rather than the calendar; age_at_date uses the calendar.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time

import polars as pl

from validators.logic import pieces, tree
from validators.logic.calls import Apply, Invocation
from validators.logic.pieces import Kind, Piece, Refusal

SECONDS = {
    "y": 365.2425 * 86400.0,
    "M": 30.44 * 86400.0,
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
}
"""Seconds in each unit of datediff, by REDCap's published constants."""

_DATE_ORDERS = {"ymd": "%Y-%m-%d", "dmy": "%d-%m-%Y", "mdy": "%m-%d-%Y"}
_CLOCKS = ("", " %H:%M", " %H:%M:%S")


def to_moment(piece: Piece, *, as_of: datetime, order: str = "ymd") -> Piece:
    """Read a piece as a date, date-time or time.

    `order` is the order of day, month and year of a quoted date. Text of a field that is there but no date
    makes its row unknown. Raises Refusal for numbers and for a quoted text that is no moment.
    """
    if piece.kind in pieces.MOMENTS:
        return piece
    if piece.kind is not Kind.TEXT:
        raise Refusal(f"A date is needed here, not a {piece.kind}.", piece.span)
    if piece.blank_literal:
        return _constant(None, piece.span)
    if piece.literal is not None:
        return _constant(_literal_moment(piece, as_of=as_of, order=order), piece.span)
    text = piece.value
    whole = pl.coalesce(
        text.str.to_datetime(_DATE_ORDERS["ymd"] + clock, strict=False, time_unit="us") for clock in _CLOCKS
    )
    return pieces.unreadable_where_null(whole, Kind.DATETIME, piece)


def _literal_moment(piece: Piece, *, as_of: datetime, order: str) -> date | datetime | time:
    written = (piece.literal or "").strip()
    if written.lower() == "today":
        return as_of.date()
    if written.lower() == "now":
        return as_of.replace(tzinfo=None)
    plain = written.replace("/", "-").replace(".", "-")
    for clock in _CLOCKS:
        try:
            found = datetime.strptime(plain, _DATE_ORDERS[order] + clock)  # noqa: DTZ007 — local, as recorded
        except ValueError:
            continue
        return found if clock else found.date()
    try:
        return time.fromisoformat(written)
    except ValueError:
        reason = f"'{written}' is not a date; write it as YYYY-MM-DD in quotes."
        raise Refusal(reason, piece.span) from None


def _constant(moment: date | datetime | time | None, span: tree.Span) -> Piece:
    match moment:
        case datetime():
            return Piece(value=pl.lit(moment, dtype=pl.Datetime("us")), kind=Kind.DATETIME, span=span)
        case date():
            return Piece(value=pl.lit(moment, dtype=pl.Date), kind=Kind.DATE, span=span)
        case time():
            return Piece(value=pl.lit(moment, dtype=pl.Time), kind=Kind.TIME, span=span)
        case None:
            return Piece(value=pl.lit(None, dtype=pl.Datetime("us")), kind=Kind.DATETIME, span=span, literal="")


def aligned(first: Piece, second: Piece) -> tuple[Piece, Piece]:
    """Bring two moments to one kind, so that they can be compared or subtracted.

    Raises Refusal for a time of day beside a date.
    """
    if first.literal == "" and second.kind is Kind.TIME:
        first = Piece(value=pl.lit(None, dtype=pl.Time), kind=Kind.TIME, span=first.span)
    if second.literal == "" and first.kind is Kind.TIME:
        second = Piece(value=pl.lit(None, dtype=pl.Time), kind=Kind.TIME, span=second.span)
    if first.kind is second.kind:
        return first, second
    if Kind.TIME in {first.kind, second.kind}:
        raise Refusal("A time of day cannot be set against a date.", second.span)
    return _midnight(first), _midnight(second)


def _midnight(piece: Piece) -> Piece:
    value = piece.value.cast(pl.Datetime("us"))
    return Piece(value=value, kind=Kind.DATETIME, span=piece.span, unknown=piece.unknown, weight=piece.weight + 1)


def _dated(call: Invocation, index: int) -> Piece:
    moment = to_moment(call.pieces[index], as_of=call.as_of)
    if moment.kind is Kind.TIME:
        raise Refusal(f"{call.call.name} needs a date, not a time of day.", moment.span)
    return moment


def _datediff(call: Invocation) -> Piece:
    unit = _unit(call.pieces[2])
    order, signed = _order_and_sign(call.pieces[3:])
    one, two = aligned(*(to_moment(piece, as_of=call.as_of, order=order) for piece in call.pieces[:2]))
    if one.kind is Kind.TIME:
        seconds = (two.value.cast(pl.Int64) - one.value.cast(pl.Int64)) / 1e9
    else:
        first, second = (piece.value.cast(pl.Datetime("us")) for piece in (one, two))
        seconds = (second - first).dt.total_microseconds() / 1e6
    spent = seconds / SECONDS[unit]
    return pieces.number(spent if signed else spent.abs(), (one, two), call.span)


def _unit(piece: Piece) -> str:
    written = piece.literal or ""
    unit = written if written in SECONDS else written.lower()
    if piece.kind is not Kind.TEXT or unit not in SECONDS:
        raise Refusal("The unit of datediff must be one of 'y', 'M', 'd', 'h', 'm', 's' in quotes.", piece.span)
    return unit


def _order_and_sign(rest: tuple[Piece, ...]) -> tuple[str, bool]:
    """Read what follows the unit: a sign, a date format, or (in old projects) a format and then a sign."""
    order, signed = "ymd", False
    for position, piece in enumerate(rest):
        written = (piece.literal or "").lower()
        if position == 0 and written in _DATE_ORDERS:
            order = written
        elif written in {"true", "false", "1", "0"} and position == len(rest) - 1:
            signed = written in {"true", "1"}
        elif not (piece.blank_literal and position == 0):
            reason = "After datediff's unit come a date format such as 'ymd' and then true or false."
            raise Refusal(reason, piece.span)
    return order, signed


def _age_at_date(call: Invocation) -> Piece:
    decimal = len(call.pieces) > 2 and _flag(call.pieces[2])
    born, on = (_dated(call, index) for index in (0, 1))
    first, second = (piece.value.cast(pl.Date) for piece in (born, on))
    if decimal:
        years = (second - first).dt.total_days() / 365.2425
    else:
        # Month and day as one number tell whether the birthday has passed in the year of the second date.
        before = _month_day(second) < _month_day(first)
        years = (second.dt.year() - first.dt.year() - before.cast(pl.Int32)).cast(pl.Float64)
    return pieces.number(years, (born, on), call.span, times=3)


def _month_day(value: pl.Expr) -> pl.Expr:
    return value.dt.month().cast(pl.Int32) * 100 + value.dt.day().cast(pl.Int32)


def _flag(piece: Piece) -> bool:
    written = (piece.literal or "").lower()
    if written not in {"true", "false", "1", "0"}:
        raise Refusal("This argument must be written out as true or false.", piece.span)
    return written in {"true", "1"}


def _part(read: Callable[[pl.Expr], pl.Expr]) -> Apply:
    def apply(call: Invocation) -> Piece:
        moment = _dated(call, 0)
        return pieces.number(read(moment.value).cast(pl.Float64), (moment,), call.span)

    return apply


FUNCTIONS: Mapping[str, Apply] = {
    "datediff": _datediff,
    "age_at_date": _age_at_date,
    "dayoftheweek": _part(lambda value: value.dt.weekday()),
    "year": _part(lambda value: value.dt.year()),
    "month": _part(lambda value: value.dt.month()),
    "day": _part(lambda value: value.dt.day()),
}
"""The functions over dates, by name."""
