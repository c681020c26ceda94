"""Answer saved reports: their columns in their own order, their filters and their ways with values."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sync.sandbox import auditlog, export, naming
from sync.sandbox.call import Call
from sync.sandbox.contents.records import FlatRows, RowTest, flat_reply, logic_filter, read_asked
from sync.sandbox.errors import ApiError
from sync.sandbox.project import Report
from sync.sandbox.records import Record, RowKey
from sync.sandbox.wire import Reply

_SPACES = str.maketrans("\r\n", "  ")


def report(call: Call) -> Reply:
    """Answer the rows of a saved report, flat, its columns in the report's order behind the record id."""
    number = call.parameters.number("report_id")
    found = call.project.reports.get(number or 0)
    if found is None:
        raise ApiError(
            400, f"The value of the parameter \"report_id\" is not valid: '{number or ''}'"
        )  # guess: report-texts
    structure = call.project.structure
    known = [name for name in found.fields if name in structure.field_by_name or name in structure.status_fields]
    asked = read_asked(call)
    asked = replace(
        asked,
        records=None,
        fields=frozenset([structure.record_id, *known]),
        forms=None,
        events=frozenset(found.events) if found.events else None,
        groups=asked.groups or _on(found, "output_dags"),
        survey_fields=asked.survey_fields or _on(found, "output_survey_fields"),
        combine_checkboxes=asked.combine_checkboxes or _on(found, "combine_checkbox_values"),
        row_filter=_row_filter(call, found),
        record_filter=_group_filter(found),
    )
    call.note(auditlog.EXPORT, f"report_id = {found.report_id}", kind="export")
    made = export.plan(call.project, call.access, asked)
    place = {name: index for index, name in enumerate(known)}
    columns = sorted(made.columns.values(), key=lambda column: place.get(column.field, -1))
    ordered = replace(made, columns={column.name: column for column in columns})
    return flat_reply(call, ordered, lambda rows: _finished(found, rows))


def _on(found: Report, name: str) -> bool:
    return found.attributes.get(name, "") == "1"


def _row_filter(call: Call, found: Report) -> RowTest | None:
    """Combine the filter, which with `filter_type` RECORD keeps all rows of a record, and the row-wise limiter."""
    keep = logic_filter(call, found.logic)
    limit = logic_filter(call, found.attributes.get("limiter_logic", ""))
    whole = found.attributes.get("filter_type") == "RECORD"
    if keep is None and limit is None:
        return None

    def wanted(record: Record, key: RowKey) -> bool:
        keys = list(record.rows) if whole else [key]
        return (keep is None or any(keep(record, one) for one in keys)) and (limit is None or limit(record, key))

    return wanted


def _group_filter(found: Report) -> Callable[[Record], bool] | None:
    groups = [name for name in found.attributes.get("redcap_reports_filter_dags", "").split(",") if name]
    return (lambda record: record.dag in groups) if groups else None


def _finished(found: Report, rows: Iterable[dict[str, object]]) -> FlatRows:
    """Order the rows and take line breaks out of values, where the report says so."""
    out = list(rows)
    for number in (3, 2, 1):  # guess: report-rows
        name = found.attributes.get(f"orderby_field{number}", "")
        if name and out and name in out[0]:
            down = found.attributes.get(f"orderby_sort{number}", "").upper() == "DESC"
            out.sort(key=lambda row: naming.natural_key(str(row[name])), reverse=down)
    if not _on(found, "remove_line_breaks_in_values"):
        return out
    return [
        {name: value.translate(_SPACES) if isinstance(value, str) else value for name, value in row.items()}
        for row in out
    ]
