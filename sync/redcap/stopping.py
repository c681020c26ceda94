"""Leave a pull at once when the program is told to stop: it has written nothing."""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from queue import SimpleQueue
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


class Aside:
    """Do one thing after another on a thread that a stop leaves behind: a request that hangs cannot be ended.

    The thread begins with the first and ends when nobody holds this any more.
    """

    def __init__(self, stop: threading.Event) -> None:
        """Prepare; no thread is begun yet."""
        self._stop = stop
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_begun = False

    def do(self, ask: Callable[[], T]) -> T:
        """Give what ``ask`` gives, or raise what it raises; Stopped as soon as the program is told to stop."""
        check(self._stop)
        self._begin()
        answer: Future[T] = Future()
        self._asked.put(partial(_answer, answer, ask))
        while True:
            try:
                return answer.result(_SLICE)
            except TimeoutError:
                if answer.done():
                    raise
                check(self._stop)

    def _begin(self) -> None:
        with self._lock:
            if not self._is_begun:
                # the thread knows the queue alone, or it would keep this from being let go
                threading.Thread(target=_work, args=(self._asked,), daemon=True, name="requests").start()
                weakref.finalize(self, self._asked.put, None)
                self._is_begun = True


def _work(asked: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (task := asked.get()) is not None:
        task()
        del task  # or what it holds would stay until the next comes


def _answer(answer: "Future[T]", ask: Callable[[], T]) -> None:
    try:
        answer.set_result(ask())
    except BaseException as error:
        answer.set_exception(error)
