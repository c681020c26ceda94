"""Leave a pull at once when the program is told to stop: it has written nothing."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import TypeVar

from sync.errors import Stopped
from sync.ports.clock import Clock

T = TypeVar("T")

_SLICE = 0.5
"""Seconds of a pause, or of waiting for a server, after which the stop is looked at again."""


def check(stop: threading.Event) -> None:
    """Raise Stopped where the program was told to stop."""
    if stop.is_set():
        raise Stopped("stopped before its pull was complete, as the program was told to; nothing of it was changed")


class StoppableClock:
    """Be a clock whose pauses end with Stopped."""

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        """Tell the time of ``clock``."""
        self._clock = clock
        self._stop = stop

    def now(self) -> datetime:
        """Give the present moment, aware, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Give the seconds of the steady counter."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause, and look at the stop meanwhile."""
        left = seconds
        while left > 0:
            check(self._stop)
            self._clock.sleep(min(left, _SLICE))
            left -= _SLICE
        check(self._stop)


def unless_stopped(stop: threading.Event, ask: Callable[[], T]) -> T:
    """Do ``ask`` on a thread of its own, and leave it behind on a stop: a request that hangs cannot be ended."""
    check(stop)
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True, name="request").start()
    while True:
        try:
            return answer.result(_SLICE)
        except TimeoutError:
            if answer.done():
                raise
            check(stop)
