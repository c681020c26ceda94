"""List every check of the library by its name: the one table that specifications, lint and documentation read."""

from collections.abc import Mapping
from dataclasses import replace

from validators.library import chronology, completeness, identity, indices, outcomes, safety, units, values, visits
from validators.library.registry import REQUIRED, LibraryCheck, Params, Run


def _check(name: str, run: Run, sentence: str, *facts: str, **params: object) -> LibraryCheck:
    filled: Params = params
    return LibraryCheck(name=name, run=run, sentence=sentence, facts=frozenset(facts), params=filled)


_CHECKS: tuple[LibraryCheck, ...] = (
    _check("identity.pattern", identity.pattern, "The text is not of the site's pattern.", "prefix", pattern=None),
    _check(
        "identity.duplicate", identity.duplicate, "Two records agree in who they are about.", "other", keys=REQUIRED
    ),
    _check("identity.changed", identity.changed, "A fact about the person changed.", "before"),
    _check("chronology.future", chronology.future, "A date lies in the future.", exclude=()),
    _check(
        "chronology.before_consent",
        chronology.before_consent,
        "A date precedes the consent.",
        "consent",
        consent=REQUIRED,
        exclude=(),
        exclude_forms=(),
    ),
    _check(
        "chronology.consent_late",
        chronology.consent_late,
        "The consent is later than what needed it.",
        "what",
        "on",
        milestones=REQUIRED,
    ),
    _check(
        "chronology.after_death",
        chronology.after_death,
        "A date lies after the death, or the study ends twice.",
        "death",
        death=REQUIRED,
        exclude=(),
        once=(),
    ),
    _check("visits.window", visits.window, "The visit is outside its window.", "day", "low", "high"),
    _check(
        "visits.hard_window",
        visits.hard_window,
        "The visit is nearer to another.",
        "day",
        "low",
        "high",
        "other_event",
    ),
    _check("visits.order", visits.order, "The visit is before an earlier one.", "before", "event_before"),
    _check("visits.same_date", visits.same_date, "Two visits share a date.", "other_event"),
    _check("visits.overdue", visits.overdue, "A required visit is overdue.", "days", grace=14, ended=()),
    _check("visits.slip", visits.slip, "A date looks like a slip of the pen.", "suggested", near=14, off=60),
    _check(
        "values.sentinel",
        values.sentinel,
        "An implausible number looks like a missing-data code.",
        codes=values.SENTINELS,
    ),
    _check(
        "values.delta",
        values.delta,
        "A value jumped from the previous one.",
        "before",
        "days",
        "change",
        "event_before",
        fields=REQUIRED,
        days=0,
    ),
    _check(
        "units.signature",
        units.signature,
        "A value looks like another unit's.",
        "other_unit",
        "usual",
        by_history=(),
        tolerance=0.1,
        history=2,
        steady=1.6,
    ),
    _check(
        "completeness.not_done",
        completeness.not_done,
        "A value and a reason for none, or neither.",
        "reason",
        visits=(),
    ),
    _check("completeness.hidden_filled", completeness.hidden_filled, "A field that does not apply is filled."),
    _check(
        "completeness.form_incomplete",
        completeness.form_incomplete,
        "A form is still incomplete.",
        "days",
        grace=14,
    ),
    _check("completeness.panel", completeness.panel, "A whole panel is missing.", "panel", forms=REQUIRED),
    _check(
        "indices.sledai_sum",
        indices.sledai_sum,
        "The total is not the sum of the items.",
        "total",
        "sum",
        "count",
    ),
    _check("indices.sledai_incomplete", indices.sledai_incomplete, "A total stands beside blank items.", "count"),
    _check("indices.item_values", indices.item_values, "An item holds no item's value.", "weight"),
    _check(
        "indices.bilag_sum",
        indices.bilag_sum,
        "The total is not what the grades give.",
        "total",
        "sum_2004",
        "sum_classic",
    ),
    _check("indices.bilag_version", indices.bilag_version, "A system is not in the declared version.", "version"),
    _check(
        "indices.never_after_active",
        indices.never_after_active,
        "A system was affected before and is graded E.",
        "before",
        "event_before",
    ),
    _check(
        "safety.reaction_without_event",
        safety.reaction_without_event,
        "A reaction has no adverse event.",
        "on",
        date=REQUIRED,
        event_start=REQUIRED,
    ),
    _check(
        "safety.overlap",
        safety.overlap,
        "Two rows say the same of overlapping times.",
        "other_start",
        same=REQUIRED,
        start=REQUIRED,
        end=REQUIRED,
    ),
    _check(
        "outcomes.response",
        outcomes.against_derived,
        "The site's response differs from the derived one.",
        "derived",
        "rule_set",
        relapse_on=None,
    ),
    _check(
        "outcomes.relapse_without_response",
        outcomes.relapse_without_response,
        "A relapse has no earlier response.",
    ),
    _check(
        "outcomes.relapse_date",
        outcomes.relapse_date,
        "A relapse is dated where it cannot be.",
        "limit",
        response=REQUIRED,
        response_date=REQUIRED,
        first=REQUIRED,
        end=REQUIRED,
    ),
    _check(
        "outcomes.active_in_remission",
        outcomes.active_in_remission,
        "A major response stands beside active disease.",
        "count",
        "rise",
        rise=4,
    ),
)

_SITE_WIDE = frozenset({"identity.duplicate"})
_AGES = frozenset({"visits.overdue", "completeness.form_incomplete", "chronology.future"})

CHECKS: Mapping[str, LibraryCheck] = {
    each.name: replace(each, site_wide=each.name in _SITE_WIDE, ages=each.name in _AGES) for each in _CHECKS
}
"""Every library check by its name."""
