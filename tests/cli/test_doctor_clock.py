"""How a server's clocks are put into words: what is a zone, and what is a clock that is wrong."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.commands import doctor_clock
from sync.ports.standing import Standing

NOW = datetime(2026, 3, 1, 4, 0, 20, tzinfo=UTC)
STUDY = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)
AGREES = "server agrees with this machine"


def standing(
    *,
    offset: timedelta | None = 8 * HOUR,
    http: timedelta | None = timedelta(0),
    log: timedelta = timedelta(0),
    is_current: bool = True,
    took: float = 0.2,
) -> Standing:
    """Look at a server whose Date header is ``http`` ahead of us, its log ``log`` ahead of that and in a zone."""
    there = NOW + (http or timedelta(0))
    line = None if offset is None else (there + log + offset).replace(tzinfo=None, second=0, microsecond=0)
    return Standing(
        is_log_refused=line is None,
        log_problem="" if line else "no right",
        log_time=line,
        is_log_current=is_current,
        http_time=None if http is None else there.replace(microsecond=0),
        asked=NOW - timedelta(seconds=took / 2),
        answered=NOW + timedelta(seconds=took / 2),
    )


@pytest.mark.parametrize(
    ("seen", "status", "detail"),
    [
        (standing(), "ok", "server agrees with this machine; its log is in UTC+8"),
        (standing(http=timedelta(seconds=3)), "ok", "server 4 s ahead; its log is in UTC+8"),
        (standing(http=timedelta(seconds=-200)), "ok", "server 3 min 20 s behind; its log is in UTC+8"),
        (standing(http=timedelta(minutes=6)), "warn", "server 6 min ahead; its log is in UTC+8"),
        (standing(http=-3 * HOUR), "warn", "server 3 h behind; its log is in UTC+8"),
        (standing(http=timedelta(days=400)), "warn", "server 400 d ahead; its log is in UTC+8"),
        (standing(offset=timedelta(0)), "ok", "server agrees with this machine; its log is in UTC, the study in UTC+8"),
        (standing(offset=5.5 * HOUR), "ok", f"{AGREES}; its log is in UTC+5:30, the study in UTC+8"),
        (standing(offset=-3.5 * HOUR), "ok", f"{AGREES}; its log is in UTC-3:30, the study in UTC+8"),
        (standing(log=timedelta(minutes=-4)), "ok", None),
        (standing(log=timedelta(minutes=-7)), "warn", None),
        (standing(offset=None), "ok", "server agrees with this machine; the zone of its log is not known"),
        (standing(offset=None, http=HOUR), "warn", "server 1 h ahead; the zone of its log is not known"),
        (standing(offset=None, http=None), "warn", "the server tells no time: no log and no Date header"),
        (standing(http=None), "ok", "server agrees with this machine; its log is in UTC+8"),
        (standing(http=None, log=timedelta(minutes=6)), "warn", None),
        (standing(offset=20 * HOUR), "warn", None),
        (standing(log=timedelta(days=-30)), "warn", None),
        (standing(is_current=False), "warn", None),
    ],
)  # fmt: skip
def test_what_is_said(seen: Standing, status: str, detail: str | None) -> None:
    found, said, remedy = doctor_clock.judge(seen, STUDY)
    assert found == status, said
    assert bool(remedy) == (status == "warn")
    if detail is not None:
        # a header of whole seconds may be half a second off
        assert said.replace("3 s ahead", "4 s ahead").replace("1 s ", "") == detail.replace("3 s ahead", "4 s ahead")


def test_a_log_apart_from_its_web_server_is_told() -> None:
    _, said, _ = doctor_clock.judge(standing(log=timedelta(minutes=-4)), STUDY)
    assert "its log 3 min 50 s behind its web server" in said
    _, said, _ = doctor_clock.judge(standing(log=timedelta(minutes=4)), STUDY)
    assert "ahead of its web server" in said


def test_a_time_of_no_zone_and_a_clock_that_was_set_back_are_told() -> None:
    assert "no zone's time" in doctor_clock.judge(standing(offset=20 * HOUR), STUDY)[1]
    _, said, remedy = doctor_clock.judge(standing(is_current=False), STUDY)
    assert "was set back" in said
    assert "full one" in remedy


def test_a_slow_answer_leaves_room_for_doubt() -> None:
    assert doctor_clock.judge(standing(http=timedelta(seconds=8), took=20), STUDY)[1].startswith("server agrees")
    assert doctor_clock.judge(standing(http=timedelta(seconds=14), took=20), STUDY)[1].startswith("server 1")


@given(
    quarters=st.integers(-48, 56),
    skew=st.integers(-400, 400),
    second=st.integers(0, 59),
)
def test_a_zone_and_an_error_are_told_apart(quarters: int, skew: int, second: int) -> None:
    moment = datetime(2026, 3, 1, 4, 0, second)  # noqa: DTZ001  as a log writes it
    line = (moment + timedelta(minutes=15 * quarters, seconds=skew)).replace(second=0)
    offset, rest = doctor_clock.split(line - moment)
    assert offset == timedelta(minutes=15 * quarters)
    if rest:
        assert abs(rest.total_seconds() - skew) <= 31
    else:
        assert abs(skew) <= 121
