"""Turn a check's message and the values it read into finished text, once for each language.

A placeholder is a name in braces: a field that the check reads (``{dbp}``; ``{day_0.inf_date}`` at another visit),
a fact of a library check, or one of ``COMMON``. Nothing else is understood inside braces, so a message cannot reach
into the program.
"""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)\}")

COMMON = frozenset(
    {"value", "raw", "unit", "label", "field", "record", "site", "event", "visit", "form", "instance"}
    | {"low", "high", "codes"}
)
"""Placeholders that every message may use."""

BLANK: Mapping[str, str] = {"en": "(blank)", "zh": "（空）"}
"""What stands for a missing value inside a text."""

HIDDEN: Mapping[str, str] = {"en": "(identifier)", "zh": "（标识信息）"}
"""What stands for the value of an identifying field inside a text."""

_EXPONENT_FROM = 1e15


def text_of(value: object) -> str | None:
    """Write a value as text: ISO dates, the shortest number that reads back the same, None as None."""
    match value:
        case None:
            return None
        case bool():
            return "1" if value else "0"
        case float():
            return _number(value)
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S" if value.second else "%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case time():
            return value.strftime("%H:%M:%S" if value.second else "%H:%M")
        case list() | tuple():
            return ", ".join(filter(None, map(text_of, value)))
        case _:
            return str(value)


def in_language(texts: Mapping[str, str], language: str) -> str:
    """Pick the text of a language, else the English one, else the first; "" where there is none."""
    for wanted in (language, "en"):
        if texts.get(wanted):
            return texts[wanted]
    return next(iter(texts.values()), "")


def placeholders(template: str) -> frozenset[str]:
    """Name the placeholders of one message."""
    return frozenset(PLACEHOLDER.findall(template))


def fill(template: str, values: Mapping[str, str | None], *, language: str) -> str:
    """Put values into a message; a missing value reads "(blank)" in the message's language."""
    blank = in_language(BLANK, language)

    def replaced(match: re.Match[str]) -> str:
        text = values.get(match[1])
        return blank if text is None or text == "" else text

    return PLACEHOLDER.sub(replaced, template)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= _EXPONENT_FROM:
        return repr(value)
    if value == int(value):
        return str(int(value))
    return format(Decimal(repr(value)), "f")
