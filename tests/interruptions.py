"""Let an editor act while a pull is under way: before the server answers one of its requests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from sync.sandbox.sandbox import Sandbox
from sync.sandbox.server import Answer

Act = Callable[[], None]


class Interruptions:
    """Hold what is to be done before which of a pull's requests (0: the first)."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, Act]] = []
        #: acts that were done since the last pull began
        self.done = 0

    def add(self, request: int, act: Act) -> None:
        self.waiting.append((request, act))

    @contextmanager
    def during(self, sandbox: Sandbox) -> Iterator[None]:
        """Do the acts while requests come in, and those that are left over at the end."""
        answer, lock, failures = sandbox.answer, Lock(), list[Exception]()
        count, self.done = 0, 0

        def then_answer(*request: Any) -> Answer:
            nonlocal count
            with lock:
                self._do(count, failures)
                count += 1
            return answer(*request)

        sandbox.answer = then_answer  # type: ignore[method-assign]
        try:
            yield
        finally:
            sandbox.answer = answer  # type: ignore[method-assign]
            self._do(None, failures)
        if failures:
            raise failures[0]

    def _do(self, count: int | None, failures: list[Exception]) -> None:
        due = [act for request, act in self.waiting if count is None or request <= count]
        self.waiting = [] if count is None else [each for each in self.waiting if each[0] > count]
        for act in due:
            self.done += 1
            try:
                act()
            except Exception as failure:  # the server's thread would swallow it
                failures.append(failure)
