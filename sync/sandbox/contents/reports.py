"""Answer reports and the project as XML."""

from dataclasses import replace

from sync.sandbox import export, wire, xml_write
from sync.sandbox.call import Call
from sync.sandbox.contents.records import flat_reply, logic_filter, read_asked
from sync.sandbox.dictionary import Column
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
        with_files=parameters.flag("exportFiles"),
    )  # fmt: skip
    call.note("Data export (API)", "Export project XML (API)", kind="export")
    return wire.text_reply(text, wire.XML)
