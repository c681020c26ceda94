"""Describe a project's structure: fields, forms, events, arms, groups, repeats, and the columns they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from sync.sandbox import naming

#: the one event of a classic project, which its XML names and its exports do not
CLASSIC_EVENT = "event_1_arm_1"
STATUS_CHOICES = (("0", "Incomplete"), ("1", "Unverified"), ("2", "Complete"))
_FIXED_CHOICES = {
    "yesno": (("1", "Yes"), ("0", "No")),
    "truefalse": (("1", "True"), ("0", "False")),
}
CHOICE_TYPES = frozenset({"radio", "dropdown", "checkbox"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Hold one dictionary row under REDCap's own eighteen column names."""

    field_name: str
    form_name: str
    section_header: str = ""
    field_type: str = "text"
    field_label: str = ""
    select_choices_or_calculations: str = ""
    field_note: str = ""
    text_validation_type_or_show_slider_number: str = ""
    text_validation_min: str = ""
    text_validation_max: str = ""
    identifier: str = ""
    branching_logic: str = ""
    required_field: str = ""
    custom_alignment: str = ""
    question_number: str = ""
    matrix_group_name: str = ""
    matrix_ranking: str = ""
    field_annotation: str = ""

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """Return (code, label) pairs; empty where the field is not a choice."""
        if self.field_type in _FIXED_CHOICES:
            return _FIXED_CHOICES[self.field_type]
        if self.field_type not in CHOICE_TYPES:
            return ()
        return parse_choices(self.select_choices_or_calculations)

    @property
    def validation(self) -> str:
        """Name the text validation, blank where there is none or the field is not a text field."""
        return self.text_validation_type_or_show_slider_number if self.field_type == "text" else ""


#: the keys of a dictionary row, in the order in which `content=metadata` gives them
FIELD_KEYS = tuple(Field.__dataclass_fields__)


def parse_choices(text: str) -> tuple[tuple[str, str], ...]:
    """Split `1, Yes | 0, No` (or one choice a line) into (code, label) pairs."""
    parts = text.split("|") if "|" in text else text.splitlines()
    pairs = []
    for part in parts:
        code, comma, label = part.partition(",")
        if code.strip():
            pairs.append((code.strip(), label.strip() if comma else code.strip()))
    return tuple(pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Name one instrument, with what makes it a survey."""

    name: str
    label: str
    survey: bool = False
    survey_title: str = ""
    #: the attributes of the survey's XML, in order, title and name among them
    survey_attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Number and name one arm."""

    number: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Describe one event of one arm; `event_id` is this server's own number."""

    event_id: int
    name: str
    unique_name: str
    arm: int = 1
    custom_label: str = ""
    day_offset: str = "0"
    offset_min: str = "0"
    offset_max: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dag:
    """Describe one data access group."""

    dag_id: int
    name: str
    unique_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Describe one flat column: its export name, field and form, and the code of a checkbox option."""

    name: str
    field: str
    form: str
    kind: str  # id, value, checkbox, file, status, timestamp
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Hold everything of a project that is not data; immutable, replaced as a whole when it changes."""

    fields: tuple[Field, ...]
    forms: tuple[Form, ...]
    longitudinal: bool = False
    arms: tuple[Arm, ...] = (Arm(number=1, name="Arm 1"),)
    events: tuple[Event, ...] = ()
    #: event → forms designated for it
    mapping: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: event → None (the whole event repeats) or {form: custom label}
    repeats: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    dags: tuple[Dag, ...] = ()
    missing_codes: tuple[tuple[str, str], ...] = ()

    @property
    def record_id(self) -> str:
        """Name the record id field: the first of the dictionary."""
        return self.fields[0].field_name

    @property
    def first_event(self) -> str:
        """Name the first event, also of a project whose events were all deleted."""
        return self.events[0].unique_name if self.events else CLASSIC_EVENT

    def tidied(self) -> "Structure":
        """Return the structure without designations and repeats of forms and events that are no more."""
        mapping = {
            event: tuple(form for form in forms if form in self.form_by_name)
            for event, forms in self.mapping.items()
            if event in self.event_by_name
        }
        repeats: dict[str, Mapping[str, str] | None] = {}
        for event, forms in self.repeats.items():
            if event not in self.event_by_name:
                continue
            kept = forms if forms is None else {form: forms[form] for form in forms if form in mapping.get(event, ())}
            if kept is None or kept:
                repeats[event] = kept
        if mapping == self.mapping and repeats == self.repeats:
            return self
        return replace(self, mapping=mapping, repeats=repeats)

    @cached_property
    def field_by_name(self) -> dict[str, Field]:
        """Look a field up by its name."""
        return {item.field_name: item for item in self.fields}

    @cached_property
    def calculated(self) -> tuple[Field, ...]:
        """List the calculated fields."""
        return tuple(item for item in self.fields if item.field_type == "calc")

    @cached_property
    def form_by_name(self) -> dict[str, Form]:
        """Look a form up by its name."""
        return {form.name: form for form in self.forms}

    @cached_property
    def form_order(self) -> dict[str, int]:
        """Number the forms in dictionary order."""
        return {form.name: index for index, form in enumerate(self.forms)}

    @cached_property
    def event_by_name(self) -> dict[str, Event]:
        """Look an event up by its unique name; a classic project has one hidden event."""
        return {event.unique_name: event for event in self.events}

    @cached_property
    def event_order(self) -> dict[str, int]:
        """Number the events in the order of their ids."""
        return {event.unique_name: index for index, event in enumerate(self.events)}

    @cached_property
    def dag_by_name(self) -> dict[str, Dag]:
        """Look a group up by its unique name."""
        return {dag.unique_name: dag for dag in self.dags}

    @cached_property
    def status_fields(self) -> dict[str, str]:
        """Map each `<form>_complete` to its form."""
        return {f"{form.name}_complete": form.name for form in self.forms}

    @cached_property
    def has_repeats(self) -> bool:
        """Tell whether anything repeats."""
        return any(forms is None or forms for forms in self.repeats.values())

    def label_of_event(self, event: Event) -> str:
        """Write an event as REDCap shows it: `Name (Arm 1: Drug A)` where there is more than one arm."""
        names = {arm.number: arm.name for arm in self.arms}
        if len({known.arm for known in self.events}) < 2:
            return event.name
        return f"{event.name} (Arm {event.arm}: {names.get(event.arm, '')})"

    def long_label_of_event(self, event: Event) -> str:
        """Write an event with its arm in any case, as import messages and the log do."""
        names = {arm.number: arm.name for arm in self.arms}
        return f"{event.name} (Arm {event.arm}: {names.get(event.arm, '')})"

    def forms_on(self, event: str, instrument: str) -> tuple[str, ...]:
        """List the forms that a row of this event (and repeating instrument) can hold."""
        if instrument:
            return (instrument,) if instrument in self.mapping.get(event, ()) else ()
        repeating = self.repeats.get(event, {})
        return tuple(name for name in self.mapping.get(event, ()) if repeating is None or name not in repeating)

    def repeats_as_event(self, event: str) -> bool:
        """Tell whether the event repeats as a whole."""
        return event in self.repeats and self.repeats[event] is None

    def repeating_forms(self, event: str) -> Mapping[str, str]:
        """Map the repeating forms of an event to their custom labels."""
        return self.repeats.get(event) or {}

    @cached_property
    def columns_of_form(self) -> dict[str, tuple[Column, ...]]:
        """List each form's flat columns in dictionary order, its status column last."""
        out: dict[str, list[Column]] = {form.name: [] for form in self.forms}
        for item in self.fields:
            out[item.form_name].extend(self._columns_of(item))
        for form in self.forms:
            name = f"{form.name}_complete"
            out[form.name].append(Column(name=name, field=name, form=form.name, kind="status"))
        return {name: tuple(columns) for name, columns in out.items()}

    def _columns_of(self, item: Field) -> list[Column]:
        name, form = item.field_name, item.form_name
        if item.field_type == "descriptive":
            return []
        if item.field_type == "checkbox":
            codes = [code for code, _ in item.choices] + [code for code, _ in self.missing_codes]
            return [
                Column(name=naming.checkbox_column(name, code), field=name, form=form, kind="checkbox", code=code)
                for code in codes
            ]
        kind = "id" if name == self.record_id else "file" if item.field_type == "file" else "value"
        return [Column(name=name, field=name, form=form, kind=kind)]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """List every flat column of the data, in dictionary order."""
        return tuple(column for form in self.forms for column in self.columns_of_form[form.name])

    @cached_property
    def column_by_name(self) -> dict[str, Column]:
        """Look a flat column up by its export name."""
        return {column.name: column for column in self.columns}

    def problems(self) -> list[str]:
        """List what makes the dictionary impossible: duplicate names, colliding checkbox codes, no field."""
        out = [] if self.fields else ["the dictionary holds no field"]
        seen: set[str] = set()
        for item in self.fields:
            if item.field_name in seen:
                out.append(f"the field {item.field_name} is defined twice")
            seen.add(item.field_name)
        for item in self.fields:
            names = [naming.checkbox_column(item.field_name, code) for code, _ in item.choices]
            if item.field_type == "checkbox" and len(set(names)) < len(names):
                out.append(f"the checkbox codes of {item.field_name} make the same column name twice")
        return out
