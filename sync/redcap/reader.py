"""Ask for rows of one project in one way, and let nothing incomplete pass for them.

The record ids are listed by requests of their own, before and after; the records come in batches and must add up to
those lists. See ``sync.ports.source`` for what is promised.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import polars as pl
import structlog

from schemas.project import DAG_COLUMN, RECORD_COLUMNS, ProjectStructure
from schemas.pull import ROW_KEY, Cost
from sync.errors import SourceMismatch, SourceUnavailable
from sync.ports.source import Progress
from sync.redcap import wire
from sync.redcap.client import Client
from sync.redcap.replies import EndUnknown, ReplyFailed
from sync.telemetry import Event

#: further attempts for a batch that can still be halved; halving is the better second attempt
_RETRIES_WHILE_LARGE = 1

_HASH = r"^[0-9a-f]{32}$"
_SURVEY_COLUMN = re.compile(r"redcap_survey_identifier|\w+_timestamp")
_WITHHELD = "left out by the server: the export rights of the token's user do not cover it"
_WITHHELD_GROUP = "left out by the server: the token's user belongs to a data access group, or may not see groups"

log = structlog.get_logger()


class Reader:
    """Ask for rows of one project, and check what every answer must hold; counts what it was sent.

    ``needs_groups``: refuse answers that do not say which data access group a record belongs to.
    """

    def __init__(
        self, client: Client, structure: ProjectStructure, *, needs_groups: bool, columns: list[str] | None = None
    ) -> None:
        """Prepare to ask; nothing is sent yet. ``columns``: those that whole rows must have, where that is known."""
        self._client = client
        self.structure = structure
        self._needs_groups = needs_groups
        self._with_groups = bool(structure.groups)
        self._columns = columns
        self.cost = Cost()

    def listing(
        self,
        *,
        records: Sequence[str] = (),
        events: Sequence[str] = (),
        fields: Sequence[str] = (),
        since: datetime | None = None,
    ) -> pl.DataFrame:
        """List rows without their cells: ROW_KEY and ``group``, blank as null.

        Narrowed to some records, to some events, to records changed since a server-local moment. ``fields``: columns
        beyond the record id that are asked for (and dropped), so that the rows of their forms show, too.
        """
        record = self.structure.record_field
        rows = self._ask(records=records, fields=(record, *fields), events=events, since=since)
        self.cost = Cost(rows_listed=self.cost.rows_listed + rows.height, rows_whole=self.cost.rows_whole)
        if rows.height == 0:
            return pl.DataFrame(schema=dict.fromkeys((*ROW_KEY, "group"), pl.String()))
        if record not in rows.columns:
            raise SourceMismatch(
                f"the server leaves out the record id field {record!r}; ask the site's REDCap administrator to give"
                " the token's user full export rights"
            )
        self._check_groups(rows)
        ids = rows[record]
        if ids.null_count():
            raise ReplyFailed("the server lists a row without a record id; try again later")
        if not records and since is None and ids.str.contains(_HASH).all():
            raise SourceMismatch(
                "the record ids arrive as hashes, because the token's user has de-identified export rights; ask the"
                " site's REDCap administrator for the right to export the full data set"
            )
        names = zip((record, *RECORD_COLUMNS, DAG_COLUMN), (*ROW_KEY, "group"), strict=True)
        blank = pl.lit(None, dtype=pl.String())
        return rows.select((pl.col(old) if old in rows.columns else blank).alias(new) for old, new in names)

    def batch(self, records: Sequence[str], *, can_halve: bool) -> pl.DataFrame:
        """Fetch all rows of some records, with the same columns each time."""
        rows = self._ask(records=records, retries=_RETRIES_WHILE_LARGE if can_halve else None)
        self.cost = Cost(rows_listed=self.cost.rows_listed, rows_whole=self.cost.rows_whole + rows.height)
        if rows.height == 0:
            return rows
        if self._columns is None:
            self._columns = rows.columns
            self._check(rows)
        if rows.columns != self._columns:
            raise SourceUnavailable(
                "the columns changed during the pull: somebody edits the project's design; try again later"
            )
        if not ids_of(rows, self.structure) <= set(records):
            raise SourceUnavailable("the server sent records that were not asked for; try again later")
        self._check_groups(rows)
        return rows

    def _ask(
        self,
        *,
        records: Sequence[str] = (),
        fields: Sequence[str] = (),
        events: Sequence[str] = (),
        since: datetime | None = None,
        retries: int | None = None,
    ) -> pl.DataFrame:
        """Ask for CSV, a third of JSON's bytes; for JSON where the table cannot be trusted to be whole.

        An empty body is what "no rows" looks like and what a failing server sends: only JSON's [] means none. And
        a complete table may be unreadable, as PHP leaves a quote after a backslash undoubled.
        """

        def ask(form: str) -> object:
            return self._client.records(
                form=form,
                records=records,
                fields=fields,
                events=events,
                since=since,
                with_groups=self._with_groups,
                retries=retries,
            )

        try:
            rows = wire.rows_from_csv(str(ask("csv")))
        except (wire.Malformed, EndUnknown):
            rows = None
        if rows is not None and rows.height:
            return rows
        items = ask("json")
        try:
            return wire.rows_from_json(items)  # type: ignore[arg-type]  # its own errors are caught
        except (wire.Malformed, AttributeError, KeyError, TypeError):
            pass  # the message of the last three could quote the reply
        raise ReplyFailed("the reply is not a list of alike rows; try again later")

    def _check_groups(self, rows: pl.DataFrame) -> None:
        if self._needs_groups and DAG_COLUMN not in rows.columns:
            raise SourceMismatch(
                "the server does not say which data access group a record belongs to; where the token's user is in"
                " the group itself, remove group from the configuration, else ask for the right to see groups"
            )

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


def batches(reader: Reader, records: Sequence[str], size: int, progress: Progress | None) -> Iterator[pl.DataFrame]:
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


def fetch_whole(
    reader: Reader, records: Collection[str], size: int, progress: Progress | None = None, *, listed: Collection[str]
) -> tuple[pl.DataFrame, set[str]]:
    """Fetch all rows of some records; with those of them that were ``listed`` and turn out to be gone by now.

    A listed record that does not come is asked for again, and must then be missing from a list, too: a deletion is
    believed only where two answers agree. Raises SourceUnavailable where they do not.
    """
    frames = list(batches(reader, sorted(records), size, progress))
    missing = set(records) & set(listed) - set().union(*(ids_of(frame, reader.structure) for frame in frames))
    again = list(batches(reader, sorted(missing), size, None))
    missing -= set().union(*(ids_of(frame, reader.structure) for frame in again))
    still = reader.listing(records=sorted(missing)) if missing else None
    if still is not None and still.height:
        raise SourceUnavailable(
            f"{still['record'].n_unique()} of the records that the server lists are missing from what it sent; nothing"
            " was taken over, try again later, and tell the site's REDCap administrator if it happens again"
        )
    return joined([*frames, *again], reader.structure), missing


def ids_of(rows: pl.DataFrame, structure: ProjectStructure) -> set[str]:
    """Collect the record ids of rows as the server sent them."""
    return set(rows[structure.record_field].unique().to_list()) if rows.height else set()


def joined(frames: Sequence[pl.DataFrame], structure: ProjectStructure) -> pl.DataFrame:
    """Stack the batches that hold rows; without any, the columns that the dictionary lets expect."""
    full = [frame for frame in frames if frame.height]
    if full:
        return pl.concat(full)
    expected = (structure.record_field, *structure.export_fields)
    return pl.DataFrame(schema=dict.fromkeys(expected, pl.String()))


def in_order(rows: pl.DataFrame, structure: ProjectStructure) -> tuple[pl.DataFrame, dict[str, str]]:
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
    return rows.with_columns(absent).select(*first, *rest), withheld


def refuse_doubles(rows: pl.DataFrame, structure: ProjectStructure) -> None:
    """See that no two rows stand for the same thing."""
    if rows.select(structure.record_field, *RECORD_COLUMNS).is_duplicated().any():
        raise SourceUnavailable(
            "the server sent the same record, event, form and instance twice; try again later, and tell the site's"
            " REDCap administrator if it happens again"
        )
