"""The log in slices is the log in one piece. All lines are made up."""

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.redcap import log_slices
from sync.redcap.client import Client
from sync.redcap.log_slices import lines_since, newest_lines
from sync.redcap.replies import ReplyFailed
from sync.redcap.source import RedcapSource
from sync.sandbox.auditlog import LogEntry
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.sandbox import Sandbox
from tests.redcap import trial
from tests.redcap.fake import FakeClock
from tests.redcap.test_changes import mirror
from tests.redcap.test_changes_machine import Mirror

UTC_NOW = datetime(2026, 3, 1, 4, 0)
NOW = datetime(2026, 3, 1, 12, 0)
"""What the server's clock says: it is in UTC+8."""
DAY = timedelta(days=1)


@dataclass
class FakeLog:
    """Stand for a client: lines by the minute, newest first, with bounds of either kind."""

    times: Sequence[datetime]
    includes_begin: bool = True
    includes_end: bool = True
    #: lines that the server manages at a time
    most: int = 1_000_000
    #: seconds that a failure takes
    patience: float = 0.0
    clock: float = 0.0
    asked: list[tuple[datetime | None, datetime | None]] = field(default_factory=list)
    failed: int = 0
    longest: int = 0

    def lines(self, since: datetime | None, until: datetime | None) -> list[dict[str, Any]]:
        def is_asked_for(time: datetime) -> bool:
            late = since is None or time > since or (self.includes_begin and time == since)
            return late and (until is None or time < until or (self.includes_end and time == until))

        numbered = [(time, number) for number, time in enumerate(self.times) if is_asked_for(time)]
        return [{"timestamp": f"{time:%Y-%m-%d %H:%M}", "details": number} for time, number in sorted(numbered)[::-1]]

    def log(self, since: datetime | None, until: datetime | None = None) -> list[dict[str, Any]]:
        self.asked.append((since, until))
        found = self.lines(since, until)
        if len(found) > self.most:
            self.clock += self.patience
            self.failed += 1
            raise ReplyFailed("too much")
        self.longest = max(self.longest, len(found))
        return found

    def seconds(self) -> float:
        return self.clock


def counted(lines: Sequence[dict[str, Any]]) -> Counter[int]:
    return Counter(line["details"] for line in lines)


@pytest.mark.parametrize("hours", [24, 34, 48, 60, 71])
def test_a_nightly_window_is_asked_for_once_and_without_an_end(hours: int) -> None:
    log = FakeLog([NOW])
    since = UTC_NOW - timedelta(hours=hours)
    assert len(lines_since(log, since, UTC_NOW)) == 1  # type: ignore[arg-type]
    assert log.asked == [(since, None)]


def test_a_long_window_comes_day_by_day_and_the_last_slice_has_no_end() -> None:
    since = NOW - 10 * DAY
    log = FakeLog([since + timedelta(minutes=30) * n for n in range(480)])
    lines = lines_since(log, since, UTC_NOW)  # type: ignore[arg-type]
    assert counted(lines) == Counter(range(480))
    assert [line["details"] for line in lines] == list(range(480))[::-1], "newest first"
    assert log.asked[-1][1] is None
    assert log.longest <= 86 * 2 + 1
    assert len(log.asked) <= 8


def test_slices_grow_where_little_comes_and_stay_where_much_does() -> None:
    quiet = FakeLog([NOW])
    lines_since(quiet, NOW - timedelta(days=365), UTC_NOW)  # type: ignore[arg-type]
    assert len(quiet.asked) < 30
    busy = FakeLog([NOW - timedelta(minutes=n / 2) for n in range(40 * 2880)])
    lines_since(busy, NOW - timedelta(days=40), UTC_NOW)  # type: ignore[arg-type]
    assert busy.longest < 12_000
    assert len(busy.asked) == 37 + 1


times = st.lists(
    st.one_of(
        st.integers(-3, 60 * 24 * 12),
        # at the joints of slices of a day and of its halves
        st.builds(lambda n, m: n * 720 + m, st.integers(0, 24), st.integers(-2, 2)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(
    minutes=times,
    begin=st.booleans(),
    end=st.booleans(),
    most=st.integers(4, 60),
    second=st.integers(0, 59),
    days=st.integers(0, 12),
)
def test_slices_join_without_a_gap_and_without_a_double(
    minutes: list[int], begin: bool, end: bool, most: int, second: int, days: int
) -> None:
    since = NOW - days * DAY
    log = FakeLog([since + timedelta(minutes=n) for n in minutes], begin, end, most)
    asked = since + timedelta(seconds=second)
    try:
        lines = lines_since(log, asked, UTC_NOW)  # type: ignore[arg-type]
    except ReplyFailed:
        assert log.failed >= 10 or Counter(minutes).most_common(1)[0][1] > most / 14
        return
    found, all_of_it = counted(lines), counted(log.lines(asked, None))
    assert max(found.values(), default=1) == 1
    # REDCap cuts the moment to the minute: what the first slice has before it is for the caller to take or leave
    assert found == all_of_it


def test_a_dense_hour_is_halved_down_to_and_left_again() -> None:
    hour = NOW - timedelta(days=5)
    log = FakeLog([*(hour + timedelta(seconds=n) for n in range(3600)), NOW], most=1000)
    log.times = [time.replace(second=0) for time in log.times]
    lines = lines_since(log, NOW - timedelta(days=9), UTC_NOW)  # type: ignore[arg-type]
    assert counted(lines) == Counter(range(3601))
    assert log.longest <= 1000
    assert len(log.asked) < 80


def test_a_log_that_is_never_to_be_had_is_given_up_before_the_host_is() -> None:
    quick = FakeLog([NOW] * 9, most=3)
    with pytest.raises(ReplyFailed):
        lines_since(quick, NOW - DAY, UTC_NOW)  # type: ignore[arg-type]
    assert quick.failed <= 12
    slow = FakeLog([NOW] * 9, most=3, patience=600)
    with pytest.raises(ReplyFailed):
        lines_since(slow, NOW - DAY, UTC_NOW)  # type: ignore[arg-type]
    assert slow.failed == 2


@pytest.mark.parametrize("days", [0, 1, 30, 200, 3000, 20_000])
def test_the_newest_line_is_found_however_far_back(days: int) -> None:
    newest = NOW - timedelta(days=days)
    log = FakeLog([newest, newest - DAY, newest - 2000 * DAY])
    assert newest_lines(log, UTC_NOW)[0]["details"] == 0  # type: ignore[arg-type]
    assert all(since is not None for since, _ in log.asked)
    assert len(log.asked) <= 7


def test_the_newest_line_is_found_where_the_server_manages_little_at_a_time() -> None:
    log = FakeLog([NOW - timedelta(days=30, minutes=n) for n in range(1000)], most=300)
    assert newest_lines(log, UTC_NOW)[0]["details"] == 0  # type: ignore[arg-type]
    assert log.longest <= 300


def test_an_empty_log_has_no_newest_line() -> None:
    assert newest_lines(FakeLog([]), UTC_NOW) == []  # type: ignore[arg-type]


# --- against the sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with trial.serve() as running:
        for number in range(6):
            trial.enter(running, f"R{number}", "x")
        yield running


def client_of(held: Mirror) -> Client:
    source = held.source
    assert isinstance(source, RedcapSource)
    return source._work()[0]


def test_the_sandbox_hands_out_the_same_lines_in_slices(sandbox: Sandbox) -> None:
    """Its bounds are in minutes and inclusive; lines stand at, before and after each joint, some twice."""
    start = trial.NOON - timedelta(days=9)
    project = sandbox.project("trial").project
    entries = [
        LogEntry(at=start + n * DAY + timedelta(seconds=second), user="x", action="Made up", details=f"{n} {second}")
        for n in range(9)
        for second in (-61, -60, -1, 0, 0, 30, 59, 60, 61)
    ]
    project.log[:] = sorted([*project.log, *entries], key=lambda entry: entry.at)
    client = client_of(mirror(sandbox))
    whole = client.log(start)
    sliced = lines_since(client, start, trial.NOON - timedelta(hours=8))
    made_up: Callable[[Sequence[dict[str, Any]]], Counter[str]] = lambda lines: Counter(  # noqa: E731
        f"{line['timestamp']} {line['details']}" for line in lines if line["action"] == "Made up"
    )
    assert made_up(sliced) == made_up(whole)
    assert made_up(whole).total() == 9 * 9 - 3


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "Asia/Shanghai", "Pacific/Kiritimati"])
def test_a_nightly_pull_asks_for_the_log_three_times(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    begin = (trial.NOON - timedelta(hours=9)).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    with trial.serve(zone=zone, at=begin) as sandbox:
        trial.enter(sandbox, "R1", "x")
        held = mirror(sandbox)
        night = begin + DAY + timedelta(hours=1)
        sandbox.clock.set(night)
        trial.enter(sandbox, "R1", "y")
        asked: list[datetime | None] = []
        log = Client.log

        def noted(self: Client, since: datetime | None, until: datetime | None = None) -> list[dict[str, Any]]:
            asked.append(until)
            return log(self, since, until)

        monkeypatch.setattr(Client, "log", noted)
        monkeypatch.setattr(FakeClock, "now", lambda self: night)
        delta = held.source.changes(held.mark, known=held.known)
        assert not delta.complete
        assert asked == [None] * 3, "the window, the look at the clock, and what was written meanwhile"


def test_after_a_month_without_a_pull_nothing_is_lost(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    held = mirror(sandbox)
    asked: list[tuple[datetime | None, datetime | None]] = []
    log = Client.log

    def noted(self: Client, since: datetime | None, until: datetime | None = None) -> list[dict[str, Any]]:
        asked.append((since, until))
        return log(self, since, until)

    monkeypatch.setattr(Client, "log", noted)
    for day in (1, 2, 9, 20, 29):
        sandbox.clock.set(trial.NOON + timedelta(days=day))
        trial.drop(sandbox, f"R{day % 6}", "start_arm_1")
    sandbox.clock.set(trial.NOON + timedelta(days=30))
    monkeypatch.setattr(FakeClock, "now", lambda self: (trial.NOON + timedelta(days=30)).astimezone())
    delta = held.source.changes(held.mark, known=held.known)
    assert len(asked) > 5
    widest = max(until - since for since, until in asked if since is not None and until is not None)
    assert widest <= timedelta(days=8)
    assert delta.gone == {"R1", "R2", "R3", "R5"}
    assert delta.watermark is not None
    assert delta.watermark.at == trial.NOON + timedelta(days=30)


def test_a_server_that_fails_on_a_wide_window_is_asked_for_less(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    sandbox.clock.set(trial.NOON + timedelta(hours=20))
    trial.enter(sandbox, "R1", "y")
    sandbox.faults.add(Fault(mode=Mode.GATEWAY_TIMEOUT, content="log", times=2))
    delta = held.source.changes(held.mark, known=held.known)
    assert not any("log" in notice for notice in delta.notices)
    assert set(delta.snapshot().rows["record_id"]) == {"R1"}


def test_smallest_and_largest_slices_are_what_the_page_says() -> None:
    assert log_slices._SMALLEST < log_slices._DAY < log_slices._AT_ONCE < log_slices._LARGEST
