"""Kill `sync run` at any point and run it again at once: the warehouse equals that of an undisturbed run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync.demo import stage
from tests.acceptance.conftest import START
from tests.acceptance.dump import dump

ROOT = Path(__file__).parents[2]
LONG = bool(os.environ.get("SYNCLINE_LONG"))
KILLS = 70 if LONG else 1
SITES = ("zhenjiang", "yangzhou")
GENEROUS = "\n[brakes]\nchanged_column_allowed = 1000\nclosed_unchanged_allowed = 1000\n"
"""The staff of these tests change a good part of a column in one day."""
SEED = int(os.environ.get("SYNCLINE_TEST_SEED", "1409"))


@pytest.fixture
def erring(tmp_path: Path, erring_projects: dict[str, str]) -> Iterator[stage.Stage]:
    """Serve two sites side by side."""
    playing = stage.set_up(tmp_path / "stage", {site: erring_projects[site] for site in SITES}, start=START)
    yield playing
    playing.sandbox.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    """Give an empty warehouse; a killed transaction is tried on both kinds in tests/warehouse."""
    return "sqlite:///warehouse.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def command(config: Path) -> list[str]:
    return [sys.executable, "-m", "sync", "--config", str(config), "run"]


def run(config: Path) -> float:
    """Run to the end and give the seconds it took; every site must be done."""
    begun = time.monotonic()
    done = subprocess.run(command(config), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - begun


def with_warehouse(playing: stage.Stage, url: str, name: str) -> tuple[Path, str]:
    """Write a configuration beside the stage's own that keeps its data in another warehouse; give file and URL."""
    url = url.replace("warehouse.sqlite", f"{name}.sqlite")
    text = playing.config_path.read_text("utf-8").replace("sqlite:///warehouse.sqlite", url) + GENEROUS
    path = playing.config_path.with_name(f"{name}.toml")
    path.write_text(text, encoding="utf-8")
    if (playing.folder / ".syncline.key").exists():  # a further warehouse beside one key is made by hand
        by_hand = [*command(path)[:-1], "warehouse", "upgrade"]
        subprocess.run(by_hand, cwd=ROOT, capture_output=True, timeout=300, check=True)
    return path, url


def test_a_killed_run_repeated_at_once_equals_an_undisturbed_one(erring, warehouse_url, fresh_database):
    """``fresh_database`` gives the address of another empty database of the same kind at each call."""
    playing = erring
    calm, calm_url = with_warehouse(playing, warehouse_url, "calm")
    took = run(calm)
    wanted = dump(calm_url, playing.folder)
    assert wanted["query"], "the run raised no query: nothing would be proved"
    chance = random.Random(SEED)
    struck = 0
    for attempt in range(3 * KILLS):
        config, url = with_warehouse(playing, fresh_database(), f"killed{attempt}")
        struck += killed(config, after=chance.uniform(0.25, 1.0) * took)
        run(config)
        found = dump(url, playing.folder)
        for table, rows in wanted.items():
            assert found[table] == rows, f"{table} differs after kill {attempt} (seed {SEED})"
        if url.startswith("sqlite"):
            (playing.folder / url.removeprefix("sqlite:///")).unlink()
        print(f"{struck} killed of {attempt + 1}")
        if struck == KILLS:
            break
    assert struck == KILLS, "most runs ended before their kill; lengthen them"


def test_a_killed_incremental_night_repeated_at_once_equals_an_undisturbed_one(erring):
    """The first night is calm, the sites work on, the second night is killed; its warehouse is put back each time."""
    playing = erring
    config, _ = with_warehouse(playing, "sqlite:///warehouse.sqlite", "night")
    stored, kept = playing.folder / "night.sqlite", playing.folder / "kept.sqlite"
    run(config)
    shutil.copy(stored, kept)
    work_on(playing)
    took = run(config)
    wanted = dump("sqlite:///night.sqlite", playing.folder)
    assert kinds(stored) == {"full", "incremental"}
    chance = random.Random(SEED + 1)
    struck = 0
    for attempt in range(3 * KILLS):
        for rest in playing.folder.glob("night.sqlite*"):
            rest.unlink()
        shutil.copy(kept, stored)
        struck += killed(config, after=chance.uniform(0.25, 0.9) * took)
        run(config)
        found = dump("sqlite:///night.sqlite", playing.folder)
        for table, rows in wanted.items():
            assert found[table] == rows, f"{table} differs after kill {attempt} (seed {SEED})"
        print(f"{struck} killed of {attempt + 1}")
        if struck == KILLS:
            break
    assert struck == KILLS, "most runs ended before their kill; lengthen them"


def work_on(playing: stage.Stage) -> None:
    """Let each site correct, worsen, add, delete, rename and drop something."""
    for slug in SITES:
        project = playing.sandbox.project(slug)
        names = project.record_names()
        for number, name in enumerate(names[:5]):
            record = project.project.records.get(name)
            key = sorted(record.rows)[-1]
            numbers = sorted(c for c, v in record.cells(key).items() if v.isdigit() and not c.endswith("_complete"))
            where = {"event": key[0], "instrument": key[1], "instance": key[2]}
            project.set(name, dict.fromkeys(numbers[:3], str(number * 97)), **where)
        project.delete_record(names[-1])
        project.rename_record(names[-2], f"{names[-2]}9")
        record = project.project.records.get(names[-3])
        if len(record.rows) > 1:
            key = sorted(record.rows)[0]
            project.delete_row(names[-3], event=key[0], instrument=key[1], instance=key[2])


def kinds(path: Path) -> set[str]:
    """Tell which kinds of runs went through."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        found = set(connection.execute(sa.text("SELECT kind FROM sync_run WHERE outcome = 'ok'")).scalars())
    engine.dispose()
    return found


def killed(config: Path, *, after: float) -> bool:
    """Start a run and kill it after some seconds; tell whether it was still running."""
    process = subprocess.Popen(
        command(config), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


@pytest.fixture
def fresh_database(request, warehouse_url, tmp_path):
    """Give a maker of empty databases of the kind at hand."""
    if warehouse_url.startswith("sqlite"):
        return lambda: "sqlite:///warehouse.sqlite"
    return request.getfixturevalue("postgres_databases")
