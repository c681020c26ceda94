"""Whatever sites do between nights, and whatever goes wrong in them: after a good night the warehouse equals the
source, and nights that pull what changed leave what full nights would have left.

A random editor adds, edits, deletes, renames, moves between groups and redefines fields; a data manager decides on
queries; nights are good or faulty. Two warehouses follow the same history: one by incremental nights, one by full
ones.
"""

import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from schemas import parts
from sync.bootstrap import App
from sync.errors import IllegalTransition
from sync.ports.stored import QueryFilter
from sync.queries.model import AnswerCode, Trigger
from sync.sandbox.dictionary import Field
from sync.sandbox.faults import Fault, Mode
from sync.workflows import desk, judging
from sync.workflows.run import RunResult
from tests.workflows import small

NAMES = [f"R{n}" for n in range(7)]
PLACES = sorted(small.PLACES)
VALUES = {
    "initials": ["AB", "CD", ""],
    "sex": ["1", "2", "7", ""],
    "weight": ["70", "71.5", "500", "heavy", ""],
    "height": ["170", "30", ""],
    "signs___1": ["1", "0"],
    "event_text": ["made up", "another", ""],
    "grade": ["1", "9", "x", ""],
}
FAULTS = [Mode.RESET, Mode.GATEWAY_TIMEOUT, Mode.TRUNCATED, Mode.EMPTY_BODY, Mode.SSO, Mode.MISSING_ROWS]
FOLLOWED = ("full", "incremental")
LONG = bool(os.environ.get("SYNCLINE_LONG"))


class Histories(RuleBasedStateMachine):
    groups: tuple[str, ...] = ()
    token = small.TOKEN
    followed = FOLLOWED
    HOUR = timedelta(hours=1)

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.serving = small.serve(Path(self.folder.name), frozen=self.token != small.BLIND)
        self.trial = self.serving.__enter__()
        small.fill(self.trial, 5)
        many = ("deleted_records", "changed_cells", "changed_column", "closed_unchanged", "opened_check")
        brakes = "\n".join(f"{name}_allowed = 10000" for name in many)
        more = '[schedule]\nweekly_full = "sun"'
        self.apps = {
            name: self.trial.app(name, groups=self.groups, token=self.token, brakes=f"{brakes}\n{more}")
            for name in self.followed
        }
        self.redefined = 0
        self.night(full=False)

    def teardown(self) -> None:
        if hasattr(self, "serving"):
            self.serving.__exit__(None, None, None)
            self.folder.cleanup()

    # --- the editor

    def edit(self, act: Callable[[], None]) -> None:
        """Do what the editor does, now."""
        act()

    @property
    def people(self) -> list[str]:
        return self.trial.handle.record_names()

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from(PLACES), data=st.data())
    def write(self, name: str, place: str, data: st.DataObject) -> None:
        known = {each.field_name for each in self.trial.handle.structure.fields}
        column = data.draw(st.sampled_from([c for c in small.PLACES[place][3] if c.partition("___")[0] in known]))
        value = data.draw(st.sampled_from(VALUES[column]))

        def act() -> None:
            if column.partition("___")[0] in self.trial.handle.structure.field_by_name:
                self.trial.write(name, place, **{column: value})

        self.edit(act)

    @rule(name=st.sampled_from(NAMES))
    def open_visit(self, name: str) -> None:
        """Save a form with nothing in it; the log has it like a rename."""
        self.edit(lambda: self.trial.write(name, "arm 2") if name in self.people else None)

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from(PLACES))
    def drop(self, name: str, place: str) -> None:
        def act() -> None:
            record = self.trial.handle.project.records.get(name)
            if record is not None and len(record.rows) > 1:
                self.trial.drop(name, place)

        self.edit(act)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        self.edit(lambda: self.trial.handle.delete_record(name) if len(self.people) > 2 else None)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old: str, new: str) -> None:
        def act() -> None:
            if old in self.people and new not in self.people:
                self.trial.handle.rename_record(old, new)

        self.edit(act)

    @rule(name=st.sampled_from(NAMES), group=st.sampled_from(["", "north", "south"]))
    def move(self, name: str, group: str) -> None:
        self.edit(lambda: self.trial.handle.assign_dag(name, group) if name in self.people else None)

    @rule(what=st.sampled_from(["limit", "label", "choice", "field", "type", "required", "gone"]))
    def redefine(self, what: str) -> None:
        self.edit(lambda: self.do_redefine(what))

    def do_redefine(self, what: str) -> None:
        handle, self.redefined = self.trial.handle, self.redefined + 1
        match what:
            case "limit":
                changes = {"text_validation_max": str(150 + self.redefined)}
                fields = small.with_field(handle.structure, "weight", **changes)
            case "label":
                fields = small.with_field(handle.structure, "initials", field_label=f"Initials {self.redefined}")
            case "choice":
                old = handle.structure.field_by_name["sex"].select_choices_or_calculations
                more = f"{old} | {20 + self.redefined}, New"
                fields = small.with_field(handle.structure, "sex", select_choices_or_calculations=more)
            case "type":
                if "height" not in handle.structure.field_by_name:
                    return
                was = handle.structure.field_by_name["height"].text_validation_type_or_show_slider_number
                changes = {"text_validation_type_or_show_slider_number": "" if was else "number"}
                fields = small.with_field(handle.structure, "height", **changes)
            case "gone":
                fields = tuple(each for each in handle.structure.fields if each.field_name != "height")
                if len(fields) == len(handle.structure.fields):  # it comes back, where it stood
                    place = next(n for n, each in enumerate(fields) if each.field_name == "weight") + 1
                    fields = (*fields[:place], small.STRUCTURE.field_by_name["height"], *fields[place:])
            case "required":
                was = handle.structure.field_by_name["weight"].required_field
                fields = small.with_field(handle.structure, "weight", required_field="" if was else "y")
            case _:
                fields = (*handle.structure.fields, Field(field_name=f"f{self.redefined}", form_name="adverse"))
        handle.change_structure(fields=fields)

    @rule(hours=st.integers(1, 60))
    def wait(self, hours: int) -> None:
        self.trial.move(timedelta(hours=hours))

    # --- the data manager

    @rule(pick=st.integers(0, 50), what=st.sampled_from(["confirm", "answer", "reopen"]))
    def decide(self, pick: int, what: str) -> None:
        known = self.apps["full"].warehouse().reader().queries(QueryFilter())
        if not known:
            return
        decision = desk.Decision(
            trigger=Trigger(what),
            actor="tester",
            comment="because",
            answer=AnswerCode.CONFIRMED if what == "answer" else None,
        )
        number = known[pick % len(known)].number
        for app in self.apps.values():
            try:
                desk.decide(app, [number], decision)
            except IllegalTransition:
                continue

    # --- the nights

    @rule(
        mode=st.sampled_from(FAULTS),
        content=st.sampled_from(["record", "record", "log", "metadata", "event", "exportFieldNames"]),
        after=st.integers(0, 4),
    )
    @precondition(lambda self: not self.trial.sandbox.faults.active())
    def fail(self, mode: Mode, content: str, after: int) -> None:
        self.trial.sandbox.faults.add(Fault(mode=mode, content=content, after=after))

    @rule()
    def rehearse(self) -> None:
        before = self.trial.dump("incremental")
        small.run_night(self.apps["incremental"], dry_run=True)
        self.trial.sandbox.faults.clear()
        assert self.trial.dump("incremental") == before

    @rule(full=st.sampled_from([False, False, False, True]))
    def night(self, full: bool) -> None:
        self.trial.move(self.HOUR)
        before = self.trial.dump("incremental") if self.trial.sandbox.faults.active() else None
        done = small.run_night(self.apps["incremental"], full=full, allow_mass_change=True)
        self.trial.sandbox.faults.clear()
        if before is not None and set(small.codes(done).values()).isdisjoint({0}):
            assert self.trial.dump("incremental") == before, "a night that failed changed something"
        for name, app in self.apps.items():
            self.good_night(app, full=full or name == "full")
        self.compare()

    def good_night(self, app: App, *, full: bool) -> RunResult:
        done = small.run_night(app, full=full, allow_mass_change=True)
        if 4 in small.codes(done).values():
            small.accept_all(app)
            done = small.run_night(app, full=full, allow_mass_change=True)
        assert done.exit_code == 0, [site.reason for site in done.sites]
        return done

    def compare(self) -> None:
        found, wanted = self.trial.dump("incremental"), self.trial.dump("full")
        for table, rows in wanted.items():
            assert found[table] == rows, f"{table}: {set(found[table]) ^ set(rows)}"
        for app in self.apps.values():
            assert app.warehouse().reader().verify().problems == ()
        self.compare_with_source(self.apps["incremental"])
        ledgers = self.trial.count("incremental", "cell_change", "query_event", "row_end")
        assert small.run_night(self.apps["incremental"]).exit_code == 0
        assert self.trial.count("incremental", "cell_change", "query_event", "row_end") == ledgers
        assert self.trial.dump("incremental") == found, "a night in which nothing happened changed something"

    def compare_with_source(self, app: App) -> None:
        for site in app.sites():
            judged = judging.judge_pull(app.source(site).pull(), app.plan(site), as_of=app.clock.now())
            stored = {f.form.name: f for f in app.warehouse(judged.study).reader().frames(site.slug)}
            for frame in judged.harmonised.frames:
                held = stored[frame.form.name]
                for now, then in ((frame.rows, held.rows), (frame.raw.hstack(frame.rows[:, :5]), None)):
                    then = held.raw.hstack(held.rows[:, :5]) if then is None else then
                    assert _ordered(now) == _ordered(then.select(now.columns)), frame.form.name
            last = app.warehouse().reader().last_success(site.slug)
            assert last.counts["rows_known"] == sum(frame.rows.height for frame in judged.harmonised.frames)
            assert last.counts["cells_known"] == sum(
                frame.raw.count().sum_horizontal().sum() for frame in judged.harmonised.frames
            )


def _ordered(rows: pl.DataFrame) -> list[str]:
    return sorted(str(row) for row in rows.iter_rows())


class HistoriesOfGroups(Histories):
    groups = ("north", "south")


class HistoriesWithoutLog(Histories):
    token = small.BLIND


class HistoriesInParts(Histories):
    """Full nights come in parts of single batches, of a project that two sites share."""

    groups = ("north", "south")

    @initialize()
    def begin(self) -> None:
        self.part_rows, parts.PART_ROWS = parts.PART_ROWS, 1
        super().begin()

    def teardown(self) -> None:
        super().teardown()
        parts.PART_ROWS = self.part_rows


def effort(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples * (20 if LONG else 1),
        stateful_step_count=steps * (2 if LONG else 1),
        deadline=None,
        # shrinking would run nights for minutes
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


TestHistories = Histories.TestCase
TestHistories.settings = effort(3, 12)
TestHistoriesOfGroups = HistoriesOfGroups.TestCase
TestHistoriesOfGroups.settings = effort(3, 12)
TestHistoriesInParts = HistoriesInParts.TestCase
TestHistoriesInParts.settings = effort(2, 8)
TestHistoriesWithoutLog = HistoriesWithoutLog.TestCase
TestHistoriesWithoutLog.settings = effort(2, 10)
