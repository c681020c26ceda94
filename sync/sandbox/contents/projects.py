"""Answer what a project is as a whole: its information and its log."""

from datetime import datetime, timedelta

from sync.sandbox import auditlog, wire
from sync.sandbox.auditlog import LOG_TYPES
from sync.sandbox.call import Call
from sync.sandbox.errors import ApiError
from sync.sandbox.wire import Reply

LOG_KEYS = ("timestamp", "username", "action", "details", "record")


def project_row(call: Call) -> dict[str, object]:
    """Return the 27 keys of `content=project` in order; ids and flags are numbers."""
    settings, structure = call.project.settings, call.project.structure
    return {
        "project_id": settings.project_id,
        "project_title": settings.title,
        "creation_time": settings.creation_time,
        "production_time": settings.production_time,
        "in_production": settings.in_production,
        "project_language": settings.language,
        "purpose": settings.purpose,
        "purpose_other": settings.purpose_other,
        "project_notes": settings.notes,
        "custom_record_label": settings.custom_record_label,
        "secondary_unique_field": settings.secondary_unique_field,
        "is_longitudinal": int(structure.longitudinal),
        "has_repeating_instruments_or_events": int(structure.has_repeats),
        "surveys_enabled": settings.surveys_enabled,
        "scheduling_enabled": settings.scheduling_enabled,
        "record_autonumbering_enabled": settings.autonumbering,
        "randomization_enabled": settings.randomization,
        "ddp_enabled": settings.ddp,
        "project_irb_number": settings.irb_number,
        "project_grant_number": settings.grant_number,
        "project_pi_firstname": settings.pi_firstname,
        "project_pi_lastname": settings.pi_lastname,
        "project_pi_email": settings.pi_email,
        "display_today_now_button": settings.today_now_button,
        "missing_data_codes": settings.missing_data_codes,
        "external_modules": ",".join(name for name in (settings.external_modules, settings.quality_module) if name),
        "bypass_branching_erase_field_prompt": settings.bypass_branching,
    }


def project(call: Call) -> Reply:
    """Answer the project's information: one object in JSON, one row in CSV."""
    row = project_row(call)
    call.note(auditlog.MANAGE, "Export project information (API)")
    if call.format == wire.JSON:
        return Reply(body=wire.to_json(row), content_type=wire.CONTENT_TYPES[wire.JSON])
    if call.format == wire.CSV:
        return call.table([row], list(row))
    body = wire.to_xml([row], root="items").decode()
    inner = body.partition("<item>")[2].rpartition("</item>")[0]
    return wire.text_reply(f"{wire.XML_HEAD}\n<items>{inner}</items>", wire.XML)


def log(call: Call) -> Reply:
    """Answer the log, newest first; a request is logged after it was answered."""
    if not call.access.may("logging"):
        raise ApiError(403, "You do not have permission to export the logging")  # guess: no-logging-text
    parameters = call.parameters
    kinds = _kinds(parameters.get("logtype"))
    begin, end = _moment(call, "beginTime"), _moment(call, "endTime")
    users, record, dag = parameters.items("user"), parameters.get("record"), parameters.get("dag")
    members = {user.username for user in call.project.users.values() if user.dag == dag}
    rows = [
        entry.row()
        for entry in reversed(call.project.log)
        if (kinds is None or entry.kind in kinds)
        and (not users or entry.user in users)
        and (not record or entry.record == record)
        and (not dag or entry.dag == dag or entry.user in members)
        and (begin is None or entry.at >= begin)
        and (end is None or entry.at < end + timedelta(minutes=1))
    ]
    call.note(auditlog.MANAGE, "Export Logging (API)")
    return wire.table(rows, call.format, header=LOG_KEYS)


def _kinds(logtype: str) -> frozenset[str] | None:
    if not logtype:
        return None
    if logtype not in LOG_TYPES:
        raise ApiError(400, 'The value of the parameter "logtype" is not valid')  # guess: bad-option
    return LOG_TYPES[logtype]


def _moment(call: Call, name: str) -> datetime | None:
    text = call.parameters.get(name).strip()
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 -- server-local time without a zone
        except ValueError:
            continue
        return found.replace(second=0)
    if text:
        raise ApiError(400, f'The value of the parameter "{name}" is not valid')  # guess: bad-option
    return None
