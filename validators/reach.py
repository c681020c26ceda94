"""Say how far a check must see: one subject's data, the whole site's, or the calendar.

A night that pulls only what changed judges only what changed, but for two kinds of checks: those whose verdict on one
subject may depend on another's data, and those that a day gone by may let fail, or pass.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.study import CheckSpec, Study
from validators.library import catalogue
from validators.logic import parser, tree
from validators.logic.errors import LogicSyntaxError

_CLOCK = frozenset({"today", "now"})


def site_wide(study: Study) -> frozenset[str]:
    """Name the study's checks that need all subjects of a site at once."""
    return frozenset(spec.id for spec in study.checks if spec.library and _library(spec, "site_wide"))


def inputs(study: Study) -> Mapping[str, frozenset[str]]:
    """Map forms to the columns that the site-wide checks may read, so that the rest of a site need not be at hand.

    Whatever a check names (targets, declared inputs, parameters, logic) counts, on every form that has such a field;
    forms that none of them names are left out. Keys, places and form statuses are always at hand.
    """
    wide = site_wide(study)
    named = {name for spec in study.checks if spec.id in wide for name in _named(spec)}
    wanted = {
        form.name: frozenset(
            column
            for each in form.fields
            if {each.name, each.origin, f"{form.name}.{each.name}"} & named
            for column in each.columns
        )
        for form in study.forms
    }
    homes = {spec.form for spec in study.checks if spec.id in wide}
    statuses = {form.name for form in study.forms if f"{form.name}_complete" in named}
    return {name: columns for name, columns in wanted.items() if columns or name in homes | statuses}


def _named(spec: CheckSpec) -> Iterator[str]:
    """Yield every word of a check that may name a field."""
    yield from spec.targets
    yield from (name.strip("[]") for name in spec.inputs)
    yield from _words(spec.params)
    for logic in (spec.logic, spec.when):
        yield from _fields(logic)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _words(key)
            yield from _words(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _words(each)


def _fields(logic: str | None) -> Iterator[str]:
    if not logic:
        return
    try:
        fields = tree.references(parser.parse(logic))
    except LogicSyntaxError:
        return
    yield from (each.name for each in fields)


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
    return any(isinstance(node, tree.Text) and node.text.lower() in _CLOCK for node, _ in nodes)
