"""Hold how a pull is read and judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.study import Study
from sync.harmonise.mapping import SiteMapping
from sync.harmonise.plan import SitePlan
from sync.workflows.drift_held import Column


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
