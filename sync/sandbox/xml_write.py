"""Write a project as REDCap's project XML: metadata and, where asked, data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby

from sync.sandbox import odm, xml_write_data
from sync.sandbox.dictionary import STATUS_CHOICES, Column, Field, Form, Structure
from sync.sandbox.project import Project
from sync.sandbox.records import Record

_FIELD_TYPES = odm.back(odm.FIELD_TYPES)
_VALIDATIONS = {"integer": "int", "number": "float"}
_ROLE_ATTRIBUTES = odm.back(odm.ROLE_RIGHTS)


def write(
    project: Project, *, at: datetime, version: str, records: Iterable[Record] | None = None,
    with_groups: bool = True, with_surveys: bool = True, with_files: bool = True,
    wanted: Callable[[Column], bool] = lambda _column: True, events: frozenset[str] | None = None,
    hash_ids: bool = False,
) -> str:  # fmt: skip
    """Return the XML text; `records` None leaves the data out. Only `wanted` columns and `events` get data.

    `hash_ids` hides the records' names as an export to such a user does.
    """
    title = project.settings.title
    oid = "".join(char for char in title if char.isascii() and char.isalnum()) or "Project"
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S")
    lines = [
        '<?xml version="1.0" encoding="UTF-8" ?>',
        f'<ODM xmlns="{odm.ODM}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns:redcap="{odm.REDCAP}" xsi:schemaLocation="{odm.ODM} schema/odm/ODM1-3-1.xsd" ODMVersion="1.3.1" '
        f'FileOID="000-00-0000" FileType="Snapshot" Description="{odm.escape(title)}" AsOfDateTime="{stamp}" '
        f'CreationDateTime="{stamp}" SourceSystem="Syncline sandbox" SourceSystemVersion="{odm.escape(version)}">',
        f'<Study OID="Project.{oid}">',
        *_globals(project),
        f'<MetaDataVersion OID="Metadata.{oid}" Name="{odm.escape(title)}" '
        f'redcap:RecordIdField="{project.structure.record_id}">',
        *_events(project.structure),
        *_forms(project, with_groups=with_groups, with_surveys=with_surveys),
        *_items(project.structure),
        "</MetaDataVersion>",
        "</Study>",
    ]
    if records is not None:
        lines.append(f'<ClinicalData StudyOID="Project.{oid}" MetaDataVersionOID="Metadata.{oid}">')
        data = xml_write_data.DataWriter(
            project, wanted, events, with_groups=with_groups, with_surveys=with_surveys, with_files=with_files,
            hash_ids=hash_ids,
        )  # fmt: skip
        for record in records:
            lines.extend(data.subject(record))
        lines.append("</ClinicalData>")
    lines.append("</ODM>")
    return "\n".join(lines)


def _globals(project: Project) -> Iterator[str]:
    settings, structure = project.settings, project.structure
    yield "<GlobalVariables>"
    yield f"\t<StudyName>{odm.escape(settings.title)}</StudyName>"
    yield f"\t<StudyDescription>Metadata and data of {odm.escape(settings.title)}</StudyDescription>"
    yield f"\t<ProtocolName>{odm.escape(settings.title)}</ProtocolName>"
    for name, key in odm.GLOBALS.items():
        yield f"\t<redcap:{name}>{odm.escape(str(getattr(settings, key)))}</redcap:{name}>"
    for name, value in settings.carried.items():
        yield f"\t<redcap:{name}>{odm.escape(value)}</redcap:{name}>"
    if structure.dags:
        yield "\t<redcap:DataAccessGroupsGroup>"
        for dag in structure.dags:
            yield f"\t\t<redcap:DataAccessGroups{odm.attributes([('group_name', dag.name)])}/>"
        yield "\t</redcap:DataAccessGroupsGroup>"
    yield from _repeats(structure)
    surveys = [form for form in structure.forms if form.survey]
    if surveys:
        yield "\t<redcap:SurveysGroup>"
        for form in surveys:
            own = {"form_name": form.name, "title": form.survey_title, "survey_enabled": "1"}
            yield f"\t\t<redcap:Surveys{odm.attributes({**form.survey_attributes, **own}.items())}/>"
        yield "\t</redcap:SurveysGroup>"
    yield from _roles(project)
    yield from _reports(project)
    yield from _carried(settings.carried_groups)
    yield "</GlobalVariables>"


def _repeats(structure: Structure) -> Iterator[str]:
    if not structure.has_repeats:
        return
    yield "\t<redcap:RepeatingInstrumentsAndEvents>"
    for event, forms in structure.repeats.items():
        if forms is None:
            yield f"\t\t<redcap:RepeatingEvent{odm.attributes([('redcap:UniqueEventName', event)])}/>"
            continue
        yield "\t\t<redcap:RepeatingInstruments>"
        for form, label in forms.items():
            pairs = [
                ("redcap:UniqueEventName", event),
                ("redcap:RepeatInstrument", form),
                ("redcap:CustomLabel", label),
            ]
            yield f"\t\t\t<redcap:RepeatingInstrument{odm.attributes(pairs)}/>"
        yield "\t\t</redcap:RepeatingInstruments>"
    yield "\t</redcap:RepeatingInstrumentsAndEvents>"


def _roles(project: Project) -> Iterator[str]:
    if not project.roles:
        return
    yield "\t<redcap:UserRolesGroup>"
    for role in project.roles.values():
        exports = "".join(f"[{form},{right}]" for form, right in role.forms_export.items())
        entry = "".join(f"[{form},{right}]" for form, right in role.forms.items())
        pairs = [("role_name", role.label), ("unique_role_name", role.unique_name)]
        pairs += [(_ROLE_ATTRIBUTES.get(right, right), str(value)) for right, value in role.rights.items()]
        pairs += [("data_export_instruments", exports), ("data_entry", entry), *role.attributes.items()]
        yield f"\t\t<redcap:UserRoles{odm.attributes(pairs)}/>"
    yield "\t</redcap:UserRolesGroup>"


def _reports(project: Project) -> Iterator[str]:
    if not project.reports:
        return
    yield "\t<redcap:ReportsGroup>"
    for report in project.reports.values():
        own = {
            "title": report.title,
            "advanced_logic": report.logic,
            "redcap_reports_fields": ",".join(report.fields),
            "redcap_reports_filter_events": ",".join(report.events),
        }
        yield f"\t\t<redcap:Reports{odm.attributes({**report.attributes, **own}.items())}/>"
    yield "\t</redcap:ReportsGroup>"


def _carried(groups: Iterable[tuple[str, str, Mapping[str, str]]]) -> Iterator[str]:
    """Write the groups that were not understood, such as Data Quality rules, as they came (guess: xml-rules)."""
    for group, found in groupby(groups, key=lambda row: row[0]):
        yield f"\t<redcap:{group}>"
        for _, name, values in found:
            yield f"\t\t<redcap:{name}{odm.attributes(values.items())}/>"
        yield f"\t</redcap:{group}>"


def _events(structure: Structure) -> Iterator[str]:
    if not structure.longitudinal:
        return
    yield "\t<Protocol>"
    for number, event in enumerate(structure.events, 1):
        yield f'\t\t<StudyEventRef StudyEventOID="Event.{event.unique_name}" OrderNumber="{number}" Mandatory="No"/>'
    yield "\t</Protocol>"
    arms = {arm.number: arm.name for arm in structure.arms}
    for event in structure.events:
        pairs = [
            ("OID", f"Event.{event.unique_name}"),
            ("Name", structure.long_label_of_event(event)),
            ("Type", "Common"),
            ("Repeating", "No"),
            ("redcap:EventName", event.name),
            ("redcap:CustomEventLabel", event.custom_label),
            ("redcap:UniqueEventName", event.unique_name),
            ("redcap:ArmNum", str(event.arm)),
            ("redcap:ArmName", arms.get(event.arm, "")),
            ("redcap:DayOffset", event.day_offset),
            ("redcap:OffsetMin", event.offset_min),
            ("redcap:OffsetMax", event.offset_max),
        ]
        yield f"\t<StudyEventDef{odm.attributes(pairs)}>"
        for number, form in enumerate(structure.mapping.get(event.unique_name, ()), 1):
            yield (
                f'\t\t<FormRef FormOID="Form.{form}" OrderNumber="{number}" Mandatory="No" redcap:FormName="{form}"/>'
            )
        yield "\t</StudyEventDef>"


def _item_ids(structure: Structure, field: Field) -> list[str]:
    names = [column.name for column in structure.columns_of_form[field.form_name] if column.field == field.field_name]
    return names or [field.field_name]


def _forms(project: Project, *, with_groups: bool, with_surveys: bool) -> Iterator[str]:
    structure = project.structure
    groups: list[str] = []
    for form in structure.forms:
        fields = [field for field in structure.fields if field.form_name == form.name]
        first = fields[0].field_name if fields else ""
        yield f"\t<FormDef{odm.attributes(_form_pairs(form))}>"
        if fields:
            yield f'\t\t<ItemGroupRef ItemGroupOID="{form.name}.{first}" Mandatory="No"/>'
            groups.append(f"\t<ItemGroupDef{odm.attributes(_group_pairs(form, first))}>")
            for field in fields:
                groups += [_item_ref(item, field.field_name) for item in _item_ids(structure, field)]
                if field.field_name == structure.record_id:
                    groups += [_item_ref(item, item) for item in _pseudo(structure, with_groups, with_surveys)]
            groups.append("\t</ItemGroupDef>")
        status = f"{form.name}_complete"
        yield f'\t\t<ItemGroupRef ItemGroupOID="{form.name}.{status}" Mandatory="No"/>'
        yield "\t</FormDef>"
        groups.append(f'\t<ItemGroupDef OID="{form.name}.{status}" Name="Form Status" Repeating="No">')
        groups.append(_item_ref(status, status))
        groups.append("\t</ItemGroupDef>")
    yield from groups


def _form_pairs(form: Form) -> list[tuple[str, str]]:
    return [
        ("OID", f"Form.{form.name}"),
        ("Name", form.label),
        ("Repeating", "No"),
        ("redcap:FormName", form.name),
    ]


def _group_pairs(form: Form, first: str) -> list[tuple[str, str]]:
    return [("OID", f"{form.name}.{first}"), ("Name", form.label), ("Repeating", "No")]


def _pseudo(structure: Structure, with_groups: bool, with_surveys: bool) -> list[str]:
    names = [odm.DAG_ITEM] if with_groups and structure.dags else []
    surveys = [form.name for form in structure.forms if form.survey]
    if with_surveys and surveys:
        names += [odm.SURVEY_ID_ITEM, *(f"{name}_timestamp" for name in surveys)]
    return names


def _item_ref(item: str, variable: str) -> str:
    return f'\t\t<ItemRef ItemOID="{item}" Mandatory="No" redcap:Variable="{variable}"/>'


def _items(structure: Structure) -> Iterator[str]:
    lists: list[str] = []
    for field in structure.fields:
        for item in _item_ids(structure, field):
            yield from _item(field, item)
            lists.extend(_code_list(field, item))
    for form in structure.forms:
        name = f"{form.name}_complete"
        kind = 'DataType="text" Length="1" redcap:FieldType="select"'
        yield f'\t<ItemDef OID="{name}" Name="{name}" {kind} redcap:Variable="{name}">'
        yield "\t\t<Question><TranslatedText>Complete?</TranslatedText></Question>"
        yield f'\t\t<CodeListRef CodeListOID="{name}.choices"/>'
        yield "\t</ItemDef>"
        lists.append(f'\t<CodeList OID="{name}.choices" Name="{name}" DataType="text" redcap:Variable="{name}">')
        lists += [_code(code, label) for code, label in STATUS_CHOICES]
        lists.append("\t</CodeList>")
    yield from lists


def _item(field: Field, item: str) -> Iterator[str]:
    validation = field.text_validation_type_or_show_slider_number
    pairs = [
        ("OID", item),
        ("Name", item),
        ("DataType", "text"),
        ("Length", "999"),
        ("redcap:Variable", field.field_name),
        ("redcap:FieldType", _FIELD_TYPES.get(field.field_type, field.field_type)),
        ("redcap:TextValidationType", _VALIDATIONS.get(validation, validation)),
    ]
    pairs += [(f"redcap:{name}", getattr(field, key)) for name, key in odm.ITEM_ATTRIBUTES.items()]
    special = {"calc": "Calculation", "slider": "SliderLabels", "sql": "SqlQuery"}.get(field.field_type)
    if special:
        pairs.append((f"redcap:{special}", field.select_choices_or_calculations))
    yield f"\t<ItemDef{odm.attributes([pair for pair in pairs if pair[1]])}>"
    yield f"\t\t<Question><TranslatedText>{odm.escape(field.field_label)}</TranslatedText></Question>"
    if field.choices:
        yield f'\t\t<CodeListRef CodeListOID="{item}.choices"/>'
    for comparator, limit in (("GE", field.text_validation_min), ("LE", field.text_validation_max)):
        if limit:
            yield f'\t\t<RangeCheck Comparator="{comparator}" SoftHard="Soft">'
            yield f"\t\t\t<CheckValue>{odm.escape(limit)}</CheckValue>"
            yield "\t\t</RangeCheck>"
    yield "\t</ItemDef>"


def _code_list(field: Field, item: str) -> Iterator[str]:
    if not field.choices:
        return
    pairs = [("OID", f"{item}.choices"), ("Name", item), ("DataType", "text"), ("redcap:Variable", field.field_name)]
    if field.field_type == "checkbox":
        pairs.append(("redcap:CheckboxChoices", field.select_choices_or_calculations))
        yield f"\t<CodeList{odm.attributes(pairs)}>"
        yield from (_code(code, label) for code, label in (("1", "Checked"), ("0", "Unchecked")))
    else:
        yield f"\t<CodeList{odm.attributes(pairs)}>"
        yield from (_code(code, label) for code, label in field.choices)
    yield "\t</CodeList>"


def _code(code: str, label: str) -> str:
    return (
        f'\t\t<CodeListItem CodedValue="{odm.escape(code)}"><Decode><TranslatedText>{odm.escape(label)}'
        "</TranslatedText></Decode></CodeListItem>"
    )
