"""Judge one imported value against its field and write it as it is stored."""

import re
from collections.abc import Mapping
from datetime import date

from sync.sandbox.dictionary import STATUS_CHOICES, Column, Field, Structure
from sync.sandbox.errors import BAD_DATE, BAD_FORMAT, NOT_CATEGORY

_STATUS_CODES = frozenset(code for code, _ in STATUS_CHOICES)
_YMD = re.compile(r"(?P<y>\d{4})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})")
_DATE_FORMS: Mapping[str, re.Pattern[str]] = {
    "YMD": _YMD,
    "MDY": re.compile(r"(?P<m>\d{1,2})[-/](?P<d>\d{1,2})[-/](?P<y>\d{4})"),
    "DMY": re.compile(r"(?P<d>\d{1,2})[-/](?P<m>\d{1,2})[-/](?P<y>\d{4})"),
}
_SHOWN = {"YMD": "YYYY-MM-DD", "MDY": "MM/DD/YYYY", "DMY": "DD/MM/YYYY"}
_HOUR = r"([01]?\d|2[0-3])"


def _decimals(places: str, mark: str = r"\.") -> str:
    return rf"[-+]?\d+{mark}\d{{{places}}}"


#: validation name → pattern of the whole value; a name that is not here accepts anything
_PATTERNS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "integer": r"[-+]?\d+",
        "number": r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?",
        "number_comma_decimal": r"[-+]?(\d+(,\d*)?|,\d+)",
        **{f"number_{n}dp": _decimals(str(n)) for n in range(1, 5)},
        **{f"number_{n}dp_comma_decimal": _decimals(str(n), ",") for n in range(1, 5)},
        "email": r"[^@\s,;]+@[^@\s,;]+\.[A-Za-z]{2,}",
        "phone": r"(\+?1[-. ]?)?\(?[2-9]\d{2}\)?[-. ]?\d{3}[-. ]?\d{4}( ?(ext|x|#)\.? ?\d{1,6})?",
        "phone_australia": r"(\(0[2-8]\)|0[2-8]) ?\d{4} ?\d{4}|0[45]\d{2} ?\d{3} ?\d{3}",
        "zipcode": r"\d{5}(-\d{4})?",
        "postalcode_australia": r"\d{4}",
        "postalcode_canada": r"[A-Za-z]\d[A-Za-z] ?\d[A-Za-z]\d",
        "postalcode_french": r"\d{5}",
        "postalcode_germany": r"\d{5}",
        "ssn": r"\d{3}-?\d{2}-?\d{4}",
        "time": rf"{_HOUR}:[0-5]\d",
        "time_hh_mm_ss": rf"{_HOUR}:[0-5]\d:[0-5]\d",
        "time_mm_ss": r"[0-5]?\d:[0-5]\d",
        "alpha_only": r"[A-Za-z]+",
        "mrn_10d": r"\d{10}",
        "mrn_generic": r"[A-Za-z0-9_-]+",
        "vmrn": r"\d{4,9}",
    }.items()
}


class Refused(ValueError):
    """Carry the message that an import shows beside a value."""


def stored(structure: Structure, column: Column, value: str, date_form: str) -> str:
    """Return a value that is not blank as it is stored. Raises Refused with REDCap's message.

    Limits (min and max) are warnings over the API and refuse nothing (guess: range-import).
    """
    if column.kind == "status":
        return _category(value, _STATUS_CODES, column.name)
    if column.kind == "checkbox":
        return _category(value, frozenset({"0", "1"}), column.name)
    field = structure.field_by_name[column.field]
    codes = frozenset(code for code, _ in structure.missing_codes)
    if value in codes:
        return value
    if field.choices and field.field_type != "sql":
        return _category(value, frozenset(code for code, _ in field.choices), column.name)
    if field.field_type == "slider":
        return _matched(value, _PATTERNS["integer"])
    return _text(field, value, date_form)


def _category(value: str, codes: frozenset[str], name: str) -> str:
    if value not in codes:
        raise Refused(NOT_CATEGORY.format(field=name))
    return value


def _matched(value: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(value):
        raise Refused(BAD_FORMAT)
    return value


def _text(field: Field, value: str, date_form: str) -> str:
    name = field.validation
    if name.startswith("date"):
        return _date(name, value, date_form)
    pattern = _PATTERNS.get(name)
    return value if pattern is None else _matched(value, pattern)


def _date(name: str, value: str, date_form: str) -> str:
    day, space, clock = value.partition(" ")
    with_time = name.startswith("datetime")
    found = _DATE_FORMS[date_form].fullmatch(day) or _YMD.fullmatch(day)
    if found is None or (bool(space) and not with_time):
        raise Refused(BAD_DATE.format(form=_SHOWN[date_form]))
    try:
        shown = date(int(found["y"]), int(found["m"]), int(found["d"])).isoformat()
    except ValueError:
        raise Refused(BAD_DATE.format(form=_SHOWN[date_form])) from None
    if not with_time:
        return shown
    wanted = "time_hh_mm_ss" if name.startswith("datetime_seconds") else "time"
    return f"{shown} {_matched(clock, _PATTERNS[wanted]).zfill(8 if wanted != 'time' else 5)}"
