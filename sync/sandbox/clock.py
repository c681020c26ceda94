"""Keep the server's clock: settable, in a time zone of its own, as minute-grained as REDCap's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo


def system_now() -> datetime:
    """Read this machine's clock (aware, UTC); the one place of the sandbox that does."""
    return datetime.now(UTC)  # noqa: TID251 -- a server owns a clock; everything else takes it as an argument


class ServerClock:
    """Tell server-local time; `set` moves or freezes it, `zone` is the server's."""

    def __init__(self, source: Callable[[], datetime] = system_now, timezone: str = "UTC") -> None:
        """Start with the time of `source` (aware) and a zone name of the tz database."""
        self._source = source
        self._zone = ZoneInfo(timezone)
        self._frozen: datetime | None = None
        self._shift = timedelta(0)
        self._lock = Lock()

    @property
    def timezone(self) -> str:
        """Name the server's zone."""
        return self._zone.key

    def set(self, now: datetime | None = None, *, timezone: str | None = None, frozen: bool = True) -> None:
        """Set the instant (a naive one is server-local) and the zone; `frozen` stops it there.

        Without `now` only the zone changes.
        """
        with self._lock:
            if timezone is not None:
                self._zone = ZoneInfo(timezone)
            if now is None:
                return
            instant = now if now.tzinfo else now.replace(tzinfo=self._zone)
            self._shift = instant - self._source()
            self._frozen = instant if frozen else None

    def release(self) -> None:
        """Follow the source again."""
        with self._lock:
            self._frozen = None
            self._shift = timedelta(0)

    def instant(self) -> datetime:
        """Return the moment that the server's clock shows, aware."""
        with self._lock:
            return self._frozen or self._source() + self._shift

    def local(self) -> datetime:
        """Return server-local time, naive, as REDCap writes it."""
        return self.instant().astimezone(self._zone).replace(tzinfo=None)
