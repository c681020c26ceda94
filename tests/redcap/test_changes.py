"""Incremental pulls against the sandbox, case by case. All records are made up."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from structlog.testing import capture_logs

from schemas import pull as pulls
from schemas.known import Known
from sync.errors import SourceRefused, SourceUnavailable
from sync.redcap import changes
from sync.sandbox.dictionary import Field
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.people import User
from sync.sandbox.sandbox import Sandbox
from tests.interruptions import Interruptions
from tests.redcap import trial
from tests.redcap.test_changes_machine import Mirror

HOUR = timedelta(hours=1)


def mirror(sandbox: Sandbox, token: str = trial.TOKEN, group: str | None = None) -> Mirror:
    made = Mirror(sandbox.start(), token, group)
    delta = follow(made)
    assert delta.complete
    assert delta.missed is None
    return made


def follow(made: Mirror, *, full: bool = False, overlap: timedelta = HOUR) -> pulls.Delta:
    return made.follow(full=full, overlap=overlap)


def later(sandbox: Sandbox, hours: float = 24) -> None:
    sandbox.clock.set(sandbox.clock.local() + timedelta(hours=hours))


def test_only_changed_records_come_and_they_come_whole(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    trial.enter(sandbox, "R2", "71", "day_arm_1")
    delta = follow(held)
    assert not delta.complete
    assert delta.snapshot().rows["record_id"].to_list() == ["R2", "R2"]
    assert delta.snapshot().rows["weight"].to_list() == [None, "71"]
    assert delta.cost.rows_whole == 2
    # two rows of the changed record by date, one row of each record
    assert delta.cost.rows_listed == 2 + 6


def test_what_lies_in_the_overlap_comes_again_and_is_left_out(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    delta = follow(held, overlap=25 * HOUR)
    assert delta.unchanged == 6
    assert delta.snapshot().rows.height == 0
    assert delta.record_ids == {f"R{number}" for number in range(6)}


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Shanghai", "Pacific/Kiritimati"])
@pytest.mark.parametrize("skew", [-7, 0, 5])
def test_the_watermark_is_the_servers_time_and_no_other(zone: str, skew: int) -> None:
    with trial.serve(zone=zone, at=trial.NOON + skew * HOUR) as sandbox:
        trial.enter(sandbox, "R1", "x")
        held = mirror(sandbox)
        assert held.mark is not None
        assert held.mark.at == trial.NOON + skew * HOUR
        later(sandbox, 0.05)
        trial.enter(sandbox, "R1", "y")
        assert follow(held, overlap=0 * HOUR).snapshot().rows["initials"].to_list() == ["y"]


def test_a_clock_that_is_set_back_leads_to_a_full_pull(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox, -48)
    trial.enter(sandbox, "R1", "changed")
    delta = follow(held, overlap=24 * HOUR)
    assert delta.complete
    assert "set back" in delta.notices[0]
    assert delta.missed is None
    assert held.mark is None  # until the clock has passed the log's last line again
    assert follow(held).complete
    later(sandbox, 49)
    assert follow(held).complete
    assert not follow(held).complete


def test_a_rename_keeps_its_record_even_where_all_of_it_changed(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    handle = sandbox.project("trial")
    handle.rename_record("R1", "S1")
    handle.rename_record("R2", "S2")
    trial.enter(sandbox, "S2", "other initials")
    trial.enter(sandbox, "S2", "99", "day_arm_1")
    handle.delete_record("R3")
    delta = follow(held)
    assert delta.renamed == {"R1": "S1", "R2": "S2"}  # R3 was deleted: the log shows it
    assert delta.gone == {"R1", "R2", "R3"}
    assert delta.deleted_in_log == {"R3"}


def test_a_renamed_and_rewritten_record_is_told_where_nothing_else_explains_it(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    sandbox.project("trial").rename_record("R2", "S2")
    trial.enter(sandbox, "S2", "other initials")
    trial.enter(sandbox, "S2", "99", "day_arm_1")
    assert follow(held).renamed == {"R2": "S2"}


@pytest.mark.parametrize("full", [False, True])
def test_a_row_of_nothing_but_the_id_is_no_new_name(sandbox: Sandbox, full: bool) -> None:
    """An import of ids, or a form that is saved empty, is logged as a rename is."""
    held = mirror(sandbox)
    later(sandbox)
    for record in ("R1", "R2"):
        sandbox.project("trial").set(record, {}, event="start_arm_2")
    sandbox.project("trial").rename_record("R3", "S3")
    delta = follow(held, full=full)
    assert (delta.renamed, delta.reborn, delta.untraced) == ({"R3": "S3"}, frozenset(), 0)


@pytest.mark.parametrize("request_number", range(8, 16))
def test_ids_entered_while_a_pull_is_under_way_disturb_nobody(sandbox: Sandbox, request_number: int) -> None:
    held = mirror(sandbox)
    later(sandbox)
    trial.enter(sandbox, "R1", "changed", "day_arm_1")
    acts = doing(sandbox, request_number, lambda: sandbox.project("trial").set("R1", {}, event="start_arm_2"))
    with acts.during(sandbox), capture_logs() as logs:
        delta = follow(held)
    assert not any(entry["event"] == "site.pull.repeated" for entry in logs)
    assert (delta.renamed, delta.reborn) == ({}, frozenset())


def test_a_record_made_and_renamed_since_is_nobodys_new_name(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    trial.enter(sandbox, "T1", "newcomer")
    sandbox.project("trial").rename_record("T1", "T2")
    trial.spirit_away(sandbox, "R1")
    delta = follow(held)
    assert delta.gone == {"R1"}
    assert delta.renamed == {}


def test_a_move_to_another_group_takes_the_record_from_one_site_to_the_other(sandbox: Sandbox) -> None:
    handle = sandbox.project("trial")
    for record, group in (("R0", "north"), ("R1", "south"), ("R2", "north")):
        handle.assign_dag(record, group)
    north, south, both = mirror(sandbox, group="north"), mirror(sandbox, group="south"), mirror(sandbox)
    later(sandbox)
    handle.assign_dag("R0", "south")
    left, came, seen = follow(north), follow(south), follow(both)
    assert (left.gone, left.moved_away, left.renamed) == ({"R0"}, {"R0"}, {})
    assert set(came.snapshot().rows["record_id"]) == {"R0"}
    assert set(seen.snapshot().rows["redcap_data_access_group"]) == {"south"}
    assert seen.groups == {"R0": "south", "R1": "south", "R2": "north"}
    assert "3 records of the project belong to no data access group" in left.notices[0]


def test_a_move_shows_by_the_group_alone(sandbox: Sandbox) -> None:
    held, north = mirror(sandbox), mirror(sandbox, group="north")
    later(sandbox)
    sandbox.project("trial").project.records.get("R3").dag = "north"  # no log, no date
    assert follow(held).groups == {"R3": "north"}
    assert set(held.rows["redcap_data_access_group"]) == {None, "north"}
    assert follow(north).snapshot().rows["record_id"].to_list() == ["R3", "R3"]


def test_a_server_whose_clock_is_years_behind_is_understood() -> None:
    with trial.serve(at=trial.NOON.replace(year=2019)) as sandbox:
        trial.enter(sandbox, "R1", "x")
        held = mirror(sandbox)
        assert held.mark is not None
        assert held.mark.at == trial.NOON.replace(year=2019)
        assert held.mark.basis is pulls.Basis.LOG


@pytest.mark.parametrize("token", [trial.TOKEN, trial.BLIND])
@pytest.mark.parametrize("place", ["day_arm_1", "adverse"])
def test_a_deleted_event_or_instance_shows_without_a_date(token: str, place: str) -> None:
    """With the log by its naming the record, without it by the list of all keys."""
    with trial.serve(at=None) as sandbox:
        for record in ("R0", "R1"):
            for each in ("start_arm_1", "day_arm_1", "adverse"):
                trial.enter(sandbox, record, "5", each)
        held = mirror(sandbox, token)
        trial.spirit_away(sandbox, "R0", place, logged=True)
        sandbox.project("trial").project.records.get("R0").changed_at.clear()
        delta = follow(held)
        assert not delta.complete
        assert set(delta.snapshot().rows["record_id"]) == {"R0"}
        assert trial.ordered(held.rows) == trial.ordered(held.source.pull().rows)
        assert any("may not see the project's log" in each for each in delta.notices) == (token == trial.BLIND)


def test_a_token_that_is_revoked_before_the_log_is_asked_for_is_no_missing_right(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    sandbox.faults.add(Fault(mode=Mode.TOKEN_REVOKED, content="log"))
    with pytest.raises(SourceRefused, match="does not accept the token") as caught:
        follow(held)
    assert caught.value.exit_code == 4
    sandbox.faults.add(Fault(mode=Mode.TOKEN_REVOKED, content="log"))
    with pytest.raises(SourceRefused, match="does not accept the token"):
        held.source.standing()


def test_a_record_without_data_in_the_listed_event_is_not_taken_for_deleted(sandbox: Sandbox) -> None:
    trial.enter(sandbox, "late", "80", "day_arm_1")
    held = mirror(sandbox)
    assert held.mark is not None
    trial.enter(sandbox, "later", "80", "extra_arm_1")
    later(sandbox)
    delta = follow(held)
    assert {"late", "later"} <= delta.record_ids
    later(sandbox)
    assert follow(held).gone == frozenset()


def test_the_event_that_lists_most_records_is_chosen_for_each_arm(sandbox: Sandbox) -> None:
    for number in range(9):
        trial.enter(sandbox, f"D{number}", "70", "day_arm_1")
    held = mirror(sandbox)
    assert held.mark is not None
    assert held.mark.listing_events == ("day_arm_1", "start_arm_2")
    snapshot = held.source.pull()
    prints = Known.of_frame(pulls.fingerprints(snapshot.rows, "record_id"))
    assert changes.listing_events(prints, snapshot.structure) == ("day_arm_1", "start_arm_2")


def test_a_full_pull_counts_what_the_incremental_ones_missed(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    record = sandbox.project("trial").project.records.get("R4")
    record.rows["start_arm_1", "", 0]["initials"] = "written past the log and the date"
    trial.enter(sandbox, "R5", "seen")
    sandbox.project("trial").delete_record("R1")
    delta = follow(held, full=True)
    assert delta.complete
    assert delta.missed == 1
    assert delta.gone == {"R1"}
    later(sandbox)
    assert follow(held, full=True).missed == 0


def test_a_changed_design_or_other_columns_lead_to_a_full_pull(sandbox: Sandbox) -> None:
    handle = sandbox.project("trial")
    held = mirror(sandbox)
    later(sandbox)
    more = Field(field_name="height", form_name="visit")
    fields = handle.structure.fields
    handle.change_structure(fields=(*fields[:4], more, *fields[4:]))
    delta = follow(held)
    assert delta.complete
    assert "design changed" in delta.notices[0]
    later(sandbox)
    handle.put_user(User(username="owner", forms_export={"adverse": 0}))
    trial.enter(sandbox, "R0", "new")
    delta = follow(held)
    assert delta.complete
    assert "other columns" in delta.notices[0]
    assert "event_text" in delta.head.withheld
    assert not follow(held).complete


def test_a_log_that_times_out_keeps_the_old_watermark(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    before = held.mark
    later(sandbox)
    trial.enter(sandbox, "R0", "new")
    sandbox.faults.add(Fault(mode=Mode.GATEWAY_TIMEOUT, content="log", times=None))
    delta = follow(held)
    assert set(delta.snapshot().rows["record_id"]) == {"R0"}
    assert before is not None
    assert held.mark == replace(before, is_heard=False)
    assert "could not hand out the project's log" in delta.notices[0]


def test_a_server_without_log_and_date_makes_the_next_pull_a_full_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Mirror(sandbox.start(), trial.BLIND, None)
    follow(held)
    assert held.mark is not None
    assert held.mark.basis is pulls.Basis.DATE
    monkeypatch.setattr("sync.redcap.changes.earliest_local", lambda _: None)
    delta = follow(held)
    assert delta.watermark is None
    assert "next pull must be a full one" in delta.notices[-1]
    assert follow(held).complete


@pytest.mark.parametrize("after", range(9))
def test_rows_that_go_missing_never_delete_a_record(sandbox: Sandbox, after: int) -> None:
    held = mirror(sandbox)
    later(sandbox)
    for number in range(6):
        trial.enter(sandbox, f"R{number}", f"new {number}")
    sandbox.faults.add(Fault(mode=Mode.MISSING_ROWS, content="record", after=after, times=1))
    delta = follow(held)
    assert delta.gone == frozenset()
    assert delta.record_ids == {f"R{number}" for number in range(6)}
    assert trial.ordered(held.rows) == trial.ordered(held.source.pull().rows)


@pytest.mark.parametrize("after", range(6))
def test_rows_that_go_missing_are_missed_in_a_full_pull_too(sandbox: Sandbox, after: int) -> None:
    source = Mirror(sandbox.start(), trial.TOKEN, None).source
    whole = trial.ordered(source.pull().rows)
    sandbox.faults.add(Fault(mode=Mode.MISSING_ROWS, content="record", after=after, times=1))
    assert trial.ordered(source.pull().rows) == whole


def test_rows_that_stay_missing_stop_a_pull(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    trial.enter(sandbox, "R0", "new")
    # after both lists: of the whole record, and of the second attempt
    sandbox.faults.add(Fault(mode=Mode.MISSING_ROWS, content="record", after=2, times=2))
    before = trial.ordered(held.rows)
    with pytest.raises(SourceUnavailable, match="missing, in whole or in part"):
        follow(held)
    assert trial.ordered(held.rows) == before


def test_without_knowing_what_is_held_nothing_is_called_gone(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    sandbox.project("trial").delete_record("R1")
    delta = held.source.changes(held.mark, overlap=HOUR)
    assert delta.gone == frozenset()
    assert "R1" not in delta.record_ids


def test_a_watermark_survives_json_and_rejects_anything_else(sandbox: Sandbox) -> None:
    mark = mirror(sandbox).mark
    assert mark is not None
    assert pulls.Watermark.from_plain(mark.as_plain()) == mark
    with pytest.raises((KeyError, TypeError, ValueError)):
        pulls.Watermark.from_plain({"at": "yesterday"})


def test_hashes_ignore_order_and_blank_columns_and_see_every_cell(sandbox: Sandbox) -> None:
    rows = mirror(sandbox).rows
    prints = pulls.fingerprints(rows, "record_id")
    turned = rows.select("record_id", *sorted(set(rows.columns) - {"record_id"}, reverse=True))
    turned = turned.with_columns(extra=trial.pl.lit(None, dtype=trial.pl.String()))
    assert pulls.fingerprints(turned, "record_id").equals(prints)
    changed = rows.with_columns(initials=trial.pl.col("initials") + "x")
    differing = pulls.fingerprints(changed, "record_id")["hash"] != prints["hash"]
    assert differing.to_list() == rows["initials"].is_not_null().to_list()


def test_a_stream_gives_what_a_pull_gives_in_small_parts(sandbox: Sandbox) -> None:
    source = mirror(sandbox).source
    stream = source.batches()
    frames = list(stream.frames)
    assert [frame["record_id"].n_unique() for frame in frames] == [3, 3]
    assert stream.records == 6
    whole = source.pull()
    assert trial.pl.concat(frames).equals(whole.rows)
    assert stream.withheld == whole.withheld
    assert replace(whole, rows=frames[0]).records == 3


def test_the_stream_of_an_empty_project_has_no_frames() -> None:
    with trial.serve() as sandbox:
        stream = Mirror(sandbox.start(), trial.TOKEN, None).source.batches()
        assert stream.records == 0
        assert list(stream.frames) == []


SWAP = (("R1", "T"), ("R2", "R1"), ("T", "R2"))


def initials(held: Mirror) -> dict[str, str]:
    """Give each record's initials, which tell who it is."""
    rows = held.rows.filter(pl.col("initials").is_not_null())
    return dict(rows.select("record_id", "initials").iter_rows())


def swap(sandbox: Sandbox) -> None:
    for old, new in SWAP:
        sandbox.project("trial").rename_record(old, new)


def doing(sandbox: Sandbox, request: int, act: Callable[[], None], times: int = 1) -> Interruptions:
    """Do something before a request of the next pull, and before as many later ones."""
    acts = Interruptions()
    for number in range(times):
        acts.add(request + number, act)
    return acts


@pytest.mark.parametrize("request_number", range(8, 18))
def test_names_that_move_while_a_pull_is_under_way_are_heard_of_at_once(sandbox: Sandbox, request_number: int) -> None:
    """Whenever it is: rows that came under a name are never taken for those of who bore it before."""
    held = mirror(sandbox)
    later(sandbox)
    trial.enter(sandbox, "R1", "changed", "day_arm_1")
    acts = doing(sandbox, request_number, lambda: swap(sandbox))
    told = []
    for _ in range(3):
        was = initials(held)
        with acts.during(sandbox):
            delta = follow(held)
        told.append(bool(delta.renamed))
        assert delta.renamed == ({"R1": "R2", "R2": "R1"} if told[-1] else {})
        assert initials(held) == {delta.renamed.get(name, name): text for name, text in was.items()}
    assert sorted(told) == [False, False, True]


def test_names_that_move_all_the_time_stop_a_pull(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    before = held.known
    acts = doing(sandbox, 8, lambda: swap(sandbox), times=60).during(sandbox)
    with acts, pytest.raises(SourceUnavailable, match=r"renamed each time .* run the site again"):
        follow(held)
    assert held.known is before
    assert not follow(held).gone


def test_records_made_all_the_time_stop_nothing(sandbox: Sandbox) -> None:
    held = mirror(sandbox)
    later(sandbox)
    names = (f"N{number}" for number in range(100))
    with doing(sandbox, 8, lambda: trial.enter(sandbox, next(names), "made"), times=20).during(sandbox):
        follow(held)
    assert len(follow(held).record_ids) > len(held.known.records()) - 1


def test_a_rename_between_the_log_and_the_lists_is_not_lost(
    sandbox: Sandbox, between: list[Callable[[], None]]
) -> None:
    held = mirror(sandbox)
    later(sandbox)
    between.append(lambda: sandbox.project("trial").rename_record("R1", "S1"))
    with capture_logs() as logs:
        delta = follow(held)
    assert delta.renamed == {"R1": "S1"}
    assert sum(entry["event"] == "site.pull.repeated" for entry in logs) == 1
    assert delta.cost.rows_listed > 12, "both looks are counted: seven lines of ids each, and what the date range shows"
