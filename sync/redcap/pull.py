"""Put one snapshot of one project together, and let nothing incomplete pass for it.

The record ids are listed by requests of their own, before and after; the records come in batches and must add up to
those lists. See ``sync.ports.source`` for what is promised.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import polars as pl
import structlog

from schemas.project import DAG_COLUMN, RECORD_COLUMNS, ProjectStructure, Snapshot
from sync.errors import SourceMismatch, SourceUnavailable
from sync.ports.source import Progress
from sync.redcap import links, wire
from sync.redcap.client import Client
from sync.redcap.replies import EndUnknown, NothingToExport, ReplyFailed, RightMissing
from sync.telemetry import Event

#: further attempts for a batch that can still be halved; halving is the better second attempt
_RETRIES_WHILE_LARGE = 1

_HASH = r"^[0-9a-f]{32}$"
_SURVEY_COLUMN = re.compile(r"redcap_survey_identifier|\w+_timestamp")
_WITHHELD = "left out by the server: the export rights of the token's user do not cover it"
_WITHHELD_GROUP = "left out by the server: the token's user belongs to a data access group, or may not see groups"

log = structlog.get_logger()


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


def pull(
    client: Client,
    *,
    site: str,
    api_url: str,
    project_id: int,
    group: str | None,
    batch_records: int,
    pulled_at: datetime,
    progress: Progress | None = None,
) -> Snapshot:
    """Fetch one complete snapshot; the errors are those of ``sync.ports.source.Source.pull``.

    ``group`` is the unique name of the data access group whose records are the site's own; None takes all.
    """
    structure = fetch_structure(client, project_id=project_id)
    if group is not None and group not in structure.groups:
        known = ", ".join(structure.groups) or "none that the token's user may see"
        raise SourceMismatch(f"the project has no data access group {group!r} (known: {known}); correct group")
    reader = _Reader(client, structure, group)
    listed = reader.list_records()
    frames = list(_batches(reader, listed, batch_records, progress))
    rows = _with_late(reader, _joined(frames, structure), batch_records)
    rows, withheld = _in_order(rows, structure)
    _refuse_doubles(rows, structure)
    return Snapshot(
        site=site,
        structure=structure,
        pulled_at=pulled_at,
        rows=rows,
        withheld=withheld,
        base_url=links.base_url(api_url),
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


# --- records


class _Reader:
    """Ask for rows of one project in one way, and check what every answer must hold."""

    def __init__(self, client: Client, structure: ProjectStructure, group: str | None) -> None:
        self._client = client
        self.structure = structure
        self._group = group
        self._with_groups = bool(structure.groups)
        self._columns: list[str] | None = None

    def list_records(self) -> list[str]:
        """List the ids of all records (of the group), in the server's order, each once."""
        record = self.structure.record_field
        rows = self._ask(fields=(record,))
        if rows.height == 0:
            return []
        if record not in rows.columns:
            raise SourceMismatch(
                f"the server leaves out the record id field {record!r}; ask the site's REDCap administrator to give"
                " the token's user full export rights"
            )
        rows = self._of_group(rows)
        ids = rows[record]
        if ids.null_count():
            raise ReplyFailed("the server lists a row without a record id; try again later")
        if ids.len() and ids.str.contains(_HASH).all():
            raise SourceMismatch(
                "the record ids arrive as hashes, because the token's user has de-identified export rights; ask the"
                " site's REDCap administrator for the right to export the full data set"
            )
        return ids.unique(maintain_order=True).to_list()

    def batch(self, records: Sequence[str], *, can_halve: bool) -> pl.DataFrame:
        """Fetch all rows of some records, with the same columns each time."""
        rows = self._ask(records=records, retries=_RETRIES_WHILE_LARGE if can_halve else None)
        if rows.height == 0:
            return rows
        if self._columns is None:
            self._columns = rows.columns
            self._check(rows)
        if rows.columns != self._columns:
            raise SourceUnavailable(
                "the columns changed during the pull: somebody edits the project's design; try again later"
            )
        if not _ids(rows, self.structure) <= set(records):
            raise SourceUnavailable("the server sent records that were not asked for; try again later")
        return self._of_group(rows)

    def _ask(
        self, *, records: Sequence[str] = (), fields: Sequence[str] = (), retries: int | None = None
    ) -> pl.DataFrame:
        """Ask for CSV, a third of JSON's bytes; for JSON where the table cannot be trusted to be whole.

        An empty body is what "no rows" looks like and what a failing server sends: only JSON's [] means none. And
        a complete table may be unreadable, as PHP leaves a quote after a backslash undoubled.
        """
        try:
            text = self._client.records(records=records, fields=fields, with_groups=self._with_groups, retries=retries)
            rows = wire.rows_from_csv(text)
        except (wire.Malformed, EndUnknown):
            rows = None
        if rows is not None and rows.height:
            return rows
        return self._ask_json(records=records, fields=fields, retries=retries)

    def _ask_json(
        self, *, records: Sequence[str] = (), fields: Sequence[str] = (), retries: int | None = None
    ) -> pl.DataFrame:
        items = self._client.records(
            form="json", records=records, fields=fields, with_groups=self._with_groups, retries=retries
        )
        try:
            return wire.rows_from_json(items)
        except (wire.Malformed, AttributeError, KeyError, TypeError):
            pass  # the message of the last three could quote the reply
        raise ReplyFailed("the reply is not a list of alike rows; try again later")

    def _of_group(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep the rows of the site's own group."""
        if self._group is None:
            return rows
        if DAG_COLUMN not in rows.columns:
            raise SourceMismatch(
                "the server does not say which data access group a record belongs to; where the token's user is in"
                " the group itself, remove group from the configuration, else ask for the right to see groups"
            )
        return rows.filter(pl.col(DAG_COLUMN) == self._group)

    def _check(self, rows: pl.DataFrame) -> None:
        """See that the columns are those of this project."""
        structure = self.structure
        if structure.record_field not in rows.columns:
            raise SourceMismatch(f"the server leaves out the record id field {structure.record_field!r}")
        known = {*structure.export_fields, *RECORD_COLUMNS, DAG_COLUMN}
        boxes = tuple(f"{each.field_name}___" for each in structure.fields if each.field_type == "checkbox")
        strange = [
            name
            for name in rows.columns
            if name not in known and not _SURVEY_COLUMN.fullmatch(name) and not (boxes and name.startswith(boxes))
        ]
        if strange:
            raise SourceUnavailable(
                f"the server sent {len(strange)} columns that the project's dictionary does not have: somebody edits"
                " the project's design; try again later"
            )


def _batches(reader: _Reader, records: Sequence[str], size: int, progress: Progress | None) -> Iterator[pl.DataFrame]:
    """Fetch the records in batches, halving the size (for good) when a server does not manage one."""
    done = 0
    while done < len(records):
        part = records[done : done + size]
        try:
            rows = reader.batch(part, can_halve=len(part) > 1)
        except (ReplyFailed, MemoryError):
            if len(part) == 1:
                raise
            size = max(len(part) // 2, 1)
            log.info(Event.SITE_PULL_HALVED, batch_records=size)
            continue
        done += len(part)
        yield rows
        if progress is not None:
            progress(done, len(records))


def _with_late(reader: _Reader, rows: pl.DataFrame, size: int) -> pl.DataFrame:
    """List the records again, and fetch those that are listed and did not come.

    They are new, were left out of the first list, or of a batch; whoever is no longer listed was deleted meanwhile.
    """
    known = _ids(rows, reader.structure)
    late = [record for record in reader.list_records() if record not in known]
    if not late:
        return rows
    rows = _joined([rows, *_batches(reader, late, size, None)], reader.structure)
    absent = len(set(late) - _ids(rows, reader.structure))
    if absent:
        raise SourceUnavailable(
            f"{absent} of the records that the server lists are missing from what it sent; nothing was taken over,"
            " try again later, and tell the site's REDCap administrator if it happens again"
        )
    return rows


def _ids(rows: pl.DataFrame, structure: ProjectStructure) -> set[str]:
    return set(rows[structure.record_field].unique().to_list()) if rows.height else set()


def _joined(frames: Sequence[pl.DataFrame], structure: ProjectStructure) -> pl.DataFrame:
    """Stack the batches that hold rows; without any, the columns that the dictionary lets expect."""
    full = [frame for frame in frames if frame.height]
    if full:
        return pl.concat(full)
    expected = (structure.record_field, *structure.export_fields)
    return pl.DataFrame(schema=dict.fromkeys(expected, pl.String()))


def _in_order(rows: pl.DataFrame, structure: ProjectStructure) -> tuple[pl.DataFrame, dict[str, str]]:
    """Give the rows the columns of a Snapshot, and name those that the server withheld."""
    companions = (*RECORD_COLUMNS, *((DAG_COLUMN,) if structure.groups else ()))
    withheld = {name: _WITHHELD for name in structure.export_fields if name not in rows.columns}
    if rows.height and structure.groups and DAG_COLUMN not in rows.columns:
        withheld[DAG_COLUMN] = _WITHHELD_GROUP
    first = (structure.record_field, *companions)
    fields = set(structure.export_fields)
    rest = [
        name
        for name in rows.columns
        if name not in first and name != DAG_COLUMN and (name in fields or not _SURVEY_COLUMN.fullmatch(name))
    ]
    absent = [pl.lit(None, dtype=pl.String()).alias(name) for name in companions if name not in rows.columns]
    return rows.with_columns(absent).select(*first, *rest).rechunk(), withheld


def _refuse_doubles(rows: pl.DataFrame, structure: ProjectStructure) -> None:
    """See that no two rows stand for the same thing."""
    if rows.select(structure.record_field, *RECORD_COLUMNS).is_duplicated().any():
        raise SourceUnavailable(
            "the server sent the same record, event, form and instance twice; try again later, and tell the site's"
            " REDCap administrator if it happens again"
        )
