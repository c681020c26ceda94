"""A ledger belongs to its key and a key to its warehouse: what is lost is told, and never made anew in silence."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

import cli
from sync.bootstrap import App
from sync.errors import ConfigError
from sync.queries.model import Trigger
from sync.workflows import desk, run
from sync.workflows.results import NightOptions
from tests.workflows import small


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def trial(tmp_path: Path, url: str) -> Iterator[small.Trial]:
    """Serve a few records; nothing is stored yet."""
    with small.serve(tmp_path) as trial:
        small.fill(trial, 4)
        trial.app("one", warehouse=url)
        yield trial


def night(app: App, *, full: bool = False, dry_run: bool = False) -> run.RunResult:
    """Take the sites through a night, with nothing made ready by hand."""
    return run.run(app, app.sites(), options=NightOptions(full=full, dry_run=dry_run))


def called(trial: small.Trial, *arguments: str) -> Result:
    """Call a command as a person does."""
    path = str(trial.folder / "one.toml")
    return CliRunner().invoke(
        cli.root, ["--config", path, *arguments], env={"TOKEN": small.TOKEN}, standalone_mode=False
    )


def again(trial: small.Trial, url: str) -> App:
    """Build the program anew, as another process has it."""
    return trial.app("one", warehouse=url)


@pytest.mark.parametrize("wrong", [None, b"", b"abc\n", b"f" * 64])
def test_another_key_is_refused_before_anything_is_written(trial, url, wrong):
    app = trial.apps["one"]
    assert night(app).exit_code == 0
    first, second = [query.number for query in app.warehouse().reader().queries()][:2]
    desk.decide(app, [first], desk.Decision(trigger=Trigger.CONFIRM, actor="me"))
    before = trial.dump("one")
    path = trial.folder / ".syncline.key"
    kept = path.read_bytes()
    path.unlink()
    if wrong is not None:
        path.write_bytes(wrong)
    app = again(trial, url)
    for attempt in (
        lambda: night(app),
        lambda: night(app, full=True),
        lambda: night(app, dry_run=True),
        lambda: desk.decide(app, [second], desk.Decision(trigger=Trigger.CONFIRM, actor="me")),
        app.warehouse().reader().verify,
    ):
        with pytest.raises(ConfigError, match=r"\.syncline\.key.*back from the backup"):
            attempt()
    assert trial.dump("one") == before
    assert (path.read_bytes() if path.exists() else None) == wrong, "a key was made"
    path.write_bytes(kept)
    app = again(trial, url)
    assert night(app, full=True).exit_code == 0
    assert app.warehouse().reader().verify().problems == ()
    states = {query.number: query.state.value for query in app.warehouse().reader().queries()}
    assert (states[first], states[second]) == ("CLOSED", "OPEN")


def test_a_dry_run_and_readers_make_no_key(trial):
    app = trial.apps["one"]
    app.warehouse().upgrade()
    assert night(app, dry_run=True).exit_code == 0
    reader = app.warehouse().reader()
    assert (reader.queries(), reader.runs(), reader.verify().problems) == ((), (), ())
    app.warehouse().check_key()
    assert not (trial.folder / ".syncline.key").exists()
    assert night(app).exit_code == 0
    assert (trial.folder / ".syncline.key").stat().st_mode & 0o777 == 0o600


def test_a_key_without_its_warehouse_waits_for_a_person(trial, url):
    app = trial.apps["one"]
    assert night(app).exit_code == 0
    app.close()
    if url:
        empty(url)
    else:
        (trial.folder / "one.sqlite").unlink()
    app = again(trial, url)
    for dry_run in (False, True):
        with pytest.raises(ConfigError, match=r"no warehouse in .* but there was one"):
            night(app, dry_run=dry_run)
    assert not (trial.folder / "one.sqlite").exists()
    app.warehouse().upgrade()
    assert night(app).exit_code == 0


def empty(url: str) -> None:
    """Leave a database as it is when it was just made."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.mark.parametrize("url", [""])
def test_readers_make_no_file(trial):
    for command in (("status",), ("queries", "list"), ("runs", "list"), ("warehouse", "verify")):
        error = called(trial, *command).exception
        assert isinstance(error, ConfigError)
        assert "`sync run` makes it; if there was one, restore the backup" in str(error)
    assert called(trial, "warehouse", "status").return_value == 1
    assert [path.name for path in trial.folder.iterdir() if "sqlite" in path.name or "key" in path.name] == []
