"""Answer the Data Quality API external module as its two pages do, sharp edges included.

Facts: the module's README and published sources (vanderbilt-redcap/data_quality_api, MIT). The rights of the
token's user are not looked at beyond the token itself, and `username` comes from the payload.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sync.sandbox import naming, wire
from sync.sandbox.errors import ApiError
from sync.sandbox.project import Project
from sync.sandbox.quality import OPEN, RESPONSES, STATUSES, Resolution, Thread
from sync.sandbox.wire import HTML, Parameters, Reply

PREFIX = "vanderbilt_dataQuality"
_STATES = {2: "Inactive", 3: "Archived"}
_TIME_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleCall:
    """Hold what the address of a module's page says: `?prefix=…&page=…&pid=…&type=module&NOAUTH`."""

    prefix: str
    page: str
    pid: str
    no_auth: bool


def answer(project: Project, call: ModuleCall, parameters: Parameters) -> Reply:
    """Answer one request whose token belongs to the project. Raises ApiError as the module's pages do."""
    if not call.no_auth:
        return _html("<form><h1>Log In</h1><p>Please log in with your user name and password.</p></form>")
    if call.prefix != project.settings.quality_module:
        return _html("The requested module is currently disabled on this project.")  # guess: module-off
    if call.pid != str(project.settings.project_id):
        return wire.text_reply("", wire.JSON)
    if call.page == "export":
        return _json(exported(project, parameters) or [])
    if call.page == "import":
        return _json(imported(project, parameters.get("data")))
    return _html("<h1>404 Not Found</h1>", 404)


def _html(text: str, status: int = 200) -> Reply:
    return Reply(body=f"<!DOCTYPE html>\n<html><body>{text}</body></html>\n".encode(), content_type=HTML, status=status)


def _json(value: object) -> Reply:
    return Reply(body=wire.to_json(value), content_type=wire.CONTENT_TYPES[wire.JSON])


def exported(project: Project, parameters: Parameters) -> dict[str, object]:
    """Return the threads by number as text, filtered by `record`, `user` and `status`.

    OPEN means also threads without a status; an unknown user filters nothing; threads of fields that the
    dictionary no longer has are left out. Nothing at all is an empty list in JSON, as PHP writes an empty array.
    """
    structure = project.structure
    records = parameters.arrays.get("record") or [name for name in [parameters.get("record")] if name]
    user, status = parameters.get("user"), parameters.get("status")
    out: dict[str, object] = {}
    for thread in project.queries:
        if thread.field_name not in structure.field_by_name or (records and thread.record not in records):
            continue
        if user in project.users and thread.assigned != user:
            continue
        if status and thread.query_status != status and not (status == OPEN and thread.query_status is None):
            continue
        record = project.records.get(thread.record)
        dag = structure.dag_by_name.get(record.dag) if record else None
        out[str(thread.status_id)] = thread.row(project.settings.project_id, str(dag.dag_id) if dag else None)
    return out


def imported(project: Project, data: str) -> list[int]:
    """Add resolutions, opening threads where none matches, and return the resolutions' numbers.

    Rows that fit nothing in the project are passed over without a word. Raises ApiError 403 where the project is
    closed or has no workflow, 500 where the module's SQL would be malformed.
    """
    if project.settings.status in _STATES:
        state = _STATES[project.settings.status]
        raise ApiError(403, f"Data may not be imported because the project is in {state} status.")
    if not project.settings.data_resolution:
        raise ApiError(403, "Data may not be imported because the project does not have data quality enabled.")
    project.changes.structure = True
    return [number for row in _rows(data) for number in _import_row(project, row)]


def _rows(data: str) -> list[Mapping[str, object]]:
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return []
    return [row for row in _values(given) if isinstance(row, dict)]


def _values(given: object) -> list[object]:
    if isinstance(given, dict):
        return list(given.values())
    return given if isinstance(given, list) else []


def _text(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    if isinstance(value, bool):
        return "1" if value else ""
    return str(value) if isinstance(value, str | int) else ""


def _import_row(project: Project, row: Mapping[str, object]) -> Iterator[int]:
    event_id = _event_id(project, _text(row, "event_id"))
    known = _text(row, "field_name") in project.structure.field_by_name
    if event_id is None or not known or not _text(row, "record"):
        return
    if _text(row, "project_id") != str(project.settings.project_id):
        return
    thread, given = _thread(project, row, event_id)
    yield from _add(project, thread, given, _values(row.get("resolutions")))


def _event_id(project: Project, given: str) -> int | None:
    """Return the event's number; a classic project takes its one event whatever is given."""
    if not project.structure.longitudinal:
        return project.structure.events[0].event_id
    return next((event.event_id for event in project.structure.events if str(event.event_id) == given), None)


def _thread(project: Project, row: Mapping[str, object], event_id: int) -> tuple[Thread, bool]:
    """Find or open the thread of a row, and tell whether its number is the one that the row names.

    A row of a repeating instrument finds none, for threads are opened without `repeat_instrument`.
    """
    number = naming.whole(_text(row, "status_id"))
    if number is None:
        raise ApiError(500, "The request cannot be processed")  # guess: empty-status-id
    record, name = _text(row, "record"), _text(row, "field_name")
    instrument, instance = _text(row, "repeat_instrument"), _instance(row)
    found: Thread | None = None
    named = False
    for thread in project.queries:
        here = (thread.record, thread.event_id, thread.field_name) == (record, event_id, name)
        same_row = thread.repeat_instrument == instrument if instrument else thread.instance == instance
        if thread.status_id == number:
            if here and (not instance or thread.instance == instance):
                found, named = thread, True
        elif here and same_row:
            found, named = thread, False
    if found is None:
        assigned = _text(row, "assigned_username")
        found = project.queries.open(
            record=record, event_id=event_id, field_name=name, instance=instance,
            assigned=assigned if assigned in project.users else None,
        )  # fmt: skip
    return found, named


def _instance(row: Mapping[str, object]) -> int:
    return naming.whole(_text(row, "instance")) or 0


def _at(entry: Mapping[str, object]) -> str | None:
    """Return the time of a resolution as the database writes it, None where it would not take it."""
    for form in _TIME_FORMS:
        try:
            found = datetime.strptime(_text(entry, "ts"), form)  # noqa: DTZ007 -- server-local time without a zone
        except ValueError:
            continue
        return found.strftime("%Y-%m-%d %H:%M:%S")
    return None


def _add(project: Project, thread: Thread, named: bool, given: list[object]) -> Iterator[int]:
    """Append resolutions in the order of their times; one of the same time and user is there already.

    The thread takes the last resolution's status if the last one that was added is later than all before.
    """
    entries = [entry for entry in given if isinstance(entry, dict)]
    entries.sort(key=lambda entry: _at(entry) or "")
    before = {(entry.at, entry.username) for entry in thread.resolutions}
    latest = max((entry.at for entry in thread.resolutions), default="")
    added, status = "", None
    for entry in entries:
        status = _status(entry)
        if named and _text(entry, "status_id") not in ("", str(thread.status_id)):
            continue
        at = _at(entry)
        username = _text(entry, "username")
        user = username if username in project.users else None  # guess: query-users
        if at is None:
            continue  # guess: query-time
        if (at, user) in before:
            continue
        before.add((at, user))
        added = at
        response = _text(entry, "response")
        number = project.queries.take_res_id()
        thread.resolutions.append(
            Resolution(
                res_id=number, at=at, username=user, response=response if response in RESPONSES else None,
                response_requested=1 if _text(entry, "response_requested") == "1" else 0,
                comment=_text(entry, "comment") or None, status=status,
            )
        )  # fmt: skip
        yield number
    if added > latest:
        thread.query_status = status


def _status(entry: Mapping[str, object]) -> str | None:
    given = _text(entry, "current_query_status")
    if given in STATUSES:
        return given
    return OPEN if _text(entry, "response_requested") not in ("", "0") or _text(entry, "response") else None
