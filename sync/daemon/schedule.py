"""Decide when a site's next run is due; pure, every moment is an argument.

A cron expression is read on the wall clock of the study's zone. Where the clocks leap over a time, the run comes
at the first moment after the gap; where a time comes twice, the first counts. So each night has exactly one run.
An expression that names every hour (``*``) runs on elapsed time instead, as it means intervals and not a night.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "always"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

RETRIED = frozenset({3, 70, 75})
"""Exit codes that time may heal (unreachable, fault, locked). What a person must look at (refused, brake, wrong
configuration) waits for the next night."""

_MINUTE = timedelta(minutes=1)
_DOUBLINGS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Say when one site is to be worked on."""

    cron: str
    zone: ZoneInfo
    catch_up: bool
    #: pause after a first failure; doubled after each further one
    pause: timedelta
    weekly_full: Weekday


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Say how a site has fared; all None where it was never tried. Moments are aware."""

    #: when the last attempt began and ended
    tried: datetime | None = None
    ended: datetime | None = None
    code: int = 0
    #: attempts in a row that failed
    failures: int = 0
    #: end of the last success
    success: datetime | None = None


def next_due(cron: str, last: datetime, zone: ZoneInfo) -> datetime:
    """Give the first moment of a cron expression that is later than ``last`` (aware), in UTC.

    Raises ValueError where none comes within fifty years.
    """
    if cron.split()[1] in ("*", "*/1"):
        ticks = CronSim(cron, last.astimezone(zone))
    else:
        # a day back: a time that the zone repeats, or leaps to, may lie before ``last`` on the wall clock
        ticks = CronSim(cron, last.astimezone(zone).replace(tzinfo=None) - timedelta(days=1))
    for tick in ticks:
        moment = _existing(tick, zone) if tick.tzinfo is None else tick.astimezone(UTC)
        if moment > last:
            return moment
    raise ValueError(f"the cron expression {cron!r} never comes")


def _existing(wall: datetime, zone: ZoneInfo) -> datetime:
    """Find the first moment at or after a wall-clock time that the zone's clocks do show, in UTC."""
    while True:
        moment = wall.replace(tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == wall:
            return moment
        wall += _MINUTE


def due_at(plan: Plan, standing: Standing, *, since: datetime, now: datetime) -> datetime:
    """Say when a site is to be tried next; a moment at or before ``now`` means: at once.

    ``since`` is when the daemon came up. However many nights were missed, one attempt makes up for all of them.
    Without ``catch_up``, nights before ``since`` are let go. A site never tried is tried at once.
    """
    if standing.tried is None:
        return since if plan.catch_up else next_due(plan.cron, since, plan.zone)
    # a clock that was ahead when the last attempt was noted must not stop the work until it comes round again
    tried = min(standing.tried, now)
    night = next_due(plan.cron, tried if plan.catch_up else max(tried, since), plan.zone)
    if standing.failures == 0 or standing.code not in RETRIED:
        return night
    ended = min(standing.ended or tried, now)
    factor: int = 2 ** min(standing.failures - 1, _DOUBLINGS)
    return min(ended + plan.pause * factor, night)


def after_attempt(standing: Standing, *, tried: datetime, ended: datetime, code: int) -> Standing:
    """Note how an attempt ended."""
    if code == 0:
        return Standing(tried=tried, ended=ended, success=ended)
    return Standing(tried=tried, ended=ended, code=code, failures=standing.failures + 1, success=standing.success)


def learned(standing: Standing, *, tried: datetime, ended: datetime, code: int, success: datetime | None) -> Standing:
    """Take in what the warehouse says of the last run, where that is news: one by hand, or of an earlier daemon."""
    if standing.tried is not None and tried <= standing.tried:
        return standing
    return after_attempt(Standing(success=success), tried=tried, ended=ended, code=code)


def wants_full(plan: Plan, standing: Standing, *, now: datetime) -> bool:
    """Tell whether everything is to be pulled: where the weekly night has come since the last success."""
    if plan.weekly_full == "always" or standing.success is None or now - standing.success > timedelta(days=8):
        return True
    day, today = standing.success.astimezone(plan.zone).date(), now.astimezone(plan.zone).date()
    while day <= today:
        if WEEKDAYS[day.weekday()] == plan.weekly_full:
            before = datetime.combine(day, time(), tzinfo=plan.zone) - timedelta(seconds=1)
            night = next_due(plan.cron, max(before.astimezone(UTC), standing.success), plan.zone)
            if night <= now and night.astimezone(plan.zone).date() == day:
                return True
        day += timedelta(days=1)
    return False


def due_sites(
    plans: Mapping[str, Plan], standings: Mapping[str, Standing], *, since: datetime, now: datetime
) -> tuple[str, ...]:
    """Name the sites to be tried now, those that wait longest first."""
    moments = {
        site: due_at(plan, standings.get(site, Standing()), since=since, now=now) for site, plan in plans.items()
    }
    return tuple(sorted((site for site, moment in moments.items() if moment <= now), key=lambda site: moments[site]))
