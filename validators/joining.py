"""Put judgements of a site's parts together to the judgement of the site. Pure.

A part holds whole records, so what is seen of a record in its part is what would be seen of it in the whole site, but
for four things that are made good here: checks that compare records (judged apart, on the columns that they read),
findings that such checks hold back, counts by subjects of forms that have no row in a part, and the guess where a row
that does not stand yet would stand.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from schemas.builtin import builtin_checks
from schemas.frames import META_COLUMNS, FormFrame
from schemas.study import Study
from validators import holds
from validators.findings import Conditions, Coverage, Finding, Judgement, NotEvaluated

_PLACES = ("event", "_site_event", "_site_instrument")


@dataclass(slots=True, kw_only=True)
class _Reached:
    """Count how far one check reached in all parts."""

    evaluated: int = 0
    failing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Joint:
    """Gather judgements of parts, part by part; holds findings and counts, and no frame."""

    def __init__(self, study: Study, *, site: str) -> None:
        """Begin with nothing."""
        self._study = study
        self._site = site
        self._findings: list[Finding] = []
        self._reached: dict[str, _Reached] = {}
        self._not_evaluated: Counter[tuple[str, str, str]] = Counter()
        self._by_subject: list[NotEvaluated] = []
        self._forms: set[str] = set()
        #: (form, column, event) -> where rows of that visit stand, and how many
        self._places: dict[tuple[str, str, str], Counter[str]] = {}
        self._errored: set[str] = set()
        self._parts = 0
        self._subjects = 0

    def add_part(self, judgement: Judgement, frames: Sequence[FormFrame]) -> None:
        """Take the judgement of one part, with the frames that were judged."""
        self._parts += 1
        self._subjects += len({record for frame in frames for record in frame.rows["record"].unique()})
        self.add(judgement)
        for frame in frames:
            if frame.rows.height:
                self._forms.add(frame.form.name)
                self._place(frame)

    def add(self, judgement: Judgement) -> None:
        """Take a judgement of the whole site by some checks that the parts were not judged by."""
        self._findings += judgement.findings
        for each in judgement.coverage:
            reached = self._reached.setdefault(each.check, _Reached())
            reached.evaluated += each.evaluated
            reached.failing += each.failing
            reached.reasons.update(each.reasons)
        for one in judgement.not_evaluated:
            self._not_evaluated[one.check, one.scope, one.reason] += one.count
        self._by_subject += judgement.by_subject
        self._errored |= judgement.errored

    def _place(self, frame: FormFrame) -> None:
        counted = frame.rows.group_by(_PLACES).len()
        for event, site_event, site_instrument, count in counted.iter_rows():
            for column, value in (("_site_event", site_event), ("_site_instrument", site_instrument)):
                if value is not None:
                    self._places.setdefault((frame.form.name, column, event), Counter())[value] += count

    @property
    def errored(self) -> frozenset[str]:
        """Name the checks that broke in some part."""
        return frozenset(self._errored)

    @property
    def subjects(self) -> int:
        """Count the records of which some form has a row."""
        return self._subjects

    def joined(self, conditions: Conditions) -> Judgement:
        """Give the judgement of all parts together; ``conditions`` answer for them."""
        self._drop_by_subject()
        specs = {spec.id: spec for spec in (*self._study.checks, *builtin_checks())}
        several = self._parts > 1
        placed = (self._placed(each) if each.is_gap and several else each for each in self._findings)
        held = holds.hold(placed, specs)
        return Judgement(
            site=self._site,
            findings=tuple(sorted(held, key=lambda each: each.row.record)),
            not_evaluated=tuple(
                NotEvaluated(check=check, scope=scope, reason=reason, count=count)
                for (check, scope, reason), count in sorted(self._not_evaluated.items())
            ),
            coverage=tuple(_coverage(check, reached) for check, reached in sorted(self._reached.items())),
            conditions=conditions,
            errored=self.errored,
        )

    def _drop_by_subject(self) -> None:
        """Take back what parts without a row of a form counted by subjects, where other parts have rows of it."""
        for each in self._by_subject:
            if each.scope.partition(".")[0] in self._forms:
                self._not_evaluated[each.check, each.scope, each.reason] -= each.count
                self._reached[each.check].reasons[each.reason] -= each.count
        self._by_subject = []
        self._not_evaluated = +self._not_evaluated

    def _placed(self, finding: Finding) -> Finding:
        """Guess anew where a row that does not stand yet would stand: where most subjects' rows of the visit do."""
        row = finding.row
        return replace(
            finding,
            site_event=self._usual(row.instrument, "_site_event", row.event),
            site_instrument=self._usual(row.instrument, "_site_instrument", row.event),
        )

    def _usual(self, form: str, column: str, event: str) -> str | None:
        counted = self._places.get((form, column, event))
        return min(counted, key=lambda value: (-counted[value], value)) if counted else None


def _coverage(check: str, reached: _Reached) -> Coverage:
    reasons = +reached.reasons
    return Coverage(
        check=check,
        evaluated=reached.evaluated,
        failing=reached.failing,
        not_evaluated=reasons.total(),
        reasons=dict(sorted(reasons.items())),
    )


class Narrow:
    """Gather the columns that site-wide checks read, part by part."""

    def __init__(self, columns: Mapping[str, frozenset[str]]) -> None:
        """Take the columns by form (``reach.inputs``)."""
        self._columns = columns
        self._frames: dict[str, list[FormFrame]] = {}

    def add(self, frames: Sequence[FormFrame]) -> None:
        """Keep those columns of a part."""
        for frame in frames:
            wanted = self._columns.get(frame.form.name)
            if wanted is not None:
                self._frames.setdefault(frame.form.name, []).append(_narrowed(frame, wanted))

    def frames(self) -> tuple[FormFrame, ...]:
        """Give the whole site's frames, with these columns alone."""
        return tuple(_stacked(parts) for parts in self._frames.values())


def _narrowed(frame: FormFrame, wanted: frozenset[str]) -> FormFrame:
    columns = [name for name in frame.raw.columns if name in wanted]
    keys = [name for name in frame.rows.columns if name not in frame.raw.columns or name in META_COLUMNS]
    return replace(
        frame,
        rows=frame.rows.select(*keys, *columns),
        raw=frame.raw.select(columns),
        problems=frame.problems.filter(pl.col("column").is_in(columns)),
        declared=frame.declared.filter(pl.col("column").is_in(columns)),
    )


def _stacked(parts: Sequence[FormFrame]) -> FormFrame:
    if len(parts) == 1:
        return parts[0]
    offsets = [0]
    for part in parts[:-1]:
        offsets.append(offsets[-1] + part.rows.height)

    def remarks(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        moved = [
            frame.with_columns((pl.col("row") + offset).cast(frame.schema["row"]))
            for frame, offset in zip(frames, offsets, strict=True)
        ]
        return pl.concat(moved)

    return replace(
        parts[0],
        rows=pl.concat([part.rows for part in parts]),
        raw=pl.concat([part.raw for part in parts]),
        problems=remarks([part.problems for part in parts]),
        declared=remarks([part.declared for part in parts]),
    )
