"""What a night reads, keeps and leaves alone: watermarks, projects, groups, drift and rights."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync import bootstrap
from sync.errors import SyncError
from sync.plural import counted
from sync.ports.stored import QueryFilter
from sync.queries.model import State, Trigger
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.people import DEIDENTIFIED, NO_EXPORT, User
from sync.warehouse.store import SqlWarehouse
from sync.workflows import desk
from tests.workflows import small


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve a few records that a full night has stored, two days ago."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(days=2))
        assert small.run_night(trial.apps["one"]).exit_code == 0
        trial.move(timedelta(hours=20))
        yield trial


def changed(trial: small.Trial, old: str, new: str) -> bootstrap.App:
    """Build the program anew on a changed configuration."""
    path = trial.folder / "one.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    trial.apps["one"].close()
    trial.apps["one"] = bootstrap.build(path, {"TOKEN": small.TOKEN}, cwd=trial.folder, clock=trial.clock)
    return trial.apps["one"]


def whisper(trial: small.Trial, record: str, **values: str) -> None:
    """Change a cell without a date or a line in the log, as a copied project differs from its model."""
    trial.handle.project.records.get(record).rows["day_arm_1", "", 0].update(values)


def test_another_project_under_the_same_site_is_read_whole_even_where_it_looks_alike(trial):
    trial.handle.change_settings(project_id=18)
    whisper(trial, "R5", weight="99")
    app = changed(trial, "project_id = 17", "project_id = 18")
    refused = small.run_night(app)
    assert refused.exit_code == 4
    assert "this is project 18, it was project 17" in str(refused.sites[0].reason)
    small.accept_all(app)
    taken = small.run_night(app).sites[0]
    assert (taken.kind, taken.stored.cells_changed) == ("full", 1)


def test_another_group_replaces_the_records_of_the_first_only_when_a_person_agrees(trial):
    app = trial.app("two", groups=["north"])
    assert small.run_night(app).exit_code == 0
    north = {row.record for row in app.warehouse().reader().subjects("s_north")["s_north"]}
    path = trial.folder / "two.toml"
    path.write_text(path.read_text("utf-8").replace('group = "north"', 'group = "south"'), encoding="utf-8")
    app.close()
    app = trial.apps["two"] = bootstrap.build(path, {"TOKEN": small.TOKEN}, cwd=trial.folder, clock=trial.clock)
    assert small.run_night(app).exit_code == 5
    assert {row.record for row in app.warehouse().reader().subjects("s_north")["s_north"]} == north
    assert small.run_night(app, allow_mass_change=True).exit_code == 0
    south = {row.record for row in app.warehouse().reader().subjects("s_north")["s_north"]}
    assert south
    assert south.isdisjoint(north)


def test_a_record_without_a_group_is_reported_and_no_row_crosses(trial):
    app = trial.app("two", groups=["north", "south"])
    assert small.run_night(app).exit_code == 0
    trial.handle.assign_dag("R0", "")
    trial.handle.assign_dag("R2", "south")
    trial.move(timedelta(hours=2))
    done = small.run_night(app)
    assert done.exit_code == 0
    assert all(any("without" in n or "no data access group" in n for n in site.notices) for site in done.sites)
    held = {site: {row.record for row in rows} for site, rows in app.warehouse().reader().subjects().items()}
    assert held == {"s_north": {"R4", "R6"}, "s_south": {"R1", "R2", "R3", "R5", "R7"}}


def test_a_record_without_a_group_is_reported_though_the_list_of_ids_does_not_hold_it(trial):
    app = trial.app("two", groups=["north", "south"])
    assert small.run_night(app).exit_code == 0
    trial.move(timedelta(hours=30))
    trial.write("R50", "day", weight="70")
    done = small.run_night(app)
    assert {site.kind for site in done.sites} == {"incremental"}
    assert all(any("1 record of the project belongs to no" in n for n in site.notices) for site in done.sites)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("token", [small.TOKEN, small.BLIND])
def test_a_token_s_user_who_was_put_into_a_group_deletes_nobody(trial, token, full):
    app = trial.app("grouped", token=token)
    assert small.run_night(app).exit_code == 0
    before = trial.dump("grouped")
    name = "owner" if token == small.TOKEN else "blind"
    trial.handle.put_user(replace(trial.handle.project.users[name], dag="north"))
    for record in ("R1", "R3", "R5"):  # few enough for the brake on mass deletion
        trial.handle.assign_dag(record, "north")
    trial.move(timedelta(hours=25))
    done = small.run_night(app, full=full)
    assert (done.exit_code, done.sites[0].outcome) == (5, "braked"), done.sites[0]
    assert trial.dump("grouped") == before


def test_a_field_renamed_at_the_site_stops_it_and_changes_nothing(trial):
    before = trial.dump("one")
    fields = small.with_field(trial.handle.structure, "weight", field_name="weight_kg")
    trial.handle.change_structure(fields=fields)
    done = small.run_night(trial.apps["one"])
    assert done.exit_code == 4
    assert "weight" in str(done.sites[0].reason)
    assert "sync sites drift --site all --accept" in str(done.sites[0].reason)
    assert trial.dump("one") == before


def test_a_new_field_is_a_notice(trial):
    new = replace(trial.handle.structure.fields[1], field_name="remark", required_field="")
    trial.handle.change_structure(fields=(*trial.handle.structure.fields[:2], new, *trial.handle.structure.fields[2:]))
    done = small.run_night(trial.apps["one"])
    assert done.exit_code == 0
    assert any("remark" in notice for notice in done.sites[0].notices)
    assert done.sites[0].stored.cells_changed == 0
    assert not done.sites[0].warnings, "nobody need hear of an addition"


def test_a_choice_that_the_site_took_away_is_heard_of_once(trial):
    (sex,) = (each for each in trial.handle.structure.fields if each.field_name == "sex")
    kept = sex.select_choices_or_calculations.split("|", 1)[1].strip()
    fields = small.with_field(trial.handle.structure, "sex", select_choices_or_calculations=kept)
    trial.handle.change_structure(fields=fields)
    first = small.run_night(trial.apps["one"]).sites[0]
    assert first.exit_code == 0, first.reason
    (warning,) = first.warnings
    assert "'sex'" in warning
    assert warning in first.notices
    assert not small.run_night(trial.apps["one"]).sites[0].warnings


@pytest.mark.parametrize("right", [NO_EXPORT, DEIDENTIFIED])
@pytest.mark.parametrize("full", [True, False])
def test_withheld_columns_stop_the_site_and_are_never_read_as_blanks(trial, right, full):
    before = trial.dump("one")
    if right == DEIDENTIFIED:
        small.with_field(trial.handle.structure, "initials", identifier="y")
        fields = small.with_field(trial.handle.structure, "initials", identifier="y")
        trial.handle.change_structure(fields=fields)
    trial.handle.put_user(User(username="owner", forms_export={"person": right, "visit": right, "adverse": right}))
    trial.write("R3", "day", weight="77")
    done = small.run_night(trial.apps["one"], full=full)
    assert done.exit_code in (4, 5), done.sites[0]
    assert trial.dump("one") == before


def test_a_row_that_somebody_took_out_of_the_warehouse_is_shown_and_brought_back_by_a_full_night(trial):
    app = trial.apps["one"]
    with app.warehouse()._engine.begin() as connection:
        assert (
            connection.exec_driver_sql("DELETE FROM visit_form WHERE record = 'R1' AND event = 'day_arm_1'").rowcount
            == 1
        )
        connection.exec_driver_sql("DELETE FROM visit_form__txt WHERE record = 'R1' AND event = 'day_arm_1'")
    (problem,) = app.warehouse().reader().verify().problems
    assert "the last run left" in problem
    assert "sync run --site all --full" in problem
    assert small.run_night(app).exit_code == 0
    assert app.warehouse().reader().verify().problems == (problem,)
    assert small.run_night(app, full=True).sites[0].stored.inserted == 1
    assert app.warehouse().reader().verify().problems == ()


def test_a_cell_that_somebody_altered_in_the_warehouse_is_put_right_by_a_full_night_with_history(trial):
    app = trial.apps["one"]
    with app.warehouse()._engine.begin() as connection:
        assert connection.exec_driver_sql(
            "UPDATE visit_form SET weight = 7 WHERE record = 'R1' AND weight = 61"
        ).rowcount
        altered = connection.exec_driver_sql("SELECT count(*) FROM visit_form WHERE weight = 7").scalar_one()
    assert any("are not what was stored" in problem for problem in app.warehouse().reader().verify().problems)
    assert small.run_night(app).sites[0].stored.cells_changed == 0
    (done,) = small.run_night(app, full=True).sites
    assert (done.exit_code, done.stored.cells_changed) == (0, altered)
    (warning,) = done.warnings
    assert warning.startswith(f"{counted(altered, 'row')} of the warehouse did not stand as a run had stored it")
    assert app.warehouse().reader().verify().problems == ()
    with app.warehouse()._engine.begin() as connection:
        wrong = connection.exec_driver_sql("SELECT count(*) FROM visit_form WHERE weight = 7").scalar_one()
        kept = connection.exec_driver_sql(
            "SELECT count(*) FROM cell_change WHERE old = '7' AND new = '61'"
        ).scalar_one()
    assert (wrong, kept) == (0, altered)
    assert not small.run_night(app, full=True).sites[0].warnings


@pytest.mark.parametrize(("full", "kind"), [(False, "incremental"), (True, "full")])
def test_a_night_that_came_to_nothing_is_of_the_kind_that_was_tried(trial, full, kind):
    trial.sandbox.faults.add(Fault(mode=Mode.TOKEN_REVOKED, times=None))
    (done,) = small.run_night(trial.apps["one"], full=full).sites
    assert (done.outcome, done.kind, done.document()["kind"]) == ("refused", kind, kind)
    (noted, *_) = trial.apps["one"].warehouse().reader().runs(site="all", limit=1)
    assert (noted.outcome, noted.kind) == ("refused", kind)


def test_an_unchanged_night_asks_for_one_row_a_record(trial):
    trial.move(timedelta(hours=20))
    quiet = small.run_night(trial.apps["one"]).sites[0]
    assert quiet.kind == "incremental"
    assert quiet.rows_asked <= 8 + 2, "one row a record, and no whole ones"
    assert quiet.document()["rows_asked"] == quiet.rows_asked


def test_what_was_kept_of_the_rows_and_cannot_be_read_is_told_of(trial):
    app = trial.apps["one"]
    with app.warehouse()._engine.begin() as writing:
        done = writing.execute(sa.text("UPDATE site_memory SET body = X'4B4E' WHERE name = 'known_rows'"))
        assert done.rowcount == 1
    (site,) = small.run_night(app).sites
    assert (site.exit_code, site.kind) == (0, "full")
    assert any("kept of this site's rows could not be read" in each for each in site.warnings)
    trial.move(timedelta(hours=20))
    (site,) = small.run_night(app).sites
    assert (site.kind, site.warnings) == ("incremental", ())


@pytest.mark.parametrize(("hours", "asked_again"), [(2, False), (24, True)])
def test_the_overlap_that_is_asked_for_again_is_the_configured_one(trial, hours, asked_again):
    app = changed(trial, "[brakes]\n", f"[run]\noverlap_hours = {hours}\n[brakes]\n")
    trial.write("R1", "day", weight="77")
    trial.move(timedelta(hours=3))
    assert small.run_night(app).sites[0].records_pulled == 1
    trial.move(timedelta(hours=5))
    quiet = small.run_night(app).sites[0]
    assert quiet.kind == "incremental"
    assert (quiet.rows_asked > 8 + 2) == asked_again, quiet.rows_asked


def test_a_decision_of_a_person_stands_through_the_nights_that_do_not_look(trial):
    app = trial.apps["one"]
    query = app.warehouse().reader().queries(QueryFilter(states=("OPEN",)))[0]
    desk.decide(app, [query.number], desk.Decision(trigger=Trigger.CONFIRM, actor="me"))
    for full in (False, True, False):
        trial.move(timedelta(hours=25))
        assert small.run_night(app, full=full).exit_code == 0
        (now,) = app.warehouse().reader().queries(QueryFilter(numbers=(query.number,)))
        assert (now.state, now.reason) == (State.CLOSED, "confirmed")


def test_queries_that_nobody_looked_at_tonight_are_counted_as_unchanged(trial):
    waiting = len(trial.apps["one"].warehouse().reader().queries(QueryFilter(states=("OPEN",))))
    trial.move(timedelta(days=3))
    small.run_night(trial.apps["one"])
    done = small.run_night(trial.apps["one"]).sites[0]
    assert done.records_pulled == 0
    assert done.queries["unchanged"] == waiting > 0


def test_a_deleted_record_closes_its_queries_even_where_another_cannot_be_judged(trial):
    app = trial.apps["one"]
    asked = app.warehouse().reader().queries(QueryFilter(states=("OPEN",)))[0]
    trial.handle.delete_record(asked.key.record)
    assert small.run_night(app).exit_code == 0
    (now,) = app.warehouse().reader().queries(QueryFilter(numbers=(asked.number,)))
    assert (now.state, now.reason) == (State.CLOSED, "not_applicable")


def test_a_fault_of_the_program_is_noted_as_a_run_that_failed(trial, monkeypatch):
    monkeypatch.setattr("sync.workflows.judging.judge_delta", lambda *_args, **_named: 1 / 0)
    done = small.run_night(trial.apps["one"])
    assert done.exit_code == 70
    newest = trial.apps["one"].warehouse().reader().runs(site="all")[0]
    assert (newest.run_id, newest.outcome, newest.exit_code) == (done.run_id, "failed", 70)


def test_a_list_that_cannot_be_written_leaves_the_night_stored_and_says_so(trial, monkeypatch):
    trial.write("R1", "day", weight="71")
    monkeypatch.setattr("sync.workflows.followup.query_links", lambda *_args, **_named: 1 / 0)
    done = small.run_night(trial.apps["one"])
    assert done.exit_code == 70
    assert str(done.sites[0].reason).startswith("stored, but")
    assert trial.apps["one"].warehouse().reader().runs(site="all")[0].outcome == "ok"
    monkeypatch.undo()
    assert small.run_night(trial.apps["one"]).exit_code == 0


@pytest.mark.parametrize(("days", "kept"), [(0, 0), (1, 1), (3, 2)])
def test_raw_replies_are_kept_as_long_as_configured(trial, days, kept):
    app = changed(trial, "[delivery]", f"keep_payloads_days = {days}\n[delivery]")
    assert small.run_night(app, full=True).exit_code == 0
    trial.move(timedelta(days=2))
    assert small.run_night(app, full=True, dry_run=True).exit_code == 0
    assert small.run_night(app, full=True).exit_code == 0
    runs = {name for _, name in raw_replies(trial)}
    assert len(runs) == kept


def raw_replies(trial: small.Trial) -> set[tuple[str, str]]:
    """Name the raw replies that are kept, by site and run."""
    engine = sa.create_engine(trial.apps["one"].config.warehouse.url)
    try:
        with engine.connect() as connection:
            return {(row[0], row[1]) for row in connection.execute(sa.text("SELECT site, run_id FROM raw_payload"))}
    finally:
        engine.dispose()


def test_what_goes_wrong_after_the_commit_takes_nothing_back(trial, monkeypatch):
    app = trial.apps["one"]
    lock = SqlWarehouse.site_lock

    @contextmanager
    def lost(self, site):
        with lock(self, site):
            yield
        raise SyncError("the warehouse refused")

    monkeypatch.setattr(SqlWarehouse, "site_lock", lost)
    trial.write("R1", "day", weight="71")
    lists = trial.folder / "one_lists"
    shutil.rmtree(lists)
    done = small.run_night(app)
    assert (done.exit_code, done.sites[0].reason) == (70, "what was pulled is stored, but then: the warehouse refused")
    assert any(lists.rglob("*.csv")), "the list was not delivered"
    (row,) = app.warehouse().reader().run(done.run_id)
    assert (row.outcome, row.exit_code) == ("ok", 0)
    assert row.counts["watermark"]
    monkeypatch.undo()
    trial.move(timedelta(hours=1))
    assert small.run_night(app).sites[0].kind == "incremental"


@pytest.mark.postgres
def test_new_columns_and_a_deletion_in_one_night_do_not_wait_for_each_other(trial, postgres_url):
    app = trial.app("pg", warehouse=postgres_url)
    assert small.run_night(app).exit_code == 0
    new = replace(trial.handle.structure.fields[1], field_name="remark", required_field="")
    trial.handle.change_structure(fields=(*trial.handle.structure.fields[:2], new, *trial.handle.structure.fields[2:]))
    trial.handle.delete_record("R1")
    before = trial.dump("pg")
    assert small.run_night(app, dry_run=True).exit_code == 0
    assert trial.dump("pg") == before, "a dry run made a column"
    assert small.run_night(app).exit_code == 0
    assert len(trial.dump("pg")["subject"]) == 7
