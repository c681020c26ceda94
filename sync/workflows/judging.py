"""Judge a pull: harmonise it, run every check, derive the responses. Pure but for what it is given.

A whole pull is judged part by part (``judge_parts``, which ``gathering`` puts together; ``look_at`` where nothing is
stored), what changed since the last one at once (``judge_delta``), and so is a pull that is in memory anyway
(``judge_pull``).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import polars as pl

from schemas.builtin import builtin_checks
from schemas.coordinates import RowKey
from schemas.frames import FormFrame
from schemas.project import Snapshot
from schemas.pull import Delta
from schemas.study import Study
from sync.errors import SourceMismatch
from sync.harmonise import harmonise
from sync.harmonise.harmonise import Harmonised
from sync.harmonise.mapping import SiteMapping
from sync.harmonise.plan import SitePlan
from sync.workflows import across, drift, merging
from sync.workflows.answers import NotedCells, NotedConditions, Texts
from sync.workflows.cells import Cells
from sync.workflows.drift_held import Column
from sync.workflows.reading import Reading, judged
from sync.workflows.rejudging import Asked, Rejudged, rejudge
from sync.workflows.stored import Stored
from validators import holds, reach
from validators.findings import Condition, Conditions, Coverage, Judgement
from validators.library import outcomes

NOTHING_ABSENT: Mapping[Column, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold one pull, or a part of it, with all that was made of it."""

    study: Study
    snapshot: Snapshot
    harmonised: Harmonised
    judgement: Judgement
    #: (site, record, visit, outcome, rule_set): derived responses, none where the study defines no rule set
    responses: pl.DataFrame
    #: records that were judged whole, those that are gone included
    touched: frozenset[str]
    #: unchanged records that were judged whole as they are stored, since somebody asked again about them
    again: frozenset[str] = frozenset()
    #: checks that were judged for every record all the same
    rejudged: frozenset[str] = frozenset()
    #: the frames of all records that were judged whole; None: those of the pull
    whole: tuple[FormFrame, ...] | None = None
    #: the cells under standing queries of records that only such checks looked at
    texts: Mapping[tuple[RowKey, str], Texts] = field(default_factory=dict)

    @property
    def cells(self) -> NotedCells:
        """Show every cell that a standing query may ask about."""
        return NotedCells(self.texts, Cells(self.harmonised.frames if self.whole is None else self.whole))

    def concerns(self, record: str, check: str) -> bool:
        """Tell whether this judgement can say anything of a check at a record."""
        return record in self.touched or record in self.again or check in self.rejudged


def prepare(
    head: Snapshot,
    plan: SitePlan,
    *,
    as_of: datetime,
    absent: Mapping[Column, str] = NOTHING_ABSENT,
    has_rows: bool = True,
) -> Reading:
    """Find how a pull is read; ``head`` is of the pull and need hold no row, ``has_rows`` says whether it has any.

    Raises SourceMismatch where the mapping speaks of what the project does not have, or where the server withheld
    columns that it needs: a blank that is no blank must never reach the warehouse.
    """
    study, mapping = plan.resolve(head.structure)
    _refuse_mismatch(head, study, mapping, has_rows=has_rows)
    return Reading(plan=plan, study=study, mapping=mapping, as_of=as_of, absent=absent)


def judge_pull(
    snapshot: Snapshot, plan: SitePlan, *, as_of: datetime, absent: Mapping[Column, str] = NOTHING_ABSENT
) -> Judged:
    """Harmonise and judge one whole pull at once; raises as ``prepare``."""
    reading = prepare(snapshot, plan, as_of=as_of, absent=absent, has_rows=bool(snapshot.rows.height))
    return _judged(snapshot, reading, leaving=())


def look_at(delta: Delta, reading: Reading) -> tuple[Judgement, tuple[str, ...]]:
    """Harmonise and judge a whole pull part by part, keeping nothing else of it; gives notices for a person, too."""
    unread: Counter[str] = Counter()

    def frames(snapshot: Snapshot) -> Sequence[FormFrame]:
        harmonised = _harmonised(snapshot, reading)
        unread.update(harmonised.unread)
        return harmonised.frames

    judgement = across.judge(reading, map(frames, delta.snapshots()))
    return judgement, harmonise.notices(unread)


def judge_parts(delta: Delta, reading: Reading) -> Iterator[Judged]:
    """Harmonise and judge a whole pull part by part, by all checks but those that look across subjects."""
    wide = reach.site_wide(reading.study)
    # a loop's variable would keep a part alive while the next one is made
    return map(partial(_judged, reading=reading, leaving=wide), delta.snapshots())


def judge_delta(
    delta: Delta,
    reading: Reading,
    *,
    stored: Stored,
    asked: Callable[[], Asked] = Asked,
    again: Callable[[], Collection[str]] = frozenset,
) -> tuple[Judged, ...]:
    """Judge the subjects that changed since the last pull; gives nothing where there is nothing to look at.

    Two kinds of checks see the whole site all the same, with what is ``stored`` in the place of what did not change:
    those that look across subjects, and those that a day's passing can make fail. ``asked`` gives the places where
    the site is asked already: only a new finding can be held back by another. ``again`` names records that are to be
    judged by all checks as they are stored: a person asked about them since a run last looked.
    """
    study = reading.study
    snapshot = delta.snapshot()
    wide, ages = reach.site_wide(study), reach.aging(study)
    touched = _records(snapshot) | delta.gone
    once_more = frozenset(again()) - touched
    if not (touched or once_more or wide or ages):
        return ()
    harmonised = _harmonised(snapshot, reading)
    frames = harmonised.frames
    if once_more:
        frames = merging.merge(stored.frames(study, sorted(once_more)), frames, touched)
    looked_at = touched | once_more
    judgement = judged(reading, frames, leaving=wide) if looked_at else _of_nobody(reading, leaving=wide)
    texts: Mapping[tuple[RowKey, str], Texts] = {}
    if wide or ages:
        seen = rejudge(reading, harmonised.frames, touched, stored, asked())
        judgement = _combined(judgement, seen, study, wide=wide, ages=ages, touched=looked_at)
        texts = seen.texts
    return (
        Judged(
            study=study,
            snapshot=snapshot,
            harmonised=harmonised,
            judgement=judgement,
            responses=outcomes.derive(harmonised.frames, study),
            touched=touched,
            again=once_more,
            rejudged=wide | ages,
            whole=frames,
            texts=texts,
        ),
    )


def _judged(snapshot: Snapshot, reading: Reading, *, leaving: Collection[str]) -> Judged:
    """Judge whole records of which nobody else's data are needed."""
    study = reading.study
    harmonised = _harmonised(snapshot, reading)
    return Judged(
        study=study,
        snapshot=snapshot,
        harmonised=harmonised,
        judgement=judged(reading, harmonised.frames, leaving=leaving),
        responses=outcomes.derive(harmonised.frames, study),
        touched=_records(snapshot),
    )


def _of_nobody(reading: Reading, *, leaving: Collection[str]) -> Judgement:
    """Say of every check that it had nothing to judge: a night on which no record changed need not run them to know."""
    specs = (*reading.study.checks, *builtin_checks())
    return Judgement(
        site=reading.plan.slug,
        findings=(),
        not_evaluated=(),
        coverage=tuple(
            Coverage(check=name, evaluated=0, failing=0, not_evaluated=0, reasons={})
            for name in sorted({spec.id for spec in specs} - set(leaving))
        ),
        conditions=NotedConditions({}, {}, wide=frozenset(), delivered=frozenset()),
    )


def _records(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(snapshot.rows[snapshot.structure.record_field].unique().to_list())


def _harmonised(snapshot: Snapshot, reading: Reading) -> Harmonised:
    harmonised = harmonise.harmonise(snapshot, reading.study, reading.mapping)
    if reading.absent:
        harmonised = replace(harmonised, frames=drift.leave_out(harmonised.frames, reading.absent))
    return harmonised


def _refuse_mismatch(head: Snapshot, study: Study, mapping: SiteMapping, *, has_rows: bool) -> None:
    missing = harmonise.mismatches(head.structure, study, mapping)
    if missing:
        shown = [f"  {line}" for line in missing[:20]]
        shown += [f"  … and {len(missing) - 20} more"] if len(missing) > 20 else []
        raise SourceMismatch(
            "the mapping does not fit the site's project (nothing was changed):\n"
            + "\n".join(shown)
            + "\n  Correct the mapping file, or ask the site what was renamed; `sync sites check` shows it again."
        )
    withheld = drift.withheld(head, study, mapping) if has_rows else {}
    if withheld:
        names = sorted(withheld)
        raise SourceMismatch(
            f"the server withholds {len(names)} needed columns from this token "
            f"({', '.join(names[:8])}{', …' if len(names) > 8 else ''}); a withheld column would look like "
            "blanks. Ask the site's REDCap administrator for full data export rights on these forms. Nothing was "
            "changed."
        )


class _Either(Conditions):
    """Answer from the judgement that saw the place: the whole site's for some checks, the changed records' else."""

    def __init__(self, part: Judgement, whole: Judgement, *, wide: frozenset[str], touched: frozenset[str]) -> None:
        self._part = part.conditions
        self._whole = whole.conditions
        self._wide = wide
        self._touched = touched

    def at(self, *, check: str, row: RowKey, field: str) -> Condition | None:
        seen_whole = check in self._wide or row.record not in self._touched
        return (self._whole if seen_whole else self._part).at(check=check, row=row, field=field)


def _combined(
    part: Judgement,
    seen: Rejudged,
    study: Study,
    *,
    wide: frozenset[str],
    ages: frozenset[str],
    touched: frozenset[str],
) -> Judgement:
    """Join what was seen of the changed records with what the wide and the aging checks saw of the whole site.

    A finding is held back where a graver one explains it, whichever part saw that.
    """
    whole = seen.judgement
    further = [each for each in whole.findings if each.check in wide or each.row.record not in touched]
    specs = {spec.id: spec for spec in (*study.checks, *builtin_checks())}
    own = (*part.findings, *further)
    held = holds.hold((*own, *seen.beside), specs)[: len(own)]
    findings = sorted(held, key=lambda each: each.row.record)
    return Judgement(
        site=part.site,
        findings=tuple(findings),
        not_evaluated=(*part.not_evaluated, *(each for each in whole.not_evaluated if each.check in wide)),
        coverage=(
            *(each for each in part.coverage if each.check not in ages),
            *(each for each in whole.coverage if each.check in wide | ages),
        ),
        conditions=_Either(part, whole, wide=wide, touched=touched),
        errored=part.errored | whole.errored,
    )
