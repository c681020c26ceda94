"""Write the data of a project as the ClinicalData of its XML."""

import base64
from collections.abc import Callable, Iterator

from sync.sandbox import naming, odm
from sync.sandbox.dictionary import Column
from sync.sandbox.export import hashed_id, row_keys
from sync.sandbox.project import Project
from sync.sandbox.records import Record, RowKey
from sync.sandbox.xml_write_design import Design


class DataWriter:
    """Write the data of one record after the other."""

    def __init__(
        self, project: Project, design: Design, wanted: Callable[[Column], bool], events: frozenset[str] | None,
        *, with_groups: bool, with_surveys: bool, with_files: bool, hash_ids: bool,
    ) -> None:  # fmt: skip
        """Take the project and what of it is wanted; `events` None means all."""
        self._project = project
        self._layout = {form.name: design.groups(form) for form in project.structure.forms}
        self._wanted = wanted
        self._events = events
        self._groups = with_groups
        self._surveys = with_surveys
        self._files = with_files
        self._hash_ids = hash_ids

    def subject(self, record: Record) -> Iterator[str]:
        """Yield the lines of one record."""
        structure = self._project.structure
        keys = [key for key in row_keys(structure, record) if self._events is None or key[0] in self._events]
        yield (
            f'\t<SubjectData SubjectKey="{odm.escape(self._name(record))}" '
            f'redcap:RecordIdField="{structure.record_id}">'
        )
        group = record.dag if self._groups else ""
        for place in dict.fromkeys((key[0], 0 if key[1] else key[2]) for key in keys):
            inside = [key for key in keys if (key[0], 0 if key[1] else key[2]) == place]
            if structure.longitudinal:
                pairs = [
                    ("StudyEventOID", f"Event.{place[0]}"),
                    ("StudyEventRepeatKey", str(place[1] or 1)),
                    ("redcap:UniqueEventName", place[0]),
                ]
                yield f"\t\t<StudyEventData{odm.attributes(pairs)}>"
            for key in inside:
                yield from self._row(record, key, group)
                group = ""
            if structure.longitudinal:
                yield "\t\t</StudyEventData>"
        yield "\t</SubjectData>"

    def _name(self, record: Record) -> str:
        return hashed_id(self._project.settings.project_id, record.name) if self._hash_ids else record.name

    def _row(self, record: Record, key: RowKey, group: str) -> Iterator[str]:
        structure = self._project.structure
        cells = record.cells(key)
        bare = not key[1]
        for number, form in enumerate(structure.forms_on(key[0], key[1])):
            items = self._form(form, cells, first=number == 0)
            # the id stands in its own form; elsewhere only where there is nothing else to tell of a row
            if bare and number == 0 and (form == structure.forms[0].name or not cells):
                items = {structure.record_id: [_datum(structure.record_id, self._name(record))]} | items
            if group and number == 0:
                items[odm.DAG_ITEM] = [_datum(odm.DAG_ITEM, group)]
            if not items and bare:
                continue
            yield f'\t\t\t<FormData FormOID="Form.{form}" FormRepeatKey="{key[2] or 1}">'
            yield from self._grouped(form, items)
            yield "\t\t\t</FormData>"

    def _grouped(self, form: str, items: dict[str, list[str]]) -> Iterator[str]:
        """Yield items in the groups of the form; what belongs to none of them (a group's name) goes first."""
        written: set[str] = set()
        groups = self._layout[form]
        known = {name for group in groups for name in group.items}
        loose = [line for name, lines in items.items() if name not in known for line in lines]
        for group in groups:
            lines = [line for name in group.items if name not in written for line in items.get(name, ())]
            written |= set(group.items)
            if not (loose or lines):
                continue
            yield f'\t\t\t\t<ItemGroupData ItemGroupOID="{group.oid}" ItemGroupRepeatKey="1">'
            yield from [*loose, *lines]
            yield "\t\t\t\t</ItemGroupData>"
            loose = []

    def _form(self, form: str, cells: dict[str, str], *, first: bool) -> dict[str, list[str]]:
        """Return the lines of each item that holds data; a checkbox with any box checked shows all its boxes."""
        out: dict[str, list[str]] = {}
        for name in (odm.SURVEY_ID_ITEM, f"{form}_timestamp") if self._surveys else ():
            if cells.get(name) and (first or name != odm.SURVEY_ID_ITEM):
                out[name] = [_datum(name, cells[name])]
        columns = [column for column in self._project.structure.columns_of_form[form] if self._wanted(column)]
        boxes = {column.field for column in columns if column.kind == "checkbox" and cells.get(column.name)}
        for column in columns:
            value = cells.get(column.name, "")
            if column.kind == "checkbox" and column.field in boxes:
                out[column.name] = [_datum(column.name, value or "0")]
            elif value and column.kind == "file":
                out[column.name] = list(self._file(column, value))
            elif value and column.kind != "id":
                out[column.name] = [_datum(column.name, value)]
        return out

    def _file(self, column: Column, value: str) -> Iterator[str]:
        document = self._project.documents.get(naming.whole(value) or 0)
        if document is None or not self._files:
            return
        pairs = [("ItemOID", column.name), ("redcap:DocName", document.name), ("redcap:MimeType", document.mime)]
        text = base64.b64encode(document.content).decode("ascii")
        yield f"\t\t\t\t\t<ItemDataBase64Binary{odm.attributes(pairs)}><![CDATA[{text}]]></ItemDataBase64Binary>"


def _datum(item: str, value: str) -> str:
    return f'\t\t\t\t\t<ItemData ItemOID="{item}" Value="{odm.escape(value)}"/>'
