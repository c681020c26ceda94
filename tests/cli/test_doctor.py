"""`sync doctor`: each precondition, whole and broken, against a served project. All people are made up."""

import json
import os
import shutil
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from sync.commands import doctor_machine, doctor_site
from sync.commands.doctor_check import Check
from sync.ports.standing import Standing
from sync.redcap import source as redcap_source
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.people import FULL_RIGHTS, NO_EXPORT, User
from tests.workflows import small

EVERY = (
    "version", "package names", "command", "configuration", "study", "warehouse", "ledger key", "disk",
    "token", "project", "API version", "export", "logging", "clock", "mapping",
)  # fmt: skip
"""What the interface lists, by the names of the lines."""


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve a few records; the program's clock goes with the server's."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        trial.app("one")
        yield trial


def at(trial: small.Trial, name: str) -> Check:
    """Give one line of the only site."""
    app = trial.apps["one"]
    found = [check for check in doctor_site.checks(app, app.sites()[0]) if check.name == name]
    assert len(found) == 1, found
    return found[0]


def called(trial: small.Trial, *arguments: str) -> Result:
    """Call the command as a person does."""
    path = str(trial.folder / "one.toml")
    return CliRunner().invoke(
        cli.root, ["--config", path, "doctor", *arguments], env={"TOKEN": small.TOKEN}, standalone_mode=False
    )


def test_every_precondition_has_its_line(trial: small.Trial) -> None:
    small.run_night(trial.apps["one"])
    trial.sandbox.clock.release()
    done = called(trial, "--json")
    document = json.loads(done.stdout)
    assert document["format"] == "syncline/1"
    assert {tuple(check) for check in document["checks"]} == {("name", "site", "status", "detail", "remedy")}
    names = [check["name"] for check in document["checks"]]
    assert dict.fromkeys(names) == dict.fromkeys(EVERY), "in this order, none missing and none more"
    assert not [check for check in document["checks"] if check["status"] == "fail"]
    assert done.return_value == 0
    of_site = {check["name"] for check in document["checks"] if check["site"] == "all"}
    assert of_site == set(EVERY[EVERY.index("token") :])
    assert all(check["detail"] for check in document["checks"])
    assert all(check["remedy"] for check in document["checks"] if check["status"] != "ok")
    assert small.TOKEN not in done.output


def test_it_changes_nothing(trial: small.Trial) -> None:
    before = sorted(trial.folder.iterdir())
    assert called(trial).return_value == 0
    assert sorted(trial.folder.iterdir()) == before
    assert "there is no file" in called(trial).output


# --- the token and its rights


def test_the_right_to_the_log_is_there(trial: small.Trial) -> None:
    assert at(trial, "logging").status == "ok"


def test_where_it_is_missing_the_remedy_says_what_it_buys_and_where_to_tick_it(trial: small.Trial) -> None:
    trial.app("one", token=small.BLIND)
    check = at(trial, "logging")
    assert check.status == "warn"
    for words in ("User Rights", "tick Logging", "one row a record", "deleted events", "renamed record"):
        assert words in check.remedy
    # the clock is judged by the Date header alone
    assert at(trial, "clock").status == "ok"
    assert "zone of its log is not known" in at(trial, "clock").detail


def test_a_log_that_only_fails_today_is_no_missing_right(trial: small.Trial) -> None:
    trial.sandbox.faults.add(Fault(mode=Mode.GATEWAY_TIMEOUT, content="log", times=None))
    check = at(trial, "logging")
    assert check.status == "warn"
    assert "could not hand out" in check.detail
    assert "User Rights" not in check.remedy


def test_a_token_of_another_project_a_revoked_one_and_a_silent_server(trial: small.Trial) -> None:
    trial.handle.project.settings = replace(trial.handle.project.settings, project_id=99)
    check = at(trial, "project")
    assert (check.status, check.exit_code) == ("fail", 4)
    assert "belongs to project 99, the configuration names project 17" in check.detail
    trial.app("one", token="C" * 32)
    assert "does not accept the token" in at(trial, "project").detail
    trial.sandbox.stop()
    check = at(trial, "project")
    assert (check.status, check.exit_code) == ("fail", 3)


def test_a_server_that_falls_silent_between_two_lines_costs_that_line_only(
    trial: small.Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    structure = redcap_source.RedcapSource.structure

    def then_fail(self: redcap_source.RedcapSource) -> object:
        found = structure(self)
        trial.sandbox.faults.add(Fault(mode=Mode.GATEWAY_TIMEOUT, content="project", times=None))
        return found

    monkeypatch.setattr(redcap_source.RedcapSource, "structure", then_fail)
    app = trial.apps["one"]
    found = {check.name: check for check in doctor_site.checks(app, app.sites()[0])}
    assert (found["clock"].status, found["clock"].exit_code) == ("fail", 3)
    assert found["export"].status == "fail"
    assert found["mapping"].status == "ok"


def test_columns_that_are_withheld(trial: small.Trial) -> None:
    trial.handle.project.users["owner"] = User(username="owner", forms_export={"visit": NO_EXPORT})
    check = at(trial, "export")
    assert (check.status, check.exit_code) == ("fail", 4)
    assert "weight" in check.detail


def test_a_token_that_is_not_there(trial: small.Trial) -> None:
    trial.app("one", token="short")
    assert at(trial, "settings").status == "fail"


def test_a_version_without_a_log(trial: small.Trial) -> None:
    app = trial.apps["one"]
    structure = app.source(app.sites()[0]).structure()
    for version, status in (("9.1.3", "warn"), ("10.7.9", "warn"), ("10.8.0", "ok"), ("15.2.1", "ok")):
        check = doctor_site._version(replace(structure, redcap_version=version), app.sites()[0])
        assert (check.status, version in check.detail) == (status, True)


# --- the clock


@pytest.mark.parametrize(("zone", "words"), [
    ("Asia/Shanghai", "its log is in UTC+8"),
    ("Asia/Kolkata", "its log is in UTC+5:30, the study in UTC+8"),
    ("America/Los_Angeles", "its log is in UTC-8, the study in UTC+8"),
])  # fmt: skip
def test_the_zone_of_the_log_is_read_off(trial: small.Trial, zone: str, words: str) -> None:
    trial.handle.project.log.clear()
    trial.sandbox.clock.set(trial.clock.at, timezone=zone)
    check = at(trial, "clock")
    assert check.status == "ok"
    assert check.detail == f"server agrees with this machine; {words}"


@pytest.mark.parametrize(("skew", "status", "words"), [
    (timedelta(seconds=40), "ok", "server 40 s ahead"),
    (timedelta(minutes=-4), "ok", "server 4 min behind"),
    (timedelta(minutes=30), "warn", "server 30 min ahead"),
    (timedelta(hours=-9), "warn", "server 9 h behind"),
])  # fmt: skip
def test_a_clock_that_is_wrong(trial: small.Trial, skew: timedelta, status: str, words: str) -> None:
    trial.handle.project.log.clear()
    trial.sandbox.clock.set(trial.clock.at + skew)
    check = at(trial, "clock")
    assert check.status == status, check
    assert check.detail == f"{words}; its log is in UTC+8"
    assert ("NTP" in check.remedy) == (status == "warn")


def test_a_clock_that_was_set_back_behind_its_log(trial: small.Trial) -> None:
    trial.sandbox.clock.set(trial.clock.at + timedelta(hours=5))
    trial.write("R0", "day", weight="70")
    trial.sandbox.clock.set(trial.clock.at)
    check = at(trial, "clock")
    assert check.status == "warn"
    assert "was set back" in check.detail
    assert "full one" in check.remedy
    trial.sandbox.clock.set(trial.clock.at - timedelta(hours=1))
    assert "NTP" in at(trial, "clock").remedy


def test_what_the_source_tells_holds_no_record(trial: small.Trial) -> None:
    app = trial.apps["one"]
    seen = app.source(app.sites()[0]).standing()
    assert isinstance(seen, Standing)
    assert seen.log_time == (trial.clock.at.replace(tzinfo=None))
    assert seen.is_log_current
    assert "R0" not in repr(seen)


# --- this machine


def test_a_package_that_claims_our_names(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"sync": ["syncline"], "validators": ["syncline", "validators"], "polars": ["polars"]}
    monkeypatch.setattr(doctor_machine.metadata, "packages_distributions", lambda: owners)
    found = [check for check in doctor_machine.installation({}) if check.name == "package names"]
    assert [check.status for check in found] == ["fail"]
    assert "'validators' also belongs to validators" in found[0].detail


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_which_sync_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts, links, others = tmp_path / "venv", tmp_path / "links", tmp_path / "others"
    ours = program(scripts, "sync")
    program(others, "sync")
    program(others, "syncline")
    links.mkdir()
    (links / "sync").symlink_to(ours)
    monkeypatch.setattr(doctor_machine.sysconfig, "get_path", lambda name: str(scripts))

    def seen(*folders: Path | str) -> list[tuple[str, str]]:
        path = os.pathsep.join(map(str, folders))
        found = [check for check in doctor_machine.installation({"PATH": path}) if check.name == "command"]
        return [(check.status, check.detail) for check in found]

    assert seen(scripts) == [("ok", str(ours))]
    assert seen(links, "/usr/bin") == [("ok", str(links / "sync"))]
    assert seen("/usr/bin", scripts)[0] == ("warn", f"{shutil.which('sync', path='/usr/bin')} (coreutils) comes first on the PATH")  # fmt: skip  # noqa: E501
    first, second = seen(others, scripts)
    assert first == ("warn", f"{others / 'sync'} (another) comes first on the PATH")
    assert "another installation" in second[1]
    assert seen(tmp_path / "nowhere") == [("ok", "no `sync` on the PATH; called as python -m sync")]


def test_the_warehouse_in_each_state(trial: small.Trial) -> None:
    app = trial.apps["one"]
    assert doctor_machine.warehouse(app).status == "warn"
    small.run_night(app)
    assert doctor_machine.warehouse(app).detail == "reachable and up to date"
    app = trial.app("two", warehouse="sqlite:///nowhere/at/all.sqlite")
    check = doctor_machine.warehouse(app)
    assert (check.status, check.exit_code) == ("fail", 2)
    assert "there is no folder" in check.detail
    (trial.folder / "text.sqlite").write_text("this is no database, and longer than a header of one would be" * 20)
    check = doctor_machine.warehouse(trial.app("three", warehouse="sqlite:///text.sqlite"))
    assert check.status == "fail"


def test_room_and_rights_on_every_disk(trial: small.Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    config = trial.apps["one"].config
    assert [check.status for check in doctor_machine.disk(config)] == ["ok"], "one disk, one line"
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda folder: usage(1, 1, 1 << 20))
    assert [check.status for check in doctor_machine.disk(config)] == ["warn"]
    (trial.folder / "one_lists").mkdir()
    monkeypatch.setattr(doctor_machine.os, "access", lambda folder, mode: folder.name != "one_lists")
    found = list(doctor_machine.disk(config))
    assert [check.status for check in found] == ["warn", "fail"]
    assert found[1].detail == f"{trial.folder / 'one_lists'} cannot be written"


def test_the_key_of_the_ledger_in_each_state(trial: small.Trial) -> None:
    app = trial.apps["one"]
    path = trial.folder / ".syncline.key"
    assert doctor_machine.key(app).status == "ok"
    assert "the first run makes .syncline.key" in doctor_machine.key(app).detail
    assert not path.exists(), "doctor made a key"
    small.run_night(app)
    assert doctor_machine.key(app).status == "ok"
    assert "fits the warehouse" in doctor_machine.key(app).detail
    kept = path.read_bytes()
    for wrong, words in ((b"", "empty or cut"), (b"f" * 64, "another key"), (None, "missing")):
        path.unlink()
        if wrong is not None:
            path.write_bytes(wrong)
        check = doctor_machine.key(app)
        assert (check.status, check.exit_code) == ("fail", 2)
        assert words in check.detail
        assert "backup" in check.remedy
    path.mkdir()
    check = doctor_machine.key(app)
    assert check.status == "fail"
    assert str(path) in check.detail
    path.rmdir()
    path.write_bytes(kept)
    (trial.folder / "one.sqlite").unlink()
    check = doctor_machine.key(app)
    assert check.status == "fail"
    assert "no warehouse" in check.detail
    assert not (trial.folder / "one.sqlite").exists()


def test_a_broken_configuration_is_told_line_by_line(trial: small.Trial) -> None:
    path = trial.folder / "one.toml"
    path.write_text(path.read_text("utf-8").replace("retries = 0", 'retries = "x"\nnonsense = 1'), "utf-8")
    done = called(trial, "--json")
    checks = json.loads(done.stdout)["checks"]
    found = [check for check in checks if check["name"] == "configuration"]
    assert [check["status"] for check in found] == ["fail", "fail"]
    assert done.return_value == 2


def test_the_gravest_line_gives_the_exit_code(trial: small.Trial) -> None:
    rights = dict(FULL_RIGHTS) | {"logging": 0}
    trial.handle.project.users["owner"] = User(username="owner", rights=rights, forms_export={"visit": NO_EXPORT})
    trial.sandbox.clock.release()
    done = called(trial, "--json")
    found = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert (found["export"], found["logging"]) == ("fail", "warn")
    assert done.return_value == 4
