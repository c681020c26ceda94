"""A pull is left at once when the program is told to stop: between requests, in pauses, and while a server hangs."""

import threading
import time

import pytest

from sync.clock import SystemClock
from sync.errors import Stopped
from sync.redcap.stopping import StoppableClock, unless_stopped


def after(seconds: float, stop: threading.Event) -> None:
    threading.Timer(seconds, stop.set).start()


def test_a_request_that_hangs_is_left_behind():
    stop, hang = threading.Event(), threading.Event()
    after(0.3, stop)
    began = time.monotonic()
    with pytest.raises(Stopped, match="nothing of it was changed"):
        unless_stopped(stop, lambda: hang.wait(30))
    assert time.monotonic() - began < 5
    hang.set()


def test_an_answer_and_a_failure_come_through_and_nothing_is_asked_after_the_stop():
    stop = threading.Event()
    assert unless_stopped(stop, lambda: 7) == 7
    with pytest.raises(TimeoutError, match="own"):
        unless_stopped(stop, own_timeout)
    stop.set()
    asked = []
    with pytest.raises(Stopped):
        unless_stopped(stop, lambda: asked.append(1))
    assert asked == []


def own_timeout() -> None:
    raise TimeoutError("own")


def test_a_pause_ends_with_the_stop():
    stop = threading.Event()
    after(0.3, stop)
    began = time.monotonic()
    with pytest.raises(Stopped):
        StoppableClock(SystemClock(), stop).sleep(60)
    assert time.monotonic() - began < 5
