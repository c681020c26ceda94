"""A pull is left at once when the program is told to stop: between requests, in pauses, and while a server hangs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync.clock import SystemClock
from sync.errors import Stopped
from sync.redcap.stopping import Aside, StoppableClock


def after(seconds: float, stop: threading.Event) -> None:
    threading.Timer(seconds, stop.set).start()


def test_a_request_that_hangs_is_left_behind():
    stop, hang = threading.Event(), threading.Event()
    after(0.3, stop)
    began = time.monotonic()
    with pytest.raises(Stopped, match="nothing of it was changed"):
        Aside(stop).do(lambda: hang.wait(30))
    assert time.monotonic() - began < 5
    hang.set()


def test_an_answer_and_a_failure_come_through_and_nothing_is_asked_after_the_stop():
    stop = threading.Event()
    aside = Aside(stop)
    assert aside.do(lambda: 7) == 7
    with pytest.raises(TimeoutError, match="own"):
        aside.do(own_timeout)
    assert aside.do(lambda: 8) == 8
    stop.set()
    asked = []
    with pytest.raises(Stopped):
        aside.do(lambda: asked.append(1))
    assert asked == []


def test_all_is_asked_on_one_thread_which_ends_with_its_owner():
    aside = Aside(threading.Event())
    (thread,) = {aside.do(threading.current_thread) for _ in range(3)}
    assert thread is not threading.current_thread()
    del aside
    thread.join(5)
    assert not thread.is_alive()


def test_whoever_asks_at_the_same_time_gets_the_own_answer():
    aside = Aside(threading.Event())
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: aside.do(lambda: number * 2), range(200))) == list(range(0, 400, 2))


def own_timeout() -> None:
    raise TimeoutError("own")


def test_a_pause_ends_with_the_stop():
    stop = threading.Event()
    after(0.3, stop)
    began = time.monotonic()
    with pytest.raises(Stopped):
        StoppableClock(SystemClock(), stop).sleep(60)
    assert time.monotonic() - began < 5
