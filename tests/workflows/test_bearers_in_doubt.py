"""Names of patients where the log was not heard for a while, tells of another group, or of rows in another arm."""

from pathlib import Path

import pytest

from sync.bootstrap import App
from sync.ports.stored import QueryFilter
from sync.queries.model import Query, State, Trigger
from sync.redcap import changes, delta
from sync.redcap.logbook import NO_ANSWER, Logbook
from sync.sandbox.auditlog import LogEntry
from sync.workflows import desk
from tests.workflows import small
from tests.workflows.test_bearers import DAY, confirm, night, weights


def about_weight(app: App, record: str) -> list[Query]:
    """Give the queries of the site South about a record's weight."""
    found = app.warehouse().reader().queries(QueryFilter())
    return [q for q in found if (q.key.site, q.key.record, q.key.field) == ("s_south", record, "weight")]


@pytest.mark.parametrize("full", [False, True])
def test_in_one_group_no_decision_goes_to_a_patient_who_came_from_another(tmp_path: Path, full: bool) -> None:
    """South's record gets a name and is deleted under it; north's gets one and moves to south."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        app = trial.app("groups", groups=("north", "south"))
        assert small.run_night(app).exit_code == 0
        (asked,) = about_weight(app, "R3")
        desk.decide(app, [asked.number], desk.Decision(trigger=Trigger.CONFIRM, actor="dm", comment="seen the source"))
        trial.move(DAY)
        trial.handle.rename_record("R3", "Y3")
        trial.handle.delete_record("Y3")
        trial.handle.rename_record("R0", "X0")
        trial.handle.assign_dag("X0", "south")
        assert small.run_night(app, full=full).exit_code == 0
        found = about_weight(app, "X0")
        assert [(q.state, q.number == asked.number) for q in found] == [(State.OPEN, False)]


@pytest.mark.parametrize("renamed", [1, 4])
def test_names_that_rows_told_are_not_told_again_by_a_log_that_answers_later(tmp_path, monkeypatch, renamed) -> None:
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        app = trial.app("one")
        night(trial, app)
        confirm(app, "R0")
        night(trial, app)
        numbers = {name: query.number for name, query in weights(app).items()}
        for number in range(renamed):
            trial.handle.rename_record(f"R{number}", f"X{number}")
        with monkeypatch.context() as patch:
            for module in (changes, delta):
                patch.setattr(module, "read_log", lambda *_args, **_named: Logbook(problem=NO_ANSWER))
            night(trial, app)
        for _ in range(2):
            done = night(trial, app)
            assert (done.stored.inserted, done.stored.deleted) == (0, 0)
        assert weights(app)["X0"].number == numbers["R0"]
        assert weights(app)["X0"].state is State.CLOSED, "what was confirmed is not asked again"


def test_the_right_to_the_log_that_comes_later_moves_no_name(tmp_path: Path) -> None:
    with small.serve(tmp_path, frozen=False) as trial:
        small.fill(trial)
        blind = trial.app("one", token=small.BLIND)
        assert small.run_night(blind).exit_code == 0
        confirm(blind, "R0")
        trial.handle.rename_record("R0", "X0")
        assert small.run_night(blind).exit_code == 0
        app = trial.app("one", token=small.TOKEN)
        for _ in range(2):
            (done,) = small.run_night(app).sites
            assert (done.exit_code, done.stored.inserted, done.stored.deleted) == (0, 0, 0), done.reason
        assert weights(app)["X0"].state is State.CLOSED


def test_first_rows_in_another_arm_make_nobody_new_on_a_day_on_which_another_is_renamed(tmp_path: Path) -> None:
    with small.serve(tmp_path) as trial:
        small.fill(trial, 30)
        app = trial.app("one")
        night(trial, app)
        for number in range(12):
            name = f"R{number}"
            trial.write(name, "arm 2", initials="A", weight="70")
            trial.handle.project.note(
                LogEntry(
                    at=trial.sandbox.clock.local(),
                    user="owner",
                    action=f"Create record {name} (Start (Arm 2: Two))",
                    details=f"record_id = '{name}'",
                    record=name,
                    kind="record_add",
                )
            )
        trial.handle.rename_record("R20", "X20")
        done = night(trial, app)
        assert done.stored.inserted >= 12
        assert weights(app)["R0"].state is State.OPEN


@pytest.mark.parametrize("full", [False, True])
def test_a_name_given_between_log_and_lists_is_acted_on_once(tmp_path: Path, monkeypatch, full: bool) -> None:
    """The log is read once more then; the night after hears the same line again."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        app = trial.app("one")
        night(trial, app)
        confirm(app, "R0")
        number = weights(app)["R0"].number
        read = changes.read_log
        given: list[str] = []

        def then_renamed(*args, **named) -> Logbook:
            book = read(*args, **named)
            if not given:
                given.append("X0")
                trial.handle.rename_record("R0", "X0")
            return book

        monkeypatch.setattr(changes, "read_log", then_renamed)
        night(trial, app, full=full)
        assert given
        for _ in range(2):
            done = night(trial, app)
            assert (done.stored.inserted, done.stored.deleted) == (0, 0)
            assert (weights(app)["X0"].number, weights(app)["X0"].state) == (number, State.CLOSED)
        trial.handle.rename_record("X0", "Y0")
        night(trial, app)
        assert (weights(app)["Y0"].number, weights(app)["Y0"].state) == (number, State.CLOSED)
