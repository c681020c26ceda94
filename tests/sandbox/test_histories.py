"""Play random histories of imports, deletions and renamings against a plain model of what must remain."""

import json
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.sandbox.clock import ServerClock
from sync.sandbox.dictionary import Field, Form, Structure
from sync.sandbox.people import User
from sync.sandbox.project import Project, Settings
from sync.sandbox.sandbox import Sandbox
from sync.sandbox.wire import Parameters

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone
START = datetime(2026, 3, 2, 8, 0)
TOKEN = "a" * 32
FIELDS = (
    Field(field_name="id", form_name="f"),
    Field(field_name="age", form_name="f", text_validation_type_or_show_slider_number="integer"),
    Field(field_name="word", form_name="f", field_type="notes"),
    Field(
        field_name="box", form_name="f", field_type="checkbox", select_choices_or_calculations="1, One | 2, Two"
    ),
    Field(
        field_name="twice", form_name="f", field_type="calc", select_choices_or_calculations="[age] * 2"
    ),
)  # fmt: skip
names = st.sampled_from(["1", "2", "10", "a-1"])
cells = st.fixed_dictionaries(
    {},
    optional={
        "age": st.sampled_from(["", "5", "60", "old"]),
        "word": st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=5),
        "box___1": st.sampled_from(["", "0", "1"]),
    },
)
steps = st.one_of(
    st.tuples(st.just("import"), st.lists(st.tuples(names, cells), min_size=1, max_size=3), st.booleans()),
    st.tuples(st.just("delete"), names, st.none()),
    st.tuples(st.just("rename"), names, names),
)


class Played:
    """Hold the served project beside the model: name → (cells, minute of the last change)."""

    def __init__(self) -> None:
        self.clock = ServerClock()
        self.now = START
        self.clock.set(START)
        self.sandbox = Sandbox(clock=self.clock)
        project = Project(
            slug="p",
            settings=Settings(project_id=1, title="invented"),
            structure=Structure(fields=FIELDS, forms=(Form(name="f", label="F"),)),
        )
        project.users["u"] = User(username="u")
        self.sandbox.adopt(project, TOKEN, "u")
        self.model: dict[str, dict[str, str]] = {}
        self.changed: dict[str, datetime] = {}

    def post(self, **data: str) -> tuple[int, str]:
        plain = {"token": TOKEN, "content": "record", "format": "json", **data}
        reply = self.sandbox.answer(Parameters(plain=plain), "").reply
        return reply.status, reply.body.decode()

    def tick(self) -> None:
        self.now += timedelta(minutes=1)
        self.clock.set(self.now)

    def put(self, rows: list, overwrite: bool) -> None:
        data = json.dumps([{"id": name, **values} for name, values in rows])
        status, _ = self.post(data=data, overwriteBehavior="overwrite" if overwrite else "normal")
        bad = any(values.get("age") == "old" for _, values in rows)
        assert (status == 400) is bad
        if bad:
            return
        for name, values in rows:
            before = dict(self.model.get(name, {}))
            row = self.model.setdefault(name, {})
            for field, value in values.items():
                kept = value if not field.startswith("box") or value != "0" else ""
                if kept:
                    row[field] = kept
                elif overwrite or (field.startswith("box") and value == "0"):
                    row.pop(field, None)
            if row != before or name not in self.changed:
                self.changed[name] = self.now

    def delete(self, name: str) -> None:
        status, body = self.post(action="delete", records=name)
        assert (status, body) == (200, "1") if name in self.model else status == 400
        self.model.pop(name, None)
        self.changed.pop(name, None)

    def rename(self, name: str, new: str) -> None:
        status, _ = self.post(action="rename", record=name, new_record_name=new)
        assert (status == 200) is (name in self.model and new not in self.model)
        if status == 200:
            self.model[new] = self.model.pop(name)
            self.changed.pop(name)
            self.changed[new] = self.now


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(steps, max_size=12))
def test_what_remains_is_what_the_history_left(history):
    played = Played()
    for kind, first, second in history:
        played.tick()
        if kind == "import":
            played.put(first, second)
        elif kind == "delete":
            played.delete(first)
        else:
            played.rename(first, second)
    rows = json.loads(played.post()[1])
    assert {row["id"] for row in rows} == set(played.model)
    for row in rows:
        model = played.model[row["id"]]
        assert (row["age"], row["word"], row["box___1"]) == (
            model.get("age", ""), model.get("word", ""), model.get("box___1", "0"),
        )  # fmt: skip
        assert row["twice"] == (str(int(model["age"]) * 2) if "age" in model else "")
    for moment in sorted({START, *played.changed.values()}):
        found = json.loads(played.post(dateRangeBegin=moment.strftime("%Y-%m-%d %H:%M:%S"))[1])
        assert {row["id"] for row in found} == {name for name, at in played.changed.items() if at >= moment}
