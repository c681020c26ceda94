"""Tell the time by the machine's own clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Implement ``sync.ports.clock.Clock``."""

    def now(self) -> datetime:
        """Give the present moment in UTC."""
        return datetime.now(UTC)  # noqa: TID251  this is the clock that others take as an argument

    def monotonic(self) -> float:
        """Give the seconds of the machine's steady counter."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        time.sleep(seconds)
