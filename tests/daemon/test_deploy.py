"""The examples under deploy/ are tried: systemd reads them, cron's line and the units' commands run."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from sync.config_schedule import ScheduleConfig
from sync.demo import stage

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
PROGRAM = "/opt/syncline/bin/syncline"
FOLDER = "/var/lib/syncline"


def installed() -> str:
    found = ROOT / ".venv" / "bin" / "syncline"
    path = str(found) if found.exists() else shutil.which("syncline")
    if path is None:
        pytest.skip("the package is not installed, so there is no `syncline` script to start")
    return path


def settings(name: str) -> dict[str, list[str]]:
    """Read a unit's keys; systemd keeps every line of a key."""
    held: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            held.setdefault(key, []).append(value)
    return held


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    names = []
    for unit in sorted(UNITS.iterdir()):
        text = unit.read_text("utf-8").replace(PROGRAM, installed())
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
        names.append(str(tmp_path / unit.name))
    done = subprocess.run(
        [analyze, "verify", "--man=no", *names], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line], done.stderr


def test_systemd_calls_the_service_well_protected(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("syncline.service", "syncline-run.service"):
        done = subprocess.run(
            [analyze, "security", "--offline=true", "--threshold=20", str(UNITS / name)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "unrecognized option" in done.stderr:
            pytest.skip("this systemd-analyze cannot judge a file")
        assert done.returncode == 0, done.stdout[-500:]


def test_both_services_keep_the_same_restrictions() -> None:
    first, second = settings("syncline.service"), settings("syncline-run.service")
    own = {"Description", "Type", "NotifyAccess", "ExecStart", "KillMode", "TimeoutStopSec", "TimeoutStartSec"}
    own |= {"WatchdogSec", "Restart", "RestartSec", "RestartPreventExitStatus", "SuccessExitStatus", "WantedBy"}
    own |= {"StartLimitIntervalSec", "StartLimitBurst"}
    assert {key: value for key, value in first.items() if key not in own} == {
        key: value for key, value in second.items() if key not in own
    }
    assert first["ProtectSystem"] == ["strict"]
    assert first["LoadCredential"][0].partition(":")[0] in (ROOT / "config.example.toml").read_text("utf-8")


def command_of_cron() -> tuple[str, str]:
    """Give the schedule and the command of the one job in the cron file, without the user."""
    (line,) = [
        line for line in (DEPLOY / "cron" / "syncline").read_text("utf-8").splitlines() if re.match(r"[\d*]", line)
    ]
    *times, user, command = line.split(maxsplit=6)
    assert user == "syncline"
    assert "%" not in command, "cron reads % as the end of a line"
    return " ".join(times), command


def test_crons_schedule_is_one() -> None:
    times, _ = command_of_cron()
    assert ScheduleConfig(cron=times).cron == "0 2 * * *"


def test_the_commands_of_cron_and_systemd_run(served: stage.Stage) -> None:
    """Each is started as cron and systemd start it, with the installed program and the stage's folder in place."""
    _, by_cron = command_of_cron()
    (by_timer,) = settings("syncline-run.service")["ExecStart"]
    (daemon,) = settings("syncline.service")["ExecStart"]
    done = shell(by_cron, served)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "cron mails whatever is said"
    once = shell(f"cd {FOLDER} && exec {daemon} --once", served)
    assert once.returncode == 0, "nothing is due: cron's run counts"
    assert "daemon.pass.started" not in once.stderr
    words = [word for word in shlex.split(by_timer) if word not in ("--log-format", "json")]
    assert words == shlex.split(by_cron)[-len(words) :], "the timer starts what cron starts, with a log for the journal"


def shell(command: str, playing: stage.Stage) -> subprocess.CompletedProcess[str]:
    placed = command.replace(PROGRAM, installed()).replace(FOLDER, str(playing.folder))
    return subprocess.run(
        ["/bin/sh", "-c", placed],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
