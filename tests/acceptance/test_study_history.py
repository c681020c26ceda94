"""The same with the shipped study: site-wide and aging checks take part, visits are missed, time goes by.

One centre of the invented trial with its entry errors; one warehouse follows by incremental nights, one by full ones.
"""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sync import bootstrap
from sync.demo import stage
from sync.errors import IllegalTransition
from sync.ports.stored import QueryFilter
from sync.queries.model import AnswerCode, Query, Trigger
from sync.sandbox.faults import Fault, Mode
from sync.workflows import desk, rejudging, stored
from tests.acceptance.conftest import START
from tests.acceptance.dump import dump
from tests.workflows import small
from validators.library import catalogue

LONG = bool(os.environ.get("SYNCLINE_LONG"))
SEEDS = range(40) if LONG else range(1)
NIGHTS = 12 if LONG else 3
OWN = {"check_coverage", "site_memory", "parked_run", "site_state"}
GENEROUS = "\n[brakes]\n" + "".join(
    f"{name}_allowed = 100000\n"
    for name in ("deleted_records", "changed_cells", "changed_column", "closed_unchanged", "opened_check")
)
CENTRE = "drumtower"
OPEN = QueryFilter(states=("OPEN",))


@pytest.fixture
def playing(tmp_path: Path, erring_projects: dict[str, str]) -> Iterator[stage.Stage]:
    """Serve one centre with its entry errors."""
    playing = stage.set_up(tmp_path / "stage", {CENTRE: erring_projects[CENTRE]}, start=START)
    yield playing
    playing.sandbox.close()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let incremental nights look at what is stored two or three records at a time."""
    monkeypatch.setattr(rejudging, "FEW", 2)
    monkeypatch.setattr(stored, "FEW", 2)
    monkeypatch.setattr(stored, "MANY", 3)


class Editor:
    """Do to a project what staff do in a day, at random from a seed."""

    def __init__(self, playing: stage.Stage, seed: int) -> None:
        self.project = playing.sandbox.project(CENTRE)
        self.chance = random.Random(seed)
        self.renamed = 0

    def day(self) -> None:
        acts = [self.change, self.change, self.blank, self.drop, self.shift, self.twin, self.mark]
        for act in self.chance.choices(acts, k=self.chance.randint(0, 4)):
            act()
        if self.chance.random() < 0.25:
            self.chance.choice([self.delete, self.rename])()

    def _row(self) -> tuple[str, tuple[str, str, int], dict[str, str]]:
        name = self.chance.choice(self.project.record_names())
        record = self.project.project.records.get(name)
        key = self.chance.choice(sorted(record.rows))
        return name, key, dict(record.cells(key))

    def _set(self, name: str, key: tuple[str, str, int], **values: str) -> None:
        self.project.set(name, values, event=key[0], instrument=key[1], instance=key[2])

    def change(self) -> None:
        name, key, cells = self._row()
        numbers = [c for c, v in cells.items() if v.replace(".", "", 1).isdigit() and not c.endswith("_complete")]
        if numbers:
            self._set(name, key, **{self.chance.choice(sorted(numbers)): self.chance.choice(["1", "9999", "12", "x"])})

    def blank(self) -> None:
        name, key, cells = self._row()
        filled = sorted(c for c, v in cells.items() if v and c != self.project.structure.record_id)
        if filled:
            self._set(name, key, **{self.chance.choice(filled): ""})

    def shift(self) -> None:
        name, key, cells = self._row()
        dates = sorted(c for c, v in cells.items() if len(v) == 10 and v[4:5] == "-")
        if dates:
            self._set(name, key, **{self.chance.choice(dates): self.chance.choice(["2026-03-20", "2030-01-01"])})

    def mark(self) -> None:
        name, key, cells = self._row()
        status = sorted(c for c in cells if c.endswith("_complete"))
        if status:
            self._set(name, key, **{self.chance.choice(status): "0"})

    def twin(self) -> None:
        """Give one subject the birth date and the like of another: a duplicate only the whole site shows."""
        one, other = self.chance.sample(self.project.record_names(), 2)
        event = self.project.structure.events[0].unique_name
        cells = self.project.project.records.get(one).cells((event, "", 0))
        forms = self.project.structure.columns_of_form["demographics"]
        values = {c.name: cells.get(c.name, "") for c in forms if c.kind == "value" and cells.get(c.name)}
        if values:
            self.project.set(other, values, event=event)

    def drop(self) -> None:
        name, key, _ = self._row()
        if len(self.project.project.records.get(name).rows) > 1:
            self.project.delete_row(name, event=key[0], instrument=key[1], instance=key[2])

    def delete(self) -> None:
        if len(self.project.record_names()) > 4:
            self.project.delete_record(self.chance.choice(self.project.record_names()))

    def rename(self) -> None:
        self.renamed += 1
        self.project.rename_record(self.chance.choice(self.project.record_names()), f"NJDT-9{self.renamed:02d}")


def programs(playing: stage.Stage) -> dict[str, bootstrap.App]:
    """Build a program for each history; both use one key, so that hashes of values can be compared."""
    text = playing.config_path.read_text("utf-8") + GENEROUS
    apps = {}
    for name in ("full", "incremental"):
        path = playing.folder / f"{name}.toml"
        path.write_text(text.replace("warehouse.sqlite", f"{name}.sqlite"), encoding="utf-8")
        apps[name] = bootstrap.build(path, {}, cwd=playing.folder, clock=playing.clock)
    return apps


def held(playing: stage.Stage, name: str) -> small.Dump:
    found = dump(f"sqlite:///{name}.sqlite", playing.folder)
    return {table: rows for table, rows in found.items() if table not in OWN}


@pytest.mark.parametrize("seed", SEEDS)
def test_incremental_nights_leave_what_full_nights_leave(playing, seed):
    apps, editor, chance = programs(playing), Editor(playing, seed), random.Random(seed)
    moment = START
    try:
        for number in range(NIGHTS):
            playing.at(moment)
            if chance.random() < 0.3:
                mode = chance.choice([Mode.RESET, Mode.TRUNCATED, Mode.EMPTY_BODY, Mode.MISSING_ROWS])
                playing.sandbox.faults.add(Fault(mode=mode, content="record", after=chance.randint(0, 3)))
                small.run_night(apps["incremental"], allow_mass_change=True)
                playing.sandbox.faults.clear()
                playing.clock.set(moment)
            for name, app in apps.items():
                done = small.run_night(app, full=name == "full", allow_mass_change=True)
                assert done.exit_code == 0, done.sites[0].reason
                playing.clock.set(moment)
            compare(playing, seed, number)
            playing.at(moment + timedelta(hours=9))
            editor.day()
            decide(apps, chance)
            moment += timedelta(days=chance.choice([1, 1, 2, 30]))
        assert all(app.warehouse().reader().verify().problems == () for app in apps.values())
    finally:
        for app in apps.values():
            app.close()
        shutil.rmtree(playing.folder / "queries", ignore_errors=True)


def test_what_time_or_another_subject_changes_is_followed_up_alike(playing):
    """A date that was in the future becomes past; a duplicate goes because the other subject was corrected."""
    apps, project = programs(playing), playing.sandbox.project(CENTRE)
    one, other = project.record_names()[:2]
    event = next(e for e, forms in project.structure.mapping.items() if "demographics" in forms)
    cells = dict(project.project.records.get(other).cells((event, "", 0)))
    columns = [c.name for c in project.structure.columns_of_form["demographics"] if c.kind == "value"]
    model = project.project.records.get(one).cells((event, "", 0))

    def nights(day: int) -> None:
        playing.at(START + timedelta(days=day))
        for name, app in apps.items():
            assert small.run_night(app, full=name == "full", allow_mass_change=True).exit_code == 0
            playing.clock.set(START + timedelta(days=day))
        compare(playing, -1, day)

    try:
        nights(0)
        project.set(other, {name: model.get(name, "") for name in columns}, event=event)
        project.set(one, {"lab_date": "2026-03-05"}, event="month_3_arm_1")
        nights(1)
        raised = {(q.key.check, q.key.record) for q in apps["full"].warehouse().reader().queries(OPEN)}
        assert {("ID02", one), ("DT02", one)} <= raised
        project.set(other, {name: cells.get(name, "") for name in columns}, event=event)
        nights(3)
        nights(5)
        left = {(q.key.check, q.key.record) for q in apps["incremental"].warehouse().reader().queries(OPEN)}
        assert {("ID02", one), ("DT02", one)}.isdisjoint(left)
    finally:
        for app in apps.values():
            app.close()


def test_a_check_that_breaks_in_one_part_closes_nothing(playing, monkeypatch):
    """A missing visit has no row to look at: where its check broke, its query must not pass for not applicable."""
    app, project = programs(playing)["incremental"], playing.sandbox.project(CENTRE)
    missing = project.record_names()[:3]
    for name in missing:
        for event, instrument, instance in list(project.project.records.get(name).rows):
            if event == "month_3_arm_1":
                project.delete_row(name, event=event, instrument=instrument, instance=instance)

    def night(day: int):
        playing.at(START + timedelta(days=day))
        done = small.run_night(app, full=day == 0, allow_mass_change=True).sites[0]
        assert done.exit_code == 0, done.reason
        return done

    def overdue() -> dict[str, Query]:
        found = app.warehouse().reader().queries(OPEN)
        return {query.number: query for query in found if query.key.check in checks}

    try:
        checks = {spec.id for spec in app.study.checks if spec.library == "visits.overdue"}
        for day in (0, 120, 240):
            night(day)
        before = overdue()
        assert {query.key.record for query in before.values()} >= set(missing)
        real = catalogue.CHECKS["visits.overdue"]

        def breaking(data, spec, params):
            if missing[0] in data.records.to_list():
                raise RuntimeError("made to break")
            return real.run(data, spec, params)

        monkeypatch.setitem(catalogue.CHECKS, "visits.overdue", replace(real, run=breaking))
        done = night(241)
        assert (done.kind, done.records_pulled) == ("incremental", 0)
        assert overdue().keys() == before.keys()
    finally:
        app.close()


def compare(playing: stage.Stage, seed: int, number: int) -> None:
    found, wanted = held(playing, "incremental"), held(playing, "full")
    for table, rows in wanted.items():
        differ = sorted(set(found[table]) ^ set(rows))
        assert not differ, f"{table} differs in night {number} of seed {seed}: {differ[:4]}"


def decide(apps: dict[str, bootstrap.App], chance: random.Random) -> None:
    """Let a data manager decide on a few queries, in both histories alike."""
    numbers = [query.number for query in next(iter(apps.values())).warehouse().reader().queries(QueryFilter())]
    for number in chance.sample(numbers, min(3, len(numbers))):
        what = chance.choice([Trigger.CONFIRM, Trigger.ANSWER])
        answer = AnswerCode.CONFIRMED if what is Trigger.ANSWER else None
        for app in apps.values():
            try:
                desk.decide(app, [number], desk.Decision(trigger=what, actor="tester", answer=answer))
            except IllegalTransition:
                continue
