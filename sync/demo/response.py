"""Derive the response from BILAG grades by the point-in-time rule set, one patient at a time.

Written apart from ``validators``, so that a slip there shows against the demo's truth instead of hiding in it.
"""

from collections.abc import Mapping, Sequence

SYSTEMS = ("const", "mucoc", "neuro", "msk", "cardio", "gi", "ophth", "renal", "haem")
POINTS = {"A": 12, "B": 8, "C": 1, "D": 0, "E": 0}
FOLLOW_UP = ("month_3", "month_6", "month_9", "month_12")

Grades = Mapping[str, str]
"""System -> grade A to E."""


def points(grades: Grades) -> int:
    """Add up the grades by the coding of BILAG-2004."""
    return sum(POINTS[grade] for grade in grades.values())


def count(grades: Grades, grade: str) -> int:
    """Count the systems with one grade."""
    return sum(each == grade for each in grades.values())


def new_flares(grades: Grades, before: Grades) -> tuple[int, int]:
    """Count new A grades, and new B grades after C, D or E."""
    new_a = sum(grades[system] == "A" != before[system] for system in grades)
    new_b = sum(grades[system] == "B" and before[system] in "CDE" for system in grades)
    return new_a, new_b


def responses(course: Mapping[str, Grades], visits: Sequence[str] = FOLLOW_UP) -> dict[str, str]:
    """Name the response at each follow-up visit from month 6 on; ``course`` has day_0 and all visits, no ND."""
    base = before = course["day_0"]
    heavy = count(base, "A") >= 2 or (count(base, "A") == 1 and count(base, "B") >= 2) or count(base, "B") >= 4
    responder = relapsed = severe_before = new_a_before = False
    found: dict[str, str] = {}
    for visit in visits:
        now = course[visit]
        new_a, new_b = new_flares(now, before)
        severe = new_a >= 1 or new_b >= 2
        if relapsed:
            found[visit] = "RELAPSED"
        elif responder and severe:
            found[visit], relapsed = "RELAPSE", True
        else:
            severe_before |= severe
            new_a_before |= new_a > 0
            if visit != "month_3":
                found[visit] = _status(now, heavy=heavy, severe=severe_before, new_a=new_a_before)
                responder |= found[visit] != "NR"
        before = now
    return found


def _status(now: Grades, *, heavy: bool, severe: bool, new_a: bool) -> str:
    a, b = count(now, "A"), count(now, "B")
    if a == b == 0 and not severe:
        return "MCR"
    if a == 0 and not new_a and (b <= 1 or (b == 2 and heavy)):
        return "PCR"
    return "NR"
