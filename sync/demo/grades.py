"""Choose BILAG grades that give each patient the response that is meant for them."""

import random
from collections.abc import Mapping

from sync.demo.cohort import Subject
from sync.demo.items import ARTHRITIS, FEVER, KIDNEY, MYOSITIS
from sync.demo.response import POINTS, SYSTEMS, Grades, points, responses

MOST_ATTEMPTS = 2000
HIGHEST_TOTAL = 40
"""Above this the study asks whether a BILAG total is right."""

Items = Mapping[str, frozenset[int]]


def grade_course(rng: random.Random, subject: Subject, items: Items) -> dict[str, Grades]:
    """Give grades at every assessment from which the meant response, and no other relapse, is derived.

    Drawn and tried again until they fit; a system never affected is E throughout, one once affected never E again.
    """
    wanted = _wanted(subject)
    for _ in range(MOST_ATTEMPTS):
        course = _draw(rng, subject, items)
        if course is None or max(points(grades) for grades in course.values()) > HIGHEST_TOTAL:
            continue
        derived = responses(course)
        if all(derived[visit] in meant for visit, meant in wanted.items()):
            return course
    raise ValueError(f"no grades give {subject.id} the response that is meant")


def _wanted(subject: Subject) -> dict[str, tuple[str, ...]]:
    steady = {"MCR": ("MCR",), "PCR": ("PCR", "MCR"), "NR": ("NR", "PCR")}[subject.response]
    wanted = {"month_6": (subject.response,), "month_9": steady, "month_12": steady}
    if subject.relapse == "month_9":
        wanted |= {"month_9": ("RELAPSE",), "month_12": ("RELAPSED",)}
    if subject.relapse == "month_12":
        wanted |= {"month_12": ("RELAPSE",)}
    return wanted


def _draw(rng: random.Random, subject: Subject, items: Items) -> dict[str, Grades] | None:
    base = _baseline(rng, subject, items["day_0"])
    course: dict[str, Grades] = {"day_0": base}
    grades = base
    for visit in ("month_3", "month_6", "month_9", "month_12"):
        grades = _next(rng, subject, visit, grades, items[visit])
        if grades["renal"] in "AB" and not items[visit] & KIDNEY:
            return None
        course[visit] = grades
    return course


def _baseline(rng: random.Random, subject: Subject, items: frozenset[int]) -> dict[str, str]:
    grades = dict.fromkeys(SYSTEMS, "E")
    grades["const"] = "B" if items & {FEVER} else rng.choice("CCD")
    grades["mucoc"] = rng.choice("BBC") if items & {15, 16, 17} else rng.choice("CD")
    grades["msk"] = rng.choice("BB") if items & {ARTHRITIS, MYOSITIS} else rng.choice("CD")
    grades["neuro"] = rng.choice("EEEED")
    grades["cardio"] = "B" if items & {18, 19} else rng.choice("EED")
    grades["renal"] = (rng.choice("AAB") if items & KIDNEY else "C") if subject.nephritis else "E"
    grades["haem"] = rng.choice("ABBB") if subject.haematological else rng.choice("CD")
    while sum(POINTS[grade] for grade in grades.values() if grade in "AB") < POINTS["A"]:
        # active disease: at least two organs moderately affected, or one severely
        grades[rng.choice([system for system in ("mucoc", "const", "msk") if grades[system] in "CD"])] = "B"
    if subject.response == "NR" and "A" not in grades.values():
        # who stays ill began with one organ severely affected
        grades[rng.choice([system for system, grade in grades.items() if grade == "B"])] = "A"
    return grades


def _next(rng: random.Random, subject: Subject, visit: str, before: Grades, items: frozenset[int]) -> dict[str, str]:
    """Move every system on by one visit: better by chance, worse only at the relapse."""
    better = {"MCR": 0.8, "PCR": 0.6, "NR": 0.3}[subject.response]
    if visit in ("month_9", "month_12"):
        better = 0.35
    lower = {"A": "B", "B": "C", "C": "D", "D": "D", "E": "E"}
    grades = {
        system: lower[grade] if rng.random() < (better if grade in "AB" else 0.2) else grade
        for system, grade in before.items()
    }
    if grades["renal"] == "A" and not items & KIDNEY:
        grades["renal"] = "B"
    if grades["renal"] == "B" and not items & KIDNEY:
        grades["renal"] = "C"
    if subject.relapse == visit:
        _relapse(rng, subject, grades, items)
    return grades


def _relapse(rng: random.Random, subject: Subject, grades: dict[str, str], items: frozenset[int]) -> None:
    """Bring a severe flare: a new renal A, or two new B grades."""
    if subject.nephritis and items & KIDNEY and grades["renal"] != "A" and rng.random() < 0.4:
        grades["renal"] = "A"
        return
    quiet = [system for system in ("mucoc", "msk", "const") if grades[system] in "CD"]
    if subject.haematological and grades["haem"] in "CD":
        quiet.append("haem")
    if subject.nephritis and items & KIDNEY and grades["renal"] in "CD":
        quiet.append("renal")
    for system in rng.sample(quiet, min(2, len(quiet))):
        grades[system] = "B"
