"""Import records all or nothing: every row is placed and judged before the first cell is written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sync.sandbox import editing, naming, validation, wire
from sync.sandbox.dictionary import Column, Structure
from sync.sandbox.errors import LOCKED, NEEDS_REPEAT, NOT_DESIGNATED, NOT_REPEAT_FORM, NOT_REPEATING, ApiError
from sync.sandbox.payload import TextRow
from sync.sandbox.people import Access
from sync.sandbox.project import Project
from sync.sandbox.records import Cells, RowKey

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
DAG = "redcap_data_access_group"
_IGNORED = frozenset({"redcap_survey_identifier"})
_NEW = "new"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hold how an import is to be done."""

    overwrite: bool = False
    auto_number: bool = False
    date_form: str = "YMD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Hold one judged row: where it goes and what it writes; a blank erases."""

    record: str
    given: str
    key: RowKey
    cells: Cells
    dag: str | None = None


@dataclass(slots=True)
class _Findings:
    """Collect refused values as the CSV lines that the error shows."""

    lines: list[str] = field(default_factory=list)

    def add(self, record: str, name: str, value: str, message: str) -> None:
        cells = (record, name, value, message)
        self.lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))

    def stop(self) -> None:
        if self.lines:
            raise ApiError(400, "\n".join(self.lines))


def judged(project: Project, access: Access, rows: Sequence[TextRow], options: Options) -> list[Placed]:
    """Place and judge all rows. Raises ApiError 400 with every refused value, and changes nothing."""
    structure = project.structure
    _check_columns(structure, rows)
    _check_events(structure, rows)
    names = _names(project, access, rows, options)
    findings = _Findings()
    numbers: dict[tuple[str, str, str], int] = {}
    placed = [_place(project, access, row, names, options, findings, numbers) for row in rows]
    findings.stop()
    return [row for row in placed if row is not None]


def _check_columns(structure: Structure, rows: Sequence[TextRow]) -> None:
    given = list(dict.fromkeys(name for row in rows for name in row))
    known = {EVENT, INSTRUMENT, INSTANCE, DAG, *_IGNORED, *(f"{form.name}_timestamp" for form in structure.forms)}
    unknown = [name for name in given if name not in structure.column_by_name and name not in known]
    if unknown:
        listed = ", ".join(unknown)
        raise ApiError(400, f"The following fields were not found in the project as real data fields: {listed}")
    if rows and structure.record_id not in given:
        raise ApiError(
            400, f"The record ID field '{structure.record_id}' is missing from the data"
        )  # guess: no-id-text


def _check_events(structure: Structure, rows: Sequence[TextRow]) -> None:
    if rows and not structure.events:
        raise ApiError(400, "The project has no events")  # guess: design-texts
    names = dict.fromkeys(row[EVENT] for row in rows if row.get(EVENT))
    bad = [name for name in names if not structure.longitudinal or name not in structure.event_by_name]
    if bad and structure.longitudinal:
        raise ApiError(400, f"The following values of redcap_event_name are invalid: {', '.join(bad)}")


def _names(project: Project, access: Access, rows: Sequence[TextRow], options: Options) -> dict[str, str]:
    """Map each given record name to the one it is stored under."""
    given = list(dict.fromkeys(row.get(project.structure.record_id, "").strip() for row in rows))
    if not options.auto_number:
        return {name: name for name in given}
    first = editing.next_name(project, access.user.dag)
    prefix, _, number = first.rpartition("-")
    start = f"{prefix}-" if prefix else ""
    return {name: f"{start}{int(number) + index}" for index, name in enumerate(given)}


def _place(
    project: Project, access: Access, row: TextRow, names: dict[str, str], options: Options, findings: _Findings,
    numbers: dict[tuple[str, str, str], int],
) -> Placed | None:  # fmt: skip
    structure = project.structure
    given = row.get(structure.record_id, "").strip()
    name = names[given]
    event = row.get(EVENT, "") if structure.longitudinal else ""
    event = event or structure.first_event
    shown = f"{given} ({event})" if structure.longitudinal else given
    if not _check_record(project, access, name, shown, findings):
        return None
    key = _key(project, row, name, event, shown, findings, numbers)
    dag = _group(project, access, row, shown, findings)
    if key is None:
        return None
    cells: Cells = {}
    for column in _columns(structure, row):
        value = row[column.name].strip() if column.kind != "value" else row[column.name]
        if value == "":
            if options.overwrite and column.form in structure.forms_on(key[0], key[1]):
                cells[column.name] = ""
            continue
        message = _misplaced(structure, column, key, row)
        if message is None and (name, event, column.form, key[2]) in project.locks:
            message = LOCKED
        if message is None:
            try:
                cells[column.name] = validation.stored(structure, column, value, options.date_form)
            except validation.Refused as refused:
                message = str(refused)
        if message is not None:
            findings.add(shown, column.name, value, message)
    return Placed(record=name, given=given, key=key, cells=cells, dag=dag)


def _columns(structure: Structure, row: TextRow) -> Iterable[Column]:
    """Yield the columns of a row that are written; calculated and file fields are passed over."""
    for name in row:
        column = structure.column_by_name.get(name)
        if column is None or column.kind in ("id", "file"):  # guess: file-import
            continue
        item = structure.field_by_name.get(column.field)
        computed = item is not None and (item.field_type == "calc" or "@CALC" in item.field_annotation)
        if not computed:  # guess: calc-import
            yield column


def _check_record(project: Project, access: Access, name: str, shown: str, findings: _Findings) -> bool:
    record_id = project.structure.record_id
    if not name or len(name) > _LONGEST_NAME:
        findings.add(
            shown, record_id, name, "The record name is blank or longer than 100 characters"
        )  # guess: record-name-text
        return False
    record = project.records.get(name)
    if record is None and not access.may("record_create"):
        findings.add(shown, record_id, name, "You do not have privileges to create records")  # guess: create-right-text
        return False
    if record is not None and access.user.dag and record.dag != access.user.dag:
        findings.add(shown, record_id, name, "The record belongs to another Data Access Group")  # guess: other-dag-text
        return False
    return True


def _group(project: Project, access: Access, row: TextRow, shown: str, findings: _Findings) -> str | None:
    given = row.get(DAG, "").strip()
    if access.user.dag:
        return access.user.dag
    if not given:
        return None
    if given not in project.structure.dag_by_name:
        findings.add(shown, DAG, given, "The Data Access Group does not exist")  # guess: bad-dag-text
    return given


def _key(
    project: Project, row: TextRow, name: str, event: str, shown: str, findings: _Findings,
    numbers: dict[tuple[str, str, str], int],
) -> RowKey | None:  # fmt: skip
    structure = project.structure
    instrument, instance = row.get(INSTRUMENT, "").strip(), row.get(INSTANCE, "").strip()
    if instrument and instrument not in structure.repeating_forms(event):
        findings.add(shown, INSTRUMENT, instrument, NOT_REPEAT_FORM)
        return None
    repeats = bool(instrument) or structure.repeats_as_event(event)
    if not repeats:
        if instance:
            findings.add(shown, INSTANCE, instance, NOT_REPEATING)
            return None
        return (event, "", 0)
    if instance == _NEW:
        place = (name, event, instrument)
        record = project.records.get(name)
        known = record.instances(event, instrument) if record else []
        numbers[place] = max(numbers.get(place, 0), max(known, default=0)) + 1
        return (event, instrument, numbers[place])
    if not instance and not instrument:
        return (event, "", 1)  # guess: repeat-event-default
    if not instance:
        filled = [column.name for column in _columns(structure, row) if row[column.name].strip()]
        first = filled[0] if filled else INSTANCE
        label = structure.form_by_name[instrument].name
        findings.add(shown, first, row.get(first, ""), NEEDS_REPEAT.format(field=first, form=label))
        return None
    number = naming.whole(instance) or 0
    if not 0 < number < 10**6:
        findings.add(
            shown, INSTANCE, instance, "The repeat instance must be a whole number"
        )  # guess: bad-instance-text
        return None
    numbers[(name, event, instrument)] = max(numbers.get((name, event, instrument), 0), number)
    return (event, instrument, number)


def _misplaced(structure: Structure, column: Column, key: RowKey, row: TextRow) -> str | None:
    """Tell why a value that is not blank cannot stand in this row, None where it can."""
    event, instrument, _ = key
    if column.form in structure.forms_on(event, instrument):
        return None
    if column.form not in structure.mapping.get(event, ()):
        shown = structure.long_label_of_event(structure.event_by_name[event])
        return NOT_DESIGNATED.format(field=column.name, event=shown)
    if not instrument:
        return NEEDS_REPEAT.format(field=column.name, form=column.form)
    return (  # guess: base-on-repeat-text
        f"This field ('{column.name}') does not exist on the Repeating Instrument named '{instrument}'."
    )


def applied(project: Project, access: Access, placed: Sequence[Placed], at: datetime) -> list[str]:
    """Write judged rows and return the names of their records, in order, each once."""
    user = access.user.username
    for row in placed:
        editing.enter(project, row.record, row.key, row.cells, at=at, user=user, how="API")
        record = project.records.get(row.record)
        if record is not None and row.dag is not None and row.dag != record.dag:
            editing.assign(project, row.record, row.dag, at=at, user=user)
    return list(dict.fromkeys(row.record for row in placed))


def reply(placed: Sequence[Placed], names: Sequence[str], content: str, kind: str) -> wire.Reply:
    """Answer an import: its count, its ids, pairs of new and given ids, or nothing."""
    if content == "nothing":
        return wire.text_reply("", kind)
    if content == "count":
        if kind == wire.JSON:
            return wire.Reply(body=wire.to_json({"count": len(names)}), content_type=wire.CONTENT_TYPES[kind])
        text = str(len(names)) if kind == wire.CSV else f"{wire.XML_HEAD}<count>{len(names)}</count>"
        return wire.text_reply(text, kind)
    if content == "auto_ids":  # guess: auto-ids-shape
        names = list(dict.fromkeys(f"{row.record},{row.given}" for row in placed))
    if kind == wire.JSON:
        return wire.Reply(body=wire.to_json(list(names)), content_type=wire.CONTENT_TYPES[kind])
    if kind == wire.CSV:
        write = wire.csv_cell_writer(",")
        return wire.text_reply("\n".join(["id", *map(write, names)]), kind)
    items = "".join(f"<id>{wire.escaped(name)}</id>" for name in names)  # guess: xml-ids
    return wire.text_reply(f"{wire.XML_HEAD}<ids>{items}</ids>", kind)
