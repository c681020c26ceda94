"""A full night in several parts: all of it or nothing, and nothing of a part outlives its turn."""

import gc
import gzip
import weakref
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas import parts
from sync.workflows import gathering
from tests.workflows import small
from validators import dataset, engine


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[small.Trial]:
    """Serve eight records, which come in three batches and so in three parts."""
    monkeypatch.setattr(parts, "PART_ROWS", 1)
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        yield trial


def test_a_fault_in_a_later_part_leaves_nothing_of_the_earlier_ones(trial, monkeypatch):
    app = trial.app("one")
    assert small.run_night(app).exit_code == 0
    before = trial.dump("one")
    trial.write("R0", "day", weight="77")
    trial.handle.delete_record("R7")
    trial.move(timedelta(hours=30))
    judge, turns = engine.judge, []

    def fails_late(*given, **named):
        turns.append(1)
        return judge(*given, **named) if len(turns) < 3 else 1 / 0

    monkeypatch.setattr(engine, "judge", fails_late)
    assert small.run_night(app, full=True).exit_code == 70
    assert len(turns) == 3
    assert trial.dump("one") == before
    monkeypatch.setattr(engine, "judge", judge)
    done = small.run_night(app, full=True, allow_mass_change=True).sites[0]
    assert (done.exit_code, done.records_pulled, done.stored.cells_changed) == (0, 7, 1)
    assert {row.record for row in app.warehouse().reader().subjects("all")["all"]} == {f"R{n}" for n in range(7)}


def test_nothing_of_a_part_outlives_its_turn(trial, monkeypatch):
    made: list[weakref.ref[dataset.Dataset]] = []
    alive: list[int] = []

    class Watched(dataset.Dataset):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            made.append(weakref.ref(self))

    add = gathering.Gathered.add

    def counted(self, judged):
        alive.append(sum(each() is not None for each in made))
        add(self, judged)

    monkeypatch.setattr(engine, "Dataset", Watched)
    monkeypatch.setattr(gathering.Gathered, "add", counted)
    gc.disable()  # what only the collector frees may stay for long
    try:
        assert small.run_night(trial.app("one")).exit_code == 0
    finally:
        gc.enable()
    assert alive == [1, 1, 1]


def test_payloads_of_parts_are_kept_under_names_that_sort(trial):
    app = trial.app("one", more="", warehouse="")
    path = trial.folder / "one.toml"
    text = path.read_text("utf-8").replace("[delivery]", "keep_payloads_days = 3\n[delivery]")
    path.write_text(text, encoding="utf-8")
    app.close()
    app = trial.apps["one"] = small.bootstrap.build(path, {"TOKEN": small.TOKEN}, cwd=trial.folder, clock=trial.clock)
    assert small.run_night(app).exit_code == 0
    engine_ = sa.create_engine(app.config.warehouse.url)
    with engine_.connect() as connection:
        kept = connection.execute(sa.text("SELECT name, body FROM raw_payload ORDER BY name")).all()
    engine_.dispose()
    assert [name for name, _ in kept] == [f"records.{number:05}.csv.gz" for number in (1, 2, 3)]
    lines = [gzip.decompress(body).decode().splitlines() for _, body in kept]
    assert {tuple(each[:1]) for each in lines} == {tuple(lines[0][:1])}
    assert {line.split(",")[0] for each in lines for line in each[1:]} == {f"R{number}" for number in range(8)}
