"""Every factor of the shipped study agrees with pint, with the analyte's molar mass where it needs one."""

from collections.abc import Iterator
from functools import lru_cache

import pint
import pytest

from schemas.loading import shipped_study
from schemas.study import Field
from schemas.units import UCUM_TO_PINT, dimensional

GRAMS_PER_MOLE = {
    ("creat", "mg/dL"): 113.118,
    ("urea", "mg/dL{BUN}"): 28.013,  # two nitrogen atoms
    ("urea", "mg/dL{urea}"): 60.056,
    ("hgb", "mmol/L"): 16114.5,  # monomer
    ("bili", "mg/dL"): 584.66,
    ("gluc", "mg/dL"): 180.156,
    ("upcr", "mg/mmol"): 113.118,  # creatinine in the denominator
    ("upcr", "g/mol"): 113.118,
}

CONVENTIONS = {("weight_kg", "[jin_cn]"): 0.5, ("inf_weight_kg", "[jin_cn]"): 0.5}
"""Units that are a matter of definition and that pint does not know."""


@lru_cache(maxsize=1)
def registry_of_pint() -> pint.UnitRegistry:
    return pint.UnitRegistry()


def factors() -> Iterator[tuple[Field, str, float]]:
    for form in shipped_study("sle").forms:
        for field in form.fields:
            for unit, factor in field.units.items():
                yield field, unit, factor


def through_moles(unit: str, canonical: str, grams_per_mole: float) -> float:
    registry = registry_of_pint()
    mass = registry.Quantity(grams_per_mole, "gram/mole")
    given = registry.Quantity(1, UCUM_TO_PINT[unit.partition("{")[0]])
    target = registry.parse_units(UCUM_TO_PINT[canonical])
    return float(
        next(way for way in (given * mass, given / mass) if way.is_compatible_with(target)).to(target).magnitude
    )


def test_every_factor_has_its_proof() -> None:
    seen = 0
    for field, unit, factor in factors():
        place = (field.name, unit)
        assert field.unit is not None
        if place in CONVENTIONS:
            assert factor == CONVENTIONS[place]
        elif place in GRAMS_PER_MOLE:
            # printed factors are rounded to three or four digits
            assert factor == pytest.approx(through_moles(unit, field.unit, GRAMS_PER_MOLE[place]), rel=1e-3), place
        else:
            found = dimensional(unit, field.unit)
            assert found is not None, f"{place} needs a molar mass here"
            assert factor == pytest.approx(found.factor, rel=1e-5), place
        seen += 1
    assert seen > 30


def test_urea_and_urea_nitrogen_are_told_apart() -> None:
    urea = {unit: factor for field, unit, factor in factors() if field.name == "urea"}

    assert urea["mg/dL{BUN}"] / urea["mg/dL{urea}"] == pytest.approx(60.056 / 28.013, rel=1e-3)
    assert "mg/dL" not in urea
