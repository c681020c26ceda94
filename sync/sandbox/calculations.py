"""Redo calculated fields when what they read has changed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from sync.sandbox import evaluate, scope
from sync.sandbox.dictionary import Field, Structure
from sync.sandbox.project import Project
from sync.sandbox.records import Cells, Record, RowKey
from validators.logic import tree
from validators.logic.errors import LogicSyntaxError

#: a chain of calculations longer than this is a circle
_ROUNDS = 10


@lru_cache(maxsize=4096)
def parsed(logic: str) -> tree.Node | None:
    """Parse a calculation, None where it is not the language: its stored value is then kept."""
    try:
        return evaluate.parse(logic)
    except LogicSyntaxError:
        return None


@lru_cache(maxsize=4096)
def _reads(logic: str) -> frozenset[str]:
    node = parsed(logic)
    return frozenset(found.name for found in tree.references(node)) if node is not None else frozenset()


def redone(project: Project, record: Record, changed: Iterable[str], now: datetime) -> dict[RowKey, Cells]:
    """Return the calculated cells of a record that must change, by row, after the named columns changed.

    Works on a copy of the rows; calculations that this sandbox cannot compute keep their value.
    """
    structure = project.structure
    fields = structure.calculated
    if not fields:
        return {}
    trial = Record(name=record.name, dag=record.dag, rows={key: dict(cells) for key, cells in record.rows.items()})
    pending = _field_names(structure, changed)
    out: dict[RowKey, Cells] = {}
    for _ in range(_ROUNDS):
        due = [field for field in fields if _reads(field.select_choices_or_calculations) & pending]
        pending = set()
        for field in due:
            for key, value in _values(project, trial, field, now).items():
                _store(trial.rows[key], field.field_name, value)
                out.setdefault(key, {})[field.field_name] = value
                pending.add(field.field_name)
        if not pending:
            break
    return out


def _store(cells: Cells, name: str, value: str) -> None:
    if value:
        cells[name] = value
    else:
        cells.pop(name, None)


def _field_names(structure: Structure, columns: Iterable[str]) -> set[str]:
    known: Mapping[str, object] = structure.field_by_name
    names = set()
    for name in columns:
        column = structure.column_by_name.get(name)
        names.add(column.field if column is not None else name)
    return {name for name in names if name in known or name in structure.status_fields}


def _values(project: Project, record: Record, field: Field, now: datetime) -> dict[RowKey, str]:
    """Compute a field on every row that can hold it, keeping only what differs from the stored value."""
    node = parsed(field.select_choices_or_calculations)
    out: dict[RowKey, str] = {}
    for key in list(record.rows):
        if node is None or key[0] not in project.structure.event_by_name:
            continue
        if field.form_name not in project.structure.forms_on(key[0], key[1]):
            continue
        try:
            value = evaluate.calculated(node, scope.row_scope(project, record, key, now, reach=True))
        except evaluate.EvaluationError:
            continue
        if value != record.cells(key).get(field.field_name, ""):
            out[key] = value
    return out
