"""A small made-up trial that is synced by whole nights: groups, two arms, a repeating event and a repeating form.

The sandbox serves it over HTTP; the program runs in this process, on a clock that the test moves.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from sync import bootstrap
from sync.bootstrap import App
from sync.sandbox.clock import ServerClock
from sync.sandbox.dictionary import Arm, Dag, Event, Field, Form, Structure
from sync.sandbox.handle import ProjectHandle
from sync.sandbox.people import FULL_RIGHTS, User
from sync.sandbox.project import Project, Settings
from sync.sandbox.sandbox import Sandbox
from sync.workflows import acceptance, run
from sync.workflows.results import NightOptions
from sync.workflows.run import RunResult
from tests.acceptance.dump import dump

TOKEN = "0123456789ABCDEF0123456789ABCDEF"
BLIND = "B" * 32
"""Token of a user without the right to the log."""
ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 2, 2, 0, tzinfo=ZONE)

Dump = dict[str, list[tuple[str, ...]]]


def _field(name: str, form: str, label: str = "", **rest: str) -> Field:
    return Field(field_name=name, form_name=form, field_label=label or name.title(), **rest)


def _number(name: str, form: str, low: str, high: str) -> Field:
    return _field(
        name,
        form,
        text_validation_type_or_show_slider_number="number",
        text_validation_min=low,
        text_validation_max=high,
    )


FIELDS = (
    _field("record_id", "person"),
    _field("initials", "person", required_field="y"),
    _field("sex", "person", field_type="radio", select_choices_or_calculations="1, Female | 2, Male"),
    _number("weight", "visit", "30", "150"),
    _number("height", "visit", "100", "220"),
    _field("signs", "visit", field_type="checkbox", select_choices_or_calculations="1, Rash | 2, Fever"),
    _field("event_text", "adverse", required_field="y"),
    _number("grade", "adverse", "1", "5"),
)
STRUCTURE = Structure(
    fields=FIELDS,
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
PLACES: Mapping[str, tuple[str, str, int, tuple[str, ...]]] = {
    "start": ("start_arm_1", "", 0, ("initials", "sex")),
    "day": ("day_arm_1", "", 0, ("weight", "height", "signs___1")),
    "extra 2": ("extra_arm_1", "", 2, ("weight", "height")),
    "extra 4": ("extra_arm_1", "", 4, ("weight",)),
    "arm 2": ("start_arm_2", "", 0, ("initials", "weight")),
    "adverse 1": ("start_arm_1", "adverse", 1, ("event_text", "grade")),
    "adverse 3": ("start_arm_1", "adverse", 3, ("event_text", "grade")),
}
"""Where data can stand: event, instrument, instance, fields."""


class Clock:
    """Tell a time that the test moves; pauses take no time."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        self.seconds += 0.001
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(kw_only=True)
class Trial:
    """Hold the served project, the clock, and the programs that sync it into warehouses of their own."""

    folder: Path
    sandbox: Sandbox
    clock: Clock
    url: str
    #: the server's clock goes with the program's; a server without a log tells its time by its Date header, which
    #: the sandbox takes from the machine
    frozen: bool = True
    apps: dict[str, App] = field(default_factory=dict)

    @property
    def handle(self) -> ProjectHandle:
        """Give the project as its staff sees it."""
        return self.sandbox.project("small")

    def app(
        self, name: str, *, groups: Sequence[str] = (), token: str = TOKEN, brakes: str = "", more: str = "",
        warehouse: str = "",
    ) -> App:  # fmt: skip
        """Build a program with a warehouse of its own: one site for all, or one site a group."""
        sites = "".join(_site(self.url, f"s_{group}" if group else "all", group) for group in groups or ("",))
        text = f"""[study]
definition = "dictionary"
timezone = "Asia/Shanghai"
[warehouse]
url = "{warehouse or f"sqlite:///{name}.sqlite"}"
[delivery]
folder = "{name}_lists"
[transport]
requests_per_minute = 1000000
batch_records = 3
retries = 0
{more}
[brakes]
{brakes}
{sites}"""
        path = self.folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        if name in self.apps:
            self.apps[name].close()
        self.apps[name] = bootstrap.build(path, {"TOKEN": token}, cwd=self.folder, clock=self.clock)
        return self.apps[name]

    def move(self, step: timedelta) -> None:
        """Let time pass, here and on the server."""
        self.clock.at += step
        if self.frozen:
            self.sandbox.clock.set(self.clock.at)

    def write(self, record: str, place: str, **values: str) -> None:
        """Write cells of one row of a record."""
        event, instrument, instance, _ = PLACES[place]
        self.handle.set(record, values, event=event, instrument=instrument, instance=instance)

    def drop(self, record: str, place: str) -> None:
        """Delete one event or instance of a record."""
        event, instrument, instance, _ = PLACES[place]
        self.handle.delete_row(record, event=event, instrument=instrument, instance=instance)

    def dump(self, name: str) -> Dump:
        """Read everything of a warehouse that histories must agree on."""
        url = self.apps[name].config.warehouse.url
        found = dump(url, self.folder)
        return {table: rows for table, rows in found.items() if table not in OWN}

    def count(self, name: str, *tables: str) -> list[int]:
        """Count rows of tables of a SQLite warehouse."""
        engine = sa.create_engine(self.apps[name].config.warehouse.url)
        try:
            with engine.connect() as connection:
                return [connection.execute(sa.text(f'SELECT count(*) FROM "{t}"')).scalar_one() for t in tables]
        finally:
            engine.dispose()


OWN = {"check_coverage", "site_memory", "parked_run", "site_state"}
"""Tables that tell of each run, or of what the next one needs."""


def _site(url: str, slug: str, group: str) -> str:
    line = f'group = "{group}"\n' if group else ""
    return f"""
[[sites]]
slug = "{slug}"
name = "Made up {slug}"
subject_prefix = "{slug.removeprefix("s_")[:2].upper()}"
url = "{url}"
project_id = 17
token_env = "TOKEN"
{line}"""


def run_night(app: App, **options: bool) -> RunResult:
    """Take all sites through a night; a further warehouse beside one key is made by hand, as a person has to."""
    if not options.get("dry_run") and (app.config.path.parent / ".syncline.key").exists():
        app.warehouse().upgrade()
    return run.run(app, app.sites(), options=NightOptions(**options))


def codes(result: RunResult) -> dict[str, int]:
    """Give each site's exit code."""
    return {site.site: site.exit_code for site in result.sites}


def accept_all(app: App) -> None:
    """Accept every site's project as it is now, as a person does after looking."""
    for site in app.sites():
        acceptance.look(app, site, accept_as="tester")


@contextmanager
def serve(folder: Path, *, frozen: bool = True) -> Iterator[Trial]:
    """Serve the trial without records, on a clock of its own or on the machine's."""
    server = ServerClock(timezone="Asia/Shanghai")
    if frozen:
        server.set(START)
    clock = Clock(server.local().replace(tzinfo=ZONE))
    with closing(Sandbox(clock=server)) as sandbox:
        project = Project(slug="small", settings=Settings(project_id=17, title="Made up"), structure=STRUCTURE)
        project.users["owner"] = User(username="owner")
        project.users["blind"] = User(username="blind", rights=dict(FULL_RIGHTS) | {"logging": 0})
        sandbox.adopt(project, TOKEN, "owner")
        sandbox.add_token("small", BLIND, "blind")
        trial = Trial(folder=folder, sandbox=sandbox, clock=clock, url=sandbox.start(), frozen=frozen)
        try:
            yield trial
        finally:
            for app in trial.apps.values():
                app.close()


def fill(trial: Trial, count: int = 8) -> None:
    """Enter records with rows of each kind; every third has a value out of range."""
    for number in range(count):
        name = f"R{number}"
        trial.write(name, "start", initials=f"I{number}", sex="1")
        trial.write(name, "day", weight=str(60 + number) if number % 3 else "500", height="170")
        trial.write(name, "adverse 1", event_text="made up", grade="1" if number % 4 else "9")
        trial.write(name, "extra 2", weight="61")
        trial.handle.assign_dag(name, ("north", "south")[number % 2])


def with_field(structure: Structure, name: str, **changes: str) -> tuple[Field, ...]:
    """Give a structure's fields with one of them changed."""
    return tuple(replace(each, **changes) if each.field_name == name else each for each in structure.fields)
