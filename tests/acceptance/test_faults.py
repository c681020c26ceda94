"""Every fault mode at every stage of a night: no row lost, none doubled, no query closed or opened by a fault, and the
next good night leaves what an undisturbed one leaves.

A few of the cells of the matrix are tried each time, all of them with SYNCLINE_LONG=1.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sync.bootstrap import App
from sync.sandbox.faults import Fault, Mode
from sync.warehouse.transaction import SqlSiteTransaction
from sync.workflows import past
from tests.workflows import small

LONG = bool(os.environ.get("SYNCLINE_LONG"))
MODES = [mode for mode in Mode if mode is not Mode.IMPORT_CUT]
STAGES = [
    *((content, 0) for content in ("project", "version", "metadata", "exportFieldNames", "instrument", "event")),
    *((content, 0) for content in ("formEventMapping", "repeatingFormsEvents", "dag", "log")),
    # lists and batches of records, in the order in which they are asked for
    *(("record", after) for after in range(5)),
]
MATRIX = [
    pytest.param(mode, content, after, full, id=f"{mode}-{content}-{after}-{'full' if full else 'incremental'}")
    for number, (mode, (content, after), full) in enumerate(product(MODES, STAGES, (False, True)))
    if LONG or number % 47 == 0
]
WRITES = ["put_site", "store", "put_queries", "put_subjects", "put_visits", "put_outcomes", "quarantine", "coverage",
          "put_state", "put_memory", "finish_run"]  # fmt: skip
#: what a run leaves behind of itself even where it failed
NOTED = {"sync_run"}


@dataclass(kw_only=True)
class Scene:
    """Hold a trial between two nights: the first was stored, the site has worked since, the second is to come."""

    trial: small.Trial
    stored: Path
    before: small.Dump
    wanted: dict[bool, small.Dump]

    def app(self, *, more: str = "") -> App:
        """Put the warehouse back to where the first night left it."""
        if "one" in self.trial.apps:
            self.trial.apps["one"].close()
        for rest in self.trial.folder.glob("one.sqlite*"):
            rest.unlink()
        shutil.copy(self.stored, self.trial.folder / "one.sqlite")
        self.trial.sandbox.faults.clear()
        return self.trial.app("one", more=more)

    def good_night(self, *, full: bool) -> None:
        """Let the next good night come, and see that it leaves what it should."""
        self.trial.sandbox.faults.clear()
        done = small.run_night(self.trial.app("one"), full=full)
        assert done.exit_code == 0, done.sites[0].reason
        found = self.trial.dump("one")
        for table, rows in self.wanted[full].items():
            assert found[table] == rows, f"{table} differs"
        assert self.trial.apps["one"].warehouse().reader().verify().problems == ()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with small.serve(tmp_path_factory.mktemp("faults")) as trial:
        small.fill(trial)
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(hours=30))
        work(trial)
        trial.apps["one"].close()
        before = trial.dump("one")
        stored = trial.folder / "kept.sqlite"
        with sa.create_engine(f"sqlite:///{trial.folder / 'one.sqlite'}").connect() as connection:
            connection.execute(sa.text(f"VACUUM INTO '{stored}'"))
        scene = Scene(trial=trial, stored=stored, before=before, wanted={})
        for full in (False, True):
            assert small.run_night(scene.app(), full=full).exit_code == 0
            scene.wanted[full] = trial.dump("one")
        yield scene


def work(trial: small.Trial) -> None:
    """Let the site do one of each: correct, worsen, add, delete, rename, move, drop an event and an instance."""
    trial.write("R0", "day", weight="65")
    trial.write("R1", "day", weight="900")
    trial.write("R9", "start", initials="", sex="2")
    trial.write("R2", "adverse 3", event_text="", grade="7")
    trial.handle.delete_record("R3")
    trial.handle.rename_record("R4", "R8")
    trial.handle.assign_dag("R5", "north")
    trial.drop("R6", "day")
    trial.drop("R7", "extra 2")


@pytest.mark.parametrize(("mode", "content", "after", "full"), MATRIX)
def test_a_fault_changes_nothing_and_the_next_good_night_converges(scene, mode, content, after, full):
    app = scene.app(more="read_timeout = 0.3")
    # one that withholds the same rows each time is told by the log alone, which names the records that changed tonight
    times = 1 if mode is Mode.MISSING_ROWS else None
    scene.trial.sandbox.faults.add(Fault(mode=mode, content=content, after=after, times=times, seconds=1))
    done = small.run_night(app, full=full)
    assert done.exit_code in (0, 3, 4), done.sites[0].reason
    if done.exit_code:
        assert scene.trial.dump("one") == scene.before
    else:
        assert {k: v for k, v in scene.trial.dump("one").items() if k in scene.wanted[full]} == scene.wanted[full]
    scene.good_night(full=full)


@pytest.mark.parametrize("full", [False, True])
def test_a_server_that_withholds_the_same_rows_from_every_answer_is_not_believed(tmp_path, full):
    """The log is the only witness: nobody touched the site, and none of its lines says that anything went."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        trial.move(timedelta(hours=5))
        app = trial.app("one")
        assert small.run_night(app).exit_code == 0
        trial.move(timedelta(hours=5))
        before = trial.dump("one")
        trial.sandbox.faults.add(Fault(mode=Mode.MISSING_ROWS, times=None))
        done = small.run_night(app, full=full)
        assert done.exit_code in (3, 5), done.sites[0]
        assert trial.dump("one") == before
        trial.sandbox.faults.clear()
        assert small.run_night(app, full=full).exit_code == 0
        assert trial.dump("one") == before


@pytest.mark.parametrize("method", WRITES)
def test_a_failure_at_any_write_leaves_the_site_as_it_was(scene, monkeypatch, method):
    app = scene.app()
    # as on a night on which the project itself changed
    monkeypatch.setattr(past, "_put", lambda tx, name, value, _before: tx.put_state(name, value))
    monkeypatch.setattr(SqlSiteTransaction, method, _breaking(getattr(SqlSiteTransaction, method)))
    assert small.run_night(app).exit_code == 70
    assert scene.trial.dump("one") == scene.before
    monkeypatch.undo()
    scene.good_night(full=False)


def _breaking(method: Callable[..., Any]) -> Callable[..., Any]:
    def broken(*given: Any, **named: Any) -> Any:
        method(*given, **named)
        raise sa.exc.OperationalError("statement", {}, Exception("disk I/O error"))

    return broken


@pytest.mark.parametrize("pages", range(0, 60, 1 if LONG else 20))
def test_a_full_disk_leaves_the_site_as_it_was(scene, pages):
    app = scene.app()
    engine = app.warehouse()._engine

    @sa.event.listens_for(engine, "connect")
    def _full(connection: Any, _record: object) -> None:
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {used + pages}")

    engine.dispose()
    # the study's own warehouse is another engine on the same file
    done = _with_limit(app, pages)
    assert done.exit_code in (0, 70), done.sites[0].reason
    if done.exit_code:
        assert "full" in str(done.sites[0].reason)
        assert scene.trial.dump("one") == scene.before
    scene.good_night(full=False)


def _with_limit(app: App, pages: int) -> Any:
    from sync.warehouse import connection as connections

    plain = connections._sqlite

    def limited(url: sa.URL, **others: Any) -> sa.Engine:
        engine = plain(url, **others)

        @sa.event.listens_for(engine, "connect")
        def _full(connection: Any, _record: object) -> None:
            (used,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {used + pages}")

        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "_sqlite", limited)
        return small.run_night(app)


def test_a_delivery_folder_that_cannot_be_written_leaves_the_night_stored(scene):
    app = scene.app()
    lists = scene.trial.folder / "one_lists"
    shutil.rmtree(lists, ignore_errors=True)
    lists.write_text("a file in the way of the folder")
    done = small.run_night(app)
    assert (done.exit_code, done.sites[0].outcome) == (70, "failed")
    assert "sync queries export --site all" in str(done.sites[0].reason)
    assert scene.trial.dump("one") == scene.wanted[False]
    lists.unlink()
    scene.good_night(full=False)
    assert list(lists.glob("*.csv"))


@pytest.mark.postgres
@pytest.mark.parametrize("method", ["store", "put_queries", "finish_run"])
def test_a_connection_that_is_cut_in_the_middle_leaves_the_site_as_it_was(tmp_path, postgres_url, monkeypatch, method):
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        app = trial.app("cut", warehouse=postgres_url)
        assert small.run_night(app).exit_code == 0
        trial.move(timedelta(hours=30))
        work(trial)
        before = trial.dump("cut")
        plain = getattr(SqlSiteTransaction, method)

        def cut(self: SqlSiteTransaction, *given: Any, **named: Any) -> Any:
            plain(self, *given, **named)
            number = self._connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            admin = sa.create_engine(postgres_url)
            with admin.begin() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:number)"), {"number": number})
            admin.dispose()
            return plain(self, *given, **named)

        monkeypatch.setattr(SqlSiteTransaction, method, cut)
        assert small.run_night(app).exit_code == 70
        monkeypatch.undo()
        assert trial.dump("cut") == before
        calm = trial.app("calm")
        assert small.run_night(app).exit_code == 0
        assert small.run_night(calm).exit_code == 0
        forms = ("person", "visit_form", "adverse", "person__raw", "visit_form__raw", "adverse__raw", "subject")
        found, wanted = trial.dump("cut"), trial.dump("calm")
        assert {form: len(found[form]) for form in forms} == {form: len(wanted[form]) for form in forms}
        assert app.warehouse().reader().verify().problems == ()
