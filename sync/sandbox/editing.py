"""Change data the one way it is changed: cells written, calculations redone, the log kept."""

from collections.abc import Iterable
from datetime import datetime

from sync.sandbox import calculations
from sync.sandbox.auditlog import LogEntry
from sync.sandbox.dictionary import Structure
from sync.sandbox.naming import natural_key
from sync.sandbox.project import Project
from sync.sandbox.records import Cells, Record, RowKey


def normalised(structure: Structure, cells: Cells) -> Cells:
    """Return cells as they are stored: an unchecked box is a blank."""
    out = {}
    for name, value in cells.items():
        column = structure.column_by_name.get(name)
        out[name] = "" if column is not None and column.kind == "checkbox" and value != "1" else value
    return out


def enter(
    project: Project, name: str, key: RowKey, cells: Cells, *, at: datetime, user: str, how: str,
    recalculate: bool = True,
) -> bool:  # fmt: skip
    """Write cells of one row, log them, redo the calculations that depend on them; tell whether anything changed.

    `how` is what the log puts in parentheses (`API`, `import`, or blank for the data entry pages). A form that
    gets data and has no status becomes Incomplete (guess: import-status).
    """
    structure = project.structure
    record = project.records.get(name)
    new = record is None
    first = record is None or key not in record.rows
    old = record.cells(key) if record else {}
    stored = normalised(structure, cells)
    changed = {column: value for column, value in stored.items() if old.get(column, "") != value}
    if record is not None and not changed and key in record.rows:
        return False
    for form in _forms_of(structure, changed):
        status = f"{form}_complete"
        if status not in cells and status not in old:
            changed[status] = "0"  # guess: import-status
    project.write_row(name, key, changed, at)
    log_write(project, name, key, changed, at=at, user=user, how=how, new=new, first=first)
    if recalculate and changed:
        recalculated(project, project.records.get(name), changed, at=at)
    return True


def _forms_of(structure: Structure, changed: Iterable[str]) -> set[str]:
    return {
        column.form
        for name in changed
        if (column := structure.column_by_name.get(name)) is not None and column.kind != "status"
    }


def recalculated(project: Project, record: Record | None, changed: Iterable[str], *, at: datetime) -> None:
    """Redo the calculations of a record that read any of the changed columns, and log what they changed."""
    if record is None:
        return
    for key, cells in calculations.redone(project, record, changed, at).items():
        project.write_row(record.name, key, cells, at)
        log_write(project, record.name, key, cells, at=at, user="SYSTEM", how="Auto calculation", new=False)


def log_write(
    project: Project, name: str, key: RowKey, cells: Cells, *, at: datetime, user: str, how: str, new: bool,
    first: bool = False,
) -> None:  # fmt: skip
    """Log one written row as `Create record (API) 12` or `Update record …`, with its assignments.

    Whoever writes the `first` cells of a row sets the record id field there as well.
    """
    verb = "Create" if new else "Update"
    suffix = f" ({how})" if how else ""
    record = project.records.get(name)
    project.note(
        LogEntry(
            at=at, user=user, action=f"{verb} record{suffix} {name}{_event_suffix(project, key[0])}",
            details=_details(project, name, key, cells, first=first), record=name,
            kind="record_add" if new else "record_edit", dag=record.dag if record else "",
        )
    )  # fmt: skip


def _event_suffix(project: Project, event: str) -> str:
    structure = project.structure
    if not structure.longitudinal or event not in structure.event_by_name:
        return ""
    return f" ({structure.long_label_of_event(structure.event_by_name[event])})"


def _details(project: Project, name: str, key: RowKey, cells: Cells, *, first: bool) -> str:
    parts = [f"[instance = {key[2]}]"] if key[2] else []
    if first:
        parts.append(f"{project.structure.record_id} = '{name}'")
    for column_name, value in cells.items():
        column = project.structure.column_by_name.get(column_name)
        if column is not None and column.kind == "checkbox":
            parts.append(f"{column.field}({column.code}) = {'checked' if value == '1' else 'unchecked'}")
        else:
            parts.append(f"{column_name} = '{value}'")
    return ", ".join(parts)


def delete(project: Project, name: str, *, at: datetime, user: str, how: str = "", wipe_log: bool = False) -> None:
    """Delete a whole record; unknown names are ignored. `wipe_log` takes its history out of the log, too."""
    record = project.remove(name)
    if record is None:
        return
    if wipe_log:
        project.wipe_log(name)
    suffix = f" ({how})" if how else ""
    project.note(
        LogEntry(
            at=at, user=user, action=f"Delete record{suffix} {name}", record=name, kind="record_delete",
            details=f"{project.structure.record_id} = '{name}'", dag=record.dag,
        )
    )  # fmt: skip


def drop_row(project: Project, record: Record, key: RowKey, *, at: datetime, user: str, how: str = "") -> None:
    """Delete one row of a record; the log shows its values being blanked."""
    blanked = dict.fromkeys(record.cells(key), "")
    if key in record.rows:
        project.drop_row(record, key, at)
        log_write(project, record.name, key, blanked, at=at, user=user, how=how, new=False)


def rename(project: Project, name: str, new_name: str, *, at: datetime, user: str, how: str = "") -> None:
    """Rename a record; the log shows an update that sets the record id field, and nothing else."""
    record = project.remove(name)
    if record is None:
        return
    record.name = new_name
    project.records.put(record)
    project.touch(record, at)
    suffix = f" ({how})" if how else ""
    event = _event_suffix(project, project.structure.first_event)
    project.note(
        LogEntry(
            at=at, user=user, action=f"Update record{suffix} {new_name}{event}", record=new_name, kind="record_edit",
            details=f"{project.structure.record_id} = '{new_name}'", dag=record.dag,
        )
    )  # fmt: skip


def assign(project: Project, name: str, dag: str, *, at: datetime, user: str) -> None:
    """Move a record to a group; this is no change of data for `dateRangeBegin` (guess: dag-no-change)."""
    record = project.records.get(name)
    if record is None or record.dag == dag:
        return
    record.dag = dag
    project.changes.records.add(name)
    what = "Assign record to" if dag else "Remove record from"
    event = _event_suffix(project, project.structure.first_event)
    project.note(
        LogEntry(
            at=at, user=user, action=f"Update record {name}{event}", record=name, kind="record_edit", dag=dag,
            details=f"{what} Data Access Group (redcap_data_access_group = '{dag}')",
        )
    )  # fmt: skip


def lock(project: Project, name: str, place: tuple[str, str, int], *, locked: bool, at: datetime, user: str) -> None:
    """Lock or unlock a form (event, form, instance) of a record; no change of data (guess: lock-no-change)."""
    entry = (name, *place)
    project.locks = project.locks | {entry} if locked else project.locks - {entry}
    project.changes.structure = True
    project.note(
        LogEntry(
            at=at, user=user, action=f"{'Lock' if locked else 'Unlock'} Record {name}", record=name,
            kind="lock_record", details=f"Form: {place[1]}",
        )
    )  # fmt: skip


def next_name(project: Project, dag: str = "") -> str:
    """Return the next free record name: a number, or `<group id>-<n>` for a user in a group."""
    prefix = f"{project.structure.dag_by_name[dag].dag_id}-" if dag in project.structure.dag_by_name else ""
    numbers = [
        int(rest)
        for name in project.records.names()
        if name.startswith(prefix) and (rest := name.removeprefix(prefix)).isascii() and rest.isdigit()
    ]
    return f"{prefix}{max(numbers, default=0) + 1}"


def sorted_names(names: Iterable[str]) -> list[str]:
    """Put record names in natural order."""
    return sorted(names, key=natural_key)
