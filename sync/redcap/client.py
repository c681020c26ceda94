"""Ask a REDCap project over its API; the one place that knows PyCap.

PyCap knows how requests are put. Its way of sending them is replaced: it shares one session between all projects,
never looks at the status, takes an HTML page for CSV, and prints a malformed token. Nothing here writes: a payload
that would is refused before it is sent.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from redcap.project import Project

from sync.errors import SourceMismatch, SourceUnavailable
from sync.redcap.allowance import Allowance
from sync.redcap.replies import EndUnknown, ReplyFailed, text_of
from sync.redcap.transport import Transport

_VERSION = re.compile(r"\d+\.\d+\.\d+")

#: keys of payloads that change something
_WRITING = frozenset({"data", "overwriteBehavior", "delete_logging", "new_record_name"})


class WriteRefused(AssertionError):
    """Stop a fault of the program: this client only reads."""


class _Project(Project):  # type: ignore[misc]
    """Put requests as PyCap does, and send them through ``transport``."""

    def __init__(self, url: str, token: str, transport: Transport, retries: int, allowance: Allowance | None) -> None:
        super().__init__(url, token)
        self._transport = transport
        self._allowance = allowance
        self.retries = retries
        self.server_date = ""

    @staticmethod
    def _validate_url_and_token(url: str, token: str) -> None:
        """Check nothing: the configuration did, and PyCap's own check would show the token."""

    def _backfill_fields(self, fields: list[str] | None, forms: list[str] | None) -> list[str] | None:
        """Ask for exactly what the caller names; PyCap would list every field, beyond what PHP servers accept."""
        return fields

    def _call_api(self, payload: dict[str, Any], return_type: str, file: object = None) -> Any:
        """Send a payload; JSON decoded, other formats as text. Errors are those of ``replies.text_of``."""
        if file is not None or "action" in payload or not _WRITING.isdisjoint(payload):
            raise WriteRefused(payload.get("content"))
        expects = payload.get("format", "text")
        reply = self._transport.post(self.url, payload, retries=self.retries, allowance=self._allowance)
        self.server_date = reply.date
        text = text_of(reply, expects)
        if expects == "csv" and text.strip() and not reply.framed:
            raise EndUnknown(f"{reply.host} sent a table without saying how long it is; try again later")
        if expects != "json":
            return text
        try:
            return json.loads(text)
        except ValueError:
            pass  # its message would quote the reply
        raise ReplyFailed(f"{reply.host} sent a reply that is cut or not JSON; try again later")


class Client:
    """Ask one project. Every method raises as ``sync.ports.source.Source`` says, or gives a complete answer."""

    def __init__(
        self, url: str, token: str, transport: Transport, *, retries: int, allowance: Allowance | None = None
    ) -> None:
        """Hold a token of 32 hexadecimal characters (``config.resolve_token`` checks it); asks nothing yet.

        ``allowance``: the time that all its requests may take together; without it each has its own.
        """
        self._retries = retries
        self._transport = transport
        self._project = _Project(url, token, transport, retries, allowance)

    def project_info(self) -> Mapping[str, Any]:
        """Fetch the project's settings (content=project)."""
        info = self._project.export_project_info(format_type="json")
        if not isinstance(info, dict) or "project_id" not in info:
            raise SourceUnavailable("the reply about the project holds no project id; check the site's url")
        return info

    def version(self) -> str:
        """Fetch the server's REDCap version, e.g. "15.2.1"."""
        text = str(self._project._call_api(self._project._initialize_payload("version"), "str")).strip()
        if not _VERSION.fullmatch(text):
            raise SourceUnavailable("the server names no REDCap version; check the site's url")
        return text

    def metadata(self) -> list[dict[str, Any]]:
        """Fetch the data dictionary."""
        rows = _rows(self._project.export_metadata(format_type="json"))
        if not rows:
            raise SourceMismatch("the project has no fields; check that the token is that of the right project")
        return rows

    def field_names(self) -> list[dict[str, Any]]:
        """Fetch the names of the export columns."""
        return _rows(self._project.export_field_names(format_type="json"))

    def instruments(self) -> list[dict[str, Any]]:
        """Fetch the instruments."""
        return _rows(self._project.export_instruments(format_type="json"))

    def events(self) -> list[dict[str, Any]]:
        """Fetch the events of a longitudinal project."""
        return _rows(self._project.export_events(format_type="json"))

    def event_forms(self) -> list[dict[str, Any]]:
        """Fetch which instruments belong to which events of a longitudinal project."""
        return _rows(self._project.export_instrument_event_mappings(format_type="json"))

    def repeating(self) -> list[dict[str, Any]]:
        """Fetch the repeating instruments and events; NothingToExport where nothing repeats."""
        return _rows(self._project.export_repeating_instruments_events(format_type="json"))

    def groups(self) -> list[dict[str, Any]]:
        """Fetch the data access groups; RightMissing where the token's user may not see them."""
        return _rows(self._project.export_dags(format_type="json"))

    def log(self, since: datetime | None, until: datetime | None = None) -> list[dict[str, Any]]:
        """Fetch the project's log, newest line first, between two server-local moments (None: without bound).

        SourceRefused where the token's user may not see it. The lines hold values: keep them out of logs.
        """
        return _rows(self._project.export_logging(format_type="json", begin_time=since, end_time=until))

    def seconds(self) -> float:
        """Give the seconds of the steady counter that requests are timed by."""
        return self._transport.seconds()

    @property
    def server_date(self) -> str:
        """Give the Date header of the latest reply, "" where it had none."""
        return self._project.server_date

    def records(
        self,
        *,
        form: str = "csv",
        records: Sequence[str] = (),
        fields: Sequence[str] = (),
        events: Sequence[str] = (),
        since: datetime | None = None,
        with_groups: bool,
        retries: int | None = None,
    ) -> Any:
        """Export rows, flat and raw: CSV text, or the JSON list with ``form="json"``.

        No ``records`` or ``events`` means all, no ``fields`` every column that the token's user may export; ``since``
        (server-local, naive) narrows to records changed from then on. ``retries`` replaces the usual number of
        further attempts. EndUnknown where a CSV reply could be cut without a trace.
        """
        self._project.retries = self._retries if retries is None else retries
        try:
            return self._project.export_records(
                format_type=form,
                records=list(records) or None,
                fields=list(fields) or None,
                events=list(events) or None,
                date_begin=since,
                export_data_access_groups=with_groups,
                export_blank_for_gray_form_status=True,
            )
        finally:
            self._project.retries = self._retries


def _rows(reply: object) -> list[dict[str, Any]]:
    """Take a JSON reply for a list of objects, or refuse it."""
    if isinstance(reply, list) and all(isinstance(row, dict) for row in reply):
        return reply
    raise SourceUnavailable("the reply is not the list that was asked for; check that the url leads to a REDCap API")
