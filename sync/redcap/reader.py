"""Ask for rows of one project in one way, and let nothing incomplete pass for them.

The record ids are listed by requests of their own, before and after; the records come in batches and must add up to
those lists. See ``sync.ports.source`` for what is promised.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import polars as pl
import structlog

from schemas.known import ROW_KEY
from schemas.project import DAG_COLUMN, RECORD_COLUMNS, ProjectStructure
from schemas.pull import Cost
from sync.errors import SourceMismatch, SourceRefused, SourceUnavailable
from sync.redcap import wire
from sync.redcap.client import Client
from sync.redcap.frames import SURVEY_COLUMN, ids_of
from sync.redcap.replies import EndUnknown, ReplyFailed

#: further attempts for a batch that can still be halved; halving is the better second attempt
_RETRIES_WHILE_LARGE = 1

_HASH = re.compile(r"^[0-9a-f]{32}$")

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
        #: columns that make a server show the rows of repeating instruments, too
        self._statuses = tuple(
            name
            for name in dict.fromkeys(f"{form}_complete" for _, form in sorted(structure.repeating))
            if name in structure.export_fields
        )
        self.cost = Cost()
        #: some list of rows did not tell the records' groups
        self.hides_groups = False

    def listing(
        self,
        *,
        records: Sequence[str] = (),
        events: Sequence[str] = (),
        since: datetime | None = None,
        keys: bool = True,
    ) -> pl.DataFrame:
        """List rows without their cells: ROW_KEY and ``group``, blank as null.

        Narrowed to some records, to some events, to records changed since a server-local moment. Without ``keys``,
        rows of repeating instruments may be left out.
        """
        record = self.structure.record_field
        fields = [record, *(self._statuses if keys else ())]
        try:
            rows = self._ask(records=records, fields=fields, events=events, since=since)
        except SourceRefused:
            if len(fields) == 1:
                raise
            self._statuses = ()  # a server may refuse fields of forms that the token's user may not export
            rows = self._ask(records=records, fields=[record], events=events, since=since)
        self.cost = Cost(rows_listed=self.cost.rows_listed + rows.height, rows_whole=self.cost.rows_whole)
        if rows.height == 0:
            return pl.DataFrame(schema=dict.fromkeys((*ROW_KEY, "group"), pl.String()))
        if record not in rows.columns:
            raise SourceMismatch(
                f"the server leaves out the record id field {record!r}; ask the site's REDCap administrator to give"
                " the token's user full export rights"
            )
        self._check_groups(rows)
        self.hides_groups |= DAG_COLUMN not in rows.columns
        ids = rows[record]
        if ids.null_count():
            raise ReplyFailed("the server lists a row without a record id; try again later")
        if not records and since is None and _HASH.match(ids[0]) and ids.str.contains(_HASH.pattern).all():
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

        An empty body is what "no rows" looks like and what a failing server sends: only JSON's [] means none, so
        a date range, of which most nights leave little or nothing, is asked for as JSON at once. And a complete table
        may be unreadable, as PHP leaves a quote after a backslash undoubled.
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

        rows = None
        if since is None:
            with suppress(wire.Malformed, EndUnknown):
                rows = wire.rows_from_csv(str(ask("csv")))
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
            if name not in known and not SURVEY_COLUMN.fullmatch(name) and not (boxes and name.startswith(boxes))
        ]
        if strange:
            raise SourceUnavailable(
                f"the server sent {len(strange)} columns that the project's dictionary does not have: somebody edits"
                " the project's design; try again later"
            )
