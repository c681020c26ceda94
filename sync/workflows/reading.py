"""Hold how a pull is read and judged, and judge so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.frames import FormFrame
from schemas.study import Study
from sync.harmonise.mapping import SiteMapping
from sync.harmonise.plan import SitePlan
from sync.workflows.drift_held import Column
from validators import engine
from validators.findings import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Say how a pull is read and judged; found once for all of its parts."""

    plan: SitePlan
    study: Study
    mapping: SiteMapping
    #: aware, in the study's zone: what "today" means
    as_of: datetime
    #: study columns that are left out, with the reason (drift)
    absent: Mapping[Column, str]


def judged(
    reading: Reading,
    frames: Sequence[FormFrame],
    *,
    only: Collection[str] | None = None,
    leaving: Collection[str] = (),
    subjects: int | None = None,
) -> Judgement:
    """Judge frames as ``reading`` says; see ``validators.engine.judge``."""
    plan = reading.plan
    return engine.judge(
        reading.study,
        frames,
        site=plan.slug,
        prefix=plan.prefix,
        as_of=reading.as_of,
        only=only,
        leaving=leaving,
        subjects=subjects,
    )
