"""Tell what the log says of records that are not there: how they ended, or that they were made. Pure.

A server that withholds the same rows from every answer looks like a site that deleted them, but for the log: an
honest deletion leaves a line. What leaves one, by kind (reference: the API contract 2.6):

- a record, by the pages or the API, with or without an arm: ``Delete record 12``, where nothing of it is left;
- its last event, form or instance: updates that set everything to blank, one or more for each event;
- all data of the project: ``Erase all data`` alone from version 15.2 on, and older versions take lines away as well.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

_BLANK = re.compile(r"\w+(?:\([^()]*\))? = (?:''|unchecked)(?:,\s*|$)")
_INSTANCE = re.compile(r"^\s*\[instance = \d+\],?\s*")
_GROUP = re.compile(
    r"\s*(?:(?:Assign|Remove) record (?:to|from) Data Access Group\s*)?"
    r"\(?(?:\[instance = \d+\],?\s*)?redcap_data_access_group = '[^']*'\)?\s*",
    re.IGNORECASE,
)
_ERASED = "erase all data"

#: of no known time: before everything else
_UNKNOWN = datetime(1, 1, 1)  # noqa: DTZ001 -- a server tells local time without a zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Hold one line of the log as far as it is understood."""

    #: create, update, delete, or ""
    verb: str
    #: the record, or the ways in which an older server's line can be read
    records: frozenset[str]
    #: server-local; None where it cannot be read
    at: datetime | None
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Hold what the log says of records that come or go; record ids only, no values."""

    #: records that were deleted and not made again later
    deleted: frozenset[str] = frozenset()
    #: records that were last blanked -> number of lines that blank something of them
    emptied: Mapping[str, int] = field(default_factory=dict)
    #: when something of a record was blanked, earliest first
    blankings: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    #: records that were made and have not ended since, each as the ways in which its line can be read
    made: frozenset[frozenset[str]] = frozenset()
    #: somebody erased all data of the project
    is_erased: bool = False


def read(lines: Iterable[Line]) -> Traces:
    """Read the lines of a log, in any order; what happened in the same minute is taken for an end."""
    lived: dict[str, datetime] = {}
    deleted: dict[str, datetime] = {}
    emptied: dict[str, datetime] = {}
    blankings: dict[str, list[datetime]] = {}
    made: dict[frozenset[str], datetime] = {}
    is_erased = False
    for line in lines:
        at = line.at or _UNKNOWN
        is_erased |= not line.records and _ERASED in line.details.lower()
        if line.verb == "delete":
            _latest(deleted, line.records, at)
        elif line.verb == "update" and is_blanking(line.details):
            _latest(emptied, line.records, at)
            for name in line.records:
                blankings.setdefault(name, []).append(at)
        elif line.verb in ("create", "update") and line.details.strip() and not is_move(line.details):
            _latest(lived, line.records, at)
        if line.verb == "create" and line.records:
            made[line.records] = max(made.get(line.records, at), at)
    ends = dict(deleted)
    for name, at in emptied.items():
        _latest(ends, (name,), at)
    return Traces(
        deleted=frozenset(name for name, at in deleted.items() if lived.get(name, at) <= at),
        emptied={name: len(blankings[name]) for name, at in emptied.items() if lived.get(name, at) <= at},
        blankings={name: tuple(sorted(times)) for name, times in blankings.items()},
        made=frozenset(ways for ways, at in made.items() if not any(way in ends and ends[way] >= at for way in ways)),
        is_erased=is_erased,
    )


def is_blanking(details: str) -> bool:
    """Tell whether the details of an update set cells to blank and nothing else."""
    text = _INSTANCE.sub("", details)
    return bool(_BLANK.search(text)) and not _BLANK.sub("", text).strip() and not is_move(text)


def is_move(details: str) -> bool:
    """Tell whether the details of a line put a record into a data access group, or out of one, and nothing else."""
    return bool(_GROUP.fullmatch(details))


def untraced(gone: Collection[str], known: pl.DataFrame, traces: Traces, *, new_names: int) -> int:
    """Count records of which the log does not say why they are gone.

    ``gone``: known records that are neither renamed nor another group's. ``known``: KNOWN_SCHEMA. ``new_names``: how
    many records the log says got another name of which it is not known which.
    """
    if traces.is_erased:
        return 0
    left = set(gone) - traces.deleted
    return max(0, len(left - emptied(known, traces)) - new_names)


def emptied(known: pl.DataFrame, traces: Traces) -> set[str]:
    """Name the records of which each event that had data was blanked."""
    held = known.filter(pl.col("record").is_in(sorted(traces.emptied)))
    events = held.group_by("record").agg(pl.col("event").n_unique())
    return {record for record, count in events.iter_rows() if traces.emptied[record] >= count}


def emptied_at(known: pl.DataFrame, traces: Traces) -> dict[str, datetime]:
    """Say when each event of a known record had been blanked (of records that were: as often as they have events)."""
    held = known.filter(pl.col("record").is_in(sorted(traces.blankings)))
    events = dict(held.group_by("record").agg(pl.col("event").n_unique()).iter_rows())
    times = {name: traces.blankings[name] for name in events}
    return {name: times[name][count - 1] for name, count in events.items() if len(times[name]) >= count}


def unseen(traces: Traces, seen: Collection[str], *, new_names: int) -> int:
    """Count records that the log calls made, that nothing ended or renamed since, and that no answer held."""
    if traces.is_erased:
        return 0
    shown = set(seen)
    return max(0, sum(ways.isdisjoint(shown) for ways in traces.made) - new_names)


def _latest(times: dict[str, datetime], records: Iterable[str], at: datetime) -> None:
    for record in records:
        times[record] = max(times.get(record, at), at)
