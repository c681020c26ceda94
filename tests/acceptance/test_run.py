"""What a night does to a warehouse, what it refuses, and what it says."""

import gzip
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from sync.demo import stage
from tests.acceptance.dump import dump
from tests.acceptance.program import ROOT, process, sync

TWO = ("--site", "zhenjiang", "--site", "yangzhou")
"""Sites that are pulled side by side, where it needs more than one and no more."""


def counted(playing: stage.Stage, *tables: str) -> list[int]:
    engine = sa.create_engine(f"sqlite:///{playing.folder / 'warehouse.sqlite'}")
    with engine.connect() as connection:
        found = [connection.execute(sa.text(f'SELECT count(*) FROM "{table}"')).scalar_one() for table in tables]
    engine.dispose()
    return found


def edit(playing: stage.Stage, old: str, new: str) -> None:
    text = playing.config_path.read_text("utf-8")
    assert old in text
    playing.config_path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_second_run_over_unchanged_data_writes_no_change_and_no_event(erring):
    first = sync("run", *TWO, "--json", config=erring.config_path)
    assert first.code == 0, first.err
    ledgers = counted(erring, "cell_change", "query_event", "row_end")
    assert ledgers[1] > 100
    second = sync("run", *TWO, "--json", config=erring.config_path)
    assert second.code == 0
    assert counted(erring, "cell_change", "query_event", "row_end") == ledgers
    assert all(site["rows_inserted"] == site["rows_updated"] == 0 for site in second.document["sites"])
    assert first.document["run_id"] != second.document["run_id"]


def test_a_dry_run_says_what_would_happen_and_keeps_nothing(erring):
    done = sync("run", *TWO, "--dry-run", "--json", config=erring.config_path)
    assert done.code == 0, done.err
    assert len(done.document["sites"]) == 2
    assert done.document["dry_run"] is True
    assert all(site["rows_inserted"] > 600 and site["queries"]["opened"] > 40 for site in done.document["sites"])
    assert not (erring.folder / "warehouse.sqlite").exists()
    assert not (erring.folder / "queries").exists()


def test_success_is_silent(served):
    done = process("run", "--site", "yangzhou", config=served.config_path)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_one_bad_site_never_stops_the_others_and_never_passes_in_silence(served):
    (served.folder / "tokens" / "jiangsu.token").write_text("F" * 32 + "\n")
    done = process("run", "--json", config=served.config_path)
    assert done.code == 4
    outcomes = {site["site"]: (site["outcome"], site["exit_code"]) for site in done.document["sites"]}
    assert outcomes["jiangsu"] == ("refused", 4)
    assert [outcomes[site] for site in ("drumtower", "zhenjiang", "yangzhou")] == [("ok", 0)] * 3
    assert "F" * 32 not in done.out + done.err
    status = sync("status", config=served.config_path)
    assert status.code == 1
    assert "STALE" in status.out


def test_a_wrong_mapping_or_token_of_one_site_is_its_refusal_and_the_others_go_on(served):
    (served.folder / "sites" / "jiangsu.toml").write_text("nonsense = [", encoding="utf-8")
    (served.folder / "tokens" / "yangzhou.token").unlink()
    done = sync("run", "--json", config=served.config_path)
    assert done.code == 4
    outcomes = {site["site"]: (site["outcome"], site["exit_code"]) for site in done.document["sites"]}
    assert outcomes == {"drumtower": ("ok", 0), "jiangsu": ("refused", 4), "yangzhou": ("refused", 4),
                        "zhenjiang": ("ok", 0)}  # fmt: skip
    rows = sync("runs", "show", done.document["run_id"], "--json", config=served.config_path).document["sites"]
    assert {row["site"]: row["exit_code"] for row in rows} == {site: code for site, (_, code) in outcomes.items()}
    assert sync("doctor", config=served.config_path).code == 2


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("project_id     = 12", "project_id     = 99", 4, "project 12, the configuration names project 99"),
        (':8765/api/"', ':1/api/"', 3, "127.0.0.1"),
        ('definition = "sle"', 'definition = "slee"', 2, "slee"),
        ('timezone   = "Asia/Shanghai"', 'timezone   = "Asia/Shanghai"\ncolour = "red"', 2, "study.colour"),
        ("tokens/zhenjiang.token", "tokens/zhenjiang.tokem", 2, "zhenjiang.tokem"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_and_a_remedy(served, old, new, code, says):
    if ":8765" in old:
        old = f':{served.port}/api/"\nproject_id     = 12'
        new = ':1/api/"\nproject_id     = 12'
    edit(served, old, new)
    done = sync("validate", "--site", "zhenjiang", config=served.config_path)
    assert done.code == code, done.err
    assert says in done.err


def test_a_mapping_to_a_field_that_is_not_there_is_refused_with_the_nearest_name(served):
    path = served.folder / "sites" / "zhenjiang.toml"
    path.write_text(path.read_text("utf-8").replace('"scr_umol"', '"scr_umoll"'), encoding="utf-8")
    done = sync("run", "--site", "zhenjiang", "--json", config=served.config_path)
    assert done.code == 4
    (site,) = done.document["sites"]
    assert "no field 'scr_umoll'; did you mean 'scr_umol'?" in site["reason"]
    assert "zhenjiang: refused (exit 4): the mapping does not fit" in done.err, "the site is named once"
    assert "zhenjiang: the mapping does not fit" in sync("status", config=served.config_path).out
    validated = sync("validate", "--site", "zhenjiang", config=served.config_path)
    assert "zhenjiang: the mapping does not fit" in validated.err
    assert counted(served, "labs", "subject") == [0, 0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('month_9     = "di_9_yue_arm_1"\n', "", "visits.month_9: 80 rows"),
        pytest.param(
            "[forms.urine]\n",
            '[forms.vitals]\nabsent = { pulse = "new form" }\n[forms.urine]\n',
            "forms.vitals.fields.pulse",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_a_mapping_no_longer_reads_is_kept_until_a_person_accepts_the_loss(erring, old, new, says):
    assert sync("run", "--site", "zhenjiang", config=erring.config_path).code == 0
    before = dump("sqlite:///warehouse.sqlite", erring.folder)
    path = erring.folder / "sites" / "zhenjiang.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = sync("run", "--site", "zhenjiang", "--json", config=erring.config_path)
    assert done.code == 4
    assert says in done.document["sites"][0]["reason"]
    assert dump("sqlite:///warehouse.sqlite", erring.folder) == before
    accepted = sync("sites", "drift", "--site", "zhenjiang", "--accept", config=erring.config_path)
    assert accepted.code == 0, accepted.err
    assert sync("run", "--site", "zhenjiang", "--allow-mass-change", config=erring.config_path).code == 0


def test_an_emptied_project_brakes_and_changes_nothing_until_it_is_allowed(served):
    assert sync("run", "--site", "drumtower", config=served.config_path).code == 0
    before = dump("sqlite:///warehouse.sqlite", served.folder)
    project = served.sandbox.project("drumtower")
    for record in project.record_names():
        project.delete_record(record)
    done = sync("run", "--site", "drumtower", "--json", config=served.config_path)
    assert done.code == 5
    assert "--allow-mass-change" in done.document["sites"][0]["reason"]
    after = dump("sqlite:///warehouse.sqlite", served.folder)
    assert {table for table in before if before[table] != after[table]} <= {"parked_run"}
    assert sync("run", "--site", "drumtower", "--allow-mass-change", config=served.config_path).code == 0
    assert counted(served, "labs", "subject") == [0, 0]
    assert counted(served, "row_end")[0] > 600


def test_two_runs_at_once_never_work_on_the_same_site(erring):
    command = [sys.executable, "-m", "sync", "--config", str(erring.config_path), "run", *TWO]
    processes = []
    for _ in range(2):
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        time.sleep(0.2)
    codes = sorted(each.wait(timeout=120) for each in processes)
    for each in processes:
        each.stderr.close()
    # each takes the sites that it comes to first and finds the others locked
    assert set(codes) <= {0, 75}
    assert sync("run", *TWO, config=erring.config_path).code == 0
    assert counted(erring, "query_event")[0] > 100
    assert sync("warehouse", "verify", config=erring.config_path).code == 0


def test_the_most_talkative_log_holds_no_token_no_patient_and_no_value(erring):
    done = process("-vv", "--log-format", "json", "run", *TWO, config=erring.config_path)
    assert done.code == 0
    assert '"event": "site.run.finished"' in done.err
    tokens = [path.read_text().strip() for path in (erring.folder / "tokens").iterdir()]
    for secret in (*tokens, "ZJJU-00", "YZSB-00", "scr_umol"):
        assert secret not in done.err


def test_lists_go_to_each_site_in_its_language_sorted_by_patient_and_visit(erring):
    assert sync("run", "--site", "zhenjiang", config=erring.config_path).code == 0
    text = (erring.folder / "queries" / "zhenjiang.csv").read_text("utf-8-sig")
    head, *lines = text.splitlines()
    assert head.startswith("质疑编号,受试者,访视,表单")
    assert len(lines) > 40
    patients = [line.split(",")[1] for line in lines if line.startswith("ZJJU-0")]
    assert patients == sorted(patients)
    assert f"http://127.0.0.1:{erring.port}/redcap_v" in text
    assert "event_id=" in text


def test_raw_replies_are_kept_for_as_long_as_asked(served):
    edit(served, "[warehouse]\n", "[warehouse]\nkeep_payloads_days = 2\n")
    assert sync("run", "--site", "drumtower", config=served.config_path).code == 0
    engine = sa.create_engine(f"sqlite:///{served.folder / 'warehouse.sqlite'}")
    with engine.connect() as connection:
        ((name, body),) = connection.execute(sa.text("SELECT name, body FROM raw_payload")).all()
    engine.dispose()
    assert name == "records.csv.gz"
    assert gzip.decompress(body).decode().startswith("subject_id,redcap_event_name")
    edit(served, "keep_payloads_days = 2", "keep_payloads_days = 0")
    assert sync("run", "--site", "drumtower", config=served.config_path).code == 0
    assert counted(served, "raw_payload") == [0]
