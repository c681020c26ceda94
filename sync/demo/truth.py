"""Put the invented trial together: the true value of every field of every form at every visit.

All patients are invented; their figures add up to those of the published abstract and nothing else about them is
real. The values are clean: no edit check of the study fires on them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.frames import Scalar
from sync.demo import forms, laboratory
from sync.demo.cohort import CENTRES, Subject, invent
from sync.demo.course import Assessment, run
from sync.demo.laboratory import Values
from sync.demo.numbers import stream
from sync.demo.published import published
from sync.demo.response import responses

SEED = 1409
"""The abstract's number."""

SAFETY = ("screening", "day_0", "day_7", "month_1", "month_3", "month_6", "month_9", "month_12")
EFFICACY = ("screening", "day_0", "month_3", "month_6", "month_9", "month_12")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Address one row of the truth in the study's words."""

    site: str
    subject: str
    visit: str
    form: str
    instance: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Hold the invented trial. ``rows`` maps every place to its columns' canonical typed values (None = blank)."""

    subjects: tuple[Subject, ...]
    rows: Mapping[Place, Mapping[str, Scalar]]

    def of(self, site: str) -> Iterator[tuple[Place, Mapping[str, Scalar]]]:
        """Yield one centre's rows, patient by patient."""
        return ((place, values) for place, values in self.rows.items() if place.site == site)

    @property
    def sites(self) -> tuple[str, ...]:
        """Name the centres."""
        return tuple(CENTRES)


def truth(seed: int = SEED) -> Truth:
    """Invent the trial; the same seed gives the same trial. ValueError where a seed admits none (try another)."""
    figures = published()
    subjects = invent(seed, figures)
    course = run(subjects, figures, seed)
    rows: dict[Place, Mapping[str, Scalar]] = {}
    for subject in subjects:
        for visit, form, instance, values in _rows(subject, course[subject.id], seed):
            place = Place(site=subject.site, subject=subject.id, visit=visit, form=form, instance=instance)
            rows[place] = values
    return Truth(subjects=subjects, rows=rows)


def _rows(subject: Subject, course: Mapping[str, Assessment], seed: int) -> Iterator[tuple[str, str, int, Values]]:
    """Yield (visit, form, instance, values) of one patient."""
    rng = stream(seed, "once", subject.id)
    yield "screening", "screening_consent", 1, forms.consent(subject)
    yield "screening", "demographics", 1, forms.demographics(rng, subject)
    yield "screening", "eligibility", 1, forms.eligibility(rng, subject, course["day_0"])
    for instance, values in enumerate(forms.prior_therapy(rng), start=1):
        yield "screening", "prior_therapy", instance, values
    for visit, day in subject.dates.items():
        values = {"visit_date": day, "visit_done": "1", "visit_type": "hospital" if visit == "day_0" else "site"}
        yield visit, "visit_form", 1, values | {"not_done_reason": None}
    for visit in SAFETY:
        if visit in subject.dates:
            yield from _examined(subject, visit, course[forms.nearest(visit)], seed)
    derived = responses({visit: now.grades for visit, now in course.items()})
    for visit in ("month_6", "month_9", "month_12"):
        yield visit, "outcome", 1, forms.outcome(subject, visit, derived)
    for instance, values in enumerate(forms.conmed(rng, subject), start=1):
        yield "unscheduled", "conmed", instance, values
    yield "unscheduled", "adverse_event", 1, forms.no_adverse_event()
    yield "eos", "disposition", 1, forms.disposition(subject)


def _examined(subject: Subject, visit: str, now: Assessment, seed: int) -> Iterator[tuple[str, str, int, Values]]:
    """Yield what is examined at one visit: signs and blood always, indices and urine at assessments."""
    rng = stream(seed, "visit", subject.id, visit)
    own, day = laboratory.body(subject, seed), subject.dates[visit]
    signs = laboratory.vitals(rng, subject, visit, laboratory.has_fever(now) and visit in EFFICACY, own)
    yield visit, "vitals", 1, signs
    yield visit, "labs", 1, laboratory.blood(rng, subject, visit, now, own)
    if visit in EFFICACY:
        yield visit, "urine", 1, laboratory.urine(rng, visit, day, now)
        yield visit, "immunology", 1, laboratory.immunology(rng, subject, visit, now, own)
        yield visit, "sledai", 1, forms.sledai(rng, subject, day, now)
        yield visit, "bilag", 1, forms.bilag(now)
    if visit in ("day_0", "day_7"):
        yield visit, "msc_infusion", 1, forms.infusion(rng, subject, visit, float(str(signs["weight_kg"])))
    if visit in ("screening", "day_0") and (test := forms.pregnancy(rng, subject, visit)):
        yield visit, "pregnancy", 1, test
