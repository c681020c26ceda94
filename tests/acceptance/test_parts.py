"""A full night in many small parts leaves what the same night leaves in one: rows, history, queries with their numbers,
ledger, coverage, and what it says of itself. The shipped study has checks across subjects, checks that ask for rows
which do not stand, and findings that graver ones hold back.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import parts
from sync import bootstrap
from sync.demo import stage
from sync.workflows.run import RunResult
from tests.acceptance.conftest import START
from tests.acceptance.dump import dump
from tests.acceptance.test_study_history import CENTRE, GENEROUS, Editor, decide
from tests.workflows import small

LONG = bool(os.environ.get("SYNCLINE_LONG"))
SEEDS = range(30) if LONG else range(1)
NIGHTS = 10 if LONG else 3


@pytest.fixture
def playing(tmp_path: Path, erring_projects: dict[str, str]) -> Iterator[stage.Stage]:
    """Serve one centre with its entry errors."""
    playing = stage.set_up(tmp_path / "stage", {CENTRE: erring_projects[CENTRE]}, start=START)
    yield playing
    playing.sandbox.close()


@pytest.fixture
def new_database(request: pytest.FixtureRequest, warehouse_url: str) -> Callable[[str], str]:
    """Give a maker of empty databases of the kind at hand."""
    if warehouse_url.startswith("sqlite"):
        return lambda name: f"sqlite:///{name}.sqlite"
    make = request.getfixturevalue("postgres_databases")
    return lambda _: make()


class Programs:
    """Run one history into two warehouses: each night at once, and in parts of a few records."""

    def __init__(self, playing: stage.Stage, address: Callable[[str], str], batch: int, patch: pytest.MonkeyPatch):
        self.playing, self.patch = playing, patch
        self.urls = {"whole": address("whole"), "parts": address("parts")}
        self.apps: dict[str, bootstrap.App] = {}
        text = playing.config_path.read_text("utf-8") + GENEROUS
        assert "warehouse.sqlite" in text
        for name, url in self.urls.items():
            size = 100 if name == "whole" else batch
            changed = text.replace("sqlite:///warehouse.sqlite", url)
            changed = changed.replace("[transport]\n", f"[transport]\nbatch_records = {size}\n")
            assert "batch_records" in changed
            path = playing.folder / f"{name}.toml"
            path.write_text(changed.replace("[warehouse]\n", "[warehouse]\nkeep_payloads_days = 9\n"), encoding="utf-8")
            self.apps[name] = bootstrap.build(path, {}, cwd=playing.folder, clock=playing.clock)

    def night(self, moment: Any, **options: bool) -> dict[str, RunResult]:
        done = {}
        for name, app in self.apps.items():
            self.patch.setattr(parts, "PART_ROWS", 1 if name == "parts" else 1_000_000)
            self.playing.clock.set(moment)
            done[name] = small.run_night(app, allow_mass_change=True, **options)
            assert done[name].exit_code == 0, done[name].sites[0].reason
        self.playing.clock.set(moment)
        return done

    def compare(self, done: dict[str, RunResult]) -> None:
        found, wanted = (dump(self.urls[name], self.playing.folder) for name in ("parts", "whole"))
        assert found.keys() == wanted.keys()
        for table, rows in wanted.items():
            differ = sorted(set(found[table]) ^ set(rows))
            assert not differ, f"{table}: {differ[:4]}"
            assert len(found[table]) == len(rows), table
        told = [replace(done[name].sites[0], seconds=0, lists=()) for name in ("parts", "whole")]
        assert told[0] == told[1]

    def close(self) -> None:
        for app in self.apps.values():
            app.close()
        shutil.rmtree(self.playing.folder / "queries", ignore_errors=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_night_in_parts_leaves_what_the_night_at_once_leaves(playing, new_database, monkeypatch, seed):
    chance = random.Random(seed)
    programs = Programs(playing, new_database, chance.choice([2, 3, 4]), monkeypatch)
    editor, moment = Editor(playing, seed), START
    try:
        for number in range(NIGHTS):
            playing.at(moment)
            # the last night but one is an incremental one: what it begins with was left by parts
            done = programs.night(moment, full=number != NIGHTS - 2)
            programs.compare(done)
            if number == 1:
                rehearsed = programs.night(moment, full=True, dry_run=True)
                programs.compare(rehearsed)
            for _ in range(3):
                editor.day()
            editor.twin()
            editor.rename()
            editor.delete()
            decide(programs.apps, chance)
            moment += timedelta(days=chance.choice([1, 2, 30]))
            playing.at(moment - timedelta(hours=9))
        open_queries = programs.apps["parts"].warehouse().reader().queries()
        assert {"ID02"} <= {query.key.check for query in open_queries}, "no check across subjects fired"
        for app in programs.apps.values():
            assert app.warehouse().reader().verify().problems == ()
    finally:
        programs.close()
