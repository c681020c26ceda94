"""Find the handler of a request: one table by content and action."""

from collections.abc import Callable, Mapping

from sync.sandbox.call import Call
from sync.sandbox.contents import (
    changes,
    design,
    files,
    people,
    people_changes,
    projects,
    randomization,
    records,
    reports,
    structure,
    surveys,
)
from sync.sandbox.errors import BAD_CONTENT, NO_API, NO_EXPORT, ApiError
from sync.sandbox.wire import Reply

Handler = Callable[[Call], Reply]

#: (content, action) → handler; where a request with `data` and no action means import, the action is `import`
HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("version", "export"): structure.version,
    ("metadata", "export"): structure.metadata,
    ("exportFieldNames", "export"): structure.field_names,
    ("instrument", "export"): structure.instruments,
    ("arm", "export"): structure.arms,
    ("event", "export"): structure.events,
    ("formEventMapping", "export"): structure.mapping,
    ("repeatingFormsEvents", "export"): structure.repeats,
    ("project", "export"): projects.project,
    ("project_info", "export"): projects.project,
    ("log", "export"): projects.log,
    ("dag", "export"): people.dags,
    ("user", "export"): people.users,
    ("userRole", "export"): people.roles,
    ("userDagMapping", "export"): people.user_dags,
    ("userRoleMapping", "export"): people.user_roles,
    ("record", "export"): records.export_records,
    ("record", "import"): changes.import_records,
    ("record", "delete"): changes.delete_records,
    ("record", "rename"): changes.rename_record,
    ("record", "randomize"): randomization.randomize,
    ("generateNextRecordName", "export"): changes.next_record_name,
    ("metadata", "import"): design.metadata,
    ("arm", "import"): design.arms,
    ("arm", "delete"): design.delete_arms,
    ("event", "import"): design.events,
    ("event", "delete"): design.delete_events,
    ("formEventMapping", "import"): design.mapping,
    ("repeatingFormsEvents", "import"): design.repeats,
    ("project_settings", "import"): design.settings,
    ("project_xml", "export"): records.project_xml,
    ("report", "export"): reports.report,
    ("dag", "import"): people_changes.dags,
    ("dag", "delete"): people_changes.delete_dags,
    ("dag", "switch"): people_changes.switch_dag,
    ("userDagMapping", "import"): people_changes.user_dags,
    ("user", "import"): people_changes.users,
    ("user", "delete"): people_changes.delete_users,
    ("userRole", "import"): people_changes.roles,
    ("userRole", "delete"): people_changes.delete_roles,
    ("userRoleMapping", "import"): people_changes.user_roles,
    ("file", "export"): files.export_file,
    ("file", "import"): files.import_file,
    ("file", "delete"): files.delete_file,
    ("fileRepository", "createFolder"): files.create_folder,
    ("fileRepository", "list"): files.list_folder,
    ("fileRepository", "export"): files.repository_export,
    ("fileRepository", "import"): files.repository_import,
    ("fileRepository", "delete"): files.repository_delete,
    ("surveyLink", "export"): surveys.link,
    ("surveyQueueLink", "export"): surveys.queue_link,
    ("surveyAccessCode", "export"): surveys.access_code,
    ("surveyReturnCode", "export"): surveys.return_code,
    ("participantList", "export"): surveys.participants,
    ("pdf", "export"): surveys.pdf,
}
_CONTENTS = frozenset(content for content, _ in HANDLERS)
#: what may be read with the import right alone
_FREE = frozenset({"version", "generateNextRecordName"})


def handler_of(call: Call) -> Handler:
    """Return the handler that a request asks for. Raises ApiError 400 for an unknown content or action."""
    content = call.parameters.get("content")
    if content not in _CONTENTS:
        raise ApiError(400, BAD_CONTENT)
    action = call.parameters.get("action") or ("import" if "data" in call.parameters.plain else "export")
    handler = HANDLERS.get((content, action))
    if handler is None:
        raise ApiError(400, 'The value of the parameter "action" is not valid')  # guess: bad-option
    if not call.access.may("api_export") and not call.access.may("api_import"):
        raise ApiError(403, NO_API)
    if action in ("export", "list") and content not in _FREE and not call.access.may("api_export"):
        raise ApiError(403, NO_EXPORT)  # guess: no-export-text
    return handler
