"""Whatever names a site gives its patients: what was decided about one never stands for another. All are made up."""

import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from schemas.coordinates import Coordinate, RowKey
from sync.bootstrap import App
from sync.ports.stored import QueryFilter
from sync.queries.model import LIVE, Action, CloseReason, Query, State, Trigger
from sync.queries.states import BOUND
from sync.workflows import desk
from sync.workflows.results import SiteResult
from tests.workflows import small
from validators.findings import Condition

DAY = timedelta(hours=24)
NAMES = [f"R{number}" for number in range(6)]
LONG = bool(os.environ.get("SYNCLINE_LONG"))
BRAKES = "deleted_records_allowed = 100\nchanged_cells_allowed = 10000"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])])
def trial(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[small.Trial]:
    """Serve records whose weight (R0, R3 and R6: the same 500) one night has asked about; R0's is confirmed."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
        night(trial, trial.app("one", brakes=BRAKES, warehouse=url))
        confirm(trial.apps["one"], "R0")
        yield trial


def night(trial: small.Trial, app: App, *, full: bool = False) -> SiteResult:
    done = small.run_night(app, full=full)
    assert done.exit_code == 0, done.sites[0].reason
    assert not app.warehouse().reader().verify().problems
    trial.move(DAY)
    return done.sites[0]


def weights(app: App) -> dict[str, Query]:
    """Give the query about the weight at "day" of each record."""
    found = app.warehouse().reader().queries(QueryFilter())
    return {each.key.record: each for each in found if (each.key.event, each.key.field) == ("day_arm_1", "weight")}


def confirm(app: App, *records: str) -> None:
    numbers = [weights(app)[record].number for record in records]
    decision = desk.Decision(trigger=Trigger.CONFIRM, actor="dm", comment="seen the source")
    desk.decide(app, numbers, decision)


def quarantined(app: App) -> set[str]:
    engine = sa.create_engine(app.config.warehouse.url)
    try:
        with engine.connect() as connection:
            wanted = sa.text("SELECT record FROM person WHERE is_quarantined")
            return set(connection.execute(wanted).scalars())
    finally:
        engine.dispose()


@pytest.mark.parametrize("full", [False, True])
def test_numbers_and_decisions_follow_the_patient_when_a_name_is_taken_over(trial: small.Trial, full: bool) -> None:
    app = trial.apps["one"]
    before = weights(app)
    trial.handle.rename_record("R0", "X0")
    trial.handle.rename_record("R3", "R0")
    done = night(trial, app, full=full)
    after = weights(app)
    assert {name: after[name].number for name in ("X0", "R0")} == {
        "X0": before["R0"].number,
        "R0": before["R3"].number,
    }
    assert (after["X0"].reason, after["R0"].state) == (CloseReason.CONFIRMED, State.OPEN)
    assert done.queries["closed"] == done.queries["reopened"] == done.queries["opened"] == 0
    again = night(trial, app)
    assert (again.stored.cells_changed, again.queries["closed"], again.queries["reopened"]) == (0, 0, 0)


@pytest.mark.parametrize("full", [False, True])
def test_swapped_names_are_no_edits(trial: small.Trial, full: bool) -> None:
    app = trial.apps["one"]
    before = weights(app)
    for old, new in (("R0", "T"), ("R3", "R0"), ("T", "R3")):
        trial.handle.rename_record(old, new)
    assert night(trial, app, full=full).stored.cells_changed == 0
    after = weights(app)
    assert (after["R3"].number, after["R3"].reason) == (before["R0"].number, CloseReason.CONFIRMED)
    assert (after["R0"].number, after["R0"].state) == (before["R3"].number, State.OPEN)


@pytest.mark.parametrize("between", [False, True], ids=["in one night", "a night between"])
@pytest.mark.parametrize("full", [False, True])
def test_an_id_that_was_freed_and_given_to_another_patient_is_asked_about(
    trial: small.Trial, between: bool, full: bool
) -> None:
    app = trial.apps["one"]
    number = weights(app)["R0"].number
    trial.handle.delete_record("R0")
    if between:
        night(trial, app)
        assert weights(app)["R0"].state is State.CLOSED
        assert weights(app)["R0"].reason is CloseReason.CONFIRMED, "closed is closed"
    trial.write("R0", "start", initials="QQ", sex="2")
    trial.write("R0", "day", weight="500", height="150")
    night(trial, app, full=full)
    asked = weights(app)["R0"]
    assert (asked.number, asked.state, asked.round) == (number, State.OPEN, 2)
    assert "confirmed" not in asked.message["en"], "another patient's decision is nobody's business"


@pytest.mark.parametrize("full", [False, True])
def test_a_visit_that_is_opened_asks_nobody_anew(trial: small.Trial, full: bool) -> None:
    """The line of its first row sets the record id, as that of a new name does; nothing else if it is empty."""
    app = trial.apps["one"]
    before = weights(app)["R0"]
    trial.write("R0", "arm 2")
    trial.write("R0", "extra 4", weight="62")
    trial.write("R3", "adverse 3", event_text="made up")
    done = night(trial, app, full=full)
    after = weights(app)["R0"]
    assert (after.number, after.state, after.reason, after.round) == (
        before.number, State.CLOSED, CloseReason.CONFIRMED, before.round,
    )  # fmt: skip
    assert done.queries["reopened"] == 0


def test_the_next_bearer_of_an_id_is_held_back_from_analysis_until_asked(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.write("R1", "start", sex="7")
    night(trial, app)
    assert quarantined(app) == {"R1"}
    (query,) = (each for each in app.warehouse().reader().queries(QueryFilter()) if each.key.field == "sex")
    decision = desk.Decision(trigger=Trigger.CONFIRM, actor="dm", comment="seen the source")
    desk.decide(app, [query.number], decision)
    night(trial, app)
    assert quarantined(app) == set()
    trial.handle.delete_record("R1")
    trial.write("R1", "start", initials="QQ", sex="7")
    night(trial, app)
    assert quarantined(app) == {"R1"}


def test_a_record_that_was_deleted_by_mistake_and_entered_again_is_asked_anew(trial: small.Trial) -> None:
    app = trial.apps["one"]
    rows = {place: dict(cells) for place, cells in trial.handle.project.records.get("R0").rows.items()}
    trial.handle.delete_record("R0")
    for (event, instrument, instance), cells in rows.items():
        trial.handle.set("R0", cells, event=event, instrument=instrument, instance=instance)
    night(trial, app)
    assert weights(app)["R0"].state is State.OPEN


def test_a_row_that_was_deleted_and_entered_again_is_another_matter(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.drop("R0", "day")
    night(trial, app)
    trial.write("R0", "day", weight="500")
    night(trial, app)
    assert weights(app)["R0"].state is State.OPEN
    thread = app.warehouse().reader().thread(weights(app)["R0"].number)
    assert [event.action for event in thread.events][-2:] == [Action.LAPSED, Action.REOPENED]


def test_a_row_that_went_in_the_night_of_its_records_new_name_takes_its_decision_along(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.handle.rename_record("R0", "X0")
    trial.drop("X0", "day")
    night(trial, app)
    trial.write("X0", "day", weight="500")
    night(trial, app)
    assert weights(app)["X0"].state is State.OPEN


def test_a_decision_stands_while_nothing_ends(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.write("R0", "day", height="171")
    trial.drop("R0", "extra 2")
    for full in (False, True, False):
        night(trial, app, full=full)
        assert weights(app)["R0"].state is State.CLOSED


def test_two_records_that_cannot_be_told_apart_take_nothing_along(trial: small.Trial) -> None:
    app = trial.apps["one"]
    confirm(app, "R3")
    for old, new in (("R0", "X0"), ("R3", "X3")):
        trial.handle.rename_record(old, new)
        trial.write(new, "start", initials="NN")
        trial.write(new, "extra 2", weight="62")
    night(trial, app)
    after = weights(app)
    assert {after[name].state for name in ("X0", "X3")} == {State.OPEN}
    assert {after[name].fingerprint_decided for name in ("R0", "R3")} == {None}


def test_a_former_bearers_rows_are_no_part_of_the_next_ones_history(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.handle.delete_record("R0")
    trial.write("R0", "start", initials="QQ", sex="2")
    done = night(trial, app)
    assert done.stored.cells_changed == 0
    assert done.stored.deleted >= 3


def test_without_a_log_a_taken_over_name_shows_by_whole_contents_or_is_a_notice(tmp_path: Path) -> None:
    with small.serve(tmp_path, frozen=False) as trial:
        small.fill(trial)
        trial.write("R3", "day", height="165")
        trial.write("R3", "extra 2", weight="63")
        app = trial.app("one", token=small.BLIND, brakes=BRAKES)
        night(trial, app)
        confirm(app, "R0", "R6")
        trial.handle.rename_record("R0", "X0")
        trial.handle.rename_record("R3", "R0")
        trial.handle.delete_record("R6")
        trial.write("R6", "start", initials="QQ", sex="2")
        trial.write("R6", "day", weight="500", height="150")
        trial.write("R6", "extra 2", weight="66")
        done = night(trial, app)
        after = weights(app)
        assert (after["X0"].reason, after["R0"].state) == (CloseReason.CONFIRMED, State.OPEN)
        (told,) = (each for each in done.notices if "another patient" in each)
        assert told.startswith("1 record holds other data")
        assert told in done.warnings
        assert "R6" not in told


# --- history


def told(app: App, record: str, place: str = "day_arm_1", field: str = "weight") -> list[tuple[str | None, ...]]:
    row = RowKey(site="all", record=record, event=place, instrument="visit", instance=1)
    versions = app.warehouse().reader().history(Coordinate(row=row, field=field))
    return [(each.row.record, each.change, each.raw, each.other_name) for each in versions]


def test_the_history_of_a_cell_goes_back_beyond_its_records_new_name(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.write("R1", "day", weight="88")
    night(trial, app)
    trial.handle.rename_record("R1", "X1")
    night(trial, app)
    trial.write("X1", "day", weight="89")
    night(trial, app)
    before = [("R1", "first", "61", None), ("R1", "changed", "88", None)]
    assert told(app, "X1") == [*before, ("X1", "renamed", "88", "R1"), ("X1", "changed", "89", None)]
    assert told(app, "R1") == [*before, ("R1", "renamed", None, "X1")]
    trial.handle.rename_record("X1", "R1")
    night(trial, app, full=True)
    lived = [*before, ("X1", "renamed", "88", "R1"), ("X1", "changed", "89", None)]
    assert told(app, "R1") == [*before, ("R1", "renamed", None, "X1"), *lived, ("R1", "renamed", "89", "X1")]
    trial.handle.delete_record("R1")
    night(trial, app)
    assert told(app, "R1")[-1] == ("R1", "ended", None, None)


def test_each_bearer_of_a_name_has_a_history_of_its_own(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.handle.rename_record("R1", "X1")
    trial.handle.rename_record("R2", "R1")
    night(trial, app)
    trial.handle.delete_record("R1")
    trial.write("R1", "start", initials="QQ", sex="2")
    trial.write("R1", "day", weight="99")
    night(trial, app)
    assert told(app, "X1") == [("R1", "first", "61", None), ("X1", "renamed", "61", "R1")]
    assert told(app, "R1") == [
        ("R1", "first", "61", None),
        ("R1", "renamed", None, "X1"),
        ("R2", "first", "62", None),
        ("R1", "renamed", "62", "R2"),
        ("R1", "ended", None, None),
        ("R1", "first", "99", None),
    ]


def test_a_row_that_went_in_the_night_of_the_new_name_ends_there(trial: small.Trial) -> None:
    app = trial.apps["one"]
    trial.handle.rename_record("R1", "X1")
    trial.drop("X1", "day")
    night(trial, app)
    lived = [("R1", "first", "61", None), ("R1", "renamed", None, "X1")]
    assert told(app, "X1") == told(app, "R1") == lived
    trial.write("X1", "day", weight="90")
    night(trial, app)
    assert told(app, "X1") == [*lived, ("X1", "first", "90", None)]


# --- whatever happens between nights


class Patients(RuleBasedStateMachine):
    """Let patients come, go and change names; the program is never told who is who.

    Each patient's initials are their own and stay: of two whose every cell is alike, nobody can tell one.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.serving = small.serve(Path(self.folder.name))
        self.trial = self.serving.__enter__()
        self.people: dict[str, int] = {}
        self.born = 0
        #: number -> whom the decision on it was about, and what of their weight
        self.decided: dict[str, int] = {}
        for name in NAMES[:4]:
            self.admit(name, "500")
        self.app = self.trial.app("one", brakes=BRAKES)
        self.night(full=False)

    def teardown(self) -> None:
        if hasattr(self, "serving"):
            self.serving.__exit__(None, None, None)
            self.folder.cleanup()

    @rule(name=st.sampled_from(NAMES), weight=st.sampled_from(["500", "70"]))
    def admit(self, name: str, weight: str) -> None:
        if name in self.people:
            return
        self.born += 1
        self.people[name] = self.born
        self.trial.write(name, "start", initials=f"P{self.born}", sex="1")
        self.trial.write(name, "day", weight=weight, height="170")
        self.trial.write(name, "extra 2", weight="61")

    @rule(name=st.sampled_from(NAMES))
    def leave(self, name: str) -> None:
        if name in self.people and len(self.people) > 2:
            del self.people[name]
            self.trial.handle.delete_record(name)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, old: str, new: str) -> None:
        if old in self.people and new not in self.people:
            self.people[new] = self.people.pop(old)
            self.trial.handle.rename_record(old, new)

    @rule(name=st.sampled_from(NAMES), new=st.sampled_from(NAMES), then=st.sampled_from(NAMES))
    def shift(self, name: str, new: str, then: str) -> None:
        self.rename(name, new)
        self.rename(then, name)

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def swap(self, name: str, other: str) -> None:
        free = next((each for each in NAMES if each not in self.people), None)
        if name != other and {name, other} <= self.people.keys() and free is not None:
            for old, new in ((name, free), (other, name), (free, other)):
                self.rename(old, new)

    @rule(
        name=st.sampled_from(NAMES),
        place=st.sampled_from(["day", "extra 2"]),
        weight=st.sampled_from(["500", "499", "70", "61"]),
    )
    def edit(self, name: str, place: str, weight: str) -> None:
        if name in self.people:
            self.trial.write(name, place, weight=weight)

    @rule(name=st.sampled_from(NAMES))
    def drop(self, name: str) -> None:
        if name in self.people:
            self.trial.drop(name, "day")

    @rule(name=st.sampled_from(NAMES))
    def decide(self, name: str) -> None:
        """Confirm what the last night asked about a record, whoever bears the name by now."""
        query = weights(self.app).get(name)
        if query is not None and query.state is State.OPEN and name in self.seen:
            confirm(self.app, name)
            self.decided[query.number] = self.seen[name]

    @rule(full=st.sampled_from([False, False, True]))
    def night(self, full: bool) -> None:
        night(self.trial, self.app, full=full)
        self.seen = dict(self.people)
        self.judge()

    def judge(self) -> None:
        standing = weights(self.app)
        for query in standing.values():
            bound = query.reason in BOUND and query.fingerprint_decided is not None
            if bound and query.key.record in self.people:
                mine = self.decided[query.number] == self.people[query.key.record]
                assert mine, "a decision about one patient stands for another"
        for name in self.people:
            record = self.trial.handle.project.records.get(name)
            weight = record.rows.get(("day_arm_1", "", 0), {}).get("weight", "")
            query = standing.get(name)
            if weight in ("500", "499"):
                assert query is not None
                assert query.condition is Condition.FAILING
                own = query.fingerprint_decided == query.fingerprint and query.reason in BOUND
                assert query.state in LIVE or own, "nobody asks about it, and nobody decided"


TestPatients = Patients.TestCase
TestPatients.settings = settings(max_examples=60 if LONG else 8, stateful_step_count=40 if LONG else 20, deadline=None)
