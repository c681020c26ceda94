"""Compute the functions of REDCap logic on plain values: texts, numbers and truth values."""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

Value = str | float | bool
Function = Callable[[Sequence[Value], datetime], Value]

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_MOMENT = re.compile(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_SECONDS = {"y": 365.2425 * 86400, "M": 30.44 * 86400, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_FORMATS = frozenset({"ymd", "mdy", "dmy"})


class EvaluationError(ValueError):
    """Refuse logic that parses but cannot be computed here."""


def text(value: Value) -> str:
    """Write a value as text: truth as 1 or 0, numbers without needless decimals."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else spell(value)


def spell(value: float) -> str:
    """Write a number in the shortest plain way, to fifteen significant digits."""
    if not math.isfinite(value):
        return ""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    shown = f"{value:.15g}"
    return f"{Decimal(shown):f}" if "e" in shown else shown


def is_number(value: str) -> bool:
    """Tell whether a text is a plain decimal number."""
    return _PLAIN.fullmatch(value) is not None


def number(value: Value) -> float | None:
    """Read a value as a number, None where it is blank or none."""
    if isinstance(value, bool | int | float):
        return float(value)
    return float(value) if is_number(value) else None


def truth(value: Value) -> bool:
    """Read a value as a condition: blank, 0 and false are false."""
    return text(value) not in ("", "0") if not isinstance(value, bool) else value


def arithmetic(operator: str, left: float, right: float) -> Value:
    """Apply + - * / ^; blank where the result is no number."""
    try:
        result = {
            "+": lambda: left + right,
            "-": lambda: left - right,
            "*": lambda: left * right,
            "/": lambda: left / right,
            "^": lambda: math.pow(left, right),
        }[operator]()
    except (ZeroDivisionError, OverflowError, ValueError):
        return ""
    return result if math.isfinite(result) else ""


def _rounder(mode: str) -> Function:
    def rounded(given: Sequence[Value], _now: datetime) -> Value:
        value = number(given[0])
        places = number(given[1]) if len(given) > 1 else 0.0
        if value is None or places is None or abs(places) > 20:
            return ""
        try:
            return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-int(places)), rounding=mode))
        except InvalidOperation:
            return value

    return rounded


def _unary(compute: Callable[[float], float]) -> Function:
    def applied(given: Sequence[Value], _now: datetime) -> Value:
        value = number(given[0])
        if value is None:
            return ""
        try:
            result = compute(value)
        except (ValueError, OverflowError):
            return ""
        return result if math.isfinite(result) else ""

    return applied


def _aggregate(compute: Callable[[list[float]], float], *, empty: Value = "", least: int = 1) -> Function:
    def applied(given: Sequence[Value], _now: datetime) -> Value:
        numbers = [value for value in map(number, given) if value is not None]
        return compute(numbers) if len(numbers) >= least else empty

    return applied


def _log(given: Sequence[Value], _now: datetime) -> Value:
    value = number(given[0])
    base = number(given[1]) if len(given) > 1 else math.e
    if value is None or base is None or value <= 0 or base <= 0 or base == 1:
        return ""
    return math.log(value) / math.log(base) if base != math.e else math.log(value)


def _mod(given: Sequence[Value], _now: datetime) -> Value:
    left, right = number(given[0]), number(given[1])
    return "" if left is None or not right else math.fmod(left, right)


def moment(value: str, now: datetime, form: str = "") -> datetime | None:
    """Read `today`, `now`, a date, a date-time or a time; None where it is none of them."""
    shown = value.strip()
    if shown.lower() == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    if shown.lower() == "now":
        return now
    if found := _CLOCK.fullmatch(shown):
        return _built(1970, 1, 1, found[1], found[2], found[3])
    found = _MOMENT.fullmatch(shown)
    if found is None:
        return None
    first, second, third = int(found[1]), int(found[2]), int(found[3])
    if len(found[1]) == 4:
        year, month, day = first, second, third
    elif form == "mdy":
        month, day, year = first, second, third
    else:
        day, month, year = first, second, third
    return _built(year, month, day, found[4], found[5], found[6])


def _built(
    year: int, month: int, day: int, hour: str | None, minute: str | None, second: str | None
) -> datetime | None:
    try:
        return datetime.combine(date(year, month, day), time(int(hour or 0), int(minute or 0), int(second or 0)))
    except ValueError:
        return None


def _datediff(given: Sequence[Value], now: datetime) -> Value:
    if not 3 <= len(given) <= 5:
        raise EvaluationError("datediff() takes three to five arguments")
    form, signed = "", False
    for extra in given[3:]:
        if text(extra).lower() in _FORMATS:
            form = text(extra).lower()
        else:
            signed = extra is True or text(extra).lower() in ("true", "1")
    start, end = moment(text(given[0]), now, form), moment(text(given[1]), now, form)
    seconds = _SECONDS.get(text(given[2]))
    if seconds is None:
        raise EvaluationError("datediff() takes the units y, M, d, h, m and s")
    if start is None or end is None:
        return ""
    difference = (end - start) / timedelta(seconds=1) / seconds
    return difference if signed else abs(difference)


def _age(given: Sequence[Value], now: datetime) -> Value:
    birth = moment(text(given[0]), now)
    then = moment(text(given[1]), now) if len(given) > 1 else now
    if birth is None or then is None:
        return ""
    if len(given) > 2 and truth(given[2]):
        return (then - birth) / timedelta(days=365.2425)
    return float(then.year - birth.year - ((then.month, then.day) < (birth.month, birth.day)))


def _date_part(part: Callable[[datetime], int]) -> Function:
    def applied(given: Sequence[Value], now: datetime) -> Value:
        found = moment(text(given[0]), now)
        return "" if found is None else float(part(found))

    return applied


def _texts(compute: Callable[..., Value], count: int) -> Function:
    def applied(given: Sequence[Value], _now: datetime) -> Value:
        if len(given) != count:
            raise TypeError
        return compute(*map(text, given))

    return applied


def _slice(cut: Callable[..., str]) -> Function:
    def applied(given: Sequence[Value], _now: datetime) -> Value:
        numbers = [number(value) for value in given[1:]]
        if any(value is None for value in numbers):
            return ""
        return cut(text(given[0]), *(max(0, int(value or 0)) for value in numbers))

    return applied


def _concat_ws(given: Sequence[Value], _now: datetime) -> Value:
    return text(given[0]).join(part for part in map(text, given[1:]) if part)


TABLE: Mapping[str, Function] = {
    "datediff": _datediff,
    "age_at_date": _age,
    "dayoftheweek": _date_part(datetime.isoweekday),
    "year": _date_part(lambda found: found.year),
    "month": _date_part(lambda found: found.month),
    "day": _date_part(lambda found: found.day),
    "round": _rounder(ROUND_HALF_UP),
    "roundup": _rounder(ROUND_CEILING),
    "rounddown": _rounder(ROUND_FLOOR),
    "sqrt": _unary(math.sqrt),
    "abs": _unary(abs),
    "exponential": _unary(math.exp),
    "log": _log,
    "mod": _mod,
    "min": _aggregate(min),
    "max": _aggregate(max),
    "mean": _aggregate(statistics.fmean),
    "median": _aggregate(statistics.median),
    "sum": _aggregate(math.fsum, empty=0.0),
    "stdev": _aggregate(statistics.stdev, least=2),
    "isnumber": lambda given, _now: number(given[0]) is not None,
    "isinteger": lambda given, _now: re.fullmatch(r"[+-]?\d+", text(given[0])) is not None,
    "contains": _texts(lambda a, b: b.lower() in a.lower(), 2),
    "not_contain": _texts(lambda a, b: b.lower() not in a.lower(), 2),
    "starts_with": _texts(lambda a, b: a.lower().startswith(b.lower()), 2),
    "ends_with": _texts(lambda a, b: a.lower().endswith(b.lower()), 2),
    "find": _texts(lambda a, b: float(b.lower().find(a.lower()) + 1), 2),
    "left": _slice(lambda a, n: a[:n]),
    "right": _slice(lambda a, n: a[-n:] if n else ""),
    "mid": _slice(lambda a, start, n: a[max(0, start - 1) : max(0, start - 1) + n]),
    "length": _texts(lambda a: float(len(a)), 1),
    "trim": _texts(str.strip, 1),
    "upper": _texts(str.upper, 1),
    "lower": _texts(str.lower, 1),
    "replace_text": _texts(lambda a, b, c: a.replace(b, c) if b else a, 3),
    "concat": lambda given, _now: "".join(map(text, given)),
    "concat_ws": _concat_ws,
}
