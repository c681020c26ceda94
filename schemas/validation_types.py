"""Say what REDCap's field types and text validations mean for a cell's kind and form."""

from dataclasses import dataclass

from schemas.project import RedcapField
from schemas.study import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Say how a field's cells are read: their kind, for texts perhaps a pattern, for numbers the decimal mark."""

    kind: Kind
    pattern: str | None = None
    decimal_comma: bool = False


_TEXT = Shape(kind=Kind.TEXT)

_FIELD_TYPES = {
    "notes": Kind.TEXT,
    "sql": Kind.TEXT,  # its choices come from a query that only the server can run
    "radio": Kind.CODED,
    "dropdown": Kind.CODED,
    "truefalse": Kind.CODED,
    "yesno": Kind.YESNO,
    "checkbox": Kind.CHECKBOX,
    "slider": Kind.NUMBER,
    "file": Kind.FILE,
    "signature": Kind.FILE,
}

_PATTERNS = {
    "alpha_only": r"[A-Za-z]+",
    "email": r"[^@\s]+@[^@\s]+\.[^@\s.]+",
    "mrn_10d": r"\d{10}",
    "mrn_generic": r"[A-Za-z0-9_-]+",
    "phone": r"(?:\+?1[-. ]?)?\(?[2-9]\d{2}\)?\s*[-.]?\s*\d{3}\s*[-.]?\s*\d{4}(?:\s*(?:x|ext\.?)\s*\d+)?",
    "phone_australia": r"\(?0[2-8]\)?\s*\d{4}\s*\d{4}",
    "postalcode_australia": r"\d{4}",
    "postalcode_canada": r"(?i:[A-Z]\d[A-Z]\s?\d[A-Z]\d)",
    "postalcode_french": r"\d{4,5}",
    "postalcode_germany": r"\d{5}",
    "ssn": r"\d{3}-\d{2}-\d{4}",
    # minutes and seconds are a duration: reading 12:34 as a time of day would be wrong
    "time_mm_ss": r"[0-5]?\d:[0-5]\d",
    "vmrn": r"\d{4,9}",
    "zipcode": r"\d{5}(?:-\d{4})?",
}
"""Text validation -> what REDCap's own web form lets in, or a little more: data come in by other doors too."""


def shape_of(field: RedcapField) -> Shape | None:
    """Give the shape of a dictionary row; None for rows that hold no data (descriptive text).

    A field type or a number-like validation never seen gives Kind.UNKNOWN or plain text, never an error.
    """
    if field.field_type == "descriptive":
        return None
    if field.field_type == "calc":
        return Shape(kind=Kind.TEXT if is_text_calculation(field.select_choices_or_calculations) else Kind.NUMBER)
    if field.field_type == "text":
        return _validated(field.text_validation_type)
    kind = _FIELD_TYPES.get(field.field_type)
    return Shape(kind=Kind.UNKNOWN) if kind is None else Shape(kind=kind)


def _validated(validation: str) -> Shape:
    """Read the name of a text validation; REDCap names them by family (``datetime_seconds_dmy``)."""
    if validation in _PATTERNS:
        return Shape(kind=Kind.TEXT, pattern=_PATTERNS[validation])
    if validation in ("integer", "int"):
        return Shape(kind=Kind.INTEGER)
    if validation in ("time", "time_hh_mm_ss"):
        return Shape(kind=Kind.TIME)
    family = validation.partition("_")[0]
    if family in ("number", "float"):
        return Shape(kind=Kind.NUMBER, decimal_comma=validation.endswith("comma_decimal"))
    return {"date": Shape(kind=Kind.DATE), "datetime": Shape(kind=Kind.DATETIME)}.get(family, _TEXT)


_TEXT_FUNCTIONS = ("concat", "concat_ws", "left", "right", "mid", "upper", "lower", "trim", "replace_text")


def is_text_calculation(formula: str) -> bool:
    """Say whether a calculation can give text: a text function leads, or a branch of an ``if`` is quoted text.

    Quoted words that are compared (``[sex] = 'F'``) or that steer a function (``datediff(…, 'today', 'y')``)
    give no text, nor do quoted numbers and the empty text.
    """
    plain = "".join(_outside_datediff(formula.lower()))
    head = plain.lstrip(" (").split("(")[0].strip()
    return head in _TEXT_FUNCTIONS or any(_is_text(each) for each in _results(plain))


def _outside_datediff(formula: str) -> list[str]:
    """Cut the arguments of every ``datediff`` out of a formula."""
    first, *rest = formula.split("datediff")
    kept = [first]
    for part in rest:
        depth = 0
        for position, char in enumerate(part):
            depth += (char == "(") - (char == ")")
            if depth == 0 and char == ")":
                kept.append(part[position + 1 :])
                break
    return kept


def _results(formula: str) -> list[str]:
    """List the quoted texts that stand alone between commas or brackets, as the results of an ``if`` do."""
    found = []
    quote, start = "", 0
    for position, char in enumerate(formula):
        if not quote and char in "'\"":
            quote, start = char, position
        elif quote and char == quote:
            before, after = formula[:start].rstrip()[-1:], formula[position + 1 :].lstrip()[:1]
            if before == "," and after in (",", ")"):
                found.append(formula[start + 1 : position])
            quote = ""
    return found


def _is_text(literal: str) -> bool:
    try:
        float(literal or "0")
    except ValueError:
        return True
    return literal.strip() in ("nan", "inf", "infinity")
