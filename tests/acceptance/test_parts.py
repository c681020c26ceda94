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

import polars as pl
import pytest

from schemas import parts
from schemas.builtin import builtin_checks
from schemas.coordinates import KEY_COLUMNS, RowKey
from schemas.project import Snapshot
from sync import bootstrap
from sync.demo import stage
from sync.queries.model import QueryKey
from sync.workflows import across, gathering, judging
from sync.workflows import stored as reading_back
from sync.workflows.reading import Reading
from sync.workflows.run import RunResult
from sync.workflows.validate import validate_site
from tests.acceptance.conftest import START
from tests.acceptance.dump import dump
from tests.acceptance.test_study_history import CENTRE, GENEROUS, Editor, decide
from tests.workflows import small
from validators import reach
from validators.findings import Condition, Finding

LONG = bool(os.environ.get("SYNCLINE_LONG"))
SEEDS = range(30) if LONG else range(1)
NIGHTS = 10 if LONG else 3


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.long])])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    """Name the kind of warehouse; what a part stores is tried on both in tests/warehouse."""
    return request.param


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
    programs = Programs(playing, new_database, chance.choice([4, 5, 6]), monkeypatch)
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


class _Asked:
    """Stand for a query at a place, as far as it is looked at here."""

    def __init__(self, key: QueryKey) -> None:
        self.key = key


def _queries(judged: judging.Judged, chance: random.Random) -> list[_Asked]:
    """Ask about cells of all kinds, about rows that do not stand, and about records that are not there."""
    study, site = judged.study, judged.judgement.site
    checks = [*study.checks, *builtin_checks()]
    forms = {form.name: [each.name for each in form.fields] for form in study.forms}
    places = [found.row for found in judged.judgement.findings]
    for frame in judged.harmonised.frames:
        rows = frame.rows.select(KEY_COLUMNS).sample(min(40, frame.rows.height), seed=chance.randrange(99))
        places += [RowKey(**row) for row in rows.iter_rows(named=True)]
    places += [replace(row, **{what: value}) for row in chance.sample(places, 200) for what, value in STRANGE]
    places += [replace(row, instrument=chance.choice(sorted(forms))) for row in chance.sample(places, 200)]
    found = [(each.row, each.check, each.field) for each in judged.judgement.findings]
    asked = [
        (row, spec.id, chance.choice([*spec.targets, *forms[row.instrument]]))
        for row in places
        for spec in chance.sample(checks, 4)
    ]
    wide = [spec for spec in study.checks if spec.id in reach.site_wide(study)]
    asked += [(row, spec.id, spec.targets[0]) for row in places for spec in wide]
    return [
        _Asked(
            QueryKey(
                study=study.name,
                site=site,
                project_id=1,
                record=row.record,
                event=row.event,
                instrument=row.instrument,
                instance=row.instance,
                check=check,
                field=field,
            )
        )
        for row, check, field in [*found, *asked]
    ]


STRANGE = (("record", "NOBODY-1"), ("event", "never"), ("instance", 77))


@pytest.mark.parametrize("size", [1, 4] if LONG else [3])
def test_parts_put_together_say_what_the_whole_site_says(erring, size):
    """Judged at once by the engine itself, and part by part; with columns left out, so that checks are refused."""
    app = bootstrap.build(erring.config_path, {}, cwd=erring.folder, clock=erring.clock)
    chance = random.Random(size)
    try:
        for site in app.sites() if LONG else app.sites(["zhenjiang", "jiangsu"]):
            snapshot = app.source(site).pull()
            plan, now = app.plan(site), app.clock.now().astimezone(app.config.study.zone)
            form = chance.choice(plan.study.forms)
            absent = {(form.name, column): "left out" for each in form.fields[1:4] for column in each.columns}
            compare_judged(snapshot, judging.prepare(snapshot, plan, as_of=now, absent=absent), size, chance)
    finally:
        app.close()


@pytest.mark.parametrize("stored", [False, True])
def test_validate_in_parts_says_what_it_says_of_the_whole_site(playing, tmp_path, monkeypatch, stored):
    config = playing.folder / f"validate-{stored}.toml"
    text = playing.config_path.read_text("utf-8").replace("[transport]\n", "[transport]\nbatch_records = 3\n")
    config.write_text(text.replace("sqlite:///warehouse.sqlite", f"sqlite:///{tmp_path}/w.sqlite"), encoding="utf-8")
    app = bootstrap.build(config, {}, cwd=playing.folder, clock=playing.clock)
    try:
        (site,) = app.sites()
        if stored:
            assert small.run_night(app).exit_code == 0
        at_once = validate_site(app, site, stored=stored)
        monkeypatch.setattr(parts, "PART_ROWS", 1)
        monkeypatch.setattr(reading_back, "FEW", 2)
        monkeypatch.setattr(reading_back, "MANY", 2)
        seen: list[int] = []
        add = across.Across.add
        monkeypatch.setattr(across.Across, "add", lambda *given: (seen.append(1), add(*given)))
        in_parts = validate_site(app, site, stored=stored)
    finally:
        app.close()
    assert len(seen) >= 4
    assert (in_parts.records, in_parts.rows) == (at_once.records, at_once.rows)
    assert in_parts.notices == at_once.notices
    found, wanted = (sorted(map(_plainly, one.findings), key=repr) for one in (in_parts, at_once))
    assert found == wanted
    assert len(found) > 50
    assert sorted(map(repr, in_parts.not_evaluated)) == sorted(map(repr, at_once.not_evaluated))
    assert len(in_parts.links) == (0 if stored else len(found))


def _plainly(finding: Finding) -> Finding:
    """Where several findings hold one back, which of them is named is nobody's concern."""
    return replace(finding, held_by=finding.held_by and "held")


def compare_judged(snapshot: Snapshot, reading: Reading, size: int, chance: random.Random) -> None:
    whole = judging.judge_pull(snapshot, reading.plan, as_of=reading.as_of, absent=reading.absent)
    queries = _queries(whole, chance)
    gathered = gathering.Gathered(reading, queries, complete=True)
    record = pl.col(snapshot.structure.record_field)
    names = snapshot.rows[snapshot.structure.record_field].unique().to_list()
    chance.shuffle(names)
    wide = reach.site_wide(reading.study)
    for start in range(0, len(names), size):
        rows = snapshot.rows.filter(record.is_in(names[start : start + size]))
        gathered.add(judging._judged(replace(snapshot, rows=rows), reading, leaving=wide))
    seen = gathered.seen()
    wanted = whole.judgement
    plain = [sorted(map(_plainly, one.findings), key=repr) for one in (seen.judgement, wanted)]
    assert plain[0] == plain[1]
    assert any(each.held_by for each in wanted.findings)
    assert {each.check: each for each in seen.judgement.coverage} == {each.check: each for each in wanted.coverage}
    assert set(seen.judgement.not_evaluated) == {each for each in wanted.not_evaluated if each.count}
    cells = whole.cells
    told = set()
    for query in queries:
        place = {"check": query.key.check, "row": query.key.row, "field": query.key.field}
        condition = wanted.conditions.at(**place)
        assert seen.judgement.conditions.at(**place) == condition, place
        told.add(condition)
        if condition is Condition.PASSING:
            where = {"row": query.key.row, "field": query.key.field}
            assert seen.cells.at(**where) == cells.at(**where), place
    assert told == {None, *Condition}
    assert gathered.notices == whole.harmonised.notices
