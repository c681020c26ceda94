"""Fetch a project's structure and one full pull of it: as a stream of batches, or as one snapshot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import polars as pl

from schemas.project import ProjectStructure, Snapshot
from schemas.pull import Stream
from sync.errors import SourceMismatch, SourceUnavailable
from sync.ports.source import Progress
from sync.redcap import links, wire
from sync.redcap.batches import all_batches
from sync.redcap.client import Client
from sync.redcap.frames import in_order, joined, own_records, refuse_doubles, without_group
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


def pull(client: Client, target: Target) -> Snapshot:
    """Fetch one complete snapshot; the errors are those of ``sync.ports.source.Source.pull``."""
    reader = open_reader(client, target)
    rows, listing = all_rows(reader, target)
    notices = without_group(listing, reader.structure) if target.group else ()
    return snapshot_of(rows, reader.structure, target, notices)


def all_rows(reader: Reader, target: Target) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fetch all rows of an open project, as the server sent them; with the list of the records it began with."""
    listing = reader.listing()
    return joined(list(_frames(reader, listing, target)), reader.structure), listing


def snapshot_of(
    rows: pl.DataFrame, structure: ProjectStructure, target: Target, notices: tuple[str, ...] = ()
) -> Snapshot:
    """Make a snapshot of rows as the server sent them."""
    rows, withheld = in_order(rows, structure)
    refuse_doubles(rows, structure)
    return Snapshot(
        site=target.site,
        structure=structure,
        pulled_at=target.pulled_at,
        rows=rows.rechunk(),
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
    frames = _frames(reader, listing, target)
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
        records=len(own_records(listing, target.group)),
        frames=in_turn(),
    )


def _frames(reader: Reader, listing: pl.DataFrame, target: Target) -> Iterator[pl.DataFrame]:
    return all_batches(reader, listing, target.batch_records, group=target.group, progress=target.progress)


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
