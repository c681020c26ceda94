"""Say how far a check must see: one subject's data, the whole site's, or the calendar.

A night that pulls only what changed judges only what changed, but for two kinds of checks: those whose verdict on one
subject may depend on another's data, and those that a day gone by may let fail, or pass.
"""

from schemas.study import CheckSpec, Study
from validators.library import catalogue
from validators.logic import parser, tree
from validators.logic.errors import LogicSyntaxError

_CLOCK = frozenset({"today", "now"})


def site_wide(study: Study) -> frozenset[str]:
    """Name the study's checks that need all subjects of a site at once."""
    return frozenset(spec.id for spec in study.checks if spec.library and _library(spec, "site_wide"))


def aging(study: Study) -> frozenset[str]:
    """Name the study's checks that may begin to fail, or to pass, without any change of data."""
    return frozenset(
        spec.id
        for spec in study.checks
        if (spec.library and _library(spec, "ages")) or any(_looks_at_clock(text) for text in (spec.logic, spec.when))
    )


def _library(spec: CheckSpec, trait: str) -> bool:
    known = catalogue.CHECKS.get(spec.library or "")
    return known is not None and bool(getattr(known, trait))


def _looks_at_clock(logic: str | None) -> bool:
    """Tell whether logic mentions 'today' or 'now'; logic that does not parse is not evaluated anyway."""
    if not logic:
        return False
    try:
        nodes = tree.walk(parser.parse(logic))
    except LogicSyntaxError:
        return False
    return any(isinstance(node, tree.Text) and node.text.lower() in _CLOCK for node in nodes)
