"""Write a site's project as REDCap's project XML: CDISC ODM 1.3.1 with REDCap's extensions."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from sync.demo.dictionary import SiteField
from sync.demo.encode import SiteRow
from sync.demo.projects import COMPLETE, SiteProject

ODM = "http://www.cdisc.org/ns/odm/v1.3"
REDCAP = "https://projectredcap.org"
WRITTEN = "2012-07-01T08:00:00"
"""A fixed moment in the file's head, so that the same project is the same file."""

FIELD_TYPES = {"dropdown": "select", "notes": "textarea"}
VALIDATIONS = {"integer": "int", "number": "float"}
DATA_TYPES = {"integer": "integer", "number": "float", "date_ymd": "date", "datetime_ymd": "datetime"}
DATA_TYPES |= {"time": "partialTime"}
STATUS = {"0": "Incomplete", "1": "Unverified", COMPLETE: "Complete"}
YES_NO = {"1": "Yes", "0": "No"}


def write(project: SiteProject) -> str:
    """Write metadata and data of a project as XML text."""
    for prefix, uri in (("", ODM), ("redcap", REDCAP)):
        ET.register_namespace(prefix, uri)
    oid = f"Demo.{project.site}"
    root = _node(
        None, "ODM", ODMVersion="1.3.1", FileOID="000-00-0000", FileType="Snapshot", Description=project.title,
        AsOfDateTime=WRITTEN, CreationDateTime=WRITTEN, SourceSystem="REDCap", SourceSystemVersion="14.7.3",
    )  # fmt: skip
    study = _node(root, "Study", OID=f"Project.{oid}")
    _globals(study, project)
    version = _node(study, "MetaDataVersion", OID=f"Metadata.{oid}", Name=project.title)
    version.set(_r("RecordIdField"), project.record_field)
    _metadata(version, project)
    data = _node(root, "ClinicalData", StudyOID=f"Project.{oid}", MetaDataVersionOID=f"Metadata.{oid}")
    _data(data, project)
    return '<?xml version="1.0" encoding="UTF-8" ?>\n' + ET.tostring(root, encoding="unicode")


def _r(name: str) -> str:
    return f"{{{REDCAP}}}{name}"


def _node(parent: ET.Element | None, tag: str, **attributes: str) -> ET.Element:
    name = f"{{{ODM}}}{tag}"
    return ET.Element(name, attributes) if parent is None else ET.SubElement(parent, name, attributes)


def _extension(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    node = ET.SubElement(parent, _r(tag), {_r(name): value for name, value in attributes.items()})
    node.text = text
    return node


def _text(parent: ET.Element, *tags: str, text: str) -> None:
    for tag in (*tags, "TranslatedText"):
        parent = _node(parent, tag)
    parent.text = text


def _globals(study: ET.Element, project: SiteProject) -> None:
    holder = _node(study, "GlobalVariables")
    for tag, text in (
        ("StudyName", project.title),
        ("StudyDescription", "Invented for demonstration; no such patients exist."),
        ("ProtocolName", project.title),
    ):
        _node(holder, tag).text = text
    for name in ("RecordAutonumberingEnabled", "SchedulingEnabled", "SurveysEnabled", "RandomizationEnabled"):
        _extension(holder, name, "0")
    _extension(holder, "Purpose", "0")
    _extension(holder, "MissingDataCodes")
    if project.repeating:
        repeats = _extension(_extension(holder, "RepeatingInstrumentsAndEvents"), "RepeatingInstruments")
        for event, instrument in project.repeating:
            _extension(
                repeats, "RepeatingInstrument", UniqueEventName=event, RepeatInstrument=instrument, CustomLabel=""
            )


def _metadata(version: ET.Element, project: SiteProject) -> None:
    if project.events:
        protocol = _node(version, "Protocol")
        for order, event in enumerate(project.events, start=1):
            oid = f"Event.{event.unique_name}"
            _node(protocol, "StudyEventRef", StudyEventOID=oid, OrderNumber=str(order), Mandatory="No")
        for event in project.events:
            _event(version, project, event.unique_name)
    for name, label in project.instruments.items():
        form = _node(version, "FormDef", OID=f"Form.{name}", Name=label, Repeating="No")
        form.set(_r("FormName"), name)
        for group in _groups(project, name):
            _node(form, "ItemGroupRef", ItemGroupOID=group, Mandatory="No")
    for name, label in project.instruments.items():
        group, status = _groups(project, name)
        items = [column for each in project.fields[name] for column in _columns(each)]
        _item_group(version, group, label, items)
        _item_group(version, status, "Form Status", [(f"{name}_complete", f"{name}_complete")])
    for name in project.instruments:
        for each in (*project.fields[name], _status(name)):
            _items(version, each)
    for name in project.instruments:
        for each in (*project.fields[name], _status(name)):
            _code_lists(version, each)


def _event(version: ET.Element, project: SiteProject, unique: str) -> None:
    event = next(each for each in project.events if each.unique_name == unique)
    node = _node(version, "StudyEventDef", OID=f"Event.{unique}", Name=event.label, Type="Common", Repeating="No")
    for name, value in (
        ("EventName", event.label), ("CustomEventLabel", ""), ("UniqueEventName", unique), ("ArmNum", "1"),
        ("ArmName", "UC-MSC"), ("DayOffset", str(event.day)), ("OffsetMin", str(event.before)),
        ("OffsetMax", str(event.after)),
    ):  # fmt: skip
        node.set(_r(name), value)
    for order, name in enumerate(project.event_forms[unique], start=1):
        ref = _node(node, "FormRef", FormOID=f"Form.{name}", OrderNumber=str(order), Mandatory="No")
        ref.set(_r("FormName"), name)


def _groups(project: SiteProject, instrument: str) -> tuple[str, str]:
    first = next(_columns(project.fields[instrument][0]))[0]
    return f"{instrument}.{first}", f"{instrument}.{instrument}_complete"


def _columns(each: SiteField) -> Iterator[tuple[str, str]]:
    """Yield (item, variable): a checkbox has one item a choice."""
    if each.field_type == "checkbox":
        yield from ((f"{each.name}___{code}", each.name) for code in each.choices or ())
    else:
        yield each.name, each.name


def _item_group(version: ET.Element, oid: str, name: str, items: list[tuple[str, str]]) -> None:
    group = _node(version, "ItemGroupDef", OID=oid, Name=name, Repeating="No")
    for item, variable in items:
        _node(group, "ItemRef", ItemOID=item, Mandatory="No").set(_r("Variable"), variable)


def _status(instrument: str) -> SiteField:
    return SiteField(name=f"{instrument}_complete", label="Complete?", field_type="dropdown", choices=STATUS)


def _items(version: ET.Element, each: SiteField) -> None:
    for item, variable in _columns(each):
        coded = each.choices is not None or each.field_type == "yesno"
        kind = "boolean" if each.field_type in ("yesno", "checkbox") else DATA_TYPES.get(each.validation, "text")
        node = _node(version, "ItemDef", OID=item, Name=item, DataType=kind, Length="1" if coded else "999")
        node.set(_r("Variable"), variable)
        node.set(_r("FieldType"), FIELD_TYPES.get(each.field_type, each.field_type))
        for name, value in (
            ("TextValidationType", VALIDATIONS.get(each.validation, each.validation)), ("FieldNote", each.note),
            ("BranchingLogic", each.branching), ("RequiredField", "y" if each.required else ""),
            ("Identifier", "y" if each.identifier else ""),
        ):  # fmt: skip
            if value:
                node.set(_r(name), value)
        _text(node, "Question", text=each.label)
        if coded:
            _node(node, "CodeListRef", CodeListOID=f"{item}.choices")
        for comparator, limit in (("GE", each.low), ("LE", each.high)):
            if limit:
                check = _node(node, "RangeCheck", Comparator=comparator, SoftHard="Soft")
                _node(check, "CheckValue").text = limit


def _code_lists(version: ET.Element, each: SiteField) -> None:
    choices = YES_NO if each.field_type == "yesno" else each.choices
    if choices is None:
        return
    for item, variable in _columns(each):
        boxed = each.field_type == "checkbox"
        node = _node(version, "CodeList", OID=f"{item}.choices", Name=item, DataType="boolean" if boxed else "text")
        node.set(_r("Variable"), variable)
        shown: Mapping[str, str] = {"1": "Checked", "0": "Unchecked"} if boxed else choices
        if boxed:
            node.set(_r("CheckboxChoices"), " | ".join(f"{code}, {label}" for code, label in choices.items()))
        for code, label in shown.items():
            _text(_node(node, "CodeListItem", CodedValue=code), "Decode", text=label)


def _data(data: ET.Element, project: SiteProject) -> None:
    by_record: dict[str, list[SiteRow]] = {}
    for row in project.rows:
        by_record.setdefault(row.record, []).append(row)
    for record, rows in by_record.items():
        subject = _node(data, "SubjectData", SubjectKey=record)
        subject.set(_r("RecordIdField"), project.record_field)
        for event in dict.fromkeys(row.event for row in rows):
            holder = subject
            if event:
                holder = _node(subject, "StudyEventData", StudyEventOID=f"Event.{event}", StudyEventRepeatKey="1")
                holder.set(_r("UniqueEventName"), event)
            for row in rows:
                if row.event == event:
                    _forms(holder, project, row)


def _forms(holder: ET.Element, project: SiteProject, row: SiteRow) -> None:
    for name, cells in project.rows[row].items():
        form = _node(holder, "FormData", FormOID=f"Form.{name}", FormRepeatKey=str(row.repeat_instance or 1))
        group, status = _groups(project, name)
        held = _node(form, "ItemGroupData", ItemGroupOID=group, ItemGroupRepeatKey="1")
        if project.fields[name][0].name == project.record_field:
            _node(held, "ItemData", ItemOID=project.record_field, Value=row.record)
        for each in project.fields[name]:
            for item, _ in _columns(each):
                if item in cells:
                    _node(held, "ItemData", ItemOID=item, Value=cells[item])
        held = _node(form, "ItemGroupData", ItemGroupOID=status, ItemGroupRepeatKey="1")
        _node(held, "ItemData", ItemOID=f"{name}_complete", Value=cells[f"{name}_complete"])
