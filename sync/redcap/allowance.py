"""Bound the time of one whole pull: each request has its deadline, but a thousand slow ones make a lost night."""

from sync.config_transport import TransportConfig
from sync.errors import SourceUnavailable
from sync.ports.clock import Clock


class PullTooLong(SourceUnavailable):
    """Try again later, or allow more time: the requests of one pull took too long together.

    No ReplyFailed: asking for fewer records, or again, cannot help.
    """


class Allowance:
    """Hold the time that one piece of work may take, from its first request on, and how far it came."""

    def __init__(self, config: TransportConfig, clock: Clock) -> None:
        """Begin with all of ``transport.pull_deadline_seconds`` left; nothing runs until the first request."""
        self._seconds = config.pull_deadline_seconds
        self._clock = clock
        self._ends: float | None = None
        self._done = 0
        self._total: int | None = None

    def ends(self) -> float:
        """Give the end on the clock's steady counter; the first call sets it.

        What passes before is not the server's: a site may wait for another that looks at the same project.
        """
        if self._ends is None:
            self._ends = self._clock.monotonic() + self._seconds
        return self._ends

    def is_over(self) -> bool:
        """Tell whether nothing is left."""
        return self._clock.monotonic() >= self.ends()

    def came(self, done: int, total: int) -> None:
        """Note how many records have come, of how many (``sync.ports.source.Progress``)."""
        self._done, self._total = done, total

    def exceeded(self, host: str) -> PullTooLong:
        """Make the error that names the key and how far the pull came: counts, no ids."""
        far = "before the first batch of records had come"
        if self._total is not None:
            far = f"when {self._done} of {self._total} records had come"
        return PullTooLong(
            f"{host}: the pull was not done within {self._seconds:g} seconds (transport.pull_deadline_seconds), it was"
            f" cut {far}; nothing of it was taken over, try again later, or raise the key"
        )
