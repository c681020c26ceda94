"""Fetch a project's structure and one full pull of it: as a stream of batches, or as one snapshot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import polars as pl

from schemas import parts
from schemas.known import Gathering, Known
from schemas.parts import Packer, Parts
from schemas.project import ProjectStructure, Snapshot
from schemas.pull import Stream, fingerprints
from sync.errors import SourceMismatch, SourceUnavailable
from sync.ports.source import Progress
from sync.redcap import links, wire
from sync.redcap.batches import all_batches
from sync.redcap.client import Client
from sync.redcap.frames import (
    counts_of,
    groups_of,
    in_order,
    joined,
    last_groups,
    own_records,
    owners_of,
    refuse_doubles,
    twice,
    without_group,
)
from sync.redcap.reader import Reader
from sync.redcap.replies import NothingToExport, RightMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Say what is pulled, how, and when that began."""

    site: str
    api_url: str
    project_id: int
    #: unique name of the data access group whose records are the site's own; None takes all
    group: str | None
    batch_records: int
    #: aware
    pulled_at: datetime
    progress: Progress | None = None
    #: all groups are pulled, each row with the group that it belongs to
    is_shared: bool = False


def fetch_structure(client: Client, *, project_id: int) -> ProjectStructure:
    """Fetch what the project is made of; SourceMismatch where it is not the project ``project_id``."""
    info = client.project_info()
    found = str(info["project_id"])
    if found != str(project_id):
        raise SourceMismatch(
            f"the token belongs to project {found if found.isdigit() else 'without a number'}, the configuration"
            f" names project {project_id}; correct the token or project_id before anything is stored"
        )
    is_longitudinal = wire.is_on(info.get("is_longitudinal"))
    repeats = wire.is_on(info.get("has_repeating_instruments_or_events", "1"))
    try:
        return wire.structure_from(
            info=info,
            version=client.version(),
            metadata=client.metadata(),
            field_names=client.field_names(),
            instruments=client.instruments(),
            events=client.events() if is_longitudinal else (),
            event_forms=client.event_forms() if is_longitudinal else (),
            repeating=_or_none(client.repeating) if repeats else (),
            groups=_groups(client),
        )
    except wire.Malformed as error:
        problem = str(error)
    raise SourceUnavailable(f"{problem}; try again later")


def open_reader(client: Client, target: Target) -> Reader:
    """Fetch the structure, and prepare to read the rows; SourceMismatch where the group is not the project's."""
    structure = fetch_structure(client, project_id=target.project_id)
    check_group(structure, target.group)
    return Reader(client, structure, needs_groups=target.is_shared or target.group is not None)


def check_group(structure: ProjectStructure, group: str | None) -> None:
    """See that the project has the group; SourceMismatch, naming those it has, otherwise."""
    if group is not None and group not in structure.groups:
        known = ", ".join(structure.groups) or "none that the token's user may see"
        raise SourceMismatch(f"the project has no data access group {group!r} (known: {known}); correct group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Hold all records of a project, or of one of its groups, as parts that add up to the lists."""

    #: columns as in a Snapshot
    parts: Parts
    #: none unless they were asked for
    prints: Known
    #: record -> its group, by its rows
    groups: Mapping[str, str | None]
    #: record and group of every record that the project listed at the beginning
    owners: pl.DataFrame
    withheld: Mapping[str, str]


def pull(client: Client, target: Target) -> Snapshot:
    """Fetch one complete snapshot; the errors are those of ``sync.ports.source.Source.pull``."""
    reader = open_reader(client, target)
    fetched = all_parts(reader, target, with_prints=False)
    notices = without_group(last_groups(fetched.owners), reader.structure) if target.group else ()
    head = head_of(fetched.parts.empty, reader.structure, target, withheld=fetched.withheld, notices=notices)
    return replace(head, rows=fetched.parts.whole())


def all_parts(reader: Reader, target: Target, *, with_prints: bool = True) -> Fetched:
    """Fetch all records of an open project; what stands in memory as cells is one part and one batch."""
    structure = reader.structure
    listing = reader.listing()
    owners = owners_of(listing)
    frames = _frames(reader, listing, target)
    del listing  # a project's every row; what is left of it counts records
    columns, withheld = in_order(joined([], structure), structure)
    packer = Packer(record_field=structure.record_field)
    prints = Gathering()
    groups: dict[str, str | None] = {}
    for frame in _larger(frames):
        rows, left_out = in_order(frame, structure)
        if not groups:
            columns, withheld = rows.clear(), left_out
        refuse_doubles(rows, structure)
        came = groups_of(rows, structure)
        if not came.keys().isdisjoint(groups):
            raise twice()
        groups |= came
        if with_prints:
            prints.add(fingerprints(rows, structure.record_field))
        packer.add(rows)
    return Fetched(
        parts=packer.done(columns),
        prints=prints.done(),
        groups=groups,
        owners=owners,
        withheld=withheld,
    )


def _larger(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Put batches together to what makes a part: what is done to each piece costs little more for many rows."""
    waiting: list[pl.DataFrame] = []
    for frame in frames:
        if waiting and parts.is_full(sum(each.height for each in waiting) + frame.height, frame.width):
            yield pl.concat(waiting, rechunk=True)
            waiting = []
        if frame.height:
            waiting.append(frame)
    if waiting:
        yield pl.concat(waiting, rechunk=True)


def head_of(
    columns: pl.DataFrame,
    structure: ProjectStructure,
    target: Target,
    *,
    withheld: Mapping[str, str],
    notices: tuple[str, ...] = (),
) -> Snapshot:
    """Make a snapshot without rows; ``columns`` as of a Snapshot."""
    return Snapshot(
        site=target.site,
        structure=structure,
        pulled_at=target.pulled_at,
        rows=columns.clear(),
        withheld=withheld,
        base_url=links.base_url(target.api_url),
        notices=notices,
    )


def stream(client: Client, target: Target) -> Stream:
    """Begin a full pull that hands its batches out one by one; the first is fetched here, for its columns.

    What is held at a time is one batch and the list of the records.
    """
    reader = open_reader(client, target)
    structure = reader.structure
    listing = reader.listing()
    records = len(own_records(listing, target.group))
    frames = _frames(reader, listing, target)
    del listing
    first = next((frame for frame in frames if frame.height), None)
    withheld = in_order(first, structure)[1] if first is not None else {}

    def in_turn() -> Iterator[pl.DataFrame]:
        for frame in chain([first] if first is not None else [], frames):
            if frame.height:
                rows = in_order(frame, structure)[0]
                refuse_doubles(rows, structure)
                yield rows

    return Stream(
        site=target.site,
        structure=structure,
        pulled_at=target.pulled_at,
        base_url=links.base_url(target.api_url),
        withheld=withheld,
        records=records,
        frames=in_turn(),
    )


def _frames(reader: Reader, listing: pl.DataFrame, target: Target) -> Iterator[pl.DataFrame]:
    return all_batches(
        reader,
        counts_of(listing),
        own_records(listing, target.group),
        target.batch_records,
        group=target.group,
        progress=target.progress,
    )


# --- structure


def _or_none(ask: Callable[[], Sequence[Mapping[str, object]]]) -> Sequence[Mapping[str, object]]:
    try:
        return ask()
    except NothingToExport:
        return ()


def _groups(client: Client) -> Sequence[Mapping[str, object]]:
    """Fetch the groups; none where the token's user may not see them (most sites' own projects have none)."""
    try:
        return client.groups()
    except RightMissing:
        return ()
