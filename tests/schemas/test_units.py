"""Factors are right, and where there is no safe way there is none."""

import pint
import pytest

from schemas.study import Field, Kind
from schemas.units import IDENTITY, UCUM_TO_PINT, Conversion, conversion, dimensional, factor


def number(unit: str | None, **units: float) -> Field:
    return Field(name="x", form="labs", kind=Kind.NUMBER, label={"en": "X"}, unit=unit, units=units)


def test_the_fields_own_table_goes_first() -> None:
    creatinine = number("umol/L", **{"mg/dL": 88.42})

    assert conversion(creatinine, "umol/L") == IDENTITY
    assert factor(creatinine, "mg/dL") == 88.42
    assert factor(number("g/L", **{"mg/dL": 0.02}), "mg/dL") == 0.02


def test_a_molar_mass_is_never_guessed() -> None:
    assert factor(number("umol/L"), "mg/dL") is None
    assert factor(number("mmol/L"), "g/L") is None


def test_annotations_keep_analytes_apart() -> None:
    urea = number("mmol/L", **{"mg/dL{BUN}": 0.357, "mg/dL{urea}": 0.1665})

    assert factor(urea, "mg/dL{BUN}") == 0.357
    assert factor(urea, "mg/dL{urea}") == 0.1665
    assert factor(urea, "mg/dL") is None
    assert dimensional("mL/min/{1.73_m2}", "mL/min") is None


def test_a_field_without_a_unit_converts_nothing() -> None:
    assert conversion(number(None), "g/L") is None


@pytest.mark.parametrize(
    ("unit", "canonical", "expected"),
    [
        ("g/dL", "g/L", 10),
        ("mg/dL", "g/L", 0.01),
        ("mg/L", "g/L", 0.001),
        ("mg/dL", "mg/L", 10),
        ("10*3/uL", "10*9/L", 1),
        ("10*4/uL", "10*9/L", 10),
        ("/uL", "10*9/L", 0.001),
        ("mg/(24.h)", "g/(24.h)", 0.001),
        ("g/d", "g/(24.h)", 1),
        ("L/(24.h)", "mL/(24.h)", 1000),
        ("mg/g", "g/g", 0.001),
        ("mg/mmol", "g/mol", 1),
        ("kPa", "mm[Hg]", 7.50062),
        ("m", "cm", 100),
        ("mg", "g", 0.001),
        ("1", "%", 100),
    ],
)
def test_units_of_one_dimension_convert(unit: str, canonical: str, expected: float) -> None:
    assert factor(number(canonical), unit) == pytest.approx(expected, rel=1e-6)


def test_degrees_fahrenheit_need_an_offset() -> None:
    temperature = number("Cel")
    found = conversion(temperature, "[degF]")

    assert isinstance(found, Conversion)
    assert 98.6 * found.factor + found.offset == pytest.approx(37.0, abs=1e-9)
    assert 32 * found.factor + found.offset == pytest.approx(0.0, abs=1e-9)
    assert factor(temperature, "[degF]") is None


def test_other_dimensions_and_unknown_codes_have_no_way() -> None:
    assert dimensional("g/L", "g/(24.h)") is None
    assert dimensional("[IU]/mL", "[IU]/mL ") is None
    assert dimensional("jin", "kg") is None


def test_every_unit_in_the_table_is_known_to_pint() -> None:
    for unit in UCUM_TO_PINT:
        found = dimensional(unit, unit)
        assert found is not None, unit
        assert found.factor == pytest.approx(1), unit


@pytest.mark.parametrize(
    ("shipped", "mass", "unit", "canonical", "tolerance"),
    [
        (88.42, 113.118, "mg/dL", "umol/L", 3e-4),  # creatinine: printed as 88.4 to 88.42
        (0.1665, 60.056, "mg/dL", "mmol/L", 3e-4),  # urea
        (0.357, 28.013, "mg/dL", "mmol/L", 3e-4),  # urea nitrogen: two nitrogen atoms
        (17.10, 584.66, "mg/dL", "umol/L", 5e-4),  # bilirubin
        (0.0555, 180.156, "mg/dL", "mmol/L", 5e-4),  # glucose
        (16.11, 16114.5, "mmol/L", "g/L", 5e-4),  # haemoglobin, monomer
        (0.00884, 113.118, "mg/mmol", "g/g", 1e-3),  # protein to creatinine ratio
    ],
)
def test_frozen_factors_agree_with_molar_masses(
    shipped: float, mass: float, unit: str, canonical: str, tolerance: float
) -> None:
    registry = pint.UnitRegistry()
    molar_mass = registry.Quantity(mass, "gram/mole")
    given = registry.Quantity(1, UCUM_TO_PINT[unit])
    target = registry.parse_units(UCUM_TO_PINT[canonical])
    ways = [given, given * molar_mass, given / molar_mass]
    value = next(way.to(target).magnitude for way in ways if way.is_compatible_with(target))

    assert shipped == pytest.approx(value, rel=tolerance)
