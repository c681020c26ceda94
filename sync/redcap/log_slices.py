"""Ask a project's log in slices, so that no reply grows with the time since the last pull.

A nightly pull asks once. After a longer time the log is asked day by day, oldest first, so that lines written meanwhile
fall into the last slice, which has no end. A slice that the server does not manage is halved; where replies are small,
the slices grow. REDCap cuts its times to the minute and does not say whether a bound belongs to what it bounds, so
neighbours overlap by a minute on either side, and each keeps its own minutes' lines.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sync.redcap.client import Client
from sync.redcap.replies import ReplyFailed

Lines = list[dict[str, Any]]

_DAY = timedelta(days=1)
_SMALLEST = timedelta(minutes=10)
_LARGEST = timedelta(days=64)
_JOINT = timedelta(minutes=1)

#: how far a server's own time may lie ahead of UTC
_EASTERNMOST = timedelta(hours=14)
#: so much is asked for in one request: the overlap, the day since, and a missed one
_AT_ONCE = timedelta(days=3) + _EASTERNMOST

#: slices in a row that came easily before they grow, and lines of one that came easily
_EASY, _FEW_LINES = 4, 2_000

#: further and further back, until a line shows; a pull asks for its log before, so there is one somewhere
_RECENT = timedelta(hours=26)
_LOOKS_BACK = tuple(timedelta(days=40 * 4**step) for step in range(6))

#: failures in a row, and seconds since the first of them, after which no smaller slice is tried; both are less than
#: what makes ``circuit`` leave the host, as a pull can do without the log
_FAILURES, _PATIENCE = 12, 300.0


class _Failures:
    """Count failures in a row."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._count = 0
        self._first = 0.0

    def may_go_on(self) -> bool:
        """Count one more, and tell whether a smaller slice is worth trying."""
        now = self._client.seconds()
        self._first = now if self._count == 0 else self._first
        self._count += 1
        return self._count < _FAILURES and now - self._first < _PATIENCE

    def forget(self) -> None:
        """Begin anew: the server answered."""
        self._count = 0


def lines_since(client: Client, since: datetime, utc: datetime) -> Lines:
    """Read all lines from a server-local moment on, newest slice first.

    ``utc``: the present moment, naive; it only decides how many slices there are. Raises ReplyFailed where the server
    manages no slice, SourceRefused where the token's user may not see the log.
    """
    latest = utc + _EASTERNMOST
    start = since.replace(second=0, microsecond=0)
    span, at_once, easy = _DAY, _AT_ONCE, 0
    parts: list[Lines] = []
    failures = _Failures(client)
    while True:
        is_last = latest - start <= max(at_once, span)
        end = None if is_last else (start + span).replace(second=0, microsecond=0)
        try:
            lines = client.log(start - _JOINT if parts else since, end and end + _JOINT)
        except (ReplyFailed, MemoryError):
            easy = 0
            if is_last:
                reach = max(at_once, span)
                span = at_once = _DAY if reach > _DAY else reach / 2
            else:
                span /= 2
            if span < _SMALLEST or not failures.may_go_on():
                raise
            continue
        failures.forget()
        parts.append([line for line in lines if _is_within(line, start if parts else None, end)])
        if end is None:
            return [line for part in reversed(parts) for line in part]
        start = end
        easy = easy + 1 if len(lines) <= _FEW_LINES else 0
        if easy >= _EASY:
            easy, span = 0, min(span * 2, _LARGEST)


def newest_lines(client: Client, utc: datetime) -> Lines:
    """Read far enough back to find the newest line, and give the slice that holds it; empty where there is none.

    ``utc``: the present moment, naive; it says where to begin. Raises as :func:`lines_since`.
    """
    lines = lines_since(client, utc - _RECENT, utc)
    end = utc - _RECENT
    for back in _LOOKS_BACK:
        if lines:
            break
        lines = _newest_between(client, utc - back, end, _Failures(client))
        end = utc - back
    return lines


def time_of(line: Mapping[str, Any]) -> datetime | None:
    """Read the server-local time of a line; None where it cannot be read."""
    try:
        return datetime.fromisoformat(str(line.get("timestamp", "")).strip()).replace(tzinfo=None)
    except ValueError:
        return None


def _newest_between(client: Client, begin: datetime, end: datetime, failures: _Failures) -> Lines:
    """Read a slice, or the newest part of it that has lines where the server does not manage it whole."""
    try:
        lines = client.log(begin - _JOINT, end + _JOINT)
    except (ReplyFailed, MemoryError):
        middle = begin + (end - begin) / 2
        if end - begin < _SMALLEST or not failures.may_go_on():
            raise
    else:
        failures.forget()
        return lines
    return _newest_between(client, middle, end, failures) or _newest_between(client, begin, middle, failures)


def _is_within(line: Mapping[str, Any], start: datetime | None, end: datetime | None) -> bool:
    """Tell whether a line belongs to a slice; one of unknown time belongs to each."""
    time = time_of(line)
    return time is None or ((start is None or time >= start) and (end is None or time < end))
