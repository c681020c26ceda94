"""Read a REDCap project XML (metadata, and data where it has them) into a project.

Attributes of REDCap's files hold raw line breaks, which a parser folds to spaces; they are escaped first.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime

from sync.sandbox import auditlog, naming, odm, people, xml_load_data
from sync.sandbox.auditlog import LogEntry
from sync.sandbox.dictionary import (
    CLASSIC_EVENT,
    Arm,
    Dag,
    Event,
    Field,
    Form,
    Structure,
    parse_choices,
)  # fmt: skip
from sync.sandbox.odm import ProjectXmlError, ext, std
from sync.sandbox.people import Role
from sync.sandbox.project import Changes, Project, Report, Settings

__all__ = ["ProjectXmlError", "decode", "keep_line_breaks", "load"]

_CDATA = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_TAG = re.compile(r"""<[A-Za-z][^<>"']*(?:(?:"[^"<]*"|'[^'<]*')[^<>"']*)*>""")
_QUOTED = re.compile(r"""("[^"]*"|'[^']*')""")
#: groups of globals that are understood; all others are carried as they are
_READ_GROUPS = frozenset({"DataAccessGroups", "RepeatingInstrumentsAndEvents", "Surveys", "UserRoles", "Reports"})
_PAIR = re.compile(r"\[([^,\[\]]+),([0-9]{1,9})\]")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_BREAKS = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


def decode(content: bytes) -> str:
    """Read a file's bytes as text; what is no UTF-8 becomes a replacement character, as in real old projects."""
    return content.decode("utf-8-sig", "replace")


def keep_line_breaks(text: str) -> str:
    """Escape line breaks and tabs inside attribute values, so that the parser keeps them."""

    def quoted(match: re.Match[str]) -> str:
        return "".join(_BREAKS.get(char, char) for char in match[0])

    def tag(match: re.Match[str]) -> str:
        whole = match[0]
        return _QUOTED.sub(quoted, whole) if "\n" in whole or "\r" in whole or "\t" in whole else whole

    parts = _CDATA.split(text)
    return "".join(part if part.startswith("<![CDATA[") else _TAG.sub(tag, part) for part in parts)


def load(text: str, *, slug: str, project_id: int, at: datetime, username: str = "sandbox_admin") -> Project:
    """Build a project from XML text; `at` (server-local, naive) is when its records come into being.

    Raises ProjectXmlError with the reason.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ProjectXmlError("a project XML has no document type declaration")
    try:
        root = ET.fromstring(keep_line_breaks(_NO_XML.sub("", text.lstrip("\ufeff"))))  # noqa: S314 -- declarations refused above
    except ET.ParseError as error:
        raise ProjectXmlError(f"not well-formed XML ({error})") from None
    version = root.find(f".//{std('MetaDataVersion')}")
    if root.tag != std("ODM") or version is None:
        raise ProjectXmlError("not a project XML: no ODM element with a MetaDataVersion")
    structure = _structure(root, version, project_id)
    if problems := structure.problems():
        raise ProjectXmlError("; ".join(problems))
    project = Project(slug=slug, settings=_settings(root, project_id, at), structure=structure)
    project.roles = {role.unique_name: role for role in _roles(root)}
    project.reports = {report.report_id: report for report in _reports(root, project_id)}
    xml_load_data.load_data(project, root, at, username)
    project.note(LogEntry(at=at, user=username, action=auditlog.MANAGE, details="Create project using REDCap XML file"))
    project.changes = Changes()
    return project


def _text(parent: ET.Element) -> str:
    for name in (ext("FormattedTranslatedText"), std("TranslatedText")):
        node = parent.find(f".//{name}")
        if node is not None:
            return node.text or ""
    return ""


def _settings(root: ET.Element, project_id: int, at: datetime) -> Settings:
    holder = root.find(f".//{std('GlobalVariables')}")
    known: dict[str, object] = {}
    carried: dict[str, str] = {}
    groups: list[tuple[str, str, dict[str, str]]] = []
    order: list[str] = []
    title = ""
    for node in holder if holder is not None else ():
        name = node.tag.rpartition("}")[2]
        value = node.text or ""
        if name in odm.GLOBALS or (node.tag.startswith(f"{{{odm.REDCAP}}}") and not len(node)):
            order.append(name)
        if name == "StudyName":
            title = value
        elif name in odm.GLOBALS:
            target = odm.GLOBALS[name]
            known[target] = (naming.whole(value) or 0) if target in odm.NUMERIC else value
        elif node.tag.startswith(f"{{{odm.REDCAP}}}") and not len(node):
            carried[name] = value
        elif name.removesuffix("Group") not in _READ_GROUPS:
            groups += [(name, child.tag.rpartition("}")[2], dict(child.attrib)) for child in node]
    return Settings(
        project_id=project_id,
        title=title,
        creation_time=at.strftime("%Y-%m-%d %H:%M:%S"),
        carried=carried,
        carried_groups=tuple(groups),
        globals_order=tuple(order),
        **known,  # type: ignore[arg-type]
    )


def _structure(root: ET.Element, version: ET.Element, project_id: int) -> Structure:
    surveys = {node.get("form_name", ""): dict(node.attrib) for node in root.iter(ext("Surveys"))}
    groups = {
        node.get("OID", ""): [ref.get("ItemOID", "") for ref in node.iter(std("ItemRef"))]
        for node in version.iter(std("ItemGroupDef"))
    }
    items = {node.get("OID", ""): node for node in version.iter(std("ItemDef")) if node.get(ext("FieldType"))}
    code_lists = {node.get("OID", ""): node for node in version.iter(std("CodeList"))}
    forms: list[Form] = []
    fields: dict[str, Field] = {}
    for node in version.iter(std("FormDef")):
        name = node.get(ext("FormName")) or node.get("OID", "").removeprefix("Form.")
        label = node.get("Name", name)
        survey = surveys.get(name, {})
        forms.append(
            Form(
                name=name, label=label, survey=name in surveys, survey_title=survey.get("title", ""),
                survey_attributes=survey,
            )
        )  # fmt: skip
        for ref in node.iter(std("ItemGroupRef")):
            for oid in groups.get(ref.get("ItemGroupOID", ""), ()):
                item = items.get(oid)
                if item is None:
                    continue
                variable = item.get(ext("Variable")) or oid
                if variable != f"{name}_complete":
                    fields.setdefault(variable, _field(item, variable, name, code_lists))
    events, mapping, arms = _events(version, project_id)
    codes = (root.findtext(f".//{ext('MissingDataCodes')}") or "").strip()
    names = [node.get("group_name", "") for node in root.iter(ext("DataAccessGroups"))]
    dags = tuple(
        Dag(dag_id=project_id * 1000 + 500 + index, name=name, unique_name=unique)
        for index, (name, unique) in enumerate(zip(names, naming.unique_names(names), strict=True), 1)
    )
    return Structure(
        fields=tuple(fields.values()),
        forms=tuple(forms),
        longitudinal=bool(events),
        events=events,
        mapping=mapping,
        arms=arms or (Arm(number=1, name="Arm 1"),),
        repeats=_repeats(root, longitudinal=bool(events)),
        dags=dags,
        missing_codes=parse_choices(codes),
    )


def _field(item: ET.Element, variable: str, form: str, code_lists: dict[str, ET.Element]) -> Field:
    raw_type = item.get(ext("FieldType"), "text")
    kind = odm.FIELD_TYPES.get(raw_type, raw_type)
    values = {key: item.get(ext(attribute), "") for attribute, key in odm.ITEM_ATTRIBUTES.items()}
    for key in ("identifier", "required_field"):
        values[key] = "y" if values[key] in ("y", "1") else ""
    validation = item.get(ext("TextValidationType"), "")
    question = item.find(std("Question"))
    return Field(
        field_name=variable,
        form_name=form,
        field_type=kind,
        field_label=_text(question) if question is not None else "",
        select_choices_or_calculations=_choices(item, kind, code_lists),
        text_validation_type_or_show_slider_number=odm.VALIDATIONS.get(validation, validation),
        text_validation_min=_limit(item, "GE"),
        text_validation_max=_limit(item, "LE"),
        **values,
    )


def _limit(item: ET.Element, comparator: str) -> str:
    for check in item.iter(std("RangeCheck")):
        if check.get("Comparator") == comparator:
            return check.findtext(std("CheckValue")) or ""
    return ""


def _choices(item: ET.Element, kind: str, code_lists: dict[str, ET.Element]) -> str:
    if kind == "calc":
        return item.get(ext("Calculation"), "")
    if kind == "slider":
        return item.get(ext("SliderLabels"), "")
    if kind == "sql":
        return item.get(ext("SqlQuery"), "")
    reference = item.find(std("CodeListRef"))
    code_list = code_lists.get(reference.get("CodeListOID", "")) if reference is not None else None
    if code_list is None or kind in ("yesno", "truefalse"):
        return ""
    if kind == "checkbox":
        pairs = parse_choices(code_list.get(ext("CheckboxChoices"), ""))
    else:
        pairs = tuple((node.get("CodedValue", ""), _text(node)) for node in code_list.iter(std("CodeListItem")))
    return " | ".join(f"{code}, {label}" for code, label in pairs)


def _events(
    version: ET.Element, project_id: int
) -> tuple[tuple[Event, ...], dict[str, tuple[str, ...]], tuple[Arm, ...]]:
    events: list[Event] = []
    mapping: dict[str, tuple[str, ...]] = {}
    arms: dict[int, str] = {}
    for index, node in enumerate(version.iter(std("StudyEventDef")), 1):
        number = naming.whole(node.get(ext("ArmNum"), "1")) or 1
        arms.setdefault(number, node.get(ext("ArmName"), f"Arm {number}"))
        unique = node.get(ext("UniqueEventName")) or node.get("OID", "").removeprefix("Event.")
        events.append(
            Event(
                event_id=project_id * 1000 + index,
                name=node.get(ext("EventName"), node.get("Name", unique)),
                unique_name=unique,
                arm=number,
                custom_label=node.get(ext("CustomEventLabel"), ""),
                day_offset=node.get(ext("DayOffset"), "0"),
                offset_min=node.get(ext("OffsetMin"), "0"),
                offset_max=node.get(ext("OffsetMax"), "0"),
            )
        )
        mapping[unique] = tuple(
            ref.get(ext("FormName")) or ref.get("FormOID", "").removeprefix("Form.")
            for ref in node.iter(std("FormRef"))
        )
    return tuple(events), mapping, tuple(Arm(number=n, name=name) for n, name in sorted(arms.items()))


def _repeats(root: ET.Element, *, longitudinal: bool) -> dict[str, dict[str, str] | None]:
    out: dict[str, dict[str, str] | None] = {}
    for node in root.iter(ext("RepeatingInstrument")):
        event = node.get(ext("UniqueEventName"), CLASSIC_EVENT) if longitudinal else CLASSIC_EVENT
        forms = out.setdefault(event, {})
        if forms is not None:
            forms[node.get(ext("RepeatInstrument"), "")] = node.get(ext("CustomLabel"), "")
    for node in root.iter(ext("RepeatingEvent")):
        out[node.get(ext("UniqueEventName"), CLASSIC_EVENT)] = None
    return out


def _roles(root: ET.Element) -> Iterator[Role]:
    for node in root.iter(ext("UserRoles")):
        rights = dict.fromkeys(people.RIGHTS, 0)
        others: dict[str, str] = {}
        for attribute, value in node.attrib.items():
            right = odm.ROLE_RIGHTS.get(attribute, attribute)
            if right in rights and (given := naming.whole(value)) is not None:
                rights[right] = given
            elif attribute not in odm.ROLE_KEYS:
                others[attribute] = value
        yield Role(
            unique_name=node.get("unique_role_name", ""),
            label=node.get("role_name", ""),
            rights=rights,
            forms={form: int(right) for form, right in _PAIR.findall(node.get("data_entry", ""))},
            forms_export={form: int(right) for form, right in _PAIR.findall(node.get("data_export_instruments", ""))},
            attributes=others,
        )


def _reports(root: ET.Element, project_id: int) -> Iterator[Report]:
    for index, node in enumerate(root.iter(ext("Reports")), 1):
        yield Report(
            report_id=project_id * 1000 + index,
            title=node.get("title", ""),
            fields=tuple(name for name in node.get("redcap_reports_fields", "").split(",") if name),
            logic=node.get("advanced_logic", ""),
            events=tuple(name for name in node.get("redcap_reports_filter_events", "").split(",") if name),
            attributes=dict(node.attrib),
        )
