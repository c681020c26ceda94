"""Answer what changes records: import, delete, rename, and the next free name."""

from sync.sandbox import editing, importing, payload, wire
from sync.sandbox.call import Call
from sync.sandbox.contents.structure import check_names
from sync.sandbox.errors import INACTIVE, NO_DELETE, NO_IMPORT, ApiError
from sync.sandbox.records import Record, RowKey
from sync.sandbox.wire import Reply

_INACTIVE = 2


def need_import(call: Call) -> None:
    """Refuse users without import right, and projects that are closed."""
    call.need("api_import", NO_IMPORT)
    if call.project.settings.status >= _INACTIVE:
        raise ApiError(403, INACTIVE)


def import_records(call: Call) -> Reply:
    """Answer `content=record` with `data`: all rows or none."""
    need_import(call)
    parameters = call.parameters
    kind = parameters.choice("type", ("flat", "eav"), "flat")
    overwrite = parameters.choice("overwriteBehavior", ("normal", "overwrite"), "normal") == "overwrite"
    date_form = parameters.choice("dateFormat", ("YMD", "MDY", "DMY"), "YMD")
    content = parameters.choice("returnContent", ("count", "ids", "auto_ids", "nothing"), "count")
    auto_number = parameters.flag("forceAutoNumber")
    if content == "auto_ids" and not auto_number:
        content = "ids"
    if call.format == wire.ODM:
        rows = payload.rows_from_odm(call.project.structure, parameters.get("data"))
    else:
        rows = payload.read_rows(parameters.get("data"), call.format, call.delimiter)
    if kind == "eav" and call.format != wire.ODM:
        rows = payload.flat_from_eav(call.project.structure, rows)
    options = importing.Options(overwrite=overwrite, auto_number=auto_number, date_form=date_form)
    placed = importing.judged(call.project, call.access, rows, options)
    names = importing.applied(call.project, call.access, placed, call.now)
    if parameters.flag("backgroundProcess"):
        return _success(call)
    return importing.reply(placed, names, content, call.return_format)


def _success(call: Call) -> Reply:
    if call.return_format == wire.JSON:
        return Reply(body=wire.to_json({"success": True}), content_type=wire.CONTENT_TYPES[wire.JSON])
    text = "success\ntrue" if call.return_format == wire.CSV else f"{wire.XML_HEAD}<success>true</success>"
    return wire.text_reply(text, call.return_format)  # guess: background-shape


def delete_records(call: Call) -> Reply:
    """Answer a deletion of records, or of an arm, event, form or instance of theirs, with the count."""
    need_import(call)
    call.need("record_delete", NO_DELETE)
    parameters, structure = call.parameters, call.project.structure
    names = list(dict.fromkeys(parameters.items("records")))
    if not names:
        raise ApiError(400, "The parameter 'records' is missing")  # guess: no-records-text
    arm = parameters.number("arm") if structure.longitudinal else None
    check_names("arm", [str(arm)] if arm is not None else [], {str(known.number) for known in structure.arms})
    found = [_own(call, name, arm) for name in names]
    missing = [name for name, record in zip(names, found, strict=True) if record is None]
    if missing:
        raise ApiError(
            400,
            "One or more of the records provided cannot be deleted because they do not exist in the project. "
            f"The following records do not exist: {', '.join(missing)}",
        )
    event, form = parameters.get("event"), parameters.get("instrument")
    check_names("event", [event] if event and structure.longitudinal else [], set(structure.event_by_name))
    check_names("instrument", [form] if form else [], set(structure.form_by_name))
    if form and structure.longitudinal and not event:
        raise ApiError(400, "The parameter 'event' is missing")  # guess: no-event-text
    instance = parameters.number("repeat_instance")
    wipe = bool(call.project.settings.delete_logging) and parameters.get("delete_logging", "1") != "0"
    for record in found:
        if record is not None:
            _delete(call, record, arm=arm, event=event, form=form, instance=instance, wipe=wipe)
    return wire.count_reply(len(names), call.return_format)


def _own(call: Call, name: str, arm: int | None = None) -> Record | None:
    """Return a record that the user may touch and that has data in the arm asked for."""
    record = call.project.records.get(name)
    if record is None or call.access.user.dag not in ("", record.dag):
        return None
    events = call.project.structure.event_by_name
    in_arm = arm is None or any(key[0] in events and events[key[0]].arm == arm for key in record.rows)
    return record if in_arm else None


def _delete(
    call: Call, record: Record, *, arm: int | None, event: str, form: str, instance: int | None, wipe: bool
) -> None:
    structure, user = call.project.structure, call.access.user.username
    keys = [
        key
        for key in record.rows
        if key[0] in structure.event_by_name
        and (arm is None or structure.event_by_name[key[0]].arm == arm)
        and (not event or not structure.longitudinal or key[0] == event)
    ]
    if not form and len(keys) == len(record.rows) and instance is None:
        editing.delete(call.project, record.name, at=call.now, user=user, how="API", wipe_log=wipe)
        return
    if form:
        _delete_form(call, record, keys, form, instance or 1)
        return
    for key in keys:
        if instance is None or key[2] == instance:
            editing.drop_row(call.project, record, key, at=call.now, user=user, how="API")
    if not record.rows:
        editing.delete(call.project, record.name, at=call.now, user=user, how="API", wipe_log=wipe)


def _delete_form(call: Call, record: Record, keys: list[RowKey], form: str, instance: int) -> None:
    """Delete one form's data: the row of a repeating form, else its cells in the base (or event's) row."""
    structure, user = call.project.structure, call.access.user.username
    columns = {column.name for column in structure.columns_of_form[form] if column.kind != "id"}
    for key in keys:
        if key[1] == form and key[2] == instance:
            editing.drop_row(call.project, record, key, at=call.now, user=user, how="API")
        elif not key[1] and key[2] in (0, instance) and form in structure.forms_on(key[0], ""):
            blanks = {name: "" for name in record.cells(key) if name in columns}
            if blanks:
                call.project.write_row(record.name, key, blanks, call.now)
                editing.log_write(call.project, record.name, key, blanks, at=call.now, user=user, how="API", new=False)


def rename_record(call: Call) -> Reply:
    """Answer a renaming with `1`."""
    need_import(call)
    call.need("record_rename", "You do not have Rename Record privileges")  # guess: rename-texts
    name, new_name = call.parameters.get("record"), call.parameters.get("new_record_name").strip()
    if _own(call, name) is None:
        raise ApiError(400, f"The record '{name}' does not exist")  # guess: rename-texts
    if not new_name:
        raise ApiError(400, "The parameter 'new_record_name' is missing")  # guess: rename-texts
    if new_name in call.project.records:
        raise ApiError(400, f"The record '{new_name}' already exists")  # guess: rename-texts
    editing.rename(call.project, name, new_name, at=call.now, user=call.access.user.username, how="API")
    return wire.text_reply("1", call.return_format)


def next_record_name(call: Call) -> Reply:
    """Answer the next free record name as bare text."""
    return wire.text_reply(editing.next_name(call.project, call.access.user.dag), call.return_format)
