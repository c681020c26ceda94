"""Records that are gone leave a line in the log, or a person looks. Over real HTTP; all records are made up."""

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import requests

from schemas import pull as pulls
from sync.config import SiteConfig, TransportConfig
from sync.redcap import traces
from sync.redcap.shared import Shares
from sync.redcap.source import open_source
from sync.redcap.traces import Line
from sync.sandbox.auditlog import MANAGE, LogEntry
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.sandbox import Sandbox
from tests.redcap import trial
from tests.redcap.fake import FakeClock
from tests.redcap.test_changes_machine import Mirror

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 1, 12)


# --- lines


def line(verb: str, record: str, minute: int, details: str = "x = '1'") -> Line:
    return Line(verb=verb, records=frozenset({record}), at=NOON + timedelta(minutes=minute), details=details)


@pytest.mark.parametrize(
    ("details", "blanks"),
    [
        ("weight = ''", True),
        ("[instance = 2], weight = '', signs(1) = unchecked, visit_complete = ''", True),
        ("weight = '',\nheight = ''", True),
        ("signs(-9) = unchecked", True),
        ("weight = '5', height = ''", False),
        ("signs(1) = checked", False),
        ("remark = 'was = ''", False),
        ("redcap_data_access_group = ''", False),
        ("", False),
    ],
)
def test_an_update_that_sets_everything_to_blank_is_told_from_others(details: str, blanks: bool) -> None:
    assert traces.is_blanking(details) == blanks


def test_a_record_that_was_made_again_after_its_deletion_has_not_ended() -> None:
    lines = [line("create", "R1", 9), line("delete", "R1", 3), line("delete", "R2", 5), line("create", "R2", 5)]
    for order in (lines, lines[::-1]):
        read = traces.read(order)
        assert read.deleted == {"R2"}
        assert read.made == {frozenset({"R1"})}


def test_a_record_that_was_blanked_and_written_to_again_has_not_ended() -> None:
    read = traces.read([line("update", "R1", 1, "a = ''"), line("update", "R1", 2), line("update", "R2", 1, "a = ''")])
    assert read.emptied == {"R2": 1}


# --- pulls


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with trial.serve() as running:
        for number in range(6):
            trial.enter(running, f"R{number}", f"person {number}")
            trial.enter(running, f"R{number}", f"{60 + number}", "day_arm_1")
        trial.enter(running, "R0", "rash", "adverse")
        trial.enter(running, "R5", "70", "start_arm_2")
        later(running)
        yield running


def later(sandbox: Sandbox, hours: float = 24) -> None:
    sandbox.clock.set(sandbox.clock.local() + timedelta(hours=hours))


def mirror(sandbox: Sandbox, token: str = trial.TOKEN, group: str | None = None) -> Mirror:
    made = Mirror(sandbox.start(), token, group)
    follow(made)
    later(sandbox)
    return made


def follow(made: Mirror, *, full: bool = False, overlap: timedelta = HOUR) -> pulls.Delta:
    return made.follow(full=full, overlap=overlap)


def ungrouped(sandbox: Sandbox) -> None:
    sandbox.project("trial").change_structure(dags=())


def grouped(sandbox: Sandbox) -> None:
    """Put records into groups, so that the server shows who belongs where."""
    for number in range(6):
        sandbox.project("trial").assign_dag(f"R{number}", ("north", "south")[number % 2])


def without_adverse_events(sandbox: Sandbox) -> None:
    """Take a form out of the project; the server keeps its rows and shows none."""
    project, was = sandbox.project("trial"), trial.STRUCTURE
    project.change_structure(
        fields=was.fields[:-1],
        forms=was.forms[:-1],
        mapping={**was.mapping, "start_arm_1": ("person",)},
        repeats={"extra_arm_1": None},
    )
    for name in project.record_names():
        rows = project.project.records.get(name).rows
        for key in [key for key in rows if key[1] == "adverse"]:
            del rows[key]


def ask(sandbox: Sandbox, **parameters: str) -> None:
    """Delete over the API, as another program of the site might."""
    reply = requests.post(
        sandbox.start(), data={"token": trial.TOKEN, "content": "record", "action": "delete"} | parameters, timeout=10
    )
    assert reply.status_code == 200, reply.text


def by_hand(sandbox: Sandbox) -> None:
    sandbox.project("trial").delete_record("R5")


def by_api(sandbox: Sandbox) -> None:
    ask(sandbox, **{"records[0]": "R5"})


def wiping_its_history(sandbox: Sandbox) -> None:
    sandbox.project("trial").change_settings(delete_logging=True)
    ask(sandbox, **{"records[0]": "R5", "delete_logging": "1"})


def arm_by_arm(sandbox: Sandbox) -> None:
    ask(sandbox, **{"records[0]": "R5", "arm": "1"})
    ask(sandbox, **{"records[0]": "R5", "arm": "2"})


def event_by_event(sandbox: Sandbox) -> None:
    for event in ("day_arm_1", "start_arm_1", "start_arm_2"):
        ask(sandbox, **{"records[0]": "R5", "event": event})


def event_by_event_on_the_pages(sandbox: Sandbox) -> None:
    for event in ("start_arm_1", "start_arm_2", "day_arm_1"):
        trial.drop(sandbox, "R5", event)


def erasing_the_project(sandbox: Sandbox) -> None:
    """Do what a server from 15.2 on does: one line for all of it."""
    project = sandbox.project("trial").project
    for name in list(project.records.names()):
        project.remove(name)
    project.note(LogEntry(at=sandbox.clock.local(), user="x", action=MANAGE, details="Erase all data"))


def between_renames(sandbox: Sandbox) -> None:
    """Rename beyond recognition: which of the two became which cannot be told, but that is no deletion."""
    handle = sandbox.project("trial")
    for old, new in (("R4", "S4"), ("R5", "S5")):
        handle.rename_record(old, new)
        for place in ("start_arm_1", "day_arm_1"):
            trial.enter(sandbox, new, "other", place)


def renamed_and_then_deleted(sandbox: Sandbox) -> None:
    sandbox.project("trial").rename_record("R5", "S5")
    later(sandbox, 2)
    sandbox.project("trial").delete_record("S5")


HONEST = [
    by_hand, by_api, wiping_its_history, arm_by_arm, event_by_event, event_by_event_on_the_pages, erasing_the_project,
    between_renames, renamed_and_then_deleted,
]  # fmt: skip


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("delete", HONEST, ids=lambda each: each.__name__)
@pytest.mark.parametrize("groups", [ungrouped, grouped], ids=lambda each: each.__name__)
def test_whatever_a_site_deletes_leaves_a_trace(sandbox: Sandbox, groups, delete, full: bool) -> None:
    groups(sandbox)
    held = mirror(sandbox)
    delete(sandbox)
    later(sandbox, 3)
    delta = follow(held, full=full)
    assert "R5" in delta.gone
    assert (delta.log_was_read, delta.untraced) == (True, 0)
    assert not any("gone" in each or "made since" in each for each in delta.notices)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("groups", [ungrouped, grouped], ids=lambda each: each.__name__)
def test_what_the_server_no_longer_shows_and_the_log_does_not_mention_is_counted(
    sandbox: Sandbox, groups, full: bool
) -> None:
    groups(sandbox)
    held = mirror(sandbox)
    for record in ("R1", "R2"):
        trial.spirit_away(sandbox, record)
    sandbox.project("trial").delete_record("R3")
    trial.enter(sandbox, "R4", "changed")
    delta = follow(held, full=full)
    assert delta.gone == {"R1", "R2", "R3"}
    assert (delta.log_was_read, delta.untraced) == (True, 2)


def test_one_event_blanked_does_not_explain_a_record_that_had_more(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.drop(sandbox, "R1", "day_arm_1")
    trial.spirit_away(sandbox, "R1")
    assert follow(held).untraced == 1


@pytest.mark.parametrize("full", [False, True])
def test_a_record_that_moved_to_another_group_is_no_riddle(sandbox: Sandbox, full: bool) -> None:
    grouped(sandbox)
    north = mirror(sandbox, group="north")
    sandbox.project("trial").assign_dag("R0", "south")
    sandbox.project("trial").assign_dag("R2", "")
    delta = follow(north, full=full)
    assert delta.moved_away == delta.gone == {"R0", "R2"}
    assert (delta.log_was_read, delta.untraced) == (True, 0)


def test_a_deletion_between_the_log_and_the_lists_is_explained(
    sandbox: Sandbox, between: list[Callable[[], None]]
) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    between.append(lambda: sandbox.project("trial").delete_record("R1"))
    delta = follow(held)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1"}, True, 0)


def test_deletions_of_many_parked_nights_are_all_explained_by_the_log_since_the_watermark(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    mark, rows, known = held.mark, held.rows, held.known
    for record in ("R1", "R2", "R3"):
        sandbox.project("trial").delete_record(record)
        later(sandbox, 24 * 9)
        follow(held)
        held.mark, held.rows, held.known = mark, rows, known  # parked: nothing was kept
    delta = follow(held)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1", "R2", "R3"}, True, 0)


def test_a_look_that_another_site_asked_for_does_not_cut_the_log_short(sandbox: Sandbox) -> None:
    """North ran each night, south was parked: what south lost long ago stands in the log before north's watermark."""
    grouped(sandbox)
    north, south = mirror(sandbox, group="north"), mirror(sandbox, group="south")
    sandbox.project("trial").delete_record("R1")
    later(sandbox, 200)
    follow(north)
    later(sandbox)
    shares, url = Shares(), sandbox.start()
    for held, group in ((north, "north"), (south, "south")):
        site = SiteConfig(slug=group, name="N", subject_prefix="N", url=url, project_id=17, token_env="T", group=group)
        held.source = open_source(site, trial.TOKEN, TransportConfig(retries=0), FakeClock(), shares=shares)
    follow(north, full=True)
    delta = follow(south)
    assert delta.complete, "it took the look that north had made"
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1"}, True, 0)


@pytest.mark.parametrize("full", [False, True])
def test_a_new_name_in_another_group_excuses_none_that_is_withheld(sandbox: Sandbox, full: bool) -> None:
    grouped(sandbox)
    south = mirror(sandbox, group="south")
    sandbox.project("trial").rename_record("R0", "S0")
    trial.spirit_away(sandbox, "R1")
    delta = follow(south, full=full)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1"}, True, 1)


def moved_after(sandbox: Sandbox) -> None:
    sandbox.project("trial").rename_record("R0", "S0")
    sandbox.project("trial").assign_dag("S0", "south")


def moved_before(sandbox: Sandbox) -> None:
    sandbox.project("trial").assign_dag("R0", "south")
    sandbox.project("trial").rename_record("R0", "S0")


def taken_over_and_moved(sandbox: Sandbox) -> None:
    sandbox.project("trial").delete_record("R2")
    sandbox.project("trial").rename_record("R0", "R2")
    sandbox.project("trial").assign_dag("R2", "south")


RENAMED_AND_MOVED = [moved_after, moved_before, taken_over_and_moved]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("act", RENAMED_AND_MOVED)
def test_a_record_that_got_another_name_and_moved_is_no_riddle(
    sandbox: Sandbox, act: Callable[[Sandbox], None], full: bool
) -> None:
    grouped(sandbox)
    north, south = mirror(sandbox, group="north"), mirror(sandbox, group="south")
    act(sandbox)
    deltas = [follow(each, full=full) for each in (north, south)]
    assert [(delta.log_was_read, delta.untraced) for delta in deltas] == [(True, 0)] * 2
    assert "R0" in deltas[0].gone
    assert not deltas[1].gone


@pytest.mark.parametrize("full", [False, True])
def test_the_name_of_a_record_that_got_another_and_moved_is_free_for_the_next(sandbox: Sandbox, full: bool) -> None:
    grouped(sandbox)
    north = mirror(sandbox, group="north")
    moved_after(sandbox)
    sandbox.project("trial").rename_record("R4", "R0")
    delta = follow(north, full=full)
    assert (delta.gone, delta.reborn, delta.untraced) == ({"R4"}, {"R0"}, 0)
    assert delta.renamed == {"R4": "R0"}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("act", RENAMED_AND_MOVED)
def test_a_record_that_moves_with_a_new_name_excuses_no_second_one(
    sandbox: Sandbox, act: Callable[[Sandbox], None], full: bool
) -> None:
    grouped(sandbox)
    north = mirror(sandbox, group="north")
    act(sandbox)
    trial.spirit_away(sandbox, "R4")
    assert follow(north, full=full).untraced == 1


@pytest.mark.parametrize("full", [False, True])
def test_a_record_made_while_a_pull_was_under_way_is_not_made_again_at_the_next(
    sandbox: Sandbox, between: list[Callable[[], None]], full: bool
) -> None:
    """Else its new name, which ended, would be taken for one that nobody known had left."""
    ungrouped(sandbox)
    held, project = mirror(sandbox), sandbox.project("trial")
    between.append(lambda: trial.enter(sandbox, "N1", "made"))
    assert "N1" in follow(held, full=full).record_ids
    project.rename_record("N1", "N2")
    project.delete_record("N2")
    delta = follow(held, full=full)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"N1"}, True, 0)


@pytest.mark.parametrize("full", [False, True])
def test_a_name_that_went_to_another_groups_new_record_leaves_no_riddle(sandbox: Sandbox, full: bool) -> None:
    grouped(sandbox)
    north, project = mirror(sandbox, group="north"), sandbox.project("trial")
    trial.enter(sandbox, "N4", "made")
    project.assign_dag("N4", "south")
    project.rename_record("R0", "N5")
    project.delete_record("N5")
    project.rename_record("N4", "N5")
    delta = follow(north, full=full)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R0"}, True, 0)


def test_a_record_made_in_a_form_that_was_taken_away_gave_its_name_to_nobody(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held, project = mirror(sandbox), sandbox.project("trial")
    project.rename_record("R0", "N1")
    trial.enter(sandbox, "N2", "only here", "adverse")
    without_adverse_events(sandbox)
    delta = follow(held)
    assert (delta.log_was_read, delta.untraced) == (True, 0)


@pytest.mark.parametrize("full", [False, True])
def test_without_the_log_nothing_is_told_and_a_notice_says_so_only_where_something_is_gone(full: bool) -> None:
    with trial.serve(at=None) as sandbox:
        for number in range(3):
            trial.enter(sandbox, f"R{number}", f"person {number}")
        held = Mirror(sandbox.start(), trial.BLIND, None)
        follow(held)
        quiet = follow(held, full=full)
        sandbox.project("trial").delete_record("R1")
        delta = follow(held, full=full)
    assert not any("gone" in each for each in quiet.notices)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1"}, False, 0)
    assert any(each.startswith("1 record is gone; no log") for each in delta.notices)


def test_a_full_pull_without_a_watermark_cannot_ask_the_log(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    held.mark = None
    trial.spirit_away(sandbox, "R1")
    delta = follow(held)
    assert (delta.complete, delta.gone, delta.log_was_read, delta.untraced) == (True, {"R1"}, False, 0)


def test_a_clock_that_was_set_back_leaves_the_log_without_a_say(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    later(sandbox, -72)
    trial.spirit_away(sandbox, "R1")
    delta = follow(held, overlap=24 * HOUR)
    assert (delta.gone, delta.log_was_read) == ({"R1"}, False)


def test_a_log_that_fails_the_second_time_has_no_say(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.spirit_away(sandbox, "R1")
    sandbox.faults.add(Fault(mode=Mode.GATEWAY_TIMEOUT, content="log", after=2, times=None))
    delta = follow(held)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1"}, False, 0)


def test_a_user_of_a_group_sees_too_little_of_the_log_to_tell(sandbox: Sandbox) -> None:
    """The project has groups, and neither now nor before did the server say whose a record is."""
    held = mirror(sandbox)
    trial.spirit_away(sandbox, "R1")
    assert not follow(held).log_was_read


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("times", [1, 2])
def test_a_record_that_was_made_and_renamed_since_excuses_none_that_is_withheld(
    sandbox: Sandbox, times: int, full: bool
) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.enter(sandbox, "T1", "newcomer")
    for number in range(times):
        sandbox.project("trial").rename_record(f"T{number + 1}", f"T{number + 2}")
    trial.spirit_away(sandbox, "R1")
    delta = follow(held, full=full)
    assert (delta.gone, delta.log_was_read, delta.untraced) == ({"R1"}, True, 1)


def test_a_name_that_was_taken_over_excuses_none_that_is_withheld(sandbox: Sandbox) -> None:
    """R0 became S0, beyond recognition, and somebody else is R0 now: the new name is the former R0's."""
    ungrouped(sandbox)
    held = mirror(sandbox)
    sandbox.project("trial").rename_record("R0", "S0")
    for place in ("start_arm_1", "day_arm_1", "adverse"):
        trial.enter(sandbox, "S0", "other", place)
    trial.enter(sandbox, "R0", "newcomer")
    trial.spirit_away(sandbox, "R1")
    delta = follow(held)
    assert (delta.gone, delta.reborn, delta.untraced) == ({"R1"}, {"R0"}, 1)


# --- rows that are gone from records that stay


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("groups", [ungrouped, grouped], ids=lambda each: each.__name__)
def test_rows_that_the_server_no_longer_shows_and_the_log_does_not_mention_are_told_by_record(
    sandbox: Sandbox, groups, full: bool
) -> None:
    groups(sandbox)
    for record in ("R1", "R2", "R3", "R4"):
        trial.enter(sandbox, record, "there", "day_arm_1")
    later(sandbox, 3)
    held = mirror(sandbox)
    later(sandbox, 1)
    trial.spirit_away(sandbox, "R1", "day_arm_1")
    trial.drop(sandbox, "R2", "day_arm_1")
    trial.enter(sandbox, "R3", "changed", "day_arm_1")
    delta = follow(held, full=full, overlap=24 * HOUR)
    assert delta.log_was_read
    assert delta.thinned_untraced == {"R1"}
    assert delta.untraced == 0
    later(sandbox, 1)
    assert not follow(held, full=full).thinned_untraced, "what was taken over is known"


def test_a_row_that_went_while_the_pull_was_under_way_is_explained(
    sandbox: Sandbox, between: list[Callable[[], None]]
) -> None:
    ungrouped(sandbox)
    trial.enter(sandbox, "R1", "there", "day_arm_1")
    held = mirror(sandbox)
    later(sandbox, 1)
    between.append(lambda: trial.drop(sandbox, "R1", "day_arm_1"))
    delta = follow(held, overlap=24 * HOUR)
    assert (delta.log_was_read, delta.thinned_untraced) == (True, frozenset())


def test_rows_that_go_with_a_changed_design_are_not_asked_after(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    trial.enter(sandbox, "R1", "there", "day_arm_1")
    held = mirror(sandbox)
    later(sandbox, 1)
    project = sandbox.project("trial").project
    fields = tuple(replace(each, field_note="other") for each in project.structure.fields)
    project.structure = replace(project.structure, fields=fields)
    trial.spirit_away(sandbox, "R1", "day_arm_1")
    delta = follow(held)
    assert (delta.complete, delta.log_was_read, delta.thinned_untraced) == (True, True, frozenset())


# --- records that should be there


def test_a_record_that_the_log_calls_made_and_nobody_shows_is_a_notice_without_its_name(sandbox: Sandbox) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    trial.enter(sandbox, "T1", "newcomer")
    trial.enter(sandbox, "T2", "seen")
    trial.spirit_away(sandbox, "T1")
    delta = follow(held)
    (told,) = (each for each in delta.notices if "made since" in each)
    assert "calls 1 record made" in told
    assert "T1" not in told


@pytest.mark.parametrize("full", [False, True])
def test_records_that_were_made_and_deleted_or_renamed_since_are_no_notice(sandbox: Sandbox, full: bool) -> None:
    ungrouped(sandbox)
    held = mirror(sandbox)
    handle = sandbox.project("trial")
    for record in ("T1", "T2", "T3", "T4"):
        trial.enter(sandbox, record, f"newcomer {record}")
    handle.delete_record("T1")
    trial.drop(sandbox, "T2", "start_arm_1")
    handle.rename_record("T3", "U3")
    delta = follow(held, full=full)
    assert {"T4", "U3"} <= delta.record_ids
    assert not any("made since" in each for each in delta.notices)
    later(sandbox, 20)
    assert not any("made since" in each for each in follow(held, overlap=48 * HOUR).notices), "told of in the overlap"


@pytest.mark.parametrize("full", [False, True])
def test_a_record_that_was_made_and_pulled_and_is_renamed_the_next_day_is_no_notice(
    sandbox: Sandbox, full: bool
) -> None:
    """The log is read from before the last pull on, so it tells of its making once more."""
    ungrouped(sandbox)
    trial.enter(sandbox, "T1", "newcomer")
    held = mirror(sandbox)
    later(sandbox, 10)
    sandbox.project("trial").rename_record("T1", "U1")
    delta = follow(held, full=full, overlap=24 * HOUR)
    assert delta.renamed == {"T1": "U1"}
    assert not any("made since" in each for each in delta.notices)


def test_in_a_project_with_groups_nobody_misses_what_another_group_made(sandbox: Sandbox) -> None:
    grouped(sandbox)
    held = mirror(sandbox)
    trial.enter(sandbox, "T1", "newcomer")
    trial.spirit_away(sandbox, "T1")
    assert not any("made since" in each for each in follow(held).notices)
