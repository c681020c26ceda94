"""Answer imports of a project's design: dictionary, arms, events, mappings, repeats, settings."""

from collections.abc import Iterable
from dataclasses import replace

from sync.sandbox import auditlog, naming, payload, wire
from sync.sandbox.call import Call
from sync.sandbox.contents.changes import need_import
from sync.sandbox.contents.structure import check_names
from sync.sandbox.dictionary import FIELD_KEYS, Arm, Event, Field, Form, Structure, parse_choices
from sync.sandbox.errors import PURPOSE_OTHER, ApiError
from sync.sandbox.payload import TextRow
from sync.sandbox.wire import Reply

_NO_DESIGN = "You do not have Project Design and Setup privileges"  # guess: design-right-text
_TYPES = frozenset(
    {
        "text", "notes", "calc", "dropdown", "radio", "checkbox", "yesno", "truefalse", "file", "slider",
        "descriptive", "sql", "signature",
    }
)  # fmt: skip
#: keys of `content=project_settings` → settings; the others of the project's information cannot be set
_SETTINGS = {
    "project_title": "title",
    "project_language": "language",
    "purpose": "purpose",
    "purpose_other": "purpose_other",
    "project_notes": "notes",
    "custom_record_label": "custom_record_label",
    "secondary_unique_field": "secondary_unique_field",
    "surveys_enabled": "surveys_enabled",
    "scheduling_enabled": "scheduling_enabled",
    "record_autonumbering_enabled": "autonumbering",
    "randomization_enabled": "randomization",
    "project_irb_number": "irb_number",
    "project_grant_number": "grant_number",
    "project_pi_firstname": "pi_firstname",
    "project_pi_lastname": "pi_lastname",
    "project_pi_email": "pi_email",
    "display_today_now_button": "today_now_button",
    "missing_data_codes": "missing_data_codes",
    "bypass_branching_erase_field_prompt": "bypass_branching",
}


def _rows(call: Call) -> list[TextRow]:
    need_import(call)
    call.need("design", _NO_DESIGN)
    return payload.read_rows(call.parameters.get("data"), call.format, call.delimiter)


def _override(call: Call) -> bool:
    return call.parameters.get("override") in ("1", "true")


def _change(call: Call, details: str, **parts: object) -> None:
    call.project.structure = replace(call.project.structure, **parts)  # type: ignore[arg-type]
    call.note(auditlog.MANAGE, details)


def _number(row: TextRow, key: str) -> int:
    text = row.get(key, "").strip()
    number = naming.whole(text)
    if not number:
        raise ApiError(400, f"The value '{text}' of '{key}' is not a valid number")  # guess: design-texts
    return number


def metadata(call: Call) -> Reply:
    """Replace the dictionary; answers the number of fields."""
    fields = tuple(_field(row) for row in _rows(call))
    old = call.project.structure
    names = list(dict.fromkeys(field.form_name for field in fields))
    forms = tuple(old.form_by_name.get(name) or Form(name=name, label=name.replace("_", " ").title()) for name in names)
    mapping = {event: tuple(form for form in kept if form in names) for event, kept in old.mapping.items()}
    made = replace(old, fields=fields, forms=forms, mapping=mapping)
    if problems := made.problems():
        raise ApiError(400, "\n".join(problems))  # guess: design-texts
    _change(call, "Upload data dictionary (API)", fields=fields, forms=forms, mapping=mapping)
    return wire.count_reply(len(fields), call.return_format)


def _field(row: TextRow) -> Field:
    values = {key: row.get(key, "") for key in FIELD_KEYS}
    name, kind = values["field_name"], values["field_type"]
    if not name or not values["form_name"] or kind not in _TYPES:
        raise ApiError(400, f"The field '{name}' has no form name or no valid field type")  # guess: design-texts
    if kind == "signature":
        values |= {"field_type": "file", "text_validation_type_or_show_slider_number": "signature"}
    return Field(**values)


def arms(call: Call) -> Reply:
    """Add or rename arms, or with `override=1` replace them all, events and mappings too; answers their number."""
    rows = [(_number(row, "arm_num"), row.get("name", "")) for row in _rows(call)]
    structure = call.project.structure
    fresh = _override(call)
    kept = {} if fresh else {arm.number: arm.name for arm in structure.arms}
    kept |= dict(rows)
    events = () if fresh else tuple(event for event in structure.events if event.arm in kept)
    made = tuple(Arm(number=number, name=name) for number, name in sorted(kept.items()))
    _change(call, "Create arm (API)", arms=made, events=events, longitudinal=True)
    return wire.count_reply(len(rows), call.return_format)


def delete_arms(call: Call) -> Reply:
    """Delete arms with their events; answers their number."""
    need_import(call)
    call.need("design", _NO_DESIGN)
    structure = call.project.structure
    given = call.parameters.items("arms")
    check_names("arms", given, {str(arm.number) for arm in structure.arms})
    arms_left = tuple(arm for arm in structure.arms if str(arm.number) not in given)
    events = tuple(event for event in structure.events if str(event.arm) not in given)
    _change(call, "Delete arm (API)", arms=arms_left, events=events)
    return wire.count_reply(len(given), call.return_format)


def events(call: Call) -> Reply:
    """Add or change events, or with `override=1` replace them all; answers their number."""
    rows = _rows(call)
    structure = call.project.structure
    kept = [] if _override(call) else list(structure.events)
    next_id = max((event.event_id for event in structure.events), default=call.project.settings.project_id * 1000) + 1
    for row in rows:
        arm = _number(row, "arm_num")
        check_names("arm_num", [str(arm)], {str(known.number) for known in structure.arms})
        name = row.get("event_name", "").strip()
        if not name:
            raise ApiError(400, "The 'event_name' is missing")  # guess: design-texts
        given = row.get("unique_event_name", "")
        place = next((index for index, event in enumerate(kept) if event.unique_name == given), None)
        if place is not None:
            kept[place] = replace(kept[place], name=name, arm=arm, custom_label=row.get("custom_event_label", ""))
            continue
        unique = _unique_event(name, arm, [event.unique_name for event in kept])
        kept.append(
            Event(
                event_id=next_id, name=name, unique_name=unique, arm=arm,
                custom_label=row.get("custom_event_label", ""), day_offset=row.get("day_offset", "") or "0",
                offset_min=row.get("offset_min", "") or "0", offset_max=row.get("offset_max", "") or "0",
            )
        )  # fmt: skip
        next_id += 1
    kept.sort(key=lambda event: event.arm)
    _change(call, "Create event (API)", events=tuple(kept), longitudinal=True)
    return wire.count_reply(len(rows), call.return_format)


def _unique_event(name: str, arm: int, taken: Iterable[str]) -> str:
    suffix = f"_arm_{arm}"
    before = [unique.removesuffix(suffix) for unique in taken if unique.endswith(suffix)]
    return naming.unique_names([*before, name], suffix=suffix, fallback="event")[-1]


def delete_events(call: Call) -> Reply:
    """Delete events with their designations; answers their number."""
    need_import(call)
    call.need("design", _NO_DESIGN)
    structure = call.project.structure
    given = call.parameters.items("events")
    check_names("events", given, set(structure.event_by_name))
    left = tuple(event for event in structure.events if event.unique_name not in given)
    mapping = {event: forms for event, forms in structure.mapping.items() if event not in given}
    repeats = {event: forms for event, forms in structure.repeats.items() if event not in given}
    _change(call, "Delete event (API)", events=left, mapping=mapping, repeats=repeats)
    return wire.count_reply(len(given), call.return_format)


def mapping(call: Call) -> Reply:
    """Replace the designations of forms for events; answers the number of rows."""
    rows, structure = _rows(call), call.project.structure
    check_names("unique_event_name", [row.get("unique_event_name", "") for row in rows], set(structure.event_by_name))
    check_names("form", [row.get("form", "") for row in rows], set(structure.form_by_name))
    made: dict[str, list[str]] = {event.unique_name: [] for event in structure.events}
    for row in rows:
        made[row["unique_event_name"]].append(row["form"])
    order = structure.form_order.__getitem__
    _change(
        call, "Edit designated forms (API)",
        mapping={event: tuple(sorted(set(forms), key=order)) for event, forms in made.items()},
    )  # fmt: skip
    return wire.count_reply(len(rows), call.return_format)


def repeats(call: Call) -> Reply:
    """Replace what repeats; a blank form name repeats the whole event. Answers the number of rows."""
    rows, structure = _rows(call), call.project.structure
    made: dict[str, dict[str, str] | None] = {}
    for row in rows:
        event = row.get("event_name", "") if structure.longitudinal else structure.first_event
        form = row.get("form_name", "")
        check_names("event_name", [event], set(structure.event_by_name))
        if not form:
            made[event] = None
            continue
        check_names("form_name", [form], set(structure.form_by_name))
        forms = made.setdefault(event, {})
        if forms is not None:
            forms[form] = row.get("custom_form_label", "")
    _change(call, "Edit repeating instruments (API)", repeats=made)
    return wire.count_reply(len(rows), call.return_format)


def settings(call: Call) -> Reply:
    """Change the project's settings; answers how many were given that can be set."""
    need_import(call)
    call.need("design", _NO_DESIGN)
    data = call.parameters.get("data")
    # one object, where every other import wants an array
    text = f"[{data}]" if call.format == wire.JSON and data.lstrip().startswith("{") else data
    if call.format == wire.XML:
        text = f"<items>{data.partition('<items>')[2]}" if "<item>" in data else _wrapped(data)
    rows = payload.read_rows(text, call.format)
    given = {key: value for key, value in (rows[0] if rows else {}).items() if key in _SETTINGS}
    if given.get("purpose") == "1" and not given.get("purpose_other", "").strip():
        raise ApiError(400, PURPOSE_OTHER)
    current = call.project.settings
    values: dict[str, object] = {}
    for key, value in given.items():
        target = _SETTINGS[key]
        if isinstance(getattr(current, target), int):
            values[target] = naming.whole(value)
            if values[target] is None:
                raise ApiError(400, f"The value of '{key}' is not valid")  # guess: design-texts
        else:
            values[target] = value
    call.project.change_settings(**values)
    if "missing_data_codes" in given:
        _recode(call.project.structure, call, given["missing_data_codes"])
    return wire.count_reply(len(given), call.return_format)


def _wrapped(data: str) -> str:
    inner = data.partition("?>")[2] if data.lstrip().startswith("<?xml") else data
    return f"<items><item>{inner.strip().removeprefix('<items>').removesuffix('</items>')}</item></items>"


def _recode(structure: Structure, call: Call, codes: str) -> None:
    call.project.structure = replace(structure, missing_codes=parse_choices(codes))
