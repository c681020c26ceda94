"""Find the handler of a request: one table by content and action."""

from collections.abc import Callable, Mapping

from sync.sandbox.call import Call
from sync.sandbox.contents import changes, people, projects, records, structure
from sync.sandbox.errors import BAD_CONTENT, ApiError
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
    ("generateNextRecordName", "export"): changes.next_record_name,
}
_CONTENTS = frozenset(content for content, _ in HANDLERS)


def handler_of(call: Call) -> Handler:
    """Return the handler that a request asks for. Raises ApiError 400 for an unknown content or action."""
    content = call.parameters.get("content")
    if content not in _CONTENTS:
        raise ApiError(400, BAD_CONTENT)
    action = call.parameters.get("action") or ("import" if "data" in call.parameters.plain else "export")
    handler = HANDLERS.get((content, action))
    if handler is None:
        raise ApiError(400, 'The value of the parameter "action" is not valid')  # guess: bad-option
    return handler
