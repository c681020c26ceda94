"""Put into words how a server's clocks stand to ours (`sync doctor`). Pure.

The Date header tells the moment, the log a local time without a zone. What lies between the two is a zone where it is
a whole number of quarter hours, and a clock that is wrong for the rest of it.
"""

from datetime import UTC, datetime, timedelta, tzinfo

from sync.ports.standing import Standing

_QUARTER = timedelta(minutes=15)
_NONE = timedelta(0)
_WESTERNMOST, _EASTERNMOST = timedelta(hours=-12), timedelta(hours=14)

TOLERATED = timedelta(minutes=5)
"""A clock that is further off is worth a warning."""

_GRAIN = timedelta(seconds=90)
"""The log cuts times to the minute, and its line may be written a little later than the header."""

_SET_IT = (
    "ask the site's REDCap administrator to set the server's clock by NTP; where all sites show the same, it is this"
    " machine's clock. A night goes by the server's clock and is right all the same, but times in the data may not be"
)
_LOG_BACK = "nothing to do where it was set right: the next pull is a full one. Else ask the site's administrator"


def judge(standing: Standing, zone: tzinfo) -> tuple[str, str, str]:
    """Give status (ok or warn), detail and remedy; ``zone`` is the study's."""
    ahead, time = standing.ahead, standing.log_time
    if time is None:
        if ahead is None:
            return "warn", "the server tells no time: no log and no Date header", "pulls are full ones until it does"
        return _judged([_words("server", ahead), "the zone of its log is not known"], [ahead])
    offset, rest = split(time - _true_time(standing).replace(tzinfo=None))
    if not standing.is_log_current:
        first = [] if ahead is None else [_words("server", ahead)]
        detail = f"its log ends at {time:%Y-%m-%d %H:%M} and does not go on from there: its clock was set back"
        return "warn", "; ".join([*first, detail]), _SET_IT if abs(ahead or _NONE) > TOLERATED else _LOG_BACK
    said = [_words("server", rest if ahead is None else ahead)]
    if not _WESTERNMOST <= offset <= _EASTERNMOST:
        said.append(f"its log says {time:%Y-%m-%d %H:%M}, which is no zone's time")
        return "warn", "; ".join(said), _SET_IT
    said.append(f"its log is in {_name(offset)}{_beside(offset, standing.here, zone)}")
    if ahead is not None and rest:
        said.append(_words("its log", rest, of="its web server"))
    return _judged(said, [rest] if ahead is None else [ahead, rest])


def split(apart: timedelta) -> tuple[timedelta, timedelta]:
    """Part what lies between a local minute and the true time into a zone's offset and a clock's error.

    The error is 0 where the minute's grain may explain it.
    """
    centre = apart + timedelta(seconds=30)
    offset = round(centre / _QUARTER) * _QUARTER
    rest = centre - offset
    return offset, _NONE if abs(rest) <= _GRAIN else rest


def _true_time(standing: Standing) -> datetime:
    """Give the moment (UTC) that the log's newest line is held against: the server's own where it tells one."""
    return (standing.http_time or standing.here).astimezone(UTC)


def _judged(said: list[str], errors: list[timedelta]) -> tuple[str, str, str]:
    if any(abs(error) > TOLERATED for error in errors):
        return "warn", "; ".join(said), _SET_IT
    return "ok", "; ".join(said), ""


def _words(who: str, ahead: timedelta, of: str = "") -> str:
    seconds = round(abs(ahead).total_seconds())
    if not seconds:
        return f"{who} agrees with this machine"
    way = "ahead" if ahead > _NONE else "behind"
    return f"{who} {_span(seconds)} {way}{f' of {of}' if of and way == 'ahead' else f' {of}' if of else ''}"


def _span(seconds: int) -> str:
    """Write a span with its two largest units: 3 s, 2 min 5 s, 1 h 30 min, 3 d 4 h."""
    sizes = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts = []
    for name, size in sizes:
        count, seconds = divmod(seconds, size)
        parts.append((count, name))
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {name}" for count, name in parts[first : first + 2] if count)


def _name(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'+' if minutes > 0 else '-'}{hours}{f':{rest:02}' if rest else ''}"


def _beside(offset: timedelta, now: datetime, zone: tzinfo) -> str:
    """Name the study's zone where the log is in another."""
    ours = now.astimezone(zone).utcoffset() or _NONE
    return "" if ours == offset else f", the study in {_name(ours)}"
