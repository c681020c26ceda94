"""Answer files: those of file fields, and the File Repository."""

from sync.sandbox import editing, export, naming, wire
from sync.sandbox.call import Call
from sync.sandbox.contents.changes import need_import
from sync.sandbox.contents.structure import check_names
from sync.sandbox.errors import NO_EXPORT, NO_FILE, ApiError
from sync.sandbox.project import Document
from sync.sandbox.records import Record, RowKey
from sync.sandbox.wire import Reply, Upload


def export_file(call: Call) -> Reply:
    """Answer the file of one field, its name in the content type."""
    record, key, field = _place(call)
    if not export.may_export(call.project.structure, call.access, call.project.structure.column_by_name[field]):
        raise ApiError(403, NO_EXPORT)  # guess: no-export-text
    number = record.cells(key).get(field, "") if record else ""
    document = call.project.documents.get(naming.whole(number) or 0)
    if document is None:
        raise ApiError(400, NO_FILE)
    name = record.name if record else ""
    call.note(f"Download uploaded document (API) {name}", field, kind="export", record=name)
    return _download(document)


def _download(document: Document) -> Reply:
    name = document.name.replace('"', "").replace("\r", "").replace("\n", "")
    kind = f'{document.mime}; name="{name}"; charset=UTF-8'
    return Reply(body=document.content, content_type=kind)


def import_file(call: Call) -> Reply:
    """Store an uploaded file in a field; answers an empty body."""
    need_import(call)
    record, key, field = _place(call)
    upload = _upload(call)
    name = call.parameters.get("record")
    if record is None:
        raise ApiError(400, f"The record '{name}' does not exist")  # guess: no-record-text
    document = call.project.add_document(upload.name, upload.mime, upload.content)
    _write(call, record, key, field, str(document.doc_id))
    return wire.text_reply("", call.return_format)


def delete_file(call: Call) -> Reply:
    """Take the file out of a field; answers an empty body."""
    need_import(call)
    record, key, field = _place(call)
    if record is None or not record.cells(key).get(field):
        raise ApiError(400, NO_FILE)
    _write(call, record, key, field, "")
    return wire.text_reply("", call.return_format)


def _write(call: Call, record: Record, key: RowKey, field: str, value: str) -> None:
    user = call.access.user.username
    editing.enter(call.project, record.name, key, {field: value}, at=call.now, user=user, how="API")


def _upload(call: Call) -> Upload:
    upload = call.parameters.files.get("file")
    if upload is None:
        raise ApiError(400, "No valid file was uploaded")  # guess: no-upload-text
    return upload


def _place(call: Call) -> tuple[Record | None, RowKey, str]:
    structure, parameters = call.project.structure, call.parameters
    name = parameters.get("field")
    field = structure.field_by_name.get(name)
    if field is None or field.field_type != "file":
        raise ApiError(400, f"The field '{name}' does not exist or is not a 'file' field")
    event = parameters.get("event") if structure.longitudinal else structure.first_event
    check_names("event", [] if event in structure.event_by_name else [event], set())
    instance = parameters.number("repeat_instance") or 1
    if field.form_name in structure.repeating_forms(event):
        key: RowKey = (event, field.form_name, instance)
    else:
        key = (event, "", instance if structure.repeats_as_event(event) else 0)
    record = call.project.records.get(parameters.get("record"))
    if record is not None and call.access.user.dag not in ("", record.dag):
        record = None
    return record, key, name


def create_folder(call: Call) -> Reply:
    """Make a folder of the File Repository."""
    call.need("file_repository", "You do not have File Repository privileges")  # guess: repository-right-text
    name = call.parameters.get("name").strip()
    parent = call.parameters.number("folder_id") or 0
    _check_folder(call, parent)
    if not name or name in _folder_names(call, parent):
        raise ApiError(400, "The folder name is blank or already exists")  # guess: folder-texts
    number = max(call.project.folders, default=0) + 1
    call.project.folders[number] = f"{parent}/{name}"
    call.project.changes.structure = True
    return call.table([{"folder_id": number}], ("folder_id",))


def _folder_names(call: Call, parent: int) -> list[str]:
    return [kept.partition("/")[2] for kept in call.project.folders.values() if kept.partition("/")[0] == str(parent)]


def _check_folder(call: Call, number: int) -> None:
    if number and number not in call.project.folders:
        raise ApiError(
            400,
            f"The File Repository folder folder_id={number} does not exist or else you do not have permission to "
            "that folder because it is DAG-restricted or Role-restricted.",
        )


def list_folder(call: Call) -> Reply:
    """List the folders and files of a folder of the File Repository."""
    parent = call.parameters.number("folder_id") or 0
    _check_folder(call, parent)
    rows: list[dict[str, object]] = [
        {"folder_id": number, "doc_id": "", "name": kept.partition("/")[2]}
        for number, kept in call.project.folders.items()
        if kept.partition("/")[0] == str(parent)
    ]
    rows += [
        {"folder_id": "", "doc_id": document.doc_id, "name": document.name}
        for document in call.project.documents.values()
        if document.folder == parent + 1
    ]
    kept_rows = [{key: value for key, value in row.items() if value != ""} for row in rows]
    return call.table(kept_rows if call.format == wire.JSON else rows, ("folder_id", "doc_id", "name"))


def _document(call: Call) -> Document:
    number = call.parameters.number("doc_id")
    document = call.project.documents.get(number or 0)
    if document is None or not document.folder:
        raise ApiError(400, f"The File Repository file doc_id={number or ''} does not exist")  # guess: folder-texts
    return document


def repository_export(call: Call) -> Reply:
    """Answer a file of the File Repository."""
    return _download(_document(call))


def repository_import(call: Call) -> Reply:
    """Store a file in the File Repository."""
    call.need("file_repository", "You do not have File Repository privileges")  # guess: repository-right-text
    parent = call.parameters.number("folder_id") or 0
    _check_folder(call, parent)
    upload = _upload(call)
    # a document outside the repository has folder 0, so the repository's folders count from one
    call.project.add_document(upload.name, upload.mime, upload.content, folder=parent + 1)
    return wire.text_reply("", call.return_format)


def repository_delete(call: Call) -> Reply:
    """Delete a file of the File Repository."""
    call.need("file_repository", "You do not have File Repository privileges")  # guess: repository-right-text
    document = _document(call)
    del call.project.documents[document.doc_id]
    call.project.changes.documents.add(document.doc_id)
    return wire.text_reply("", call.return_format)
