"""Hold one request as the handlers see it: project, rights, parameters, formats and the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sync.sandbox import wire
from sync.sandbox.auditlog import LogEntry
from sync.sandbox.errors import ApiError
from sync.sandbox.people import Access
from sync.sandbox.project import Project
from sync.sandbox.wire import Parameters, Reply, Row

EXPORT_FORMATS = (wire.JSON, wire.CSV, wire.XML)


def formats(parameters: Parameters) -> tuple[str, str]:
    """Return `format` (default xml) and `returnFormat` (default: the format), unknown words falling to xml."""
    asked = parameters.get("format").lower()
    form = asked if asked in (*EXPORT_FORMATS, wire.ODM) else wire.XML
    returned = parameters.get("returnFormat").lower()
    fallback = wire.XML if form == wire.ODM else form
    return form, returned if returned in EXPORT_FORMATS else fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold one request to one project; `now` is server-local and naive."""

    project: Project
    access: Access
    parameters: Parameters
    format: str
    return_format: str
    now: datetime
    version: str
    base_url: str
    #: leave out rows in silence, as faulty servers did
    lose_rows: bool = False

    @property
    def delimiter(self) -> str:
        """Return the character of `csvDelimiter`."""
        return wire.delimiter_of(self.parameters.get("csvDelimiter"))

    def table(
        self,
        rows: Sequence[Row],
        header: Sequence[str],
        root: str = "records",
    ) -> Reply:
        """Answer with a table in the request's format."""
        return wire.table(rows, self.format, header=header, root=root, delimiter=self.delimiter)

    def need(self, right: str, text: str) -> None:
        """Refuse with 403 where the user lacks a right."""
        if not self.access.may(right):
            raise ApiError(403, text)

    def note(self, action: str, details: str = "", *, kind: str = "manage", record: str = "", dag: str = "") -> None:
        """Log what this request did, in its user's name."""
        entry = LogEntry(
            at=self.now, user=self.access.user.username, action=action, details=details, record=record,
            kind=kind, dag=dag,
        )  # fmt: skip
        self.project.note(entry)
