"""Answer what a project is made of: dictionary, names, forms, events, arms, mappings, repeats."""

from collections.abc import Iterable

from sync.sandbox import auditlog, wire
from sync.sandbox.call import Call
from sync.sandbox.dictionary import FIELD_KEYS, Structure
from sync.sandbox.errors import CLASSIC_ARMS, CLASSIC_EVENTS, CLASSIC_MAPPING, NO_REPEATS, ApiError, invalid_values
from sync.sandbox.wire import Reply

FIELD_NAME_KEYS = ("original_field_name", "choice_value", "export_field_name")
EVENT_KEYS = ("event_name", "arm_num", "unique_event_name", "custom_event_label", "event_id")


def version(call: Call) -> Reply:
    """Answer the server's version as bare text."""
    return wire.text_reply(call.version, call.parameters.get("format"))


def metadata(call: Call) -> Reply:
    """Answer the data dictionary, of some fields or forms (a union) where asked."""
    structure = call.project.structure
    fields, forms = set(call.parameters.items("fields")), set(call.parameters.items("forms"))
    check_names("fields", fields, set(structure.field_by_name) | set(structure.status_fields))
    check_names("forms", forms, set(structure.form_by_name))
    rows = [
        {key: getattr(field, key) for key in FIELD_KEYS}
        for field in structure.fields
        if not (fields or forms) or field.field_name in fields or field.form_name in forms
    ]
    call.note(auditlog.MANAGE, "Download data dictionary (API)")
    return call.table(rows, FIELD_KEYS)


def check_names(parameter: str, given: Iterable[str], known: set[str]) -> None:
    """Refuse unknown names of an array parameter."""
    unknown = [name for name in given if name not in known]
    if unknown:
        raise invalid_values(parameter, unknown)


def field_names(call: Call) -> Reply:
    """Answer the export names of all fields, or of the one in `field`."""
    structure = call.project.structure
    wanted = call.parameters.get("field")
    if wanted and wanted not in structure.field_by_name and wanted not in structure.status_fields:
        raise invalid_values("field", [wanted])  # guess: unknown-field-name
    rows = [
        {"original_field_name": column.field, "choice_value": column.code, "export_field_name": column.name}
        for column in structure.columns
        if column.kind != "file" and wanted in ("", column.field)
    ]
    return call.table(rows, FIELD_NAME_KEYS, root="fields")  # guess: xml-roots


def instruments(call: Call) -> Reply:
    """Answer the forms and their labels."""
    rows = [{"instrument_name": form.name, "instrument_label": form.label} for form in call.project.structure.forms]
    return call.table(rows, ("instrument_name", "instrument_label"), root="instruments")


def arms(call: Call) -> Reply:
    """Answer the arms that have events."""
    structure = _longitudinal(call, CLASSIC_ARMS)
    wanted = _arm_numbers(call)
    used = {event.arm for event in structure.events}
    rows: list[dict[str, object]] = [
        {"arm_num": arm.number, "name": arm.name}
        for arm in structure.arms
        if arm.number in used and (not wanted or arm.number in wanted)
    ]
    return call.table(rows, ("arm_num", "name"), root="arms")


def events(call: Call) -> Reply:
    """Answer the events, of some arms where asked."""
    structure = _longitudinal(call, CLASSIC_EVENTS)
    wanted = _arm_numbers(call)
    rows: list[dict[str, object]] = [
        {
            "event_name": event.name,
            "arm_num": event.arm,
            "unique_event_name": event.unique_name,
            "custom_event_label": event.custom_label,
            "event_id": event.event_id,
        }
        for event in structure.events
        if not wanted or event.arm in wanted
    ]
    return call.table(rows, EVENT_KEYS, root="events")


def mapping(call: Call) -> Reply:
    """Answer which form is designated for which event."""
    structure = _longitudinal(call, CLASSIC_MAPPING)
    wanted = _arm_numbers(call)
    rows: list[dict[str, object]] = [
        {"arm_num": event.arm, "unique_event_name": event.unique_name, "form": form}
        for event in structure.events
        if not wanted or event.arm in wanted
        for form in sorted(structure.mapping.get(event.unique_name, ()), key=structure.form_order.__getitem__)
    ]
    return call.table(rows, ("arm_num", "unique_event_name", "form"), root="items")


def repeats(call: Call) -> Reply:
    """Answer the repeating forms and events; an event that repeats as a whole has a blank form name."""
    structure = call.project.structure
    if not structure.has_repeats:
        raise ApiError(400, NO_REPEATS)
    header = (
        ("event_name", "form_name", "custom_form_label")
        if structure.longitudinal
        else ("form_name", "custom_form_label")
    )
    rows: list[dict[str, str]] = []
    for event in structure.events:
        if structure.repeats_as_event(event.unique_name):
            rows.append({"event_name": event.unique_name, "form_name": "", "custom_form_label": ""})
        forms = structure.repeating_forms(event.unique_name)
        for name in sorted(forms, key=structure.form_order.__getitem__):
            rows.append({"event_name": event.unique_name, "form_name": name, "custom_form_label": forms[name]})
    kept = [{key: row[key] for key in header} for row in rows]
    if call.format == wire.CSV:
        # recorded: a label with spaces stands without quotes here, unlike in other CSV
        body = wire.to_csv(header, [list(row.values()) for row in kept], call.delimiter, spaces=False)
        return Reply(body=body, content_type=wire.CONTENT_TYPES[wire.CSV])
    return call.table(kept, header, root="items")


def _longitudinal(call: Call, refusal: str) -> Structure:
    structure = call.project.structure
    if not structure.longitudinal:
        raise ApiError(400, refusal)
    return structure


def _arm_numbers(call: Call) -> set[int]:
    given = call.parameters.items("arms")
    check_names("arms", given, {str(arm.number) for arm in call.project.structure.arms})  # guess: unknown-arm
    return {int(arm) for arm in given}
