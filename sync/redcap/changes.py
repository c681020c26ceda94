"""See what changed in a project since a watermark: one look for all sites that share the project.

Three witnesses are heard: the date range (records whose data changed), the log (records that it names: deleted forms
and events, moves, renames) and a list of all record ids with their groups (deletions, moves). What changed is pulled
in whole records. ``sync.redcap.delta`` makes each site's share of it. See docs/decisions/0010.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from schemas.fingerprint import structure_fingerprint
from schemas.known import Known
from schemas.project import ProjectStructure
from schemas.pull import Basis, Cost, Watermark
from sync.ports.source import OVERLAP
from sync.redcap import steady
from sync.redcap.batches import fetch_whole
from sync.redcap.client import Client
from sync.redcap.frames import counts_of, in_order, joined
from sync.redcap.logbook import NO_ANSWER, Logbook, acts_after, earliest_local, read_log
from sync.redcap.names import NameAct
from sync.redcap.pull import Fetched, Target, all_parts, open_reader
from sync.redcap.reader import Reader

_DESIGN = "the project's design changed since the last pull, so everything was pulled"
_COLUMNS = "the server sends other columns than at the last pull, so everything was pulled"
_CLOCK = "the server's clock was set back behind its own log, so everything was pulled"
_NO_TIME = "the server does not tell what time it is there, so the next pull must be a full one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Say what a look is to bring."""

    #: None, or ``full``: everything
    since: Watermark | None
    full: bool = False
    overlap: timedelta = OVERLAP

    @property
    def begin(self) -> datetime | None:
        """Give the server-local moment from which on changes are asked for."""
        return self.since.at - self.overlap if self.since else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Hold what was seen of a project: of all its groups, or of one where only that was looked at."""

    structure: ProjectStructure
    #: the server-local moment from which on changes and the log were asked for
    begin: datetime | None
    #: as it was read before anything else, and as it stood after everything else; None where that could not be read
    logbook: Logbook
    heard: Logbook | None
    #: records whose data changed, by the date range
    changed: frozenset[str]
    #: rows without cells (schemas.known.ROW_KEY and group): one or more of each record, all where ``all_keys``; of a
    #: complete look record and group alone
    listing: pl.DataFrame
    all_keys: bool
    #: the server did not tell the records' groups: there are none, or they are not for the token's user to see
    hides_groups: bool
    #: whole changed records as the server sent them; none where all were pulled
    rows: pl.DataFrame
    #: everything, where everything was pulled
    fetched: Fetched | None
    #: ``complete`` was asked for, and is not the answer to a changed design or clock
    is_reconciliation: bool
    #: listed records that were gone when they were asked for
    vanished: frozenset[str]
    watermark: Watermark | None
    notices: tuple[str, ...]
    cost: Cost

    @property
    def complete(self) -> bool:
        """Tell whether all records were pulled."""
        return self.fetched is not None


def look(client: Client, target: Target, request: Request) -> Sighting:
    """Look at a project; raises as ``sync.ports.source.Source.pull``."""
    reader = open_reader(client, target)
    seen = _look(client, target, request, reader)
    return replace(seen, heard=steady.heard(client, seen.logbook, seen.structure.record_field))


def _look(client: Client, target: Target, request: Request, reader: Reader) -> Sighting:
    date = client.server_date
    record = reader.structure.record_field
    book = read_log(client, record_field=record, since=request.begin, now=target.pulled_at)
    design = design_of(reader.structure)
    reason = _reason_for_all(request, book, design)
    since = request.since
    everything = since is None or request.full or bool(reason)
    dated: dict[str, int] = {}
    vanished = set[str]()
    fetched: Fetched | None = None
    rows, listing = joined([], reader.structure), pl.DataFrame()
    if since is not None and not reason:
        dated = counts_of(reader.listing(since=request.begin))
    if since is not None and not everything:
        listing = _listing(reader, since, book)
        wanted = _wanted(dated.keys() | book.named, listing, target.group)
        if wanted:
            listed = counts_of(listing) | dated
            rows, vanished = fetch_whole(reader, wanted, target.batch_records, target.progress, listed=listed)
        if rows.height and columns_of(rows, reader.structure) != since.columns:
            reason, everything, vanished = _COLUMNS, True, set()
    if everything:
        fetched = all_parts(reader, target)
        rows, listing = fetched.parts.empty, fetched.owners
    mark = _watermark(request, book, date, design, structure=reader.structure, fetched=fetched)
    return Sighting(
        structure=reader.structure,
        begin=request.begin,
        logbook=book,
        heard=None,
        changed=frozenset(dated),
        listing=listing,
        all_keys=everything or bool(book.problem),
        hides_groups=reader.hides_groups,
        rows=rows,
        fetched=fetched,
        is_reconciliation=everything and since is not None and not reason,
        vanished=frozenset(vanished),
        watermark=mark,
        notices=tuple(text for text in (reason, book.problem, "" if mark else _NO_TIME) if text),
        cost=reader.cost,
    )


def design_of(structure: ProjectStructure) -> str:
    """Take one fingerprint of everything that decides which rows and columns a project exports."""
    parts = {**structure_fingerprint(structure), "groups": sorted(structure.groups)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def columns_of(rows: pl.DataFrame, structure: ProjectStructure) -> str:
    """Take the fingerprint of the columns that came; it changes with the export rights of the token's user."""
    return hashlib.sha256("\n".join(sorted(in_order(rows, structure)[0].columns)).encode()).hexdigest()


def listing_events(prints: Known, structure: ProjectStructure) -> tuple[str, ...]:
    """Choose the event of each arm in which most records have data, so that listing costs one row a record."""
    if not structure.events:
        return ()
    counts: Counter[str | None] = Counter()
    for some in prints.buckets():  # a record is in one of them alone
        counts.update(dict(some.group_by("event").agg(pl.col("record").n_unique().alias("records")).iter_rows()))
    arms = dict.fromkeys(event.arm for event in structure.events)
    return tuple(
        max((e.unique_name for e in structure.events if e.arm == arm), key=lambda name: counts.get(name, 0))
        for arm in arms
    )


def _reason_for_all(request: Request, book: Logbook, design: str) -> str:
    """Say why an incremental pull would not do, or ""."""
    since = request.since
    if since is None:
        return ""
    if since.design != design:
        return _DESIGN
    if book.newest is not None and not covers(book, request):
        return _CLOCK
    return ""


def covers(book: Logbook, request: Request) -> bool:
    """Tell whether a log that was read since ``request.begin`` holds every line since the watermark."""
    since = request.since
    if since is None or book.newest is None:
        return False
    return book.is_current and since.at - book.newest <= request.overlap / 2


def news(book: Logbook, request: Request) -> tuple[NameAct, ...]:
    """Give what a log says of names since the pull that ``request`` begins at; all where there was none.

    Left out is what that pull acted on already, as it read the log once more after the lists.
    """
    since = request.since
    if since is None:
        return book.acts
    found = acts_after(book, since.at, since.lines)
    if since.settled_at is None:
        return found
    later = {*acts_after(book, since.settled_at, since.settled_lines)}
    return tuple(act for act in found if act in later or not act.names & {*since.settled})


def _listing(reader: Reader, since: Watermark, book: Logbook) -> pl.DataFrame:
    """List all records; all their rows where the log cannot tell about deleted events and instances."""
    return reader.listing() if book.problem else reader.listing(events=since.listing_events, keys=False)


def _wanted(named: Set[str], listing: pl.DataFrame, group: str | None) -> set[str]:
    """Leave out the records that are known to be another group's."""
    if group is None:
        return set(named)
    others = listing.filter(pl.col("group").ne_missing(group))["record"]
    return set(named) - set(others)


def _watermark(
    request: Request,
    book: Logbook,
    date: str,
    design: str,
    *,
    structure: ProjectStructure,
    fetched: Fetched | None,
) -> Watermark | None:
    """Set the next beginning by the server's clock, early rather than late; None where nothing tells it."""
    since = request.since
    at, basis, lines = book.newest, Basis.LOG, book.lines
    if at is None and book.problem == NO_ANSWER and since is not None:
        at, basis, lines = since.at, since.basis, since.lines
    elif at is None:
        at, basis, lines = earliest_local(date), Basis.DATE, 0
    elif not book.is_current:
        at = None  # the log's last lines are from a time that is yet to come
    if at is None:
        return None
    if fetched is not None:
        columns, events = columns_of(fetched.parts.empty, structure), listing_events(fetched.prints, structure)
    elif since is not None:
        columns, events = since.columns, since.listing_events
    else:
        return None
    return Watermark(
        at=at,
        basis=basis,
        lines=lines,
        is_heard=book.newest is not None,
        design=design,
        columns=columns,
        listing_events=events,
    )
