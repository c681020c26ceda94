"""Write a project as REDCap's project XML: metadata and, where asked, data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby

from sync.sandbox import odm, xml_write_data
from sync.sandbox.dictionary import Column, Structure
from sync.sandbox.project import Project
from sync.sandbox.records import Record
from sync.sandbox.xml_write_design import Design

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
    words = "".join(word[:1].upper() + word[1:] for word in title.split())
    oid = "".join(char for char in words if char.isascii() and char.isalnum()) or "Project"
    design = Design(project.structure, with_groups=with_groups, with_surveys=with_surveys)
    version_oid = f"Metadata.{oid}_{at:%Y-%m-%d_%H%M}"
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
        f'<MetaDataVersion OID="{version_oid}" Name="{odm.escape(title)}" '
        f'redcap:RecordIdField="{project.structure.record_id}">',
        *_events(project.structure),
        *design.lines(),
        "</MetaDataVersion>",
        "</Study>",
    ]
    if records is not None:
        lines.append(f'<ClinicalData StudyOID="Project.{oid}" MetaDataVersionOID="{version_oid}">')
        data = xml_write_data.DataWriter(
            project, design, wanted, events, with_groups=with_groups, with_surveys=with_surveys, with_files=with_files,
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
    about = f'This file contains the metadata, events, and data for REDCap project "{settings.title}".'
    yield f"\t<StudyDescription>{odm.escape(about).replace('&quot;', chr(34))}</StudyDescription>"
    yield f"\t<ProtocolName>{odm.escape(settings.title)}</ProtocolName>"
    known = {name: str(getattr(settings, key)) for name, key in odm.GLOBALS.items()}
    values = known | dict(settings.carried)
    # those that the file had, where it had them, then the others
    if settings.data_resolution == 1 and "DataResolutionWorkflowEnabled" not in settings.globals_order:
        values.pop("DataResolutionWorkflowEnabled")
    for name in dict.fromkeys([*settings.globals_order, *values]):
        yield f"\t<redcap:{name}>{odm.escape(values.get(name, ''))}</redcap:{name}>"
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
        place = {name: index for index, name in enumerate(odm.ROLE_ORDER)}
        pairs.sort(key=lambda pair: place.get(pair[0], len(place)))
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
