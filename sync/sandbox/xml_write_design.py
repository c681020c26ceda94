"""Write forms, item groups, items and code lists of a project XML in the order and shapes of recorded ones."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sync.sandbox import odm
from sync.sandbox.dictionary import STATUS_CHOICES, Field, Form, Structure

_FIELD_TYPES = odm.back(odm.FIELD_TYPES)
_VALIDATIONS = {"integer": "int", "number": "float"}
_TYPES = {"calc": "float", "checkbox": "boolean", "yesno": "boolean", "truefalse": "boolean", "slider": "integer"}
#: validation → DataType of a text field; whatever is not here is text
_TEXT_TYPES = {
    "integer": "integer", "number": "float", "number_1dp": "float", "number_2dp": "float", "number_3dp": "float",
    "number_4dp": "float", "time": "partialTime",
}  # fmt: skip
_PSEUDO = {odm.DAG_ITEM: "Data Access Group", odm.SURVEY_ID_ITEM: "Survey Identifier"}


@dataclass(slots=True, kw_only=True)
class ItemGroup:
    """Hold one group of a form: its name (a section header or the form's label) and its items in order."""

    form: str
    name: str
    items: list[str] = field(default_factory=list)

    @property
    def oid(self) -> str:
        """Name the group by its form and first item."""
        return f"{self.form}.{self.items[0]}"


class Design:
    """Lay out the items of a project: `with_groups` and `with_surveys` add the items that are no fields."""

    def __init__(self, structure: Structure, *, with_groups: bool, with_surveys: bool) -> None:
        """Take the structure; an item stands for a field, or for one option of a checkbox."""
        self._structure = structure
        self._dags = with_groups and bool(structure.dags)
        self._surveys = with_surveys and any(form.survey for form in structure.forms)
        self._items: dict[str, list[str]] = {}
        for form in structure.forms:
            for column in structure.columns_of_form[form.name]:
                self._items.setdefault(column.field, []).append(column.name)
        self._fields: dict[str, list[Field]] = {form.name: [] for form in structure.forms}
        for item in structure.fields:
            self._fields[item.form_name].append(item)

    def items_of(self, item: Field) -> list[str]:
        """List the items of a field."""
        return self._items.get(item.field_name) or [item.field_name]

    def groups(self, form: Form) -> list[ItemGroup]:
        """Group the items of a form: a section header holds its own field alone, the status stands at the end."""
        out: list[ItemGroup] = []
        alone = True
        for item in self._fields[form.name]:
            stamp = self._stamp(form, item)
            if stamp:
                out.append(ItemGroup(form=form.name, name="", items=[stamp]))
                alone = False
            if alone or item.section_header or not out:
                plain = form.label if item.field_type != "checkbox" else ""
                out.append(ItemGroup(form=form.name, name=item.section_header or plain))
            out[-1].items += self.items_of(item)
            alone = bool(item.section_header)
            if item.field_name == self._structure.record_id:
                out[-1].items += self._companions(form)
                if self._surveys and form.survey:
                    out.append(ItemGroup(form=form.name, name="", items=[f"{form.name}_timestamp"]))
                    alone = False
        out.append(ItemGroup(form=form.name, name="Form Status", items=[f"{form.name}_complete"]))
        return out

    def _stamp(self, form: Form, item: Field) -> str:
        """Return the timestamp that goes before the first field of a survey which is not the first form."""
        first = item is self._fields[form.name][0]
        mine = self._surveys and form.survey and first and item.field_name != self._structure.record_id
        return f"{form.name}_timestamp" if mine else ""

    def _companions(self, form: Form) -> list[str]:
        names = [odm.DAG_ITEM] if self._dags else []
        if self._surveys:
            names += [odm.SURVEY_ID_ITEM, *([f"{form.name}_timestamp"] if form.survey else [])]
        return names

    def lines(self) -> Iterator[str]:
        """Yield forms, item groups, items and code lists."""
        groups = {form.name: self.groups(form) for form in self._structure.forms}
        for form in self._structure.forms:
            pairs = [
                ("OID", f"Form.{form.name}"), ("Name", form.label), ("Repeating", "No"),
                ("redcap:FormName", form.name),
            ]  # fmt: skip
            yield f"\t<FormDef{odm.attributes(pairs)}>"
            yield from (f'\t\t<ItemGroupRef ItemGroupOID="{group.oid}" Mandatory="No"/>' for group in groups[form.name])
            yield "\t</FormDef>"
        for found in groups.values():
            for group in found:
                pairs = [("OID", group.oid), ("Name", group.name), ("Repeating", "No")]
                yield f"\t<ItemGroupDef{odm.attributes(pairs)}>"
                yield from map(self._reference, group.items)
                yield "\t</ItemGroupDef>"
        lists: list[str] = []
        for form in self._structure.forms:
            yield from self._form_items(form, lists)
        yield from lists

    def _reference(self, name: str) -> str:
        column = self._structure.column_by_name.get(name)
        variable = column.field if column is not None else name
        known = self._structure.field_by_name.get(variable)
        mandatory = "Yes" if known is not None and known.required_field else "No"
        return f'\t\t<ItemRef ItemOID="{name}" Mandatory="{mandatory}" redcap:Variable="{variable}"/>'

    def _form_items(self, form: Form, lists: list[str]) -> Iterator[str]:
        for item in self._fields[form.name]:
            if stamp := self._stamp(form, item):
                yield from _pseudo(stamp, "Survey Timestamp", "datetime")
            for name in self.items_of(item):
                yield from _item(item, name)
                lists.extend(_code_list(item, name))
            if item.field_name == self._structure.record_id:
                for name in self._companions(form):
                    stamped = name not in _PSEUDO
                    kind = "datetime" if stamped else "text"
                    for _ in range(2 if stamped else 1):  # as recorded
                        yield from _pseudo(name, _PSEUDO.get(name, "Survey Timestamp"), kind)
        status = f"{form.name}_complete"
        yield (
            f'\t<ItemDef OID="{status}" Name="{status}" DataType="text" Length="1" redcap:Variable="{status}" '
            'redcap:FieldType="select" redcap:SectionHeader="Form Status">'
        )
        yield "\t\t<Question><TranslatedText>Complete?</TranslatedText></Question>"
        yield f'\t\t<CodeListRef CodeListOID="{status}.choices"/>'
        yield "\t</ItemDef>"
        lists.append(f'\t<CodeList OID="{status}.choices" Name="{status}" DataType="text" redcap:Variable="{status}">')
        lists += [_code(code, label) for code, label in STATUS_CHOICES]
        lists.append("\t</CodeList>")


def _pseudo(name: str, label: str, kind: str) -> Iterator[str]:
    yield f'\t<ItemDef OID="{name}" Name="{name}" DataType="{kind}" Length="999" redcap:Variable="{name}">'
    yield f"\t\t<Question><TranslatedText>{label}</TranslatedText></Question>"
    yield "\t</ItemDef>"


def _data_type(item: Field) -> str:
    if item.field_type in _TYPES:
        return _TYPES[item.field_type]
    name = item.validation
    if name.startswith("datetime"):
        return "datetime" if name.startswith("datetime_seconds") else "partialDatetime"
    return "date" if name.startswith("date") else _TEXT_TYPES.get(name, "text")


def _item(item: Field, name: str) -> Iterator[str]:
    validation = item.text_validation_type_or_show_slider_number
    kind = _data_type(item)
    longest = max((len(code) for code, _ in item.choices), default=999)
    pairs = [
        ("OID", name),
        ("Name", name),
        ("DataType", kind),
        ("Length", "1" if kind == "boolean" else str(longest)),
        ("SignificantDigits", "1" if item.validation == "number" else ""),
        ("redcap:Variable", item.field_name),
        ("redcap:FieldType", _FIELD_TYPES.get(item.field_type, item.field_type)),
        ("redcap:TextValidationType", _VALIDATIONS.get(validation, validation)),
    ]
    special = {"calc": "Calculation", "slider": "SliderLabels", "sql": "SqlQuery"}.get(item.field_type)
    middle = [(f"redcap:{attribute}", getattr(item, key)) for attribute, key in odm.ITEM_ATTRIBUTES.items()]
    if special:
        place = 2 if special == "Calculation" else 0  # a calculation stands behind note and header
        middle.insert(place, (f"redcap:{special}", item.select_choices_or_calculations))
    pairs += middle
    yield f"\t<ItemDef{odm.attributes([pair for pair in pairs if pair[1]])}>"
    yield f"\t\t<Question><TranslatedText>{odm.escape(item.field_label)}</TranslatedText></Question>"
    if item.choices:
        yield f'\t\t<CodeListRef CodeListOID="{name}.choices"/>'
    yield from _limits(item)
    yield "\t</ItemDef>"


def _limits(item: Field) -> Iterator[str]:
    low, high = item.text_validation_min, item.text_validation_max
    span = f"{odm.escape(low or 'no limit')} - {odm.escape(high or 'no limit')}"
    for comparator, limit in (("GE", low), ("LE", high)):
        if limit:
            yield f'\t\t<RangeCheck Comparator="{comparator}" SoftHard="Soft">'
            yield f"\t\t\t<CheckValue>{odm.escape(limit)}</CheckValue>"
            yield (
                f"\t\t\t<ErrorMessage><TranslatedText>The value you provided is outside the suggested range ({span}). "
                "This value is admissible, but you may wish to double check it.</TranslatedText></ErrorMessage>"
            )
            yield "\t\t</RangeCheck>"


def _code_list(item: Field, name: str) -> Iterator[str]:
    if not item.choices:
        return
    kind = _data_type(item)
    pairs = [("OID", f"{name}.choices"), ("Name", name), ("DataType", kind), ("redcap:Variable", item.field_name)]
    if item.field_type == "checkbox":
        pairs.append(("redcap:CheckboxChoices", item.select_choices_or_calculations))
        yield f"\t<CodeList{odm.attributes(pairs)}>"
        yield from (_code(code, label) for code, label in (("1", "Checked"), ("0", "Unchecked")))
    else:
        yield f"\t<CodeList{odm.attributes(pairs)}>"
        yield from (_code(code, label) for code, label in item.choices)
    yield "\t</CodeList>"


def _code(code: str, label: str) -> str:
    return (
        f'\t\t<CodeListItem CodedValue="{odm.escape(code)}"><Decode><TranslatedText>{odm.escape(label)}'
        "</TranslatedText></Decode></CodeListItem>"
    )
