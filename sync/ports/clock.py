"""Tell the time; a port, so that tests choose it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Give the date, a steady counter, and pauses."""

    def now(self) -> datetime:
        """Give the present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds on a counter that never goes back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` (0 or more) have passed on ``monotonic``."""
        ...
