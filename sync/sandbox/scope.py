"""Let logic read a project's records: bare fields, other events, instances, smart variables."""

from collections.abc import Mapping
from datetime import datetime

from sync.sandbox.dictionary import Structure
from sync.sandbox.evaluate import EvaluationError, Scope
from sync.sandbox.naming import checkbox_column, whole
from sync.sandbox.project import Project
from sync.sandbox.records import Record, RowKey
from validators.logic import tree


def row_scope(project: Project, record: Record, key: RowKey, now: datetime, *, reach: bool = False) -> Scope:
    """Build the scope of one row.

    A bare field reads what the flat export shows in that row. With `reach`, as calculations have it, a field
    that the row cannot hold is read from the base row of its event instead.
    """
    structure = project.structure
    return Scope(
        read=lambda node: _read(structure, record, key, node, reach=reach),
        now=now,
        smart=_smart(project, record, key),
        missing_codes=frozenset(code for code, _ in structure.missing_codes),
    )


def _smart(project: Project, record: Record, key: RowKey) -> Mapping[str, str]:
    event = project.structure.event_by_name[key[0]]
    dag = project.structure.dag_by_name.get(record.dag)
    return {
        "record-name": record.name,
        "event-name": key[0],
        "event-label": event.name,
        "event-id": str(event.event_id),
        "event-number": str(project.structure.event_order[key[0]] + 1),
        "arm-number": str(event.arm),
        "current-instance": str(key[2] or 1),
        "instrument-name": key[1],
        "record-dag-name": record.dag,
        "record-dag-label": dag.name if dag else "",
        "project-id": str(project.settings.project_id),
    }


def _read(structure: Structure, record: Record, key: RowKey, node: tree.Field, *, reach: bool) -> str:
    if node.name == structure.record_id:
        return record.name
    form = _form_of(structure, node.name)
    event = _event(structure, record, key, node.event)
    if event is None:
        return ""
    target = _target(structure, record, key, form, event, node.instance, bare=node.event is None, reach=reach)
    if target is None or form not in structure.forms_on(target[0], target[1]):
        return ""
    cells = record.cells(target)
    if node.name in structure.status_fields:
        return cells.get(node.name, "0")
    field = structure.field_by_name[node.name]
    if field.field_type == "checkbox":
        if node.code is None:
            raise EvaluationError(f"the checkbox [{node.name}] needs a code in parentheses")
        return cells.get(checkbox_column(node.name, node.code), "0")
    value = cells.get(node.name, "")
    return dict(field.choices).get(value, value) if node.modifier == "label" else value


def _form_of(structure: Structure, name: str) -> str:
    if name in structure.status_fields:
        return structure.status_fields[name]
    field = structure.field_by_name.get(name)
    if field is None:
        raise EvaluationError(f"the field [{name}] does not exist")
    return field.form_name


def _event(structure: Structure, record: Record, key: RowKey, asked: str | None) -> str | None:
    if asked is None or asked == "event-name":
        return key[0]
    if asked in structure.event_by_name:
        return asked
    here = structure.event_by_name[key[0]]
    arm = [event.unique_name for event in structure.events if event.arm == here.arm]
    place = arm.index(here.unique_name)
    relative = {
        "first-event-name": 0,
        "last-event-name": len(arm) - 1,
        "previous-event-name": place - 1,
        "next-event-name": place + 1,
    }
    if asked not in relative:
        raise EvaluationError(f"the event [{asked}] does not exist")
    wanted = relative[asked]
    return arm[wanted] if 0 <= wanted < len(arm) else None


def _target(
    structure: Structure, record: Record, key: RowKey, form: str, event: str, instance: str | None,
    *, bare: bool, reach: bool,
) -> RowKey | None:  # fmt: skip
    """Find the row that a reference means, None where there is none."""
    instrument = form if form in structure.repeating_forms(event) else ""
    repeating = bool(instrument) or structure.repeats_as_event(event)
    if instance is None and bare and form in structure.forms_on(event, key[1]):
        return key
    if not repeating:  # guess: bare-field
        if bare and instance is None and key != (event, "", 0) and not reach:
            return None
        return (event, "", 0)
    current = key[2] if (key[0], key[1]) == (event, instrument) else 0
    if instance is None:
        return (event, instrument, current) if current else None
    return (event, instrument, _instance(instance, current, record.instances(event, instrument)))


def _instance(word: str, current: int, known: list[int]) -> int:
    if (number := whole(word)) is not None:
        return number
    places = {
        "current-instance": current,
        "previous-instance": current - 1,
        "next-instance": current + 1,
        "first-instance": known[0] if known else 0,
        "last-instance": known[-1] if known else 0,
        "new-instance": (known[-1] if known else 0) + 1,
    }
    return places[word]
