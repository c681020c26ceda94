"""Derive each subject's response (MCR, PCR, relapse) from the BILAG grades, by a named, versioned rule set.

The trial's own definition could not be read; ``point_in_time`` is the reading under which a major response can be
followed by a relapse, as the published table shows it (reference: study-sle, section 5). A grade counts as *new*
against the previous visit that could be evaluated, not against baseline, so a missed visit widens the interval.

* severe flare: a new A, or two new B (B now, C, D or E before)
* MCR: every system C, D or E, and no severe flare since baseline
* PCR: no A now, no new A since baseline, and at most one B, or two B where baseline was heavy
* RELAPSE: the first severe flare after a response (``relapse_on = "any"``: any new A or B); then RELAPSED
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from schemas.frames import FormFrame
from schemas.study import Study
from validators.library import indices

SCHEMA = pl.Schema(
    {
        "site": pl.String(),
        "record": pl.String(),
        "visit": pl.String(),
        "outcome": pl.String(),
        "rule_set": pl.String(),
    }
)
"""What ``derive`` gives: one row a subject and visit from the rule set's first visit on."""

RULE_SETS = frozenset({"point_in_time"})
"""The rule sets that are implemented; a study names one in ``parameters.response``."""

Graded = Mapping[str, str]
"""Grades by system; a system that was not assessed is missing or ND."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Hold a rule set and the visits that it runs over."""

    name: str
    version: str
    #: baseline first, then in order
    visits: tuple[str, ...]
    baseline: str
    #: the first visit at which a response is awarded
    first: str
    #: "severe", or "any" new A or B
    relapse_on: str = "severe"
    death: str = "death_date"

    @property
    def label(self) -> str:
        """Name the rule set with its version and what departs from its default."""
        return f"{self.name}/{self.version}" + ("" if self.relapse_on == "severe" else f"+relapse_{self.relapse_on}")


@dataclass(slots=True, kw_only=True)
class _Course:
    """Carry one subject through the visits."""

    heavy: bool
    previous: Graded
    responder: bool = False
    relapsed: bool = False
    severe: bool = False
    new_a: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)


def rule_set(study: Study, **changed: Any) -> RuleSet:
    """Read the rule set out of the study's parameters.

    KeyError where it has none or lacks a key, ValueError where it names what is not implemented. No source says how
    rescue therapy counts, so ``rescue_rule`` can only be "ignore".
    """
    found = {**study.parameters["response"], **changed}
    known = (("rule_set", RULE_SETS), ("relapse_on", {"severe", "any"}), ("rescue_rule", {"ignore"}))
    for key, values in known:
        if key in found and found[key] not in values:
            raise ValueError(f"{key} = {found[key]!r} is not implemented")
    if found["baseline"] not in found["visits"] or found["first"] not in found["visits"]:
        raise ValueError("baseline and first must be among visits")
    return RuleSet(
        name=found["rule_set"],
        version=str(found["version"]),
        visits=tuple(found["visits"]),
        baseline=found["baseline"],
        first=found["first"],
        relapse_on=found.get("relapse_on", "severe"),
        death=found.get("death", "death_date"),
    )


def judge_course(rules: RuleSet, grades: Mapping[str, Graded | None], *, dead: Iterable[str] = ()) -> dict[str, str]:
    """Derive one subject's outcomes by visit, from the rule set's first visit on.

    ``grades`` maps visits to complete system -> grade tables (ND where not assessed); None or a missing visit was
    not assessed and gives NE. ``dead`` names the visits at and after which the subject was dead. Without a
    baseline nothing can be said: NE throughout.
    """
    after = rules.visits[rules.visits.index(rules.baseline) + 1 :]
    reported = after[after.index(rules.first) :]
    base = grades.get(rules.baseline)
    gone = frozenset(dead)
    if base is None:
        return {visit: "DEATH" if visit in gone else "NE" for visit in reported}
    course = _Course(heavy=_heavy(base), previous=base)
    for visit in after:
        if visit in gone:
            course.outcomes[visit] = "DEATH"
            continue
        now = grades.get(visit)
        if now is None or not now or ("ND" in now.values() and "A" not in now.values()):
            course.outcomes[visit] = "NE"
            continue
        course.outcomes[visit] = _step(course, now, awarded=visit in reported, any_flare=rules.relapse_on == "any")
        course.previous = now
    return {visit: course.outcomes[visit] for visit in reported}


def _step(course: _Course, now: Graded, *, awarded: bool, any_flare: bool) -> str:
    before = course.previous
    new_a = sum(grade == "A" and before.get(system) != "A" for system, grade in now.items())
    new_b = sum(grade == "B" and before.get(system) in {"C", "D", "E"} for system, grade in now.items())
    severe = new_a >= 1 or new_b >= 2
    if course.relapsed:
        return "RELAPSED"
    if course.responder and (severe or (any_flare and new_a + new_b > 0)):
        course.relapsed = True
        return "RELAPSE"
    course.severe |= severe
    course.new_a |= new_a > 0
    a, b = _count(now, "A"), _count(now, "B")
    if a == 0 and b == 0 and not course.severe:
        found = "MCR"
    elif a == 0 and not course.new_a and (b <= 1 or (b == 2 and course.heavy)):
        found = "PCR"
    else:
        return "NR"
    course.responder |= awarded
    return found


def _heavy(base: Graded) -> bool:
    a, b = _count(base, "A"), _count(base, "B")
    return a >= 2 or (a == 1 and b >= 2) or b >= 4


def _count(grades: Graded, wanted: str) -> int:
    return sum(grade == wanted for grade in grades.values())


def derive(frames: Sequence[FormFrame], study: Study, rules: RuleSet | None = None) -> pl.DataFrame:
    """Derive the response of every subject; pure, so the same frames and rule set give the same rows.

    Gives SCHEMA, sorted. A visit of which nothing is known yet is left out; one that took place without usable
    grades is NE. A study without BILAG or without a rule set, or a site that does not deliver the grades, gives
    no rows. Baseline is the assessment at the rule set's baseline visit, else the one at the visit before it.
    """
    if "bilag" not in study.parameters or "response" not in study.parameters:
        return SCHEMA.to_frame()
    rules = rules or rule_set(study)
    by_form = {frame.form.name: frame for frame in frames}
    total = study.parameters["bilag"]["total"]
    home = next((name for name, each in by_form.items() if total in each.rows.columns), None)
    if home is None or not by_form[home].rows.height:
        return SCHEMA.to_frame()
    index = indices.bilag(study.parameters, home)
    if index.version in by_form[home].absent:
        return SCHEMA.to_frame()
    graded = _graded(by_form[home], index)
    known = _known_visits(by_form.values())
    dead = _dead(by_form, study, rules)
    order = [visit.id for visit in study.visits]
    before = order[: order.index(rules.baseline)] if rules.baseline in order else []
    found = []
    for site, record in sorted(known):
        visits = dict(graded.get((site, record), {}))
        if visits.get(rules.baseline) is None:
            visits[rules.baseline] = next((visits[each] for each in reversed(before) if visits.get(each)), None)
        gone = dead.get((site, record), frozenset())
        outcomes = judge_course(rules, visits, dead=gone)
        found += [
            (site, record, visit, outcome, rules.label)
            for visit, outcome in outcomes.items()
            if outcome == "DEATH" or visit in known[site, record]
        ]
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def _graded(frame: FormFrame, index: indices.Grades) -> dict[tuple[str, str], dict[str, Graded | None]]:
    """Give (site, record) -> visit -> grades; None where the version is not known or not delivered."""
    found: dict[tuple[str, str], dict[str, Graded | None]] = {}
    for row in frame.rows.sort("instance", descending=True).iter_rows(named=True):
        systems, _ = index.codings.get(row[index.version] or "", ((), {}))
        absent = any(name in frame.absent for name in (index.version, *systems))
        grades = None if absent or not systems else {name: row[name] or "ND" for name in systems}
        found.setdefault((row["site"], row["record"]), {})[row["event"]] = grades
    return found


def _known_visits(frames: Iterable[FormFrame]) -> dict[tuple[str, str], set[str]]:
    """Give (site, record) -> the visits of which some form has a row."""
    found: dict[tuple[str, str], set[str]] = {}
    for frame in frames:
        for site, record, event in frame.rows.select("site", "record", "event").unique().iter_rows():
            found.setdefault((site, record), set()).add(event)
    return found


def _dead(frames: Mapping[str, FormFrame], study: Study, rules: RuleSet) -> dict[tuple[str, str], frozenset[str]]:
    """Give (site, record) -> the visits that fall on or after the subject's death, by their date or their plan."""
    deaths = dict(_dates(frames, rules.death, None))
    starts = dict(_dates(frames, study.anchor.field, study.anchor.visit)) if study.anchor else {}
    actual = _visit_dates(frames, study)
    planned = {visit.id: visit.day for visit in study.visits}
    found = {}
    for subject, died in deaths.items():
        gone = set()
        for visit in rules.visits:
            day, start = planned.get(visit), starts.get(subject)
            expected = start + timedelta(days=day) if start is not None and day is not None else None
            when = actual.get((*subject, visit)) or expected
            if when is not None and when >= died:
                gone.add(visit)
        found[subject] = frozenset(gone)
    return found


def _dates(frames: Mapping[str, FormFrame], name: str, visit: str | None) -> Iterator[tuple[tuple[str, str], date]]:
    for frame in frames.values():
        if name in frame.rows.columns:
            rows = frame.rows.filter(pl.col(name).is_not_null())
            rows = rows if visit is None else rows.filter(pl.col("event") == visit)
            for site, record, found in rows.select("site", "record", name).iter_rows():
                yield (site, record), _day(found)


def _visit_dates(frames: Mapping[str, FormFrame], study: Study) -> dict[tuple[str, str, str], date]:
    anchor = study.visit_date
    if anchor is None or anchor.form not in frames:
        return {}
    rows = frames[anchor.form].rows.filter(pl.col(anchor.field).is_not_null())
    columns = rows.select("site", "record", "event", anchor.field)
    return {(site, record, event): _day(found) for site, record, event, found in columns.iter_rows()}


def _day(found: date | datetime) -> date:
    return found.date() if isinstance(found, datetime) else found
