"""Find what a reference in logic means for the rows of one form of a study.

Resolving needs no data: it yields *links*, which say where each column comes from, and names for the columns.
``validators.sheet`` lays the columns beside the rows; ``validators.lint`` only asks whether links exist.

Rules, after REDCap's: ``[field]`` is the field at the row's own event (the same row where it is of the same
form); ``[event][field]`` is the field of the same record at that event; ``[field][2]`` picks an instance. A
field of a repeating form read from elsewhere without an instance is ambiguous and refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.study import Field, Form, Kind, Study, column_of
from validators.logic import tree
from validators.logic.compile import Kind as LogicKind
from validators.logic.compile import Resolved, Unresolved

SAME, ANY = "=", "*"
"""Where a link reads: at the judged row's own visit, or at the subject's first visit that has a value."""

RELATIVE = ("previous-event-name", "next-event-name", "first-event-name", "last-event-name")

_KINDS: Mapping[Kind, LogicKind] = {
    Kind.TEXT: LogicKind.TEXT,
    Kind.FILE: LogicKind.TEXT,
    Kind.NUMBER: LogicKind.NUMBER,
    Kind.INTEGER: LogicKind.NUMBER,
    Kind.DATE: LogicKind.DATE,
    Kind.DATETIME: LogicKind.DATETIME,
    Kind.TIME: LogicKind.TIME,
    Kind.CODED: LogicKind.CODED,
    Kind.YESNO: LogicKind.CODED,
    Kind.CHECKBOX: LogicKind.CHECKBOX,
}

_SMART: Mapping[str, tuple[str, LogicKind]] = {
    "record-name": ("record", LogicKind.TEXT),
    "event-name": ("event", LogicKind.TEXT),
    "instrument-name": ("instrument", LogicKind.TEXT),
    "current-instance": ("instance", LogicKind.NUMBER),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Say where a column comes from: a form, a column, and which of the record's rows."""

    form: str
    column: str
    #: SAME, ANY, a visit id, or one of RELATIVE
    at: str = SAME
    #: a number as text, an instance word, or None
    instance: str | None = None
    #: the judged row itself is read
    own: bool = False

    @property
    def name(self) -> str:
        """Name the column in a sheet: the plain name for the row's own, else the whole path."""
        if self.own:
            return self.column
        return f"{self.form}.{self.column}@{self.at}" + (f"#{self.instance}" if self.instance else "")


class Resolver:
    """Resolve the references of logic that is judged on the rows of one form, and keep the links."""

    def __init__(self, forms: Iterable[Form], home: Form, *, visits: Mapping[str, bool], record_field: str) -> None:
        """Take all forms, the judged one, and visit id -> whether the whole visit repeats."""
        self.home = home
        self.visits = visits
        self.record_field = record_field
        self.forms = {form.name: form for form in forms}
        self.links: dict[str, Link] = {}
        self._fields: dict[str, list[Field]] = {}
        for form in self.forms.values():
            for each in form.fields:
                self._fields.setdefault(each.name, []).append(each)
                if each.origin is not None:
                    self._fields.setdefault(each.origin, []).append(each)

    def __call__(self, node: tree.Field) -> Resolved | Unresolved:
        """Resolve one field reference."""
        found = self._target(node)
        if isinstance(found, Unresolved):
            return found
        form, column, kind = found
        link = self._link(form, column, node)
        if isinstance(link, Unresolved):
            return link
        self.links[link.name] = link
        if column.startswith("_"):
            return Resolved(column=link.name, kind=kind)
        return Resolved(column=link.name, kind=kind, unparsable=f"{link.name}?", missing_code=f"{link.name}!")

    def smart(self, node: tree.Smart) -> Resolved | Unresolved:
        """Resolve the smart variables that stand for a part of the row's own key."""
        if node.parameters or node.event or node.instance or node.name not in _SMART:
            return Unresolved(reason="this smart variable has no value outside REDCap's pages.")
        column, kind = _SMART[node.name]
        return Resolved(column=column, kind=kind)

    def _target(self, node: tree.Field) -> tuple[Form, str, LogicKind] | Unresolved:
        """Find the form, the frame column and the kind that a name means."""
        fields = self._fields.get(node.name, [])
        if not fields:
            form = self.forms.get(node.name.removesuffix("_complete"))
            if form is not None and node.name.endswith("_complete"):
                return form, "_status", LogicKind.NUMBER
            return Unresolved(reason="the study has no field of that name.")
        chosen = next((each for each in fields if each.form == self.home.name), fields[0])
        if len(fields) > 1 and chosen.form != self.home.name:
            return Unresolved(reason="several forms have a field of that name.")
        form = self.forms[chosen.form]
        if chosen.kind is Kind.UNKNOWN:
            return Unresolved(reason="the field is of a type that is not known.")
        if chosen.kind is not Kind.CHECKBOX:
            if node.code is not None:
                return Unresolved(reason="only a checkbox field takes a code in parentheses.")
            return form, chosen.name, _KINDS[chosen.kind]
        if node.code is None:
            return Unresolved(reason="a checkbox field needs the code of a choice in parentheses.")
        column = column_of(chosen.name, node.code)
        if column not in chosen.columns:
            return Unresolved(reason="the checkbox field has no choice of that code.")
        return form, column, LogicKind.CHECKBOX

    def _link(self, form: Form, column: str, node: tree.Field) -> Link | Unresolved:
        """Decide which of the record's rows the reference means."""
        at = SAME if node.event in {None, "event-name"} else str(node.event)
        if at not in {SAME, *RELATIVE, *self.visits}:
            return Unresolved(reason="the study has no visit of that name.")
        here = form.name == self.home.name and at == SAME
        if here and node.instance in {None, "current-instance"}:
            return Link(form=form.name, column=column, own=True)
        if node.instance == "new-instance":
            return Unresolved(reason="a new instance holds nothing yet.")
        repeats = form.repeating or self.visits.get(at, False)
        if node.instance is None and repeats and not here:
            return Unresolved(reason="the form repeats, and the logic does not say which instance.")
        if column == self.record_field and at == SAME:
            at = ANY
        return Link(form=form.name, column=column, at=at, instance=node.instance)


def resolver(study: Study, home: Form, *, forms: Iterable[Form] | None = None) -> Resolver:
    """Build the resolver of one form's logic; ``forms`` defaults to the study's."""
    visits = {visit.id: visit.repeating for visit in study.visits}
    record = study.record_field
    return Resolver(study.forms if forms is None else forms, home, visits=visits, record_field=record)
