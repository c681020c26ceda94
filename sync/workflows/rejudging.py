"""Judge what did not change since the last pull, out of what is stored: a part at a time.

Two kinds of checks look at the whole site every night (decision 5): those that a day's passing can make fail are judged
part by part; those that look across subjects are judged at the end, on the columns that they read. What standing
queries want to know is noted on the way, so no part outlives its turn. Pure but for what it is given.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.coordinates import RowKey
from schemas.frames import FormFrame
from sync.workflows import merging
from sync.workflows.across import Across
from sync.workflows.answers import NotedConditions, Place, Texts
from sync.workflows.cells import Cells
from sync.workflows.reading import Reading, judged
from sync.workflows.stored import FEW, Stored, in_parts
from validators import reach
from validators.findings import Condition, Finding, Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Name the places where the site's queries ask."""

    #: of every query, closed ones included
    places: frozenset[Place] = frozenset()
    #: of those that are not decided: a new finding there is no new one
    live: frozenset[Place] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """Hold what the checks that look at the whole site saw."""

    judgement: Judgement
    #: the cells under standing queries of records that did not change
    texts: Mapping[tuple[RowKey, str], Texts]
    #: findings of unchanged records, which count where they explain a new one and nowhere else
    beside: tuple[Finding, ...]


@dataclass(slots=True, kw_only=True)
class _Parts:
    """Gather one part after another."""

    reading: Reading
    ages: frozenset[str]
    across: Across
    #: what standing queries ask, by record
    asked: Mapping[str, Sequence[Place]]
    conditions: dict[Place, Condition | None] = field(default_factory=dict)
    texts: dict[tuple[RowKey, str], Texts] = field(default_factory=dict)

    def add(self, frames: Sequence[FormFrame], records: Collection[str]) -> Judgement:
        """Take a part; gives what the aging checks saw of it."""
        judgement = judged(self.reading, frames, only=self.ages)
        self.across.add(judgement, frames)
        cells = Cells(frames)
        for record in records:
            for place in self.asked.get(record, ()):
                row, check, name = place
                self.conditions[place] = judgement.conditions.at(check=check, row=row, field=name)
                found = cells.at(row=row, field=name)
                if found is not None:
                    self.texts[row, name] = found
        return judgement


def rejudge(
    reading: Reading, changed: Sequence[FormFrame], touched: frozenset[str], stored: Stored, asked: Asked
) -> Rejudged:
    """Judge a whole site by the checks that must see it: ``changed`` in the place of its ``touched`` records."""
    study = reading.study
    across, ages = Across(reading), reach.aging(study)
    wide = across.wide
    parts = _Parts(
        reading=reading, ages=ages, across=across, asked=_by_record(asked.places, wide | ages, without=touched)
    )
    left = sorted(set(stored.records()) - touched)
    if touched or not left:
        parts.add(changed, ())
    without_rows = tuple(frame.without_rows() for frame in changed)
    beside: list[Finding] = []
    shown = set(touched)
    for records, unchanged in in_parts(study, stored, left) if left else ():
        frames = merging.merge(unchanged, without_rows, touched)
        fresh = _fresh(parts.add(frames, records), asked) - shown
        beside += _others(reading, merging.only(frames, fresh), wide | ages) if fresh else ()
        shown |= fresh
    wider = across.look()
    if wider is not None:
        for records in _sliced(sorted(_fresh(wider, asked) - shown), FEW):
            frames = merging.merge(stored.frames(study, records), without_rows, touched)
            beside += _others(reading, frames, wide | ages)
    answers = NotedConditions(
        parts.conditions,
        across.conditions,
        wide=wide,
        delivered=frozenset(frame.form.name for frame in changed),
    )
    return Rejudged(judgement=across.joined(answers), texts=parts.texts, beside=tuple(beside))


def _fresh(judgement: Judgement, asked: Asked) -> set[str]:
    """Name the records of findings about which nobody is asked."""
    return {each.row.record for each in judgement.findings if (each.row, each.check, each.field) not in asked.live}


def _others(reading: Reading, frames: Sequence[FormFrame], leaving: Collection[str]) -> tuple[Finding, ...]:
    return judged(reading, frames, leaving=leaving).findings


def _by_record(
    places: Collection[Place], checks: Collection[str], *, without: Collection[str]
) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for place in places:
        if place[1] in checks and place[0].record not in without:
            found.setdefault(place[0].record, []).append(place)
    return found


def _sliced(records: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]
