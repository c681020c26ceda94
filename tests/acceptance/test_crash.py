"""Kill `sync run` at any point and run it again at once: the warehouse equals that of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sync.demo import stage
from tests.acceptance.dump import dump

ROOT = Path(__file__).parents[2]
LONG = bool(os.environ.get("SYNCLINE_LONG"))
KILLS = 100 if LONG else 2
SEED = int(os.environ.get("SYNCLINE_TEST_SEED", "1409"))


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
    text = playing.config_path.read_text("utf-8").replace("sqlite:///warehouse.sqlite", url)
    path = playing.config_path.with_name(f"{name}.toml")
    path.write_text(text, encoding="utf-8")
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
    for attempt in range(KILLS):
        config, url = with_warehouse(playing, fresh_database(), f"killed{attempt}")
        process = subprocess.Popen(
            command(config), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(chance.uniform(0.25, 1.0) * took)
        struck += process.poll() is None
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        run(config)
        found = dump(url, playing.folder)
        for table, rows in wanted.items():
            assert found[table] == rows, f"{table} differs after kill {attempt} (seed {SEED})"
        if url.startswith("sqlite"):
            (playing.folder / url.removeprefix("sqlite:///")).unlink()
    assert struck, "every run ended before its kill; lengthen them"


@pytest.fixture
def fresh_database(request, warehouse_url, tmp_path):
    """Give a maker of empty databases of the kind at hand."""
    if warehouse_url.startswith("sqlite"):
        return lambda: "sqlite:///warehouse.sqlite"
    return request.getfixturevalue("postgres_databases")
