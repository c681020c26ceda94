"""Put what was made of a pull's parts together, so that nothing of a part outlives it but what is small. Pure.

What is kept of a part: its findings and counts, what the standing queries of its records want to know, and the few
columns that checks across subjects read.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.coordinates import RowKey
from schemas.frames import FormFrame
from sync.harmonise import harmonise
from sync.queries import reconcile
from sync.queries.model import Query
from sync.workflows.across import Across
from sync.workflows.answers import NotedCells, NotedConditions, Place, Texts
from sync.workflows.judging import Judged
from sync.workflows.reading import Reading
from validators.findings import Condition, Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Hold what a night saw of a site: what queries are held against."""

    judgement: Judgement
    #: cells as they are now
    cells: reconcile.Cells
    #: records that were judged whole; None: all of the site
    touched: frozenset[str] | None = None
    #: checks that were judged for every record all the same
    rejudged: frozenset[str] = frozenset()

    def concerns(self, record: str, check: str) -> bool:
        """Tell whether anything can be said of a check at a record."""
        return self.touched is None or record in self.touched or check in self.rejudged


@dataclass(slots=True, kw_only=True)
class Held:
    """Count what the parts hold."""

    parts: int = 0
    #: form rows
    rows: int = 0
    #: filled cells
    cells: int = 0

    def add(self, frames: Iterable[FormFrame]) -> None:
        """Count a part's frames."""
        self.parts += 1
        for frame in frames:
            self.rows += frame.rows.height
            self.cells += int(frame.raw.count().sum_horizontal().sum())


class Gathered:
    """Gather the parts of one night; ``standing`` are the site's queries, under their records' present names."""

    def __init__(self, reading: Reading, standing: Sequence[Query], *, complete: bool) -> None:
        """Begin with nothing. ``complete``: the parts are the whole site, else there is one, judged by itself."""
        self._complete = complete
        self._across = Across(reading)
        self._waiting = list(standing)
        self._answers: dict[Place, Condition | None] = {}
        self._texts: dict[tuple[RowKey, str], Texts] = {}
        self._only: Seen | None = None
        self._unread: Counter[str] = Counter()
        self._delivered: set[str] = set()

    def add(self, judged: Judged) -> None:
        """Take one part."""
        self._unread.update(judged.harmonised.unread)
        self._delivered |= {frame.form.name for frame in judged.harmonised.frames}
        if not self._complete:
            self._only = Seen(
                judgement=judged.judgement,
                cells=judged.cells,
                touched=judged.touched | judged.again,
                rejudged=judged.rejudged,
            )
            return
        self._across.add(judged.judgement, judged.harmonised.frames)
        self._answer(judged)

    def _answer(self, judged: Judged) -> None:
        """Note what the standing queries of a part's records will want to know."""
        mine = [query for query in self._waiting if query.key.record in judged.touched]
        if not mine:
            return
        self._waiting = [query for query in self._waiting if query.key.record not in judged.touched]
        failing = {(found.row, found.check, found.field) for found in judged.judgement.findings}
        cells = judged.cells
        for query in mine:
            row, check, field = query.key.row, query.key.check, query.key.field
            fails = (row, check, field) in failing
            seen = Condition.FAILING if fails else judged.judgement.conditions.at(check=check, row=row, field=field)
            self._answers[row, check, field] = seen
            if seen is Condition.PASSING or check in self._across.wide:
                texts = cells.at(row=row, field=field)
                if texts is not None:
                    self._texts[row, field] = texts

    @property
    def notices(self) -> tuple[str, ...]:
        """Give sentences for a person, without values."""
        return harmonise.notices(self._unread)

    def seen(self) -> Seen:
        """Give what was seen of the whole, after the last part."""
        if self._only is not None:
            return self._only
        across = self._across
        if not self._complete:
            return Seen(
                judgement=across.joined(NotedConditions({}, {}, wide=across.wide, delivered=frozenset())),
                cells=NotedCells({}),
                touched=frozenset(),
            )
        across.look()
        answers = NotedConditions(
            self._answers, across.conditions, wide=across.wide, delivered=frozenset(self._delivered)
        )
        return Seen(judgement=across.joined(answers), cells=NotedCells(self._texts))
