"""Slow every answer down, and ban who asks too often, as an administrator's settings do."""

from collections import deque
from collections.abc import Callable
from threading import Lock

from sync.sandbox import faults
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.wire import Reply

_MINUTE = 60.0


class Traffic:
    """Count requests by address; both measures are off until `set` switches them on (guess: rate-limit)."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """Take a monotonic clock, in seconds."""
        self._seconds = seconds
        self._lock = Lock()
        self._seen: dict[str, deque[float]] = {}
        self._banned: set[str] = set()
        self._limit: int | None = None
        self.latency = 0.0

    def set(self, *, latency: float = 0.0, limit: int | None = None) -> None:
        """Set the wait before every answer (seconds) and the requests a minute (None: no limit); lifts all bans."""
        with self._lock:
            self.latency = latency
            self._limit = limit
            self._seen.clear()
            self._banned.clear()

    def shown(self) -> dict[str, object]:
        """Return the settings and the banned addresses."""
        with self._lock:
            return {"latency": self.latency, "requests_per_minute": self._limit, "banned": sorted(self._banned)}

    def refused(self, address: str) -> Reply | None:
        """Count a request of an address and return the ban page where it has gone too far, once and for all."""
        with self._lock:
            if self._limit is None:
                return None
            seen = self._seen.setdefault(address, deque())
            now = self._seconds()
            while seen and now - seen[0] >= _MINUTE:
                seen.popleft()
            seen.append(now)
            if len(seen) > self._limit:
                self._banned.add(address)
            if address not in self._banned:
                return None
        return faults.refusal(Fault(mode=Mode.IP_BAN), "")
