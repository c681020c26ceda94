"""The table of REDCap's functions: what each takes, what it gives, and how far we carry it.

The table is data: the documentation, the lint of checks and the evaluation all read it. A function missing
here is not one that REDCap documents; one with support NONE is known and refused. PARTIAL means that some
uses are refused or that a detail REDCap does not document was decided by us; `note` then says which.
"""

import difflib
from dataclasses import dataclass
from enum import StrEnum


class Support(StrEnum):
    """Say how far a function is carried."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """Describe one function: arguments from `least` to `most` (None: any number), and a sentence."""

    name: str
    least: int
    most: int | None
    sentence: str
    support: Support = Support.FULL
    note: str = ""

    @property
    def arity(self) -> str:
        """Say in words how many arguments are taken, such as `3 to 5 arguments`."""
        if self.most is None:
            return f"at least {self.least} argument{'s' if self.least != 1 else ''}"
        if self.least == self.most:
            return f"{self.least} argument{'s' if self.least != 1 else ''}"
        return f"{self.least} to {self.most} arguments"

    def accepts(self, count: int) -> bool:
        """Tell whether a call with `count` arguments is well formed."""
        return self.least <= count and (self.most is None or count <= self.most)


def _row(name: str, least: int, most: int | None, sentence: str, note: str = "") -> Function:
    support = Support.PARTIAL if note else Support.FULL
    return Function(name=name, least=least, most=most, sentence=sentence, support=support, note=note)


_LITERAL_PLACES = "The number of places must be written out."
_TYPED = "Numbers and date-times are spelled canonically, so 1.50 reads as 1.5."
_ROWS = (
    _row("if", 3, 3, "Gives the second argument where the condition is true, else the third."),
    # Dates
    _row(
        "datediff",
        3,
        5,
        "Gives the time between two dates in y, M, d, h, m or s; absolute unless the last argument is true.",
        "Unit, date format and sign must be written out; a format only matters for dates in quotes.",
    ),
    _row(
        "age_at_date",
        2,
        3,
        "Gives the completed years from a date of birth to another date.",
        "With true as third argument the decimal years count 365.2425 days each.",
    ),
    _row("dayoftheweek", 1, 1, "Gives 1 for Monday to 7 for Sunday."),
    _row("year", 1, 1, "Gives the four-digit year of a date."),
    _row("month", 1, 1, "Gives the month of a date, 1 to 12."),
    _row("day", 1, 1, "Gives the day of the month of a date, 1 to 31."),
    # Numbers
    _row("round", 1, 2, "Rounds to the given decimal places, halves away from zero.", _LITERAL_PLACES),
    _row("roundup", 1, 2, "Rounds up to the given decimal places.", _LITERAL_PLACES),
    _row("rounddown", 1, 2, "Rounds down to the given decimal places.", _LITERAL_PLACES),
    _row("sqrt", 1, 1, "Gives the square root; blank for a negative number."),
    _row("abs", 1, 1, "Gives the number without its sign."),
    _row("exponential", 1, 1, "Raises e to the number."),
    _row("log", 1, 2, "Gives the logarithm to the given base, or the natural one; blank below or at zero."),
    _row("mod", 2, 2, "Gives the remainder of a division, with the sign of the dividend; blank for mod 0."),
    _row("min", 1, None, "Gives the smallest of the numbers that are not blank."),
    _row("max", 1, None, "Gives the largest of the numbers that are not blank."),
    _row("mean", 1, None, "Gives the average of the numbers that are not blank."),
    _row("median", 1, None, "Gives the median of the numbers that are not blank."),
    _row("sum", 1, None, "Adds the numbers that are not blank; 0 when all are."),
    _row(
        "stdev",
        1,
        None,
        "Gives the standard deviation of the numbers that are not blank.",
        "REDCap does not say which; this is the sample's (n - 1), blank for fewer than two numbers.",
    ),
    _row("isnumber", 1, 1, "Tells whether the value is a number."),
    _row("isinteger", 1, 1, "Tells whether the value is a whole number."),
    # Blanks and missing-data codes
    _row("isblankormissingcode", 1, 1, "Tells whether the value is blank or a missing-data code."),
    _row("isblanknotmissingcode", 1, 1, "Tells whether the value is blank and no missing-data code."),
    _row("ismissingcode", 1, 1, "Tells whether the value is any missing-data code."),
    _row(
        "hasmissingcode",
        2,
        2,
        "Tells whether the value is one of the listed missing-data codes, as in 'NASK,UNK'.",
        "The list of codes must be written out.",
    ),
    # Text
    _row("contains", 2, 2, "Tells whether the first text holds the second, in any case.", _TYPED),
    _row("not_contain", 2, 2, "Tells whether the first text does not hold the second, in any case.", _TYPED),
    _row("starts_with", 2, 2, "Tells whether the first text begins with the second, in any case.", _TYPED),
    _row("ends_with", 2, 2, "Tells whether the first text ends with the second, in any case.", _TYPED),
    _row("find", 2, 2, "Gives the place, from 1, of the first text in the second; 0 if absent.", _TYPED),
    _row("left", 2, 2, "Gives the first characters of a text.", _TYPED),
    _row("right", 2, 2, "Gives the last characters of a text.", _TYPED),
    _row("mid", 3, 3, "Gives characters of a text from a place counted from 1.", _TYPED),
    _row("length", 1, 1, "Counts the characters of a text.", _TYPED),
    _row("trim", 1, 1, "Takes white space off both ends of a text.", _TYPED),
    _row("upper", 1, 1, "Gives a text in capitals.", _TYPED),
    _row("lower", 1, 1, "Gives a text in small letters.", _TYPED),
    _row(
        "replace_text",
        3,
        3,
        "Replaces every occurrence of the second text in the first by the third.",
        f"The text to look for must be written out. {_TYPED}",
    ),
    _row("concat", 1, None, "Joins texts.", _TYPED),
    _row(
        "concat_ws",
        2,
        None,
        "Joins the texts that are not blank, with the first argument between them.",
        f"The separator must be written out. {_TYPED}",
    ),
)

TABLE: dict[str, Function] = {row.name: row for row in _ROWS}
"""Every function by its name in lower case."""


def nearest(name: str) -> str | None:
    """Suggest the documented function that a misspelled name probably means."""
    found = difflib.get_close_matches(name.lower(), TABLE, n=1)
    return found[0] if found else None
