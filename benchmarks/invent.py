"""Invent REDCap projects of any size: a project XML without data, and rows to go with it.

Nobody in them is real. The same design always gives the same project. Rows are drawn from a pool of finished rows,
so that a million of them cost seconds and little memory; one row of the pool in `faulty_every` holds one value
beyond its field's limits.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from sync.sandbox.records import Record
from sync.sandbox.sandbox import Sandbox

PROJECT_ID = 4711
TOKEN = "B" * 32
SLUG = "invented"
RECORD_ID = "record_id"
_POOL = 5000
_KINDS = ("int", "float", "date_ymd", "radio", "text", "yesno")
_CHOICES = (("1", "None"), ("2", "Mild"), ("3", "Severe"))
_WORDS = ("stable", "improved, slightly", "worse", "not seen before", "unchanged since the last visit", "see letter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Say how large a project is."""

    records: int
    #: visits of each record; 1 makes a classic project without events
    events: int = 8
    #: fields of the one or more forms, the record id among them
    fields: int = 18
    forms: int = 1
    #: one row in so many holds one value that a check finds; 0: none
    faulty_every: int = 500
    #: share of fields with branching logic
    branching: float = 0.0

    @property
    def rows(self) -> int:
        """Count the rows of a full export."""
        return self.records * self.events

    @property
    def event_names(self) -> tuple[str, ...]:
        """Name the events; none in a classic project."""
        return tuple(f"visit_{number}_arm_1" for number in range(1, self.events + 1)) if self.events > 1 else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns of a flat row after the record id and the event, form statuses included."""
        names = []
        for form in range(self.forms):
            names += [name for name, _, at in self.questions() if at == form]
            names.append(f"form_{form + 1}_complete")
        return tuple(names)

    def questions(self) -> Iterator[tuple[str, str, int]]:
        """Yield name, kind and form (from 0) of every field but the record id."""
        asked = self.fields - 1
        for number in range(asked):
            yield f"field_{number + 1}", _KINDS[number % len(_KINDS)], number * self.forms // max(asked, 1)

    def record_names(self) -> list[str]:
        """Name the records."""
        return [str(number) for number in range(1, self.records + 1)]


class Rows:
    """Hold the pool of finished rows, as text and as cells."""

    def __init__(self, design: Design, *, seed: int = 1) -> None:
        """Fill the pool."""
        self.design = design
        dice = random.Random(seed)
        kinds = {name: kind for name, kind, _ in design.questions()}
        size = min(_POOL, max(design.rows, 1))
        self.pool = [[_cell(kinds.get(name, "status"), dice) for name in design.columns] for _ in range(size)]
        faulty = range(0, size, design.faulty_every) if design.faulty_every else ()
        numbers = [place for place, name in enumerate(design.columns) if kinds.get(name) == "int"]
        for nth, row in enumerate(faulty):
            if numbers:
                self.pool[row][numbers[nth % len(numbers)]] = "999"
        self.lines = [",".join(map(_quoted, row)) for row in self.pool]

    def at(self, record: int, event: int) -> int:
        """Choose the pool's row for a record and event (both from 0)."""
        return (record * self.design.events + event) * 7 % len(self.pool)

    def header(self) -> str:
        """Write the header of a full export."""
        first = [RECORD_ID, "redcap_event_name"] if self.design.events > 1 else [RECORD_ID]
        return ",".join([*first, *self.design.columns]) + "\n"

    def of_record(self, record: int) -> str:
        """Write all rows of a record (from 0) as CSV."""
        if self.design.events == 1:
            return f"{record + 1},{self.lines[self.at(record, 0)]}\n"
        return "".join(
            f"{record + 1},{event},{self.lines[self.at(record, nth)]}\n"
            for nth, event in enumerate(self.design.event_names)
        )

    def record(self, record: int) -> Record:
        """Build a record (from 0) as the sandbox keeps it."""
        names = self.design.columns
        events = self.design.event_names or ("event_1_arm_1",)
        made = Record(name=str(record + 1))
        for nth, event in enumerate(events):
            cells = self.pool[self.at(record, nth)]
            made.rows[event, "", 0] = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        return made


def fill(sandbox: Sandbox, design: Design, *, with_records: bool = True) -> None:
    """Let a sandbox serve the project under SLUG and TOKEN."""
    handle = sandbox.add_project(project_xml(design), slug=SLUG, token=TOKEN, project_id=PROJECT_ID)
    if with_records:
        rows = Rows(design)
        at = sandbox.clock.local()
        for number in range(design.records):
            record = rows.record(number)
            record.changed_at.append(at)
            handle.project.records.put(record)


def project_xml(design: Design) -> str:
    """Write the project as REDCap's project XML, without data."""
    return "\n".join(_xml(design))


def _cell(kind: str, dice: random.Random) -> str:
    if kind == "status":
        return "2"
    if dice.random() < 0.04:
        return ""
    match kind:
        case "int":
            return str(dice.randint(20, 180))
        case "float":
            return f"{dice.uniform(1, 90):.1f}"
        case "date_ymd":
            return f"{dice.randint(2021, 2025)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
        case "radio":
            return dice.choice(_CHOICES)[0]
        case "yesno":
            return dice.choice("01")
        case _:
            return dice.choice(_WORDS)


def _quoted(cell: str) -> str:
    return f'"{cell}"' if any(sign in cell for sign in ' ,"\n') else cell


def _xml(design: Design) -> Iterator[str]:
    title = "Invented project for measurements (nobody in it is real)"
    yield '<?xml version="1.0" encoding="UTF-8" ?>'
    yield '<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" xmlns:redcap="https://projectredcap.org" ODMVersion="1.3.1">'
    yield '<Study OID="Project.Invented"><GlobalVariables>'
    yield f"<StudyName>{title}</StudyName></GlobalVariables>"
    yield f'<MetaDataVersion OID="Metadata.Invented" Name={quoteattr(title)} redcap:RecordIdField="{RECORD_ID}">'
    forms = [f"form_{number + 1}" for number in range(design.forms)]
    for number, event in enumerate(design.event_names, 1):
        yield (
            f'<StudyEventDef OID="Event.{event}" Name="Visit {number}" Type="Common" Repeating="No" '
            f'redcap:EventName="Visit {number}" redcap:UniqueEventName="{event}" redcap:ArmNum="1" '
            f'redcap:ArmName="Arm 1" redcap:DayOffset="{number}">'
        )
        yield from (f'<FormRef FormOID="Form.{form}" redcap:FormName="{form}"/>' for form in forms)
        yield "</StudyEventDef>"
    for form in forms:
        yield f'<FormDef OID="Form.{form}" Name="{form}" Repeating="No" redcap:FormName="{form}">'
        yield f'<ItemGroupRef ItemGroupOID="{form}.items"/></FormDef>'
    for number, form in enumerate(forms):
        items = [RECORD_ID] if number == 0 else []
        items += [name for name, _, at in design.questions() if at == number]
        yield f'<ItemGroupDef OID="{form}.items" Name="{form}" Repeating="No">'
        yield from (f'<ItemRef ItemOID="{item}"/>' for item in [*items, f"{form}_complete"])
        yield "</ItemGroupDef>"
    yield _item(RECORD_ID, "text")
    for place, (name, kind, _) in enumerate(design.questions()):
        # every condition reads the first field of its kind, and is true for most rows
        rule = "[field_1] > 25" if place and place < design.branching * design.fields else ""
        yield _item(name, kind, rule)
    for form in forms:
        yield _item(f"{form}_complete", "status")
    for name, kind, _ in design.questions():
        if kind == "radio":
            yield f'<CodeList OID="{name}.choices" Name="{name}" DataType="text" redcap:Variable="{name}">'
            for code, label in _CHOICES:
                text = f"<Decode><TranslatedText>{label}</TranslatedText></Decode>"
                yield f'<CodeListItem CodedValue="{code}">{text}</CodeListItem>'
            yield "</CodeList>"
    yield "</MetaDataVersion></Study></ODM>"


def _item(name: str, kind: str, branching: str = "") -> str:
    field_type = {"radio": "radio", "yesno": "yesno", "status": "select"}.get(kind, "text")
    validation = f' redcap:TextValidationType="{kind}"' if kind in ("int", "float", "date_ymd") else ""
    condition = f" redcap:BranchingLogic={quoteattr(branching)}" if branching else ""
    choices = f'<CodeListRef CodeListOID="{name}.choices"/>' if kind == "radio" else ""
    limits = ""
    if kind == "int":
        limits = _limit("GE", "20") + _limit("LE", "180")
    return (
        f'<ItemDef OID="{name}" Name="{name}" DataType="text" Length="999" redcap:Variable="{name}" '
        f'redcap:FieldType="{field_type}"{validation}{condition}>'
        f"<Question><TranslatedText>{name} (invented)</TranslatedText></Question>{choices}{limits}</ItemDef>"
    )


def _limit(comparator: str, value: str) -> str:
    return f'<RangeCheck Comparator="{comparator}" SoftHard="Soft"><CheckValue>{value}</CheckValue></RangeCheck>'
