"""Answer saved reports."""

from dataclasses import replace

from sync.sandbox import export
from sync.sandbox.call import Call
from sync.sandbox.contents.records import flat_reply, logic_filter, read_asked
from sync.sandbox.errors import ApiError
from sync.sandbox.wire import Reply


def report(call: Call) -> Reply:
    """Answer the rows of a saved report, flat; the record id comes first (guess: report-columns)."""
    number = call.parameters.number("report_id")
    found = call.project.reports.get(number or 0)
    if found is None:
        raise ApiError(
            400, f"The value of the parameter \"report_id\" is not valid: '{number or ''}'"
        )  # guess: report-texts
    structure = call.project.structure
    known = [name for name in found.fields if name in structure.field_by_name or name in structure.status_fields]
    asked = replace(
        read_asked(call),
        records=None,
        fields=frozenset([structure.record_id, *known]),
        forms=None,
        events=frozenset(found.events) if found.events else None,
        row_filter=logic_filter(call, found.logic),
    )
    call.note("Data export (API)", f"report_id = {found.report_id}", kind="export")
    return flat_reply(call, export.plan(call.project, call.access, asked))
