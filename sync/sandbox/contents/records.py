"""Answer record exports: parameters checked and turned into a plan, rows written in the asked format."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from sync.sandbox import auditlog, eav, evaluate, export, labels, scope, wire, xml_write
from sync.sandbox.call import Call
from sync.sandbox.contents.structure import check_names
from sync.sandbox.dictionary import Column
from sync.sandbox.errors import NO_EXPORT, NO_EXPORT_DAG, ApiError
from sync.sandbox.export import Asked, Plan
from sync.sandbox.records import Record, RowKey
from sync.sandbox.wire import Reply
from validators.logic.errors import LogicSyntaxError

T = TypeVar("T")
RowTest = Callable[[Record, RowKey], bool]
FlatRows = list[dict[str, object]]
Finish = Callable[[Iterable[dict[str, object]]], FlatRows]
_TIME_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def export_records(call: Call) -> Reply:
    """Answer `content=record`, flat or EAV."""
    forms = call.project.structure.forms
    if not any(call.access.export_right(form.name) for form in forms):
        raise ApiError(403, NO_EXPORT)  # guess: no-export-text
    if call.format == wire.ODM:
        return project_xml(call)
    asked = read_asked(call)
    # redcapy sends `type=type` for flat rows to real servers, so other words are no error
    kind = "eav" if call.parameters.get("type") == "eav" else "flat"
    made = export.plan(call.project, call.access, asked)
    call.note(auditlog.EXPORT, _log_details(call, made), kind="export")
    if kind == "eav":
        rows = _kept(call, list(eav.eav_rows(call.project, call.access, made)))
        return call.table(rows, eav.eav_header(call.project.structure))
    return flat_reply(call, made)


def project_xml(call: Call) -> Reply:
    """Answer the whole project as XML, with data unless `returnMetadataOnly`."""
    parameters = call.parameters
    asked = read_asked(call)
    records = None
    if not parameters.flag("returnMetadataOnly"):
        records = export.records_of(call.project, call.access, asked)
        if asked.row_filter is not None:
            test = asked.row_filter
            records = [record for record in records if any(test(record, key) for key in record.rows)]
    made = export.plan(call.project, call.access, asked)

    def wanted(column: Column) -> bool:
        return column.name in made.columns

    text = xml_write.write(
        call.project, at=call.now, version=call.version, records=records, wanted=wanted, events=asked.events,
        with_groups=parameters.flag("exportDataAccessGroups"), with_surveys=parameters.flag("exportSurveyFields"),
        with_files=parameters.flag("exportFiles"), hash_ids=made.hash_ids,
    )  # fmt: skip
    call.note(auditlog.EXPORT, "Export project XML (API)", kind="export")
    return wire.text_reply(text, wire.XML)


def flat_reply(call: Call, made: Plan, finish: Finish = list) -> Reply:
    """Write flat rows, after `finish` has had its way with them; CSV may have label headers."""
    if call.format == wire.CSV and made.is_list_of_ids and finish is list:
        body = _csv_of_ids(call, made)
        return Reply(body=body, content_type=wire.CONTENT_TYPES[wire.CSV])
    rows = _kept(call, finish(export.flat_rows(call.project, call.access, made)))
    if call.format != wire.CSV:
        return call.table(rows, made.header)
    body = wire.to_csv(_csv_header(call, made), (row.values() for row in rows), call.delimiter)
    return Reply(body=body, content_type=wire.CONTENT_TYPES[wire.CSV])


def _csv_header(call: Call, made: Plan) -> list[str]:
    if call.parameters.get("rawOrLabelHeaders") != "label":
        return made.header
    write = labels.header_writer(made.structure)
    return [write(name) for name in made.header]


def _csv_of_ids(call: Call, made: Plan) -> bytes:
    """Write a list of ids: what follows the id is written once for all rows of a kind."""
    write, needs = wire.csv_cell_writer(call.delimiter), wire.csv_cell_test(call.delimiter)
    rows = _kept(call, list(export.listed_ids(call.project, call.access, made)))
    quotes = bool(needs("".join([name for name, _ in rows])))
    lines = [wire.to_csv(_csv_header(call, made), (), call.delimiter).decode("utf-8")]
    tails: dict[tuple[object, ...], str] = {}
    for name, rest in rows:
        tail = tails.get(rest)
        if tail is None:
            cells = ["", *(write(str(cell)) for cell in rest)]
            tail = tails[rest] = call.delimiter.join(cells) + "\n"
        lines.append((write(name) if quotes else name) + tail)
    return "".join(lines).encode("utf-8")


def _kept(call: Call, rows: list[T]) -> list[T]:
    return rows[: len(rows) * 2 // 3] if call.lose_rows else rows


def _log_details(call: Call, made: Plan) -> str:
    return f"export_format = '{call.format.upper()}', rawOrLabel = '{'label' if made.asked.label else 'raw'}'"


def read_asked(call: Call) -> Asked:
    """Read and check the parameters of an export. Raises ApiError with REDCap's texts."""
    parameters, structure = call.parameters, call.project.structure
    fields, forms = parameters.items("fields"), parameters.items("forms")
    check_names("fields", fields, set(structure.field_by_name) | set(structure.status_fields))
    if forms and not parameters.is_array("forms") and any(form not in structure.form_by_name for form in forms):
        forms = []  # an unknown form in the comma form was ignored, and all forms came back
    check_names("forms", forms, set(structure.form_by_name))
    events = parameters.items("events") if structure.longitudinal else []
    check_names("events", events, set(structure.event_by_name))  # guess: bad-events-text
    groups = parameters.flag("exportDataAccessGroups")
    if groups and structure.dags and not call.access.may("data_access_groups") and not call.access.user.dag:
        raise ApiError(400, NO_EXPORT_DAG)
    unfiltered = not fields and not forms
    records = parameters.items("records")
    return Asked(
        records=records if records else None,
        fields=None if unfiltered else frozenset(fields),
        forms=None if unfiltered else frozenset(forms),
        events=frozenset(events) if events else None,
        label=parameters.choice("rawOrLabel", ("raw", "label", "both"), "raw") == "label",
        checkbox_labels=parameters.flag("exportCheckboxLabel"),
        survey_fields=parameters.flag("exportSurveyFields"),
        groups=groups,
        blank_gray=parameters.flag("exportBlankForGrayFormStatus"),
        combine_checkboxes=parameters.flag("combineCheckboxOptions"),
        decimal=parameters.choice("decimalCharacter", ("", ",", "."), ""),
        row_filter=_row_filter(call),
        record_filter=_record_filter(call),
    )


def _row_filter(call: Call) -> RowTest | None:
    return logic_filter(call, call.parameters.get("filterLogic"))


def logic_filter(call: Call, logic: str) -> RowTest | None:
    """Return a test of rows by logic, None where there is no logic. Raises ApiError for bad logic."""
    if not logic.strip():
        return None
    try:
        tree = evaluate.parse(logic)
    except LogicSyntaxError:
        raise ApiError(
            400, "The filterLogic is not valid: it contains syntax errors"
        ) from None  # guess: bad-logic-text

    def wanted(record: Record, key: RowKey) -> bool:
        try:
            return evaluate.holds(tree, scope.row_scope(call.project, record, key, call.now))
        except evaluate.EvaluationError as error:
            raise ApiError(400, f"The filterLogic is not valid: {error}") from None  # guess: bad-logic-text

    return wanted


def _record_filter(call: Call) -> Callable[[Record], bool] | None:
    begin, end = (_moment(call, name) for name in ("dateRangeBegin", "dateRangeEnd"))
    if begin is None and end is None:
        return None
    first = begin.replace(second=0, microsecond=0) if begin else None
    last = end or call.now

    def wanted(record: Record) -> bool:
        changed = record.changed_at
        # most of those that changed at all changed before a range that is asked for
        if first is not None and changed and changed[-1] < first and (len(changed) == 1 or max(changed) < first):
            return False
        return any((first is None or first <= moment) and moment <= last for moment in changed)

    return wanted


def _moment(call: Call, name: str) -> datetime | None:
    text = call.parameters.get(name).strip()
    if not text:
        return None
    for form in _TIME_FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 -- server-local time without a zone is the contract
        except ValueError:
            continue
    raise ApiError(400, f'The value of the parameter "{name}" is not valid')  # guess: bad-option
