"""Create a project by a super token: from attributes alone, or with a project XML in `odm`."""

import csv
import io
import json
import secrets
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from sync.sandbox import auditlog, naming, wire, xml_load
from sync.sandbox.auditlog import LogEntry
from sync.sandbox.dictionary import Arm, Event, Field, Form, Structure
from sync.sandbox.errors import BAD_CONTENT, PURPOSE_OTHER, ApiError
from sync.sandbox.people import User
from sync.sandbox.project import Project, Settings
from sync.sandbox.wire import Parameters, Reply

if TYPE_CHECKING:
    from sync.sandbox.sandbox import Sandbox

_OWNER = "sandbox_admin"


def create_project(sandbox: "Sandbox", parameters: Parameters, returned: str) -> Reply:
    """Create a project and answer its new token as bare text (any format)."""
    if parameters.get("content") != "project":
        raise ApiError(400, BAD_CONTENT)
    attributes = _attributes(parameters)
    title = attributes.get("project_title", "").strip()
    purpose = attributes.get("purpose", "").strip()
    if not title:
        raise ApiError(400, "You must provide a 'project_title' for the project to be created.")  # guess: create-texts
    if purpose not in ("", "0", "1", "2", "3", "4"):
        raise ApiError(400, "The value of 'purpose' is not valid.")  # guess: create-texts
    if purpose == "1" and not attributes.get("purpose_other", "").strip():
        raise ApiError(400, PURPOSE_OTHER)
    number = sandbox.next_project_id()
    slug = _free_slug(sandbox, title)
    odm = parameters.get("odm")
    if odm.strip():
        try:
            project = xml_load.load(odm, slug=slug, project_id=number, at=sandbox.clock.local(), username=_OWNER)
        except ValueError as error:
            raise ApiError(400, f"The 'odm' is not a valid project XML: {error}") from None  # guess: create-texts
    else:
        project = _blank(sandbox, slug, number, longitudinal=attributes.get("is_longitudinal", "") == "1")
    project.change_settings(
        title=title,
        purpose=int(purpose or 0),
        purpose_other=attributes.get("purpose_other", ""),
        notes=attributes.get("project_notes", ""),
        surveys_enabled=int(attributes.get("surveys_enabled", "") == "1") or project.settings.surveys_enabled,
        autonumbering=int(attributes.get("record_autonumbering_enabled", "") == "1") or project.settings.autonumbering,
    )
    project.users[_OWNER] = User(username=_OWNER, email="sandbox@example.org", firstname="Sandbox", lastname="Admin")
    token = secrets.token_hex(16).upper()
    sandbox.adopt(project, token, _OWNER)
    return wire.text_reply(token, returned)


def _attributes(parameters: Parameters) -> dict[str, str]:
    data, form = parameters.get("data"), parameters.get("format").lower()
    try:
        if form == "json":
            rows = json.loads(data)
            row = rows[0] if isinstance(rows, list) and rows else rows
        elif form == "csv":
            row = next(csv.DictReader(io.StringIO(data)), {})
        else:
            if "<!" in data.replace("<![CDATA[", ""):
                raise ValueError
            # clients send one <item>, alone or inside an outer element
            root = ET.fromstring(data.strip())  # noqa: S314 -- declarations are refused above
            item = root.find("item")
            row = {node.tag: node.text or "" for node in (root if item is None else item)}
    except (ValueError, ET.ParseError, csv.Error):
        row = None
    if not isinstance(row, dict):
        raise ApiError(400, "The data being imported is not formatted correctly")  # guess: bad-data-text
    return {str(key): "" if value is None else str(value) for key, value in row.items()}


def _free_slug(sandbox: "Sandbox", title: str) -> str:
    taken = [str(row["slug"]) for row in sandbox.projects()]
    base = naming.slug(title) or "project"
    slug, number = base, 2
    while slug in taken:
        slug, number = f"{base}_{number}", number + 1
    return slug


def _blank(sandbox: "Sandbox", slug: str, number: int, *, longitudinal: bool) -> Project:
    """Make what REDCap starts with: one form with the record id field, one event."""
    field = Field(field_name="record_id", form_name="form_1", field_label="Record ID")
    event = Event(event_id=number * 1000 + 1, name="Event 1", unique_name="event_1_arm_1")
    structure = Structure(
        fields=(field,),
        forms=(Form(name="form_1", label="Form 1"),),
        longitudinal=longitudinal,
        arms=(Arm(number=1, name="Arm 1"),),
        events=(event,),
        mapping={event.unique_name: ("form_1",)},
    )
    created = sandbox.clock.local().strftime("%Y-%m-%d %H:%M:%S")
    project = Project(
        slug=slug, settings=Settings(project_id=number, title="", creation_time=created), structure=structure
    )
    project.note(
        LogEntry(at=sandbox.clock.local(), user=_OWNER, action=auditlog.MANAGE, details="Create project (API)")
    )
    return project
