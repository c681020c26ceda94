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
class Terms:
    """Say by what a site's rows are judged."""

    plan: SitePlan
    study: Study
    #: aware, in the study's zone: what "today" means
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Terms):
    """Say how a pull is read and judged; found once for all of its parts."""

    mapping: SiteMapping
    #: study columns that are left out, with the reason (drift)
    absent: Mapping[Column, str]


def judged(
    terms: Terms,
    frames: Sequence[FormFrame],
    *,
    only: Collection[str] | None = None,
    leaving: Collection[str] = (),
    subjects: int | None = None,
) -> Judgement:
    """Judge frames by these terms; see ``validators.engine.judge``."""
    plan = terms.plan
    return engine.judge(
        terms.study,
        frames,
        site=plan.slug,
        prefix=plan.prefix,
        as_of=terms.as_of,
        only=only,
        leaving=leaving,
        subjects=subjects,
    )
