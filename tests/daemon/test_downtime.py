"""Over both changes of the clocks and any downtime: each night once, and what was missed made up once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.daemon import schedule
from sync.daemon.schedule import Plan, Standing

HOUR = timedelta(hours=1)
SPRING = datetime(2026, 3, 6, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 23, tzinfo=UTC)

DOWNS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 60)), max_size=5)
"""Hours up, then hours down, again and again."""


def attempts(plan: Plan, begin: datetime, end: datetime, downs: list[tuple[int, int]]) -> list[datetime]:
    """Play a daemon that always succeeds; it knows of earlier attempts what the warehouse knows."""
    standing = schedule.after_attempt(Standing(), tried=begin, ended=begin, code=0)
    now = since = begin
    falls = iter(downs)
    up, down = next(falls, (10_000, 0))
    done = []
    while now < end:
        due = max(schedule.due_at(plan, standing, since=since, now=now), now)
        if due >= since + up * HOUR:
            now = since = since + (up + down) * HOUR
            up, down = next(falls, (10_000, 0))
            continue
        now = due
        standing = schedule.after_attempt(standing, tried=now, ended=now, code=0)
        done.append(now)
    return [each for each in done if each < end]


def nights(plan: Plan, begin: datetime, end: datetime) -> list[datetime]:
    found = []
    while (begin := schedule.next_due(plan.cron, begin, plan.zone)) < end:
        found.append(begin)
    return found


def plan_of(zone: str, hour: int, *, catch_up: bool) -> Plan:
    return Plan(
        cron=f"30 {hour} * * *",
        zone=ZoneInfo(zone),
        catch_up=catch_up,
        pause=timedelta(minutes=5),
        weekly_full="sun",
    )


@pytest.mark.parametrize("begin", [SPRING, AUTUMN])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Shanghai"])
@settings(max_examples=25, deadline=None)
@given(hour=st.integers(0, 4), downs=DOWNS)
def test_no_night_is_worked_on_twice_and_none_is_lost(
    zone: str, begin: datetime, hour: int, downs: list[tuple[int, int]]
) -> None:
    plan, end = plan_of(zone, hour, catch_up=True), begin + timedelta(days=26)
    wanted, done = nights(plan, begin, end), attempts(plan, begin, end, downs)
    counted = Counter(max(night for night in wanted if night <= each) for each in done)
    assert set(counted.values()) <= {1}
    missed = [night for night in wanted if night not in counted]
    spans = downtimes(begin, downs)
    for night in missed:
        # only a night through which, until after the next one, the daemon was down is made up by a later attempt
        following = schedule.next_due(plan.cron, night, plan.zone)
        assert any(start <= night and following <= stop for start, stop in spans) or following >= end


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Shanghai"])
@settings(max_examples=25, deadline=None)
@given(hour=st.integers(0, 4), downs=DOWNS)
def test_without_catch_up_work_is_done_at_night_only(zone: str, hour: int, downs: list[tuple[int, int]]) -> None:
    plan, end = plan_of(zone, hour, catch_up=False), SPRING + timedelta(days=26)
    spans = downtimes(SPRING, downs)
    up = [
        night
        for night in nights(plan, SPRING, end)
        # coming up at the very moment is coming too late
        if not any(start <= night <= stop for start, stop in spans)
    ]
    assert attempts(plan, SPRING, end, downs) == up


def downtimes(begin: datetime, downs: list[tuple[int, int]]) -> list[tuple[datetime, datetime]]:
    spans = []
    for up, down in downs:
        spans.append((begin + up * HOUR, begin + (up + down) * HOUR))
        begin = spans[-1][1]
    return spans
