"""Convert a value from an accepted unit to a field's canonical one, by one factor (and an offset) for the column.

A field's own table goes first: only it knows the analyte (mg/dL of creatinine and mg/dL of urea nitrogen differ).
Where it is silent, units of one dimension are converted by pint; a conversion that would need a molar mass, or
two units with different annotations in braces, has no factor.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schemas.study import Field

UCUM_TO_PINT = {
    "%": "percent",
    "/min": "1/minute",
    "/L": "1/liter",
    "/kg": "1/kilogram",
    "/uL": "1/microliter",
    "1": "dimensionless",
    "Cel": "degree_Celsius",
    "K": "kelvin",
    "[degF]": "degree_Fahrenheit",
    "[lb_av]": "pound",
    "[in_i]": "inch",
    "a": "year",
    "cm": "centimeter",
    "d": "day",
    "fL": "femtoliter",
    "g": "gram",
    "g/(24.h)": "gram/day",
    "g/L": "gram/liter",
    "g/d": "gram/day",
    "g/dL": "gram/deciliter",
    "g/g": "gram/gram",
    "g/mol": "gram/mole",
    "h": "hour",
    "kPa": "kilopascal",
    "kg": "kilogram",
    "L": "liter",
    "L/(24.h)": "liter/day",
    "L/d": "liter/day",
    "m": "meter",
    "mL": "milliliter",
    "mL/(24.h)": "milliliter/day",
    "mL/d": "milliliter/day",
    "mL/min": "milliliter/minute",
    "mg": "milligram",
    "mg/(24.h)": "milligram/day",
    "mg/L": "milligram/liter",
    "mg/d": "milligram/day",
    "mg/dL": "milligram/deciliter",
    "mg/g": "milligram/gram",
    "mg/mg": "milligram/milligram",
    "mg/mmol": "milligram/millimole",
    "min": "minute",
    "mm": "millimeter",
    "mm[Hg]": "millimeter_Hg",
    "mm/h": "millimeter/hour",
    "mmol/L": "millimole/liter",
    "mo": "month",
    "ng/mL": "nanogram/milliliter",
    "nmol/L": "nanomole/liter",
    "pg": "picogram",
    "ug": "microgram",
    "ug/L": "microgram/liter",
    "ug/mL": "microgram/milliliter",
    "umol/L": "micromole/liter",
    "wk": "week",
}
"""UCUM code -> pint's name; enough for the units that a trial's forms list, not a UCUM parser. International units
are left out on purpose: they belong to one assay each."""

_POWER = re.compile(r"^10\*(\d+)")
_ANNOTATION = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Convert linearly: canonical = value × factor + offset."""

    factor: float
    offset: float = 0.0


IDENTITY = Conversion(factor=1.0)


def conversion(field: Field, unit: str) -> Conversion | None:
    """Find how ``unit`` (UCUM) becomes the field's canonical unit; None where there is no safe way.

    Order: the canonical unit itself, the field's own table, pint for units of one dimension.
    """
    if field.unit is None:
        return None
    if unit == field.unit:
        return IDENTITY
    if unit in field.units:
        return Conversion(factor=field.units[unit])
    return dimensional(unit, field.unit)


def factor(field: Field, unit: str) -> float | None:
    """Give the factor alone; None where there is no way or the way needs an offset (degrees Fahrenheit)."""
    found = conversion(field, unit)
    return found.factor if found is not None and found.offset == 0 else None


@lru_cache(maxsize=512)
def dimensional(unit: str, canonical: str) -> Conversion | None:
    """Convert between two UCUM units of one dimension; None for other dimensions, analytes or unknown codes.

    Annotations must be equal (``mL/min`` and ``mL/min/{1.73_m2}`` are not the same).
    """
    if sorted(_ANNOTATION.findall(unit)) != sorted(_ANNOTATION.findall(canonical)):
        return None
    (scale, name), (canonical_scale, canonical_name) = _pint(unit), _pint(canonical)
    if name is None or canonical_name is None:
        return None
    import pint  # noqa: PLC0415  # half a second that a study with its own factors never pays

    try:
        zero, one = (
            _registry().Quantity(value, name).to(canonical_name).magnitude * scale / canonical_scale
            for value in (0.0, 1.0)
        )
    except pint.DimensionalityError:
        return None
    # Seventeen digits of binary noise do not make a factor more exact than its definition.
    return Conversion(factor=float(f"{one - zero:.12g}"), offset=float(f"{zero:.12g}"))


def _pint(unit: str) -> tuple[float, str | None]:
    """Split a power of ten off and name the rest for pint; None where the code is not in the table."""
    plain = _ANNOTATION.sub("", unit).rstrip("/")
    power = _POWER.match(plain)
    if power is None:
        return 1.0, UCUM_TO_PINT.get(plain)
    return 10.0 ** int(power[1]), UCUM_TO_PINT.get(plain[power.end() :] or "1")


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint  # noqa: PLC0415  # see above

    return pint.UnitRegistry()
