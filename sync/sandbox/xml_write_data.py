"""Write the data of a project as the ClinicalData of its XML."""

import base64
from collections.abc import Callable, Iterator

from sync.sandbox import odm
from sync.sandbox.dictionary import Column
from sync.sandbox.export import hashed_id, row_keys
from sync.sandbox.project import Project
from sync.sandbox.records import Record, RowKey


class DataWriter:
    """Write the data of one record after the other."""

    def __init__(
        self, project: Project, wanted: Callable[[Column], bool], events: frozenset[str] | None,
        *, with_groups: bool, with_surveys: bool, with_files: bool, hash_ids: bool,
    ) -> None:  # fmt: skip
        """Take the project and what of it is wanted; `events` None means all."""
        self._project = project
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
        forms = structure.forms_on(key[0], key[1])
        cells = record.cells(key)
        bare = not key[1]
        for number, form in enumerate(forms):
            items = list(self._form(form, cells))
            if bare and number == 0:
                lead = [_datum(structure.record_id, self._name(record))]
                lead += [_datum(odm.DAG_ITEM, group)] if group else []
                if self._surveys and cells.get(odm.SURVEY_ID_ITEM):
                    lead.append(_datum(odm.SURVEY_ID_ITEM, cells[odm.SURVEY_ID_ITEM]))
                items = lead + items
            elif not bare and group:
                items = [_datum(odm.DAG_ITEM, group), *items]
            if not items and bare:
                continue
            repeat = key[2] if key[2] else 1
            yield f'\t\t\t<FormData FormOID="Form.{form}" FormRepeatKey="{repeat}">'
            yield f'\t\t\t\t<ItemGroupData ItemGroupOID="{form}" ItemGroupRepeatKey="1">'
            yield from items
            yield "\t\t\t\t</ItemGroupData>"
            yield "\t\t\t</FormData>"

    def _form(self, form: str, cells: dict[str, str]) -> Iterator[str]:
        stamp = f"{form}_timestamp"
        if self._surveys and cells.get(stamp):
            yield _datum(stamp, cells[stamp])
        columns = self._project.structure.columns_of_form[form]
        filled = [column for column in columns if self._wanted(column) and cells.get(column.name)]
        boxes = {column.field for column in filled if column.kind == "checkbox"}
        for column in columns:
            value = cells.get(column.name, "")
            if not self._wanted(column):
                continue
            if column.kind == "checkbox" and column.field in boxes:
                yield _datum(column.name, value or "0")
            elif value and column.kind == "file":
                yield from self._file(column, value)
            elif value and column.kind != "id":
                yield _datum(column.name, value)

    def _file(self, column: Column, value: str) -> Iterator[str]:
        document = self._project.documents.get(int(value)) if value.isdigit() else None
        if document is None or not self._files:
            return
        pairs = [("ItemOID", column.name), ("redcap:DocName", document.name), ("redcap:MimeType", document.mime)]
        text = base64.b64encode(document.content).decode("ascii")
        yield f"\t\t\t\t\t<ItemDataBase64Binary{odm.attributes(pairs)}><![CDATA[{text}]]></ItemDataBase64Binary>"


def _datum(item: str, value: str) -> str:
    return f'\t\t\t\t\t<ItemData ItemOID="{item}" Value="{odm.escape(value)}"/>'
