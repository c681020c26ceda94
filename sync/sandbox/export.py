"""Answer `content=record` export: choose records, rows and columns, and fill them flat (``eav`` writes points)."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sync.sandbox import labels, naming, people
from sync.sandbox.dictionary import Column, Structure
from sync.sandbox.people import Access
from sync.sandbox.project import Project
from sync.sandbox.records import Cells, Record, RowKey

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
DAG, SURVEY_ID = "redcap_data_access_group", "redcap_survey_identifier"
_DATE = re.compile(r"^(date|datetime|time)")
_NUMBER = re.compile(r"^-?(\d+([.,]\d*)?|[.,]\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold what an export asks for, after names were checked; None means not filtered."""

    records: Sequence[str] | None = None
    fields: frozenset[str] | None = None
    forms: frozenset[str] | None = None
    events: frozenset[str] | None = None
    label: bool = False
    checkbox_labels: bool = False
    survey_fields: bool = False
    groups: bool = False
    blank_gray: bool = False
    combine_checkboxes: bool = False
    decimal: str = ""
    #: tells whether a row is wanted (filterLogic); called with the record and the row's key
    row_filter: Callable[[Record, RowKey], bool] | None = None
    #: tells whether a record is wanted (date range)
    record_filter: Callable[[Record], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold the columns of one export in order and how each value is shown."""

    structure: Structure
    asked: Asked
    #: the record id is among the columns
    with_id: bool
    #: names before the data columns
    lead: tuple[str, ...]
    #: flat column name → its column, in order; timestamps have the kind `timestamp`
    columns: Mapping[str, Column]
    show: Mapping[str, Callable[[str], str]]
    hash_ids: bool = False

    @property
    def is_list_of_ids(self) -> bool:
        """Tell whether a row holds its record's id and its own place, and no cell."""
        return self.with_id and not self.columns and SURVEY_ID not in self.lead

    @property
    def header(self) -> list[str]:
        """List the names of a flat row."""
        names = list(self.lead)
        for column in self.columns.values():
            name = column.field if self.asked.combine_checkboxes and column.kind == "checkbox" else column.name
            if name not in names[-1:]:
                names.append(name)
        return names


def plan(project: Project, access: Access, asked: Asked) -> Plan:
    """Choose the columns of an export by request and by the user's export rights."""
    structure = project.structure
    chosen = list(_chosen(structure, access, asked))
    everything = asked.fields is None and asked.forms is None
    with_id = (
        everything or structure.record_id in (asked.fields or ()) or structure.forms[0].name in (asked.forms or ())
    )
    columns: dict[str, Column] = {}
    for column in chosen:
        stamp = f"{column.form}_timestamp"
        if asked.survey_fields and stamp not in columns and structure.form_by_name[column.form].survey:
            columns[stamp] = Column(name=stamp, field=stamp, form=column.form, kind="timestamp")
        if column.kind != "id":
            columns[column.name] = column
    lead = _lead(project, asked, with_id=with_id, in_group=bool(access.user.dag))
    return Plan(
        structure=structure,
        asked=asked,
        with_id=with_id,
        lead=lead,
        columns=columns,
        show=_presenters(project, columns.values(), asked),
        hash_ids=hides_ids(structure, access),
    )


def _lead(project: Project, asked: Asked, *, with_id: bool, in_group: bool) -> tuple[str, ...]:
    structure = project.structure
    lead: list[str] = []
    if with_id:
        lead.append(structure.record_id)
        if structure.longitudinal:
            lead.append(EVENT)
        if structure.has_repeats:
            lead += [INSTRUMENT, INSTANCE]
    if asked.groups and structure.dags and not in_group:
        lead.append(DAG)
    if asked.survey_fields and project.settings.surveys_enabled:
        lead.append(SURVEY_ID)
    return tuple(lead)


def _chosen(structure: Structure, access: Access, asked: Asked) -> Iterator[Column]:
    everything = asked.fields is None and asked.forms is None
    for column in structure.columns:
        wanted = everything or column.form in (asked.forms or ()) or column.field in (asked.fields or ())
        if wanted and may_export(structure, access, column):
            yield column


def _exportable(structure: Structure, column: Column, right: int) -> bool:
    if right == people.FULL_EXPORT or (right != people.NO_EXPORT and column.kind == "status"):
        return True
    if right == people.NO_EXPORT:
        return False
    field = structure.field_by_name[column.field]
    if field.identifier:
        return False
    if right == people.NO_IDENTIFIERS:
        return True
    free = field.field_type in ("notes", "file") or (field.field_type == "text" and not field.validation)
    return not free and not _DATE.match(field.validation)


def hides_ids(structure: Structure, access: Access) -> bool:
    """Tell whether a user sees record ids hashed: de-identified, or without identifiers where the id is one."""
    rights = {access.export_right(form.name) for form in structure.forms}  # guess: hashed-ids
    return people.DEIDENTIFIED in rights or (people.NO_IDENTIFIERS in rights and bool(structure.fields[0].identifier))


def may_export(structure: Structure, access: Access, column: Column) -> bool:
    """Tell whether a user's export rights let a column through."""
    return column.kind == "id" or _exportable(structure, column, access.export_right(column.form))


def _presenters(project: Project, columns: object, asked: Asked) -> dict[str, Callable[[str], str]]:
    structure = project.structure
    out: dict[str, Callable[[str], str]] = {}
    for column in columns:  # type: ignore[attr-defined]
        mapping = labels.value_labels(structure, column, checkbox_labels=asked.checkbox_labels) if asked.label else None
        if mapping is not None:
            out[column.name] = _lookup(mapping)
        elif column.kind == "file":
            out[column.name] = _file_name(project)
        elif asked.decimal and _is_decimal(structure, column):
            out[column.name] = _decimal(asked.decimal)
    return out


def _lookup(mapping: Mapping[str, str]) -> Callable[[str], str]:
    return lambda value: mapping.get(value, value)


def _file_name(project: Project) -> Callable[[str], str]:
    def name(value: str) -> str:
        document = project.documents.get(naming.whole(value) or 0)
        return document.name if document else value

    return name


def _is_decimal(structure: Structure, column: Column) -> bool:
    field = structure.field_by_name.get(column.field)
    return field is not None and (field.field_type == "calc" or field.validation.startswith("number"))


def _decimal(character: str) -> Callable[[str], str]:
    other = "," if character == "." else "."
    return lambda value: value.replace(other, character) if _NUMBER.match(value) else value


def hashed_id(project_id: int, name: str) -> str:
    """Hide a record id behind 32 hexadecimal digits, the same ones each time."""
    return hashlib.sha256(f"{project_id}/{name}".encode()).hexdigest()[:32]


def records_of(project: Project, access: Access, asked: Asked) -> list[Record]:
    """Choose the records: by name, by the user's group and by date."""
    chosen = list(project.records) if asked.records is None else project.records.some(asked.records)
    if access.user.dag:
        chosen = [record for record in chosen if record.dag == access.user.dag]
    if asked.record_filter is not None:
        chosen = [record for record in chosen if asked.record_filter(record)]
    return chosen


def row_keys(structure: Structure, record: Record, wanted: Collection[str] | None = None) -> list[RowKey]:
    """List the rows of a record (of some events) in export order: event, base row first, instrument, instance."""
    events, forms = structure.event_order, structure.form_order
    of = events if wanted is None else wanted
    known = [key for key in record.rows if key[0] in of and key[0] in events and (not key[1] or key[1] in forms)]
    if len(known) < 2:
        return known
    return sorted(known, key=lambda key: (events[key[0]], forms.get(key[1], -1), key[2]))


class RowChoice:
    """Choose the rows of an export's records; records that hold rows of the same keys are thought about once."""

    def __init__(self, made: Plan) -> None:
        """Begin with nothing."""
        self._plan = made
        self._chosen: dict[tuple[RowKey, ...], list[RowKey]] | None = {} if made.asked.row_filter is None else None
        self._held: list[RowKey] = []
        self._last: list[RowKey] | None = None

    def of(self, record: Record) -> list[RowKey]:
        """List the keys of a record's rows, as ``chosen_rows`` does."""
        if self._chosen is None:
            return chosen_rows(self._plan, record)
        held = list(record.rows)
        # records that follow one another mostly hold the same, which is told sooner than it is looked up
        if self._last is None or held != self._held:
            found = self._chosen.get(tuple(held))
            if found is None:
                found = self._chosen[tuple(held)] = chosen_rows(self._plan, record)
            self._held, self._last = held, found
        return self._last


def chosen_rows(made: Plan, record: Record) -> list[RowKey]:
    """List the rows of a record that an export shows.

    A repeating instrument's row shows where a column of that instrument is asked for; if that leaves an
    event of the record without any row, and the id is asked for, a bare base row stands in (guess: row-subset).
    """
    structure, asked = made.structure, made.asked
    keys = row_keys(structure, record, asked.events)
    forms = {column.form for column in made.columns.values()}
    if asked.fields is not None or asked.forms is not None:  # guess: row-subset
        kept = [key for key in keys if _shown(made, key, forms)]
        missing = {key[0] for key in keys} - {key[0] for key in kept} if made.with_id else set()
        if missing:
            kept += [(event, "", 0) for event in missing]
            kept.sort(key=lambda key: (structure.event_order[key[0]], structure.form_order.get(key[1], -1), key[2]))
        keys = kept
    if asked.row_filter is not None:
        keys = [key for key in keys if asked.row_filter(record, key)]
    return keys


def _shown(made: Plan, key: RowKey, forms: set[str]) -> bool:
    if key[1]:
        return key[1] in forms
    return made.with_id or any(form in forms for form in made.structure.forms_on(key[0], ""))


class Templates:
    """Give the blank row of each kind of row, with the columns that it can hold."""

    def __init__(self, made: Plan) -> None:
        """Begin with nothing."""
        self._plan = made
        self._made: dict[tuple[str, str], tuple[dict[str, object], dict[str, Column]]] = {}

    def of(self, event: str, instrument: str) -> tuple[dict[str, object], dict[str, Column]]:
        """Give the blank row, and the columns that may be filled in it, by their names."""
        kind = (event, instrument)
        if kind not in self._made:
            self._made[kind] = self._make(event, instrument)
        return self._made[kind]

    def _make(self, event: str, instrument: str) -> tuple[dict[str, object], dict[str, Column]]:
        made = self._plan
        forms = set(made.structure.forms_on(event, instrument))
        row: dict[str, object] = dict.fromkeys(made.lead, "")
        allowed: dict[str, Column] = {}
        for name, column in made.columns.items():
            row[name] = ""
            if column.form in forms:
                allowed[name] = column
                default = "0" if column.kind in ("checkbox", "status") else ""
                if column.kind == "status" and made.asked.blank_gray:
                    default = ""
                if default and name in made.show:
                    default = made.show[name](default)
                row[name] = default
        return row, allowed


def flat_rows(project: Project, access: Access, made: Plan) -> Iterator[dict[str, object]]:
    """Yield flat rows: name → text, the repeat instance alone a number."""
    templates, choice = Templates(made), RowChoice(made)
    if made.is_list_of_ids:
        for name, rest in listed_ids(project, access, made):
            yield dict(zip(made.lead, (name, *rest), strict=True))
        return
    for record in records_of(project, access, made.asked):
        for key in choice.of(record):
            template, allowed = templates.of(key[0], key[1])
            row = template.copy()
            cells = record.cells(key)
            # a list of ids asks for hardly any of a row's cells
            for name in cells if len(cells) < len(allowed) else allowed:
                if name in cells and name in allowed:
                    show = made.show.get(name)
                    row[name] = show(cells[name]) if show else cells[name]
            _fill_lead(project, made, record, key, cells, row)
            yield _combined(made, row, cells, allowed) if made.asked.combine_checkboxes else row


def listed_ids(project: Project, access: Access, made: Plan) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield the rows of a list of ids: the id and what else stands in the row, thought out once for like records."""
    choice, number = RowChoice(made), project.settings.project_id
    alike: tuple[list[RowKey], str] | None = None
    rests: list[tuple[object, ...]] = []
    for record in records_of(project, access, made.asked):
        name = hashed_id(number, record.name) if made.hash_ids else record.name
        keys = choice.of(record)
        if alike is None or keys is not alike[0] or record.dag != alike[1]:
            alike, rests = (keys, record.dag), []
            for key in keys:
                row: dict[str, object] = {}
                _fill_lead(project, made, record, key, {}, row)
                rests.append(tuple(row.values())[1:])
        for rest in rests:
            yield name, rest


def _group(made: Plan, record: Record) -> str:
    dag = made.structure.dag_by_name.get(record.dag)
    return dag.name if dag and made.asked.label else record.dag


def _fill_lead(project: Project, made: Plan, record: Record, key: RowKey, cells: Cells, row: dict[str, object]) -> None:
    structure, asked = made.structure, made.asked
    event, instrument, instance = key
    for name in made.lead:
        if name == structure.record_id:
            row[name] = hashed_id(project.settings.project_id, record.name) if made.hash_ids else record.name
        elif name == EVENT:
            row[name] = structure.label_of_event(structure.event_by_name[event]) if asked.label else event
        elif name == INSTRUMENT:
            row[name] = structure.form_by_name[instrument].label if instrument and asked.label else instrument
        elif name == INSTANCE:
            row[name] = instance or ""
        elif name == DAG:
            row[name] = _group(made, record)
        elif name == SURVEY_ID:
            row[name] = cells.get(SURVEY_ID, "")


def _combined(made: Plan, row: dict[str, object], cells: Cells, allowed: Mapping[str, Column]) -> dict[str, object]:
    """Fold the columns of each checkbox into one, its checked options joined by commas."""
    out: dict[str, object] = {}
    for name, value in row.items():
        column = made.columns.get(name)
        if column is None or column.kind != "checkbox":
            out[name] = value
            continue
        out.setdefault(column.field, "")
        if name in allowed and cells.get(name) == "1":
            shown = column.code
            if made.asked.label:
                shown = dict(made.structure.field_by_name[column.field].choices).get(shown, shown)
            before = out[column.field]
            out[column.field] = f"{before},{shown}" if before else shown
    return out
