"""What of the log gives a name, and when nobody can have borne it. All records are made up.

Each test says who bears a name that another had (`reborn`), and that no honest change is called a loss.
"""

from collections.abc import Callable

import pytest

from sync.redcap import changes
from sync.sandbox.auditlog import MANAGE, LogEntry
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.handle import ProjectHandle
from sync.sandbox.sandbox import Sandbox
from tests.interruptions import Interruptions
from tests.redcap import trial
from tests.redcap.test_changes_machine import Mirror
from tests.redcap.test_traces import HOUR, follow, grouped, later, mirror, ungrouped

LOG = 8
"""The request for the log, of a pull's; two more follow before the lists are asked for."""


def project(sandbox: Sandbox) -> ProjectHandle:
    return sandbox.project("trial")


def open_visit(sandbox: Sandbox, record: str) -> None:
    """Save a form with nothing in it: its line sets the record id, and nothing else."""
    project(sandbox).set(record, {}, event="start_arm_2")


def during(sandbox: Sandbox, request: int, act: Callable[[], None]) -> Interruptions:
    acts = Interruptions()
    acts.add(request, act)
    return acts


@pytest.mark.parametrize("full", [False, True])
def test_a_name_is_free_from_when_its_bearer_was_blanked_whatever_is_written_later(
    sandbox: Sandbox, full: bool
) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    for event in ("start_arm_1", "day_arm_1"):
        trial.drop(sandbox, "R5", event)
    later(sandbox, 1)
    project(sandbox).rename_record("R3", "R5")
    later(sandbox, 1)
    delta = follow(held, full=full)
    assert (delta.reborn, delta.renamed, delta.untraced) == ({"R5"}, {"R3": "R5"}, 0)


@pytest.mark.parametrize("full", [False, True])
def test_a_blanked_cell_frees_no_name_and_excuses_nobody(sandbox: Sandbox, full: bool) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    open_visit(sandbox, "R0")
    later(sandbox, 1)
    trial.enter(sandbox, "R0", "", "adverse")
    trial.spirit_away(sandbox, "R1")
    delta = follow(held, full=full)
    assert (delta.reborn, delta.gone, delta.untraced) == (frozenset(), {"R1"}, 1)


@pytest.mark.parametrize("full", [False, True])
def test_who_moves_away_and_gets_another_name_there_leaves_the_old_one_free(sandbox: Sandbox, full: bool) -> None:
    grouped(sandbox)
    north = mirror(sandbox, group="north")
    project(sandbox).assign_dag("R0", "south")
    project(sandbox).rename_record("R0", "S0")
    project(sandbox).rename_record("R4", "R0")
    delta = follow(north, full=full)
    assert (delta.reborn, delta.renamed, delta.untraced) == ({"R0"}, {"R4": "R0"}, 0)


@pytest.mark.parametrize("full", [False, True])
def test_after_everything_was_erased_every_name_is_free(sandbox: Sandbox, full: bool) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    for name in project(sandbox).record_names():
        trial.spirit_away(sandbox, name)
    line = LogEntry(at=sandbox.clock.local(), user="x", action=MANAGE, details="Erase all data")
    project(sandbox).project.note(line)
    later(sandbox, 1)
    trial.enter(sandbox, "T", "someone else")
    project(sandbox).rename_record("T", "R0")
    assert follow(held, full=full).reborn == {"R0"}


def test_an_hour_that_the_clock_shows_twice_comes_after_its_first_passing(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = Mirror(sandbox.start(), trial.TOKEN, None)
    follow(held)
    later(sandbox, -0.75)
    project(sandbox).rename_record("R0", "X0")
    project(sandbox).rename_record("R3", "R0")
    later(sandbox, 23)
    delta = follow(held, overlap=24 * HOUR)
    assert (delta.renamed, delta.reborn, delta.untraced) == ({"R0": "X0", "R3": "R0"}, {"R0"}, 0)


@pytest.mark.parametrize("act", ["delete", "shift"])
def test_a_clock_set_back_while_a_pull_is_under_way_hides_nothing(sandbox: Sandbox, act: str) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)

    def set_back() -> None:
        later(sandbox, -1)
        if act == "delete":
            project(sandbox).delete_record("R1")
        else:
            project(sandbox).rename_record("R0", "X0")
            project(sandbox).rename_record("R3", "R0")

    with during(sandbox, LOG + 2, set_back).during(sandbox):
        delta = follow(held, overlap=24 * HOUR)
    assert delta.untraced == 0
    assert delta.gone == {"R1" if act == "delete" else "R3"}
    assert delta.reborn == (frozenset() if act == "delete" else {"R0"})


def test_a_name_left_and_made_anew_between_list_and_rows_is_looked_at_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.enter(sandbox, "R0", "edited")
    fetch_whole, done = changes.fetch_whole, list[str]()

    def then_fetch(*given: object, **named: object) -> object:
        if not done:
            done.append("R0")
            project(sandbox).rename_record("R0", "X0")
            trial.enter(sandbox, "R0", "newcomer")
        return fetch_whole(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(changes, "fetch_whole", then_fetch)
    delta = follow(held)
    assert (delta.renamed, delta.reborn) == ({"R0": "X0"}, {"R0"})


def test_deletions_while_a_pull_is_under_way_disturb_nobody(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    names, read_log = iter(["R1", "R2", "R3"]), changes.read_log

    def then_delete(*given: object, **named: object) -> object:
        book = read_log(*given, **named)  # type: ignore[arg-type]
        project(sandbox).delete_record(next(names))
        return book

    monkeypatch.setattr(changes, "read_log", then_delete)
    delta = follow(held)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1"}, True, 0)


def test_a_record_of_a_night_without_log_is_no_newcomer_when_the_log_is_back(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.enter(sandbox, "M", "made")
    sandbox.faults.add(Fault(mode=Mode.GATEWAY_TIMEOUT, content="log", times=None))
    assert "M" in follow(held).record_ids
    sandbox.faults.clear()
    later(sandbox)
    project(sandbox).rename_record("M", "M2")
    trial.enter(sandbox, "M2", "completed")
    assert follow(held, overlap=24 * HOUR).untraced == 0


def test_a_first_row_in_another_arm_that_is_logged_as_a_new_record_makes_no_newcomer(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.enter(sandbox, "R0", "1", "start_arm_2")
    details = "record_id = 'R0', weight = '1'"
    line = LogEntry(
        at=sandbox.clock.local(), user="x", action="Create record R0 (Start (Arm 2: Two))", details=details,
        record="R0", kind="record_add",
    )  # fmt: skip
    project(sandbox).project.note(line)
    project(sandbox).rename_record("R0", "X0")
    delta = follow(held)
    assert (delta.renamed, delta.untraced) == ({"R0": "X0"}, 0)


@pytest.mark.parametrize("visit", [False, True])
def test_an_opened_visit_explains_no_record_that_was_made_and_never_shown(sandbox: Sandbox, visit: bool) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.enter(sandbox, "T1", "newcomer")
    trial.spirit_away(sandbox, "T1")
    if visit:
        open_visit(sandbox, "R0")
    assert any("made since the last pull" in notice for notice in follow(held).notices)
