"""What a run that went through has to say: kept with the run, shown, and the graver of it told once."""

import json

from tests.acceptance.program import sync
from tests.acceptance.test_run import edit
from tests.workflows import small


def test_checks_that_drift_switches_off_are_named_kept_and_told_once(served):
    told = served.folder / "told.json"
    text = served.config_path.read_text("utf-8")
    hook = json.dumps(["/bin/sh", "-c", f"cat >> {told}"])
    served.config_path.write_text(f"{text}\n[alerts]\ncommand = {hook}\n", encoding="utf-8")
    assert sync("run", "--site", "drumtower", config=served.config_path).code == 0
    project = served.sandbox.project("drumtower")
    to_date = {
        "text_validation_type_or_show_slider_number": "date_ymd",
        "text_validation_min": "",
        "text_validation_max": "",
    }
    project.change_structure(fields=small.with_field(project.structure, "sbp", **to_date))

    first = sync("run", "--site", "drumtower", "--json", config=served.config_path)
    assert first.code == 0, first.err
    (site,) = first.document["sites"]
    (warning,) = site["warnings"]
    assert "vitals.sbp" in warning
    assert "XF01" in warning.partition("not evaluated")[2], "the checks are named"
    assert "sync sites drift --site drumtower --accept" in warning
    assert warning in first.err, "cron's mail says it too"

    alert = json.loads(told.read_text("utf-8"))
    assert (alert["alert"], alert["exit_code"]) == ("warning", 0)
    assert "vitals.sbp" in alert["text"]
    told.unlink()
    second = sync("run", "--site", "drumtower", "--json", config=served.config_path)
    assert second.code == 0
    assert not told.exists(), "once, and not one a night"

    run_id = second.document["run_id"]
    (row,) = sync("runs", "show", run_id, "--json", config=served.config_path).document["sites"]
    assert row["warnings"] == [warning]
    assert set(row["notices"]) == set(second.document["sites"][0]["notices"])
    assert row["not_evaluated"] == second.document["sites"][0]["not_evaluated"] > 0
    assert warning in sync("runs", "show", run_id, config=served.config_path).out
    listed = sync("status", config=served.config_path).out
    assert warning in listed
    (mine,) = [
        each
        for each in sync("status", "--json", config=served.config_path).document["sites"]
        if each["site"] == "drumtower"
    ]
    assert (mine["notices"], mine["warnings"]) == (len(row["notices"]), [warning])


def test_an_additive_change_is_a_notice_that_is_kept_and_told_to_nobody(served):
    told = served.folder / "told.json"
    edit(served, "[study]", f"[alerts]\ncommand = {json.dumps(['/usr/bin/touch', str(told)])}\n[study]")
    assert sync("run", "--site", "drumtower", config=served.config_path).code == 0
    project = served.sandbox.project("drumtower")
    extra = small._field("extra_field", project.structure.forms[-1].name)
    project.change_structure(fields=(*project.structure.fields, extra))
    done = sync("run", "--site", "drumtower", "--json", config=served.config_path)
    assert (done.code, done.err) == (0, "")
    shown = sync("runs", "show", done.document["run_id"], config=served.config_path)
    assert "extra_field" in shown.out
    assert not told.exists()
