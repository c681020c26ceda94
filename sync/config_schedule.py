"""Say when the daemon works on the sites."""

from datetime import datetime
from typing import Annotated, Literal

import pydantic
from cronsim import CronSim, CronSimError
from pydantic import Field

from sync.config_section import Section

_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001  wall clock: whether an expression ever comes depends on no zone


def _comes(value: str) -> str:
    """Refuse what is not a cron expression, or one that never comes."""
    if len(value.split()) != 5:
        raise ValueError('write five fields, "minute hour day month weekday", such as "0 2 * * *"')
    try:
        next(CronSim(value, _SOME_DAY))
    except CronSimError as error:
        raise ValueError(f'{str(error).lower()} field; write "minute hour day month weekday"') from None
    except (StopIteration, ValueError):
        raise ValueError("no such day ever comes; correct day and month") from None
    return value


Cron = Annotated[str, pydantic.AfterValidator(_comes)]
"""A cron expression of five fields, in the study's time zone."""


class ScheduleConfig(Section):
    """Say when the daemon works on a site that has no times of its own."""

    #: in the study's time zone
    cron: Cron = "0 2 * * *"
    #: make up once for nights missed while the program was down
    catch_up: bool = True
    #: the night on which everything is pulled, not only what changed; "always": each
    weekly_full: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "always"] = "sun"
    #: minutes until a failed site is tried again; doubled after each failure, up to the next night
    retry_minutes: float = Field(default=5, gt=0, le=1440)
