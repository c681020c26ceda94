"""Let the disease run: SLEDAI, 24-hour protein and BILAG of every patient at every assessment.

The totals are searched for (``numbers.search``) so that they print as the abstract's figures; what they are made of
follows from them: proteinuria over 0.5 g scores 4, the rest is filled with further descriptors, and organ grades
go with the descriptors (no renal A or B beside clean urine).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sync.demo.cohort import Subject
from sync.demo.grades import grade_course
from sync.demo.items import ITEMS, PROTEINURIA, fill
from sync.demo.numbers import Target, search, stream
from sync.demo.published import Published
from sync.demo.response import Grades

ASSESSMENTS = ("day_0", "month_3", "month_6", "month_9", "month_12")
GRAMS = Decimal("0.01")
THRESHOLD = 50
"""Hundredths of a gram in 24 hours above which SLEDAI counts proteinuria."""

BASELINE_TOTALS, LATER_TOTALS = (8, 24), (0, 20)
UNPRINTED_PROTEIN = {
    "month_3": Target(mean=Decimal("1.71"), sd=Decimal("1.24"), step=GRAMS),
    "month_6": Target(mean=Decimal("1.36"), sd=Decimal("1.12"), step=GRAMS),
}
"""Invented: the abstract prints no figures for these two visits."""
MOST_ATTEMPTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Hold one patient's disease at one visit."""

    sledai: int
    #: numbers (1 to 24) of the descriptors that are present
    items: frozenset[int]
    #: hundredths of a gram in 24 hours
    protein: int
    grades: Grades


def run(subjects: Sequence[Subject], published: Published, seed: int) -> dict[str, dict[str, Assessment]]:
    """Give every patient a course: subject id -> assessment visit -> disease."""
    totals = _totals(subjects, published, seed)
    protein = _protein(subjects, totals, published, seed)
    course: dict[str, dict[str, Assessment]] = {}
    for n, subject in enumerate(subjects):
        rng = stream(seed, "course", subject.id)
        items = _items(rng, subject, {v: totals[v][n] for v in ASSESSMENTS}, {v: protein[v][n] for v in ASSESSMENTS})
        grades = grade_course(rng, subject, items)
        course[subject.id] = {
            visit: Assessment(
                sledai=totals[visit][n], items=items[visit], protein=protein[visit][n], grades=grades[visit]
            )
            for visit in ASSESSMENTS
        }
    return course


def _burden(subject: Subject, visit: str) -> float:
    """Say how ill this patient is bound to be at a visit, for ranking only."""
    if visit == "day_0":
        return {"MCR": 0.0, "PCR": 0.3, "NR": 0.6}[subject.response]
    ill = {"MCR": 0.0, "PCR": 1.6, "NR": 3.2}[subject.response]
    relapsed = subject.relapse is not None and ASSESSMENTS.index(visit) >= ASSESSMENTS.index(subject.relapse)
    return ill + (4.5 if relapsed else 0.0)


def _totals(subjects: Sequence[Subject], published: Published, seed: int) -> dict[str, list[int]]:
    """Deal the SLEDAI totals of each visit out by burden; again until nobody's course contradicts the response."""
    pools = {visit: _pool(len(subjects), visit, published, seed) for visit in ASSESSMENTS}
    for attempt in range(MOST_ATTEMPTS):
        rng = stream(seed, "deal", attempt)
        frailty = [rng.gauss(0, 1) for _ in subjects]
        dealt: dict[str, list[int]] = {}
        for visit in ASSESSMENTS:
            keys = [_burden(each, visit) + frailty[n] + rng.gauss(0, 0.35) for n, each in enumerate(subjects)]
            order = sorted(range(len(subjects)), key=keys.__getitem__)
            dealt[visit] = [0] * len(subjects)
            for value, place in zip(sorted(pools[visit]), order, strict=True):
                dealt[visit][place] = value
        if all(_plausible(each, {v: dealt[v][n] for v in ASSESSMENTS}) for n, each in enumerate(subjects)):
            return dealt
    raise ValueError("no way of dealing out the SLEDAI totals fits every patient's response")


def _pool(n: int, visit: str, published: Published, seed: int) -> list[int]:
    printed = published.mean("sledai_total", visit)
    if printed is None or printed.n != n:
        raise ValueError(f"the published figures say nothing of SLEDAI in {n} patients at {visit}")
    rng = stream(seed, "sledai", visit)
    low, high = BASELINE_TOTALS if visit == "day_0" else LATER_TOTALS
    shape = [low + rng.expovariate(1 / max(float(printed.mean) - low, 1)) for _ in range(n)]
    start = [round(value) for value in shape]
    return search(rng, start, [(low, high)] * n, Target(mean=printed.mean, sd=printed.sd))


def _plausible(subject: Subject, totals: Mapping[str, int]) -> bool:
    """Tell whether totals fit a response: no marked rise while well, a rise at the relapse, a fall from baseline."""
    previous = "day_0"
    for visit in ASSESSMENTS[1:]:
        rise = totals[visit] - totals[previous]
        if subject.relapse == visit:
            if rise < 3:
                return False
        elif subject.response == "MCR" and rise > 3:
            return False
        previous = visit
    return subject.response == "NR" or totals["month_6"] < totals["day_0"]


def _protein(
    subjects: Sequence[Subject], totals: Mapping[str, Sequence[int]], published: Published, seed: int
) -> dict[str, list[int]]:
    """Give everyone 24-hour protein in hundredths of a gram; those with nephritis add up to the printed figures."""
    ill = [n for n, each in enumerate(subjects) if each.nephritis]
    rng = stream(seed, "kidney")
    kidney = {n: rng.gauss(0, 1) for n in ill}
    protein: dict[str, list[int]] = {}
    for visit in ASSESSMENTS:
        rng = stream(seed, "protein", visit)
        printed = published.mean("protein_24h", visit)
        target = Target(mean=printed.mean, sd=printed.sd, step=GRAMS) if printed else UNPRINTED_PROTEIN[visit]
        bounds = [(60, 700) if visit == "day_0" else (8, 600) if totals[visit][n] >= 4 else (8, 48) for n in ill]
        rank = sorted(range(len(ill)), key=lambda at: totals[visit][ill[at]] + 2.5 * kidney[ill[at]] + rng.gauss(0, 1))
        spread = sorted(rng.lognormvariate(0, 0.7) for _ in ill)
        start = [0] * len(ill)
        for value, at in zip(spread, rank, strict=True):
            start[at] = round(value / (sum(spread) / len(ill)) * float(target.mean) / float(GRAMS))
        found = search(rng, start, bounds, target)
        protein[visit] = [rng.randint(5, 14) for _ in subjects]
        for value, n in zip(found, ill, strict=True):
            protein[visit][n] = value
    return protein


def _items(
    rng: random.Random, subject: Subject, totals: Mapping[str, int], protein: Mapping[str, int]
) -> dict[str, frozenset[int]]:
    """Choose the descriptors behind each total, keeping those of the visit before where they fit."""
    chosen: dict[str, frozenset[int]] = {}
    before: frozenset[int] = frozenset()
    for visit in ASSESSMENTS:
        forced = frozenset({PROTEINURIA}) if protein[visit] > THRESHOLD else frozenset()
        rest = totals[visit] - sum(ITEMS[item] for item in forced)
        before = forced | fill(rng, rest, before, kidney=subject.nephritis, blood=subject.haematological)
        chosen[visit] = before
    return chosen
