"""Leave a host alone for a while that keeps failing, so that one dead server does not cost the night."""

import threading
from dataclasses import dataclass

from sync.errors import SourceUnavailable

#: failures in a row, all requests to a host taken together; halving a batch of thousands takes fewer
_LIMIT = 16
#: a host that cannot be reached at all counts for so many: its second failure is the last
_UNREACHABLE = 8
#: seconds without any answer, and failures meanwhile, after which waiting on is no use either
_PATIENCE = 900.0
_FEW = 3
#: seconds until one more request is let through
_PAUSE = 300.0


@dataclass(slots=True)
class _State:
    failures: int = 0
    weight: int = 0
    first: float = 0.0
    opened: float | None = None


class Circuits:
    """Count failures by host, over all projects and threads that ask it; forgets them at the first answer."""

    def __init__(self) -> None:
        """Begin with every host in good standing."""
        self._lock = threading.Lock()
        self._hosts: dict[str, _State] = {}

    def check(self, host: str, now: float) -> None:
        """Let a request pass, or raise SourceUnavailable at once; ``now`` in seconds of a steady counter."""
        with self._lock:
            state = self._hosts.get(host)
            if state is None or state.opened is None or now - state.opened >= _PAUSE:
                return
            left = _PAUSE - (now - state.opened)
            failures = state.failures
        raise SourceUnavailable(
            f"{host} failed {failures} times in a row and is left alone for {left:.0f} more seconds; try again later,"
            " if it happens again, tell the site's REDCap administrator"
        )

    def failed(self, host: str, now: float, *, is_unreachable: bool) -> None:
        """Count a request that failed for good, its repetitions included."""
        with self._lock:
            state = self._hosts.setdefault(host, _State(first=now))
            state.failures += 1
            state.weight += _UNREACHABLE if is_unreachable else 1
            too_long = state.failures >= _FEW and now - state.first >= _PATIENCE
            if state.weight >= _LIMIT or too_long:
                state.opened = now

    def answered(self, host: str) -> None:
        """Forget a host's failures: it answered."""
        with self._lock:
            self._hosts.pop(host, None)
