"""Hold one project in memory: structure, settings, people, records, documents, reports and log."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sync.sandbox.auditlog import LogEntry
from sync.sandbox.dictionary import CLASSIC_EVENT, Event, Structure
from sync.sandbox.people import Access, Role, User, access_of
from sync.sandbox.quality import Threads
from sync.sandbox.records import Cells, Record, RecordStore, RowKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Hold one row of an allocation table: a code of the target field, its number, and its strata's codes."""

    target: str
    alt: str = ""
    strata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomization:
    """Hold one randomization: its target field and event (blank: the first), its strata and its table, in order."""

    randomization_id: int
    target: str
    event: str = ""
    strata: tuple[str, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    concealed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold what `content=project` shows and can change, and the project's raw XML globals."""

    project_id: int
    title: str
    creation_time: str = ""
    production_time: str = ""
    in_production: int = 0
    #: 0 development, 1 production, 2 inactive, 3 archived
    status: int = 0
    language: str = "English"
    purpose: int = 0
    purpose_other: str = ""
    notes: str = ""
    custom_record_label: str = ""
    secondary_unique_field: str = ""
    surveys_enabled: int = 0
    scheduling_enabled: int = 0
    autonumbering: int = 0
    randomization: int = 0
    ddp: int = 0
    irb_number: str = ""
    grant_number: str = ""
    pi_firstname: str = ""
    pi_lastname: str = ""
    pi_email: str = ""
    today_now_button: int = 1
    missing_data_codes: str = ""
    external_modules: str = ""
    bypass_branching: int = 0
    #: an administrator allowed deletions to take a record's history out of the log
    delete_logging: int = 0
    #: 0 no queries, 1 field comments, 2 Data Resolution Workflow
    data_resolution: int = 1
    #: prefix under which the Data Quality API module is switched on, blank where it is off
    quality_module: str = ""
    randomizations: tuple[Randomization, ...] = ()
    #: XML globals that are carried but not interpreted
    carried: Mapping[str, str] = field(default_factory=dict)
    #: names of the XML globals in the order of the file that the project came from
    globals_order: tuple[str, ...] = ()
    #: groups of XML globals that are carried likewise: (name of the group, name of the element, its attributes)
    carried_groups: tuple[tuple[str, str, Mapping[str, str]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold one stored file."""

    doc_id: int
    name: str
    mime: str
    content: bytes
    folder: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold a report: its fields, in order, and its filter."""

    report_id: int
    title: str
    fields: tuple[str, ...]
    logic: str = ""
    events: tuple[str, ...] = ()
    #: the attributes of its XML, in order, those above among them
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Changes:
    """Collect what a request changed, for the store on disk."""

    records: set[str] = field(default_factory=set)
    structure: bool = False
    documents: set[int] = field(default_factory=set)
    log_rewritten: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return bool(self.records or self.structure or self.documents or self.log_rewritten)


class Project:
    """Hold one project's state; every change of data goes through `write_row`, `drop_row` and `remove`."""

    def __init__(self, *, slug: str, settings: Settings, structure: Structure) -> None:
        """Start without records, people or log."""
        self.slug = slug
        self.settings = settings
        self._structure = with_hidden_event(structure, settings.project_id).tidied()
        self.records = RecordStore()
        self.users: dict[str, User] = {}
        self.roles: dict[str, Role] = {}
        self.documents: dict[int, Document] = {}
        self.folders: dict[int, str] = {}
        self.reports: dict[int, Report] = {}
        self.log: list[LogEntry] = []
        #: (record, event, form, instance) of locked forms
        self.locks: set[tuple[str, str, str, int]] = set()
        self.queries = Threads(first=settings.project_id * 1000 + 1)
        self.changes = Changes()

    @property
    def structure(self) -> Structure:
        """Return the current structure."""
        return self._structure

    @structure.setter
    def structure(self, value: Structure) -> None:
        self._structure = with_hidden_event(value, self.settings.project_id).tidied()
        self.changes.structure = True

    def access(self, username: str) -> Access | None:
        """Return the rights of a user, None for a stranger."""
        user = self.users.get(username)
        return access_of(user, self.roles) if user else None

    def note(self, entry: LogEntry) -> None:
        """Append to the log."""
        self.log.append(entry)

    def wipe_log(self, name: str) -> None:
        """Blank the entries of one record, keeping their places, so that the log's numbers stay."""
        self.log = [
            replace(entry, record="", action=entry.action.removesuffix(name), details="")
            if entry.record == name
            else entry
            for entry in self.log
        ]
        self.changes.log_rewritten = True

    def write_row(self, name: str, key: RowKey, cells: Cells, at: datetime, *, loading: bool = False) -> None:
        """Set cells of a row (a blank text erases), making record and row as needed."""
        record = self.records.get(name)
        if record is None:
            record = Record(name=name)
            self.records.put(record)
        row = record.rows.setdefault(self.records.shared(key), {})
        for column, value in cells.items():
            if value == "":
                row.pop(column, None)
            else:
                row[column] = value
        self.touch(record, at, loading=loading)

    def drop_row(self, record: Record, key: RowKey, at: datetime) -> None:
        """Delete a row of a record."""
        record.rows.pop(key, None)
        self.touch(record, at)

    def touch(self, record: Record, at: datetime, *, loading: bool = False) -> None:
        """Note that the data of a record changed at that minute."""
        minute = at.replace(second=0, microsecond=0)
        if not record.changed_at or record.changed_at[-1] != minute:
            record.changed_at.append(minute)
        if not loading:
            self.changes.records.add(record.name)

    def remove(self, name: str) -> Record | None:
        """Delete a record with its locks."""
        self.locks = {lock for lock in self.locks if lock[0] != name}
        self.changes.records.add(name)
        return self.records.remove(name)

    def add_document(self, name: str, mime: str, content: bytes, folder: int = 0) -> Document:
        """Store a file under a new document number."""
        number = max(self.documents, default=self.settings.project_id * 1000) + 1
        document = Document(doc_id=number, name=name, mime=mime, content=content, folder=folder)
        self.documents[number] = document
        self.changes.documents.add(number)
        return document

    def change_settings(self, **values: object) -> None:
        """Replace settings by name."""
        self.settings = replace(self.settings, **values)  # type: ignore[arg-type]
        self.changes.structure = True


def with_hidden_event(structure: Structure, project_id: int) -> Structure:
    """Give a classic project the one event that REDCap keeps for it, holding every form."""
    if structure.longitudinal:
        return structure
    event = Event(event_id=project_id * 1000 + 1, name="Event 1", unique_name=CLASSIC_EVENT)
    forms = tuple(form.name for form in structure.forms)
    kept = next((forms for forms in structure.repeats.values() if forms is None or forms), {})
    repeats = {CLASSIC_EVENT: kept} if kept is None or kept else {}
    return replace(structure, events=(event,), mapping={CLASSIC_EVENT: forms}, repeats=repeats)
