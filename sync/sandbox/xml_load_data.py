"""Read the data of a project XML: records, rows, cells, files, and who belongs to which group."""

import base64
import binascii
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sync.sandbox import naming, odm
from sync.sandbox.auditlog import LogEntry
from sync.sandbox.dictionary import CLASSIC_EVENT, Dag, Structure
from sync.sandbox.odm import ProjectXmlError, ext, std
from sync.sandbox.project import Project
from sync.sandbox.records import CHECKED, Cells, Record, RowKey


def load_data(project: Project, root: ET.Element, at: datetime, username: str) -> None:
    """Load every record of an XML into a project, as created at that moment by that user."""
    for subject in root.iter(std("SubjectData")):
        name = subject.get("SubjectKey", "")
        if not name:
            continue
        record = Record(name=name)
        project.records.put(record)
        events = subject.findall(std("StudyEventData"))
        for node in events:
            _load_event(project, record, node, _event_name(node), _number(node.get("StudyEventRepeatKey")))
        if not events:
            _load_event(project, record, subject, CLASSIC_EVENT, 1)
        if not record.rows:
            record.rows[project.structure.first_event, "", 0] = {}
        project.touch(record, at, loading=True)  # guess: load-log
        project.note(
            LogEntry(
                at=at, user=username, action=f"Create record (import) {name}", details="", record=name,
                kind="record_add", dag=record.dag,
            )
        )  # fmt: skip
    _name_groups(project)


def _number(text: str | None) -> int:
    number = naming.whole(text or "")
    return 1 if number is None else number


def _load_event(project: Project, record: Record, holder: ET.Element, event: str, instance: int) -> None:
    structure = project.structure
    if event not in structure.event_by_name:
        return
    for node in holder.findall(std("FormData")):
        key = _row_key(structure, node, event, instance)
        row = record.rows.setdefault(key, {})
        for item in node.iter(std("ItemData")):
            _load_item(project, record, row, item.get("ItemOID", ""), item.get("Value", item.text or ""))
        for item in node.iter(std("ItemDataBase64Binary")):
            _load_file(project, row, item)


def _load_item(project: Project, record: Record, row: Cells, oid: str, value: str) -> None:
    column = project.structure.column_by_name.get(oid)
    if oid == odm.DAG_ITEM:
        record.dag = record.dag or value
    elif value == "" or oid == project.structure.record_id:
        return
    elif column is None:
        if oid == odm.SURVEY_ID_ITEM or oid.removesuffix("_timestamp") in project.structure.form_by_name:
            row[oid] = value
    elif column.kind != "checkbox" or value == CHECKED:
        row[oid] = value


def _load_file(project: Project, row: Cells, item: ET.Element) -> None:
    column = project.structure.column_by_name.get(item.get("ItemOID", ""))
    if column is None or column.kind != "file":
        return
    try:
        content = base64.b64decode("".join((item.text or "").split()), validate=True)
    except binascii.Error:
        raise ProjectXmlError(f"the file of {column.name} is not base64 text") from None
    name = item.get(ext("DocName"), column.name)
    document = project.add_document(name, item.get(ext("MimeType"), "application/octet-stream"), content)
    row[column.name] = str(document.doc_id)


def _name_groups(project: Project) -> None:
    """Give groups the unique names that the data use, where the slug of their name says otherwise.

    A name without Latin letters has no slug of its own; the data know what the server called it.
    """
    structure = project.structure
    unknown = list(dict.fromkeys(record.dag for record in project.records if record.dag))
    unknown = [unique for unique in unknown if unique not in structure.dag_by_name]
    if not unknown:
        return
    dags = list(structure.dags)
    nameless = [index for index, dag in enumerate(dags) if not naming.slug(dag.name)]
    for unique in unknown:
        if nameless:
            index = nameless.pop(0)
            dags[index] = replace(dags[index], unique_name=unique)
            continue
        number = max((dag.dag_id for dag in dags), default=project.settings.project_id * 1000 + 500) + 1
        dags.append(Dag(dag_id=number, name=unique, unique_name=unique))
    project.structure = replace(structure, dags=tuple(dags))


def _row_key(structure: Structure, node: ET.Element, event: str, instance: int) -> RowKey:
    """Tell which row a FormData belongs to, by what repeats in its event."""
    form = node.get(ext("FormName")) or node.get("FormOID", "").removeprefix("Form.")
    repeat = _number(node.get("FormRepeatKey"))
    if form in structure.repeating_forms(event):
        return (event, form, repeat)
    return (event, "", max(instance, repeat) if structure.repeats_as_event(event) else 0)


def clinical_items(structure: Structure, root: ET.Element) -> Iterator[tuple[str, RowKey, list[tuple[str, str]]]]:
    """Yield record name, row and (item, value) pairs of each FormData, for an import of ODM data."""
    for subject in root.iter(std("SubjectData")):
        name = subject.get("SubjectKey", "")
        places = [
            (node, _event_name(node), _number(node.get("StudyEventRepeatKey")))
            for node in subject.findall(std("StudyEventData"))
        ]
        for holder, event, instance in places or [(subject, CLASSIC_EVENT, 1)]:
            for node in holder.findall(std("FormData")):
                items = [(item.get("ItemOID", ""), item.get("Value", "")) for item in node.iter(std("ItemData"))]
                yield name, _row_key(structure, node, event, instance), items


def _event_name(node: ET.Element) -> str:
    return node.get(ext("UniqueEventName")) or node.get("StudyEventOID", "").removeprefix("Event.")
