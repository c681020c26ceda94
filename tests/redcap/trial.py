"""A made-up trial for the sandbox: two arms, a repeating event, a repeating form, two groups; and a full look at it."""

from datetime import datetime

import polars as pl

from sync.sandbox.auditlog import LogEntry
from sync.sandbox.clock import ServerClock
from sync.sandbox.dictionary import Arm, Dag, Event, Field, Form, Structure
from sync.sandbox.people import FULL_RIGHTS, User
from sync.sandbox.project import Project, Settings
from sync.sandbox.sandbox import Sandbox

TOKEN = "0123456789ABCDEF0123456789ABCDEF"
BLIND = "B" * 32
"""Token of a user without the right to the log."""
NOON = datetime(2026, 3, 1, 12, 0)  # noqa: DTZ001  a server tells local time without a zone

STRUCTURE = Structure(
    fields=(
        Field(field_name="record_id", form_name="person"),
        Field(field_name="initials", form_name="person"),
        Field(field_name="weight", form_name="visit"),
        Field(
            field_name="signs", form_name="visit", field_type="checkbox", select_choices_or_calculations="1, A | 2, B"
        ),
        Field(field_name="event_text", form_name="adverse"),
    ),
    forms=(Form(name="person", label="Person"), Form(name="visit", label="Visit"), Form(name="adverse", label="AE")),
    longitudinal=True,
    arms=(Arm(number=1, name="One"), Arm(number=2, name="Two")),
    events=(
        Event(event_id=1, name="Start", unique_name="start_arm_1"),
        Event(event_id=2, name="Day", unique_name="day_arm_1"),
        Event(event_id=3, name="Extra", unique_name="extra_arm_1"),
        Event(event_id=4, name="Start", unique_name="start_arm_2", arm=2),
    ),
    mapping={
        "start_arm_1": ("person", "adverse"),
        "day_arm_1": ("visit",),
        "extra_arm_1": ("visit",),
        "start_arm_2": ("person", "visit"),
    },
    repeats={"start_arm_1": {"adverse": ""}, "extra_arm_1": None},
    dags=(Dag(dag_id=1, name="North", unique_name="north"), Dag(dag_id=2, name="South", unique_name="south")),
)
PLACES = {
    "start_arm_1": ("", 0, "initials"),
    "day_arm_1": ("", 0, "weight"),
    "extra_arm_1": ("", 2, "weight"),
    "start_arm_2": ("", 0, "weight"),
    "adverse": ("adverse", 3, "event_text"),
}
"""Where data can stand: event (or repeating form of start_arm_1) -> instrument, instance, field."""


def serve(*, zone: str = "Asia/Shanghai", at: datetime | None = NOON) -> Sandbox:
    """Serve the trial without records; ``at`` freezes the server's clock (local time)."""
    clock = ServerClock()
    clock.set(at, timezone=zone)
    sandbox = Sandbox(clock=clock)
    project = Project(slug="trial", settings=Settings(project_id=17, title="Made up"), structure=STRUCTURE)
    project.users["owner"] = User(username="owner")
    project.users["blind"] = User(username="blind", rights=dict(FULL_RIGHTS) | {"logging": 0})
    sandbox.adopt(project, TOKEN, "owner")
    sandbox.add_token("trial", BLIND, "blind")
    return sandbox


def enter(sandbox: Sandbox, record: str, text: str, place: str = "start_arm_1") -> None:
    """Write one cell of a record, as a site does."""
    instrument, instance, field = PLACES[place]
    event = "start_arm_1" if instrument else place
    sandbox.project("trial").set(record, {field: text}, event=event, instrument=instrument, instance=instance)


def drop(sandbox: Sandbox, record: str, place: str) -> None:
    """Delete one event or instance of a record."""
    instrument, instance, _ = PLACES[place]
    event = "start_arm_1" if instrument else place
    sandbox.project("trial").delete_row(record, event=event, instrument=instrument, instance=instance)


def spirit_away(sandbox: Sandbox, record: str, place: str | None = None, *, logged: bool = False) -> None:
    """Take a row, or a whole record, away without a date; the log says at most that something was updated."""
    project = sandbox.project("trial").project
    if place is None:
        project.remove(record)
    else:
        instrument, instance, _ = PLACES[place]
        del project.records.get(record).rows["start_arm_1" if instrument else place, instrument, instance]
    if logged:
        action = f"Update record {record}"
        project.note(LogEntry(at=sandbox.clock.local(), user="x", action=action, details="", record=record))


def ordered(rows: pl.DataFrame) -> list[tuple[str | None, ...]]:
    """Give rows in an order of their own, for comparing; blanks first."""
    return sorted(rows.select(sorted(rows.columns)).iter_rows(), key=lambda row: tuple(cell or "" for cell in row))
