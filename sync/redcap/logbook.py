"""Read a project's log: which records it names, which it calls renamed or deleted, and what time it is there.

The log explains and adds; it is never the only witness: entries can be missing (a record's history may be wiped, a
deletion left out), its reader may lack the right to it, and its wording differs between versions.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from sync.errors import SourceRefused
from sync.redcap import traces
from sync.redcap.client import Client
from sync.redcap.log_slices import lines_since, newest_lines, time_of
from sync.redcap.names import Kind, NameAct, unseen
from sync.redcap.replies import ReplyFailed, TokenRefused
from sync.redcap.traces import Line, Traces

#: how far a server's own time may lie behind UTC
_WESTERNMOST = timedelta(hours=12)

_JOINT = timedelta(minutes=1)
"""REDCap does not say whether a bound belongs to what it bounds."""

#: "Update record (API) 12 (Event 1 (Arm 1: A))": the verb, and what follows it
_ACTION = re.compile(
    r"(?P<verb>Create|Update|Delete)d? (?:record|response)"
    r"(?: \((?:API|import|Auto calculation|Data Quality|DDP|DTS)[^)]*\))* (?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
_EVENT = re.compile(r" \((?:[^()]|\([^()]*\))*\)$")

NO_RIGHT = "the token's user may not see the project's log (right: Logging), so each pull lists all rows of the project"
NO_ANSWER = "the server could not hand out the project's log, so this pull listed all rows of the project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logbook:
    """Hold what the log says since a moment; record ids only, no values."""

    #: the latest time of any line, server-local; None where no line was to be had
    newest: datetime | None = None
    #: the line that reading the log left in it is no older than ``newest``: that is what time it is there
    is_current: bool = False
    #: a line tells an earlier time than one that was written before it: the clock was set back
    goes_back: bool = False
    #: records that any line names; some may not exist (an older server leaves room for doubt about where an id ends)
    named: frozenset[str] = frozenset()
    #: when each was last named: the minute, and how many of its lines stand before that one
    last_named: Mapping[str, tuple[datetime, int]] = field(default_factory=dict)
    #: when each was last put into a group, or out of one; as ``last_named``
    moved: Mapping[str, tuple[datetime, int]] = field(default_factory=dict)
    #: what may be new names of renamed records (``names.plausible`` tells); the log does not tell the old ones
    renamed: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    created: frozenset[str] = frozenset()
    #: how names were given and ended, oldest first
    acts: tuple[NameAct, ...] = ()
    #: how many lines stand in the minute of ``newest``
    lines: int = 0
    #: how records came and ended
    traces: Traces = field(default_factory=Traces)
    #: why it could not be read, else ""
    problem: str = ""
    #: the lines themselves, newest first: they hold values, so nothing shows them
    text: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


def read_log(client: Client, *, record_field: str, since: datetime | None, now: datetime) -> Logbook:
    """Read the log from a server-local moment on; without one, far enough back to find its newest line.

    The log is read once more, from its newest line on: if the first reading has left its line there, the server's
    clock has not been set back behind its own log. ``now`` (aware) only says where to begin looking; no time is taken
    from it. A log that cannot be read gives a Logbook with a ``problem``; TokenRefused where the token has been revoked
    since the last request.
    """
    utc = now.astimezone(UTC).replace(tzinfo=None)
    try:
        lines = lines_since(client, since, utc) if since else []
        lines = lines or newest_lines(client, utc)
        book = logbook_from(lines, record_field=record_field)
        if book.newest is None:
            return book
        after = client.log(book.newest)
    except TokenRefused:
        raise  # its text is known, that of the missing right is not: any other refusal is taken for that
    except SourceRefused:
        return Logbook(problem=NO_RIGHT)
    except ReplyFailed:
        return Logbook(problem=NO_ANSWER)
    return replace(book, is_current=_since(after, book.newest) > _since(lines, book.newest))


def continued(client: Client, book: Logbook, *, record_field: str) -> Logbook:
    """Read a log on, from its newest line; raises as the request does. A ``book`` without a line is given back.

    Not current where no more lines are there: each request leaves one, so the clock was set back meanwhile.
    """
    if book.newest is None:
        return book
    lines = client.log(book.newest - _JOINT)
    later = [line for line in lines if (time_of(line) or datetime.min) >= book.newest]  # noqa: DTZ901 -- local time
    if len(later) <= book.lines:
        return replace(book, is_current=False)
    before = [line for line in book.text if (time_of(line) or datetime.min) < book.newest]  # noqa: DTZ901
    return replace(logbook_from([*later, *before], record_field=record_field), is_current=book.is_current)


def acts_after(book: Logbook, at: datetime, lines: int) -> tuple[NameAct, ...]:
    """Give the acts that stand behind the line ``lines`` of the minute ``at``, also where the clock was set back since.

    An hour that the clock shows twice comes after its first passing, so its lines tell earlier times and stand later.
    """
    if book.goes_back:
        same = (number for number, line in enumerate(reversed(book.text)) if time_of(line) == at)
        last = next(islice(same, max(lines - 1, 0), None), None)
        if last is not None:
            return tuple(act for act in book.acts if act.number > last)
    return unseen(book.acts, at, lines)


def cut(book: Logbook, end: Logbook, *, record_field: str) -> Logbook:
    """Leave out what was written after the newest line of another log of the same project, as that was read."""
    kept: list[Mapping[str, Any]] = []
    place = 0
    for line in reversed(book.text):
        time = time_of(line)
        place += time is not None and time == end.newest
        if time is None or end.newest is None or time < end.newest or (time == end.newest and place <= end.lines):
            kept.append(line)
    return replace(logbook_from(kept[::-1], record_field=record_field), is_current=book.is_current)


def logbook_from(lines: Sequence[Mapping[str, Any]], *, record_field: str) -> Logbook:
    """Read the lines of a log (content=log); lines that are not understood are passed over."""
    # with an instance before it, or another field beside it, it tells of a record's first row somewhere
    sets_id = re.compile(rf"\s*{re.escape(record_field)} = '([^']*)'\s*")
    last_named: dict[str, tuple[datetime, int]] = {}
    moved: dict[str, tuple[datetime, int]] = {}
    renamed: set[str] = set()
    deleted: set[str] = set()
    created: set[str] = set()
    times: Counter[datetime] = Counter()
    read: list[Line] = []
    acts: list[NameAct] = []
    goes_back, latest = False, datetime.min  # noqa: DTZ901 -- a server's local time
    for number, line in enumerate(reversed(lines)):  # the newest comes first
        time = time_of(line)
        place = times[time] if time is not None else 0
        goes_back |= time is not None and time < latest
        latest = max(time or latest, latest)
        if time is not None:
            times[time] += 1
        action = _ACTION.match(str(line.get("action", "")))
        given = str(line.get("record") or "")
        records = {given} if given else _candidates(action["rest"]) if action else set()
        moment = (time or datetime.max, place)  # noqa: DTZ901 -- a server's local time
        verb = action["verb"].lower() if action else ""
        details = str(line.get("details", ""))
        for name in records:
            last_named[name] = max(moment, last_named.get(name, moment))
            if traces.is_move(details):
                moved[name] = max(moment, moved.get(name, moment))
        read.append(Line(verb=verb, records=frozenset(records), at=time, details=details))
        kind = None
        if verb == "delete":
            deleted |= records
            kind = Kind.DELETED
        elif verb == "create":
            created |= records
            kind = Kind.MADE
        elif verb == "update" and (match := sets_id.fullmatch(details)):
            renamed.add(match[1])
            kind, records = Kind.NAMED, {match[1]}
        if kind is not None:
            acts.append(NameAct(kind=kind, names=frozenset(records), at=time, place=place, number=number))
    newest = max(times, default=None)
    return Logbook(
        newest=newest,
        goes_back=goes_back,
        named=frozenset(last_named.keys() | renamed),
        last_named=last_named,
        moved=moved,
        renamed=frozenset(renamed),
        deleted=frozenset(deleted),
        created=frozenset(created),
        # lines may come in any order, but where they tell that the clock was set back, theirs is all there is
        acts=tuple(acts if goes_back else sorted(acts, key=lambda act: act.at or datetime.min)),  # noqa: DTZ901
        lines=times[newest] if newest is not None else 0,
        traces=traces.read(read),
        text=tuple(lines),
    )


def earliest_local(date_header: str) -> datetime | None:
    """Turn a Date header into server-local time that is right or too early, whatever the server's zone.

    None where there is no such header. Its zone is unknown, so the one furthest behind UTC is assumed.
    """
    try:
        return parsedate_to_datetime(date_header).replace(tzinfo=None) - _WESTERNMOST
    except ValueError:
        return None


def _candidates(rest: str) -> set[str]:
    """Name the record in "12 (Event 1 (Arm 1: A))", with and without the part that may be the event."""
    return {rest, _EVENT.sub("", rest)}


def _since(lines: Sequence[Mapping[str, Any]], moment: datetime) -> int:
    times = (time_of(line) for line in lines)
    return sum(time is not None and time >= moment for time in times)
