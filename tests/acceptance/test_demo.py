"""The demo keeps its word: figures out of the warehouse, the same on both databases, and a folder to go on with."""

import stat
import subprocess
import sys
from datetime import datetime

import pytest

from sync.demo import comparison, nights
from sync.demo.published import published
from sync.workflows import run
from sync.workflows.results import NightOptions
from tests.acceptance.conftest import START
from tests.acceptance.dump import dump
from tests.acceptance.program import ROOT, process, sync


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Play the demo once, as a user does."""
    folder = tmp_path_factory.mktemp("somewhere") / "demo"
    done = process("demo", "--dir", str(folder), "--json")
    assert done.code == 0, done.err
    return folder, done.document


@pytest.fixture(scope="module")
def left(played):
    """Keep what the demo left in its warehouse, before other tests go on with it."""
    return dump("sqlite:///warehouse.sqlite", played[0], same_key=False)


def test_every_published_figure_is_met_after_all_corrections(played):
    _, document = played
    said = [line for line in document["efficacy"] if line["published_mean"] is not None]
    assert len(said) == 8
    assert all(line["agrees"] and line["mean"] == line["published_mean"] for line in said)
    assert {(line["category"], line["n"], line["agrees"]) for line in document["responses"]} == {
        ("MCR", 14, True),
        ("PCR", 15, True),
        ("RELAPSE", 3, True),
        ("RELAPSE", 4, True),
    }


def test_recall_is_reported_with_what_no_rule_can_find(played):
    seeded = played[1]["seeded"]
    assert seeded["found"] == seeded["detectable"] > 100
    assert seeded["undetectable"] > 20
    assert seeded["false_findings"] == 0


def test_queries_are_opened_closed_and_confirmed_over_the_nights(played):
    first, second, third = played[1]["nights"]
    opened = [sum(site["queries"]["opened"] for site in night["sites"]) for night in (first, second, third)]
    closed = [sum(site["queries"]["closed"] for site in night["sites"]) for night in (first, second, third)]
    assert opened[0] > 150 > opened[1]
    assert closed[0] == 0
    assert closed[1] > 50
    assert closed[2] > 50
    assert all(site["exit_code"] == 0 for night in played[1]["nights"] for site in night["sites"])


def test_tokens_are_for_their_owner_and_stand_nowhere_else(played):
    folder, _ = played
    tokens = list((folder / "tokens").iterdir())
    assert len(tokens) == 4
    secrets = {path.read_text().strip() for path in tokens}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tokens)
    for path in [folder / "config.toml", *(folder / "logs").iterdir(), *(folder / "queries").iterdir()]:
        assert not any(secret.encode() in path.read_bytes() for secret in secrets), path.name


def test_logs_hold_no_patient(played):
    folder, _ = played
    text = "".join(path.read_text() for path in (folder / "logs").iterdir())
    assert '"event": "run.finished"' in text
    for trace in ("ZJJU-0", "NJDT-0", "JSPH-0", "YZSB-0"):
        assert trace not in text


def test_what_is_left_works_on_once_the_sandbox_is_served_again(played, left):
    folder, document = played
    config = folder / "config.toml"
    command = document["serve"].split()
    server = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("ready http://127.0.0.1:")
        validated = sync("validate", "--site", "zhenjiang", "--json", config=config)
        assert validated.code == 0, validated.err
        (site,) = validated.document["sites"]
        assert site["records"] == 10
        again = sync("run", "--site", "zhenjiang", "--json", config=config)
        assert again.code == 0, again.err
        assert all(each["rows_updated"] == each["cells_changed"] == 0 for each in again.document["sites"])
    finally:
        server.terminate()
        server.communicate(timeout=20)
    stored = sync("validate", "--stored", "--site", "zhenjiang", "--json", config=config)
    found = {(each["record"], each["check"], each["field"]) for each in site["findings"]}
    assert {(each["record"], each["check"], each["field"]) for each in stored.document["sites"][0]["findings"]} == found
    assert sync("warehouse", "verify", config=config).code == 0
    status = sync("status", "--json", config=config)
    assert status.code == 0
    assert [each["stale"] for each in status.document["sites"]] == [False] * 4


def test_a_folder_with_other_files_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("important")
    done = sync("demo", "--dir", str(tmp_path))
    assert done.code == 2
    assert "choose another folder" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.long
@pytest.mark.postgres
def test_both_databases_hold_the_same_after_the_demo(played, left, tmp_path, postgres_url):
    last = datetime.fromisoformat(played[1]["nights"][-1]["started"])
    nights.play(tmp_path / "post", nights=3, last_night=last.astimezone(START.tzinfo), warehouse_url=postgres_url)
    lite = left
    post = dump(postgres_url, tmp_path / "post", same_key=False)
    assert lite.keys() == post.keys()
    for table, rows in lite.items():
        if table not in ("site_state",):  # holds the address of the server, which is another
            assert rows == post[table], table


def test_no_figure_is_written_down_anywhere_but_in_the_data(served, request):
    app = served.app()
    request.addfinalizer(app.close)
    assert run.run(app, app.sites(), options=NightOptions()).exit_code == 0
    before = comparison.means(app.warehouse().reader().efficacy(), published())
    assert all(line.agrees is not False for line in before)
    project = served.sandbox.project("drumtower")
    held = project.get("NJDT-001", "sledai_total", event="month_6_arm_1")
    items = [f"sledai_{item:02d}" for item in range(1, 9)]
    on = next(name for name in items if project.get("NJDT-001", name, event="month_6_arm_1") == "0")
    project.set("NJDT-001", {on: "1", "sledai_total": str(int(held) + 8)}, event="month_6_arm_1")
    run.run(app, app.sites(), options=NightOptions())
    after = comparison.means(app.warehouse().reader().efficacy(), published())
    changed = [line.visit for line, old in zip(after, before, strict=True) if line != old]
    assert changed == ["month_6"]
    assert [line.mean for line in after if line.measure == "sledai_total" and line.visit == "month_6"] == ["6.50"]


def test_the_last_night_is_the_latest_two_o_clock_that_has_passed():
    zone = START.tzinfo
    assert nights.last_night(datetime(2026, 3, 2, 1, 59, tzinfo=zone)) == datetime(2026, 3, 1, 2, tzinfo=zone)
    assert nights.last_night(datetime(2026, 3, 2, 2, 0, tzinfo=zone)) == datetime(2026, 3, 2, 2, tzinfo=zone)


@pytest.mark.parametrize(
    ("value", "text"),
    [(10.825, "10.83"), (7.425, "7.43"), (6.475, "6.48"), (6.3, "6.30"), (1.005, "1.01"), (None, None)],
)
def test_figures_are_rounded_half_up_in_decimal(value, text):
    assert comparison.printed(value, 2) == text
