"""The schedule: each night exactly once, whatever the clocks do, and failing sites after growing pauses."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.daemon import schedule
from sync.daemon.schedule import Plan, Standing

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "America/Santiago")
SHANGHAI = ZoneInfo("Asia/Shanghai")
MOMENTS = st.integers(1_735_689_600, 1_830_297_600).map(lambda second: datetime.fromtimestamp(second, UTC))
"""From 2025 to 2027."""
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def plan(cron: str = "0 2 * * *", *, zone: str = "Asia/Shanghai", catch_up: bool = True, full: str = "sun") -> Plan:
    return Plan(cron=cron, zone=ZoneInfo(zone), catch_up=catch_up, pause=timedelta(minutes=5), weekly_full=full)  # type: ignore[arg-type]


def moments(cron: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    found = []
    last = start
    while (last := schedule.next_due(cron, last, zone)) < end:
        found.append(last)
    return found


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=8, deadline=None)
@given(minute=st.integers(0, 59), hour=st.integers(0, 23), year=st.integers(2024, 2032))
@example(minute=30, hour=2, year=2026)
@example(minute=0, hour=2, year=2026)
@example(minute=0, hour=0, year=2026)
def test_every_night_of_a_year_comes_exactly_once(zone: str, minute: int, hour: int, year: int) -> None:
    place = ZoneInfo(zone)
    start, end = (
        datetime(each, 1, 1, tzinfo=place).astimezone(UTC) - timedelta(seconds=1) for each in (year, year + 1)
    )
    found = moments(f"{minute} {hour} * * *", place, start, end)
    days = [each.astimezone(place).date() for each in found]
    assert days == [date(year, 1, 1) + timedelta(days=n) for n in range(len(days))]
    assert len(days) == (date(year + 1, 1, 1) - date(year, 1, 1)).days
    shifted = [each for each in found if (each.astimezone(place).hour, each.astimezone(place).minute) != (hour, minute)]
    assert len(shifted) <= 1


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=30, deadline=None)
@given(
    last=MOMENTS,
    cron=st.sampled_from(
        [
            "30 2 * * *",
            "0 2 * * *",
            "*/30 2 * * *",
            "0 */2 * * *",
            "15,45 1-3 * * *",
            "* * * * *",
            "0 * * * *",
            "0 3 * * sun",
        ]
    ),
)
@example(last=datetime(2026, 10, 25, 1, 10, tzinfo=UTC), cron="30 2 * * *")
@example(last=datetime(2026, 10, 25, 0, 30, tzinfo=UTC), cron="30 2 * * *")
@example(last=datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), cron="30 2 * * *")
def test_the_next_moment_is_later_and_none_lies_between(zone: str, last: datetime, cron: str) -> None:
    place = ZoneInfo(zone)
    found = schedule.next_due(cron, last, place)
    assert found > last
    halfway = last + (found - last) / 2
    assert schedule.next_due(cron, halfway, place) == found
    assert schedule.next_due(cron, found - timedelta(microseconds=1), place) == found


def test_daylight_saving_in_berlin_hour_by_hour() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = moments("30 2 * * *", berlin, datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))
    assert [each.astimezone(berlin).strftime("%d %H:%M") for each in spring] == ["28 02:30", "29 03:00", "30 02:30"]
    autumn = moments("30 2 * * *", berlin, datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC))
    assert [each.strftime("%d %H:%M") for each in autumn] == ["24 00:30", "25 00:30", "26 01:30"]


def test_hourly_runs_follow_elapsed_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for day in ("2026-03-29", "2026-10-25"):
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
        found = moments("0 * * * *", berlin, start - timedelta(seconds=1), start + timedelta(hours=6))
        assert found == [start + timedelta(hours=n) for n in range(6)]


@settings(max_examples=30, deadline=None)
@given(
    last=MOMENTS,
    cron=st.sampled_from(["30 2 * * *", "0 4 1 * *", "5 4 * * mon", "0 0 29 2 *"]),
)
def test_where_the_clocks_never_change_it_is_cronsim(last: datetime, cron: str) -> None:
    assert schedule.next_due(cron, last, SHANGHAI) == next(CronSim(cron, last.astimezone(SHANGHAI)))


# --- which sites are due


def standing(tried: str, *, code: int = 0, failures: int = 0, success: str | None = None) -> Standing:
    at = local(tried)
    return Standing(
        tried=at,
        ended=at + timedelta(minutes=1),
        code=code,
        failures=failures,
        success=local(success) if success else None,
    )


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}:00").replace(tzinfo=SHANGHAI)


def due(plan_: Plan, how: Standing, *, since: str = "03-02T09:00", now: str = "03-02T09:00") -> str:
    found = schedule.due_at(plan_, how, since=local(since), now=local(now))
    return found.astimezone(SHANGHAI).strftime("%m-%dT%H:%M")


def test_after_a_success_the_next_night_is_due() -> None:
    assert due(plan(), standing("03-02T02:00")) == "03-03T02:00"


def test_missed_nights_are_made_up_once() -> None:
    """Three nights were missed; one attempt at 09:00 makes up for them, the next is the regular night."""
    missed = standing("02-27T02:00")
    assert due(plan(), missed) <= "03-02T09:00"
    made_up = schedule.after_attempt(missed, tried=local("03-02T09:00"), ended=local("03-02T09:02"), code=0)
    assert due(plan(), made_up) == "03-03T02:00"


def test_without_catch_up_missed_nights_are_let_go() -> None:
    assert due(plan(catch_up=False), standing("02-27T02:00")) == "03-03T02:00"
    assert due(plan(catch_up=False), Standing()) == "03-03T02:00"


def test_a_site_never_tried_is_tried_at_once() -> None:
    assert due(plan(), Standing()) == "03-02T09:00"


def test_pauses_grow_and_end_at_the_next_night() -> None:
    how = standing("03-02T02:00", success="03-01T02:01")
    at = local("03-02T02:00")
    pauses = []
    for _ in range(9):
        how = schedule.after_attempt(how, tried=at, ended=at, code=3)
        following = schedule.due_at(plan(), how, since=START, now=at)
        pauses.append(int((following - at).total_seconds() // 60))
        at = following
    assert pauses[:8] == [5, 10, 20, 40, 80, 160, 320, 640]
    assert at.astimezone(SHANGHAI) == local("03-03T02:00")


@pytest.mark.parametrize("code", [2, 4, 5])
def test_what_a_person_must_look_at_waits_for_the_next_night(code: int) -> None:
    assert due(plan(), standing("03-02T02:00", code=code, failures=1)) == "03-03T02:00"


@pytest.mark.parametrize("code", [3, 70, 75])
def test_what_time_may_heal_is_tried_again(code: int) -> None:
    assert due(plan(), standing("03-02T02:00", code=code, failures=1)) == "03-02T02:06"


def test_a_clock_that_was_ahead_does_not_stop_the_work() -> None:
    assert due(plan(), standing("12-31T02:00")) == "03-03T02:00"


def test_the_warehouse_is_believed_where_it_knows_more() -> None:
    failing = standing("03-02T02:00", code=3, failures=4)
    by_hand = schedule.learned(
        failing, tried=local("03-02T08:00"), ended=local("03-02T08:01"), code=0, success=local("03-02T08:01")
    )
    assert by_hand.failures == 0
    assert due(plan(), by_hand) == "03-03T02:00"
    older = schedule.learned(
        failing, tried=local("03-01T02:00"), ended=local("03-01T02:01"), code=0, success=local("03-01T02:01")
    )
    assert older is failing


@pytest.mark.parametrize(
    ("success", "now", "expected"),
    [
        ("02-28T02:01", "03-01T02:00", True),  # Sunday's night itself (1 March 2026)
        ("03-01T02:01", "03-02T02:00", False),
        ("02-28T02:01", "03-03T02:00", True),  # Sunday's failed; made up on Tuesday
        ("03-01T00:30", "03-01T02:00", True),  # a run by hand before Sunday's night
        ("03-01T02:01", "03-07T02:00", False),
        ("02-20T02:01", "03-03T02:00", True),
    ],
)
def test_the_weekly_full_pull_is_not_lost(success: str, now: str, expected: bool) -> None:
    how = standing("02-20T02:00", success=success)
    assert schedule.wants_full(plan(), how, now=local(now)) is expected


def test_a_first_pull_is_full() -> None:
    assert schedule.wants_full(plan(), Standing(), now=START)
    assert schedule.wants_full(plan(full="always"), standing("03-02T02:00", success="03-02T02:01"), now=START)


def test_due_sites_come_in_the_order_of_their_waiting() -> None:
    plans = {"a": plan(), "b": plan("0 1 * * *"), "c": plan("0 12 * * *")}
    stands = {name: standing("03-01T12:30") for name in plans}
    assert schedule.due_sites(plans, stands, since=local("03-02T00:00"), now=local("03-02T03:00")) == ("b", "a")
