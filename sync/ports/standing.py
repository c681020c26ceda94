"""Say how a program stands with a site's server: whether it may see the log, and what time it is there."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold what one look at the server's log and clocks gave. No values, no records."""

    #: the server refused the log: the token's user lacks the right, or the version has none
    is_log_refused: bool
    #: why the log could not be had, a sentence; "" where it could
    log_problem: str
    #: time of the log's newest line, server-local, naive, cut to the minute; None where there is none
    log_time: datetime | None
    #: a request of this look left a line there, so that ``log_time`` is the server's present minute
    is_log_current: bool
    #: what the Date header of a reply said (aware, whole seconds); None where it had none
    http_time: datetime | None
    #: our clock (aware) when the request of that reply began and ended
    asked: datetime
    answered: datetime

    @property
    def here(self) -> datetime:
        """Give our own time in the middle of the request."""
        return self.asked + (self.answered - self.asked) / 2

    @property
    def ahead(self) -> timedelta | None:
        """Tell how far the server's clock is ahead of ours (negative: behind) by its Date header; None without one.

        Right to half a second and half the request's time; nothing is told where the two clocks may agree.
        """
        if self.http_time is None:
            return None
        skew = self.http_time + timedelta(seconds=0.5) - self.here
        doubt = (self.answered - self.asked) / 2 + timedelta(seconds=0.5)
        return timedelta(0) if abs(skew) <= doubt else skew
