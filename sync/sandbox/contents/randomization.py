"""Randomize a record by `content=record&action=randomize`: the next free allocation of its strata."""

from sync.sandbox import auditlog, editing, wire
from sync.sandbox.call import Call
from sync.sandbox.contents.changes import need_import
from sync.sandbox.errors import ApiError
from sync.sandbox.project import Allocation, Randomization
from sync.sandbox.records import Record
from sync.sandbox.wire import Reply

KEYS = ("randomization_id", "record", "target_field", "target_field_alt")


def randomize(call: Call) -> Reply:
    """Write the next allocation into the target field and answer it, with `returnAlt` its number, too.

    The keys are documented; every refusal's wording is the sandbox's own (guess: randomize-texts).
    """
    need_import(call)
    number = call.parameters.number("randomization_id")
    found = next((one for one in call.project.settings.randomizations if one.randomization_id == number), None)
    if found is None:
        raise ApiError(400, "The randomization_id is not valid")
    record = call.project.records.get(call.parameters.get("record"))
    if record is None or call.access.user.dag not in ("", record.dag):
        raise ApiError(400, "The record does not exist")
    key = (found.event or call.project.structure.first_event, "", 0)
    if record.cells(key).get(found.target):
        raise ApiError(400, "The record has already been randomized")
    chosen = _next(call, found, record)
    editing.enter(call.project, record.name, key, {found.target: chosen.target}, at=call.now,
                  user=call.access.user.username, how="API")  # fmt: skip
    call.note(auditlog.RANDOMIZE + record.name, f"randomization_id = {number}", kind="record_edit", record=record.name)
    row = {
        "randomization_id": found.randomization_id,
        "record": record.name,
        "target_field": chosen.target,
        "target_field_alt": "*" if found.concealed else chosen.alt,
    }
    if not call.parameters.flag("returnAlt"):
        del row["target_field_alt"]
    if call.format == wire.JSON:
        return Reply(body=wire.to_json(row), content_type=wire.CONTENT_TYPES[wire.JSON])
    if call.format == wire.CSV:
        return call.table([row], list(row))
    body = wire.to_xml([row]).decode()
    return wire.text_reply(body.replace("<records>", "").replace("</records>", ""), wire.XML)


def _next(call: Call, found: Randomization, record: Record) -> Allocation:
    """Return the first allocation of the record's strata that no record has had."""
    event = found.event or call.project.structure.first_event
    cells = record.cells((event, "", 0))
    strata = tuple(cells.get(name, "") for name in found.strata)
    if "" in strata:
        raise ApiError(400, "The stratification fields of the record are not all filled in")
    mine = [one for one in found.allocations if one.strata == strata]
    used = sum(
        1
        for other in call.project.records
        if (row := other.cells((event, "", 0))).get(found.target)
        and tuple(row.get(name, "") for name in found.strata) == strata
    )
    if used >= len(mine):
        raise ApiError(400, "The allocation table holds no further assignment")
    return mine[used]
