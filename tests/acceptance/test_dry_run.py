"""A dry run leaves nothing behind: no file, no column, no key, no alert; and says what a run would do."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas import loading
from sync.demo import stage
from tests.acceptance.program import sync
from tests.acceptance.test_run import edit
from tests.workflows import small


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def relations(url: str) -> dict[str, list[str]]:
    engine = sa.create_engine(url)
    try:
        seen = sa.inspect(engine)
        return {name: [each["name"] for each in seen.get_columns(name)] for name in sorted(seen.get_table_names())}
    finally:
        engine.dispose()


def test_in_an_empty_place_it_makes_neither_file_nor_table(tmp_path, warehouse_url):
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        app = trial.app("one", warehouse=warehouse_url)
        before = files(tmp_path)
        (site,) = small.run_night(app, dry_run=True).sites
        assert (site.exit_code, site.records_pulled, site.queries["opened"] > 0) == (0, 8, True), site.reason
        assert files(tmp_path) == before
        if warehouse_url:
            assert relations(warehouse_url) == {}


def test_a_form_that_grew_changes_no_table(tmp_path, warehouse_url):
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        app = trial.app("one", warehouse=warehouse_url)
        assert small.run_night(app).exit_code == 0
        url = app.config.warehouse.url
        before, held = relations(url), trial.dump("one")
        remark = small._field("remark", "visit")
        trial.handle.change_structure(fields=(*trial.handle.structure.fields, remark))
        trial.handle.set("R1", {"remark": "made up"}, event="day_arm_1")
        trial.move(timedelta(hours=24))
        (site,) = small.run_night(app, dry_run=True).sites
        assert (site.exit_code, site.stored.cells_changed) == (0, 1), site.reason
        assert relations(url) == before
        assert trial.dump("one") == held


def test_a_study_that_grew_changes_no_table(served: stage.Stage):
    shutil.copytree(loading.shipped_folder("sle"), served.folder / "study")
    edit(served, 'definition = "sle"', 'definition = "./study"')
    project = served.sandbox.project("zhenjiang")
    sbp = next(each for each in project.structure.fields if each.field_name == "sbp")
    project.change_structure(fields=(*project.structure.fields, replace(sbp, field_name="made_up")))
    assert sync("run", "--site", "zhenjiang", config=served.config_path).code == 0
    url = f"sqlite:///{served.folder / 'warehouse.sqlite'}"
    before, there = relations(url), files(served.folder)
    form = served.folder / "study" / "forms" / "vitals.toml"
    grown = (
        '[[field]]\nname = "made_up"\nkind = "number"\nlabel.en = "New"\nlabel.zh = "New"\nunit = "1"\ndecimals = 0\n'
    )
    form.write_text(form.read_text("utf-8") + "\n" + grown, encoding="utf-8")
    done = sync("run", "--site", "zhenjiang", "--dry-run", "--json", config=served.config_path)
    assert done.code == 0, done.err
    assert relations(url) == before
    assert files(served.folder) == there
    assert sync("run", "--site", "zhenjiang", config=served.config_path).code == 0
    assert "made_up" in relations(url)["vitals"]
