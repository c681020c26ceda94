"""The daemon as a process, against served projects: it makes up, tells of trouble, stops at a safe point."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sync import bootstrap, errors
from sync.demo import stage
from sync.sandbox.faults import Fault, Mode
from tests import environment


def configure(playing: stage.Stage, text: str) -> None:
    """Add sections to the stage's configuration."""
    path = playing.config_path
    path.write_text(text + path.read_text("utf-8"), encoding="utf-8")


@contextmanager
def daemon(playing: stage.Stage, *arguments: str, notify: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start `sync daemon`; it must have ended by itself at the end of the block."""
    environ = dict(environment.PLAIN)
    if notify is not None:
        environ |= {"NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "3000000"}
    command = [sys.executable, "-m", "sync", "--config", str(playing.config_path), "--log-format", "json"]
    with subprocess.Popen(
        [*command, "daemon", *arguments], cwd=playing.folder, env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            process.wait(30)
        finally:
            process.kill()


def until(holds: Callable[[], bool], what: str, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def outcomes(playing: stage.Stage) -> dict[str, str]:
    """Read what the warehouse knows of each site's last run."""
    if not (playing.folder / "warehouse.sqlite").exists():
        return {}
    app = bootstrap.build(playing.config_path, {}, cwd=playing.folder, clock=playing.clock)
    if app.warehouse().status().pending:  # type: ignore[attr-defined]
        return {}
    known = app.warehouse().reader().status(aged_before=playing.clock.now())
    return {each.site: each.last_run.outcome for each in known if each.last_run}


def working(playing: stage.Stage) -> bool:
    """Tell whether some site's run shows itself."""
    if not (playing.folder / "warehouse.sqlite").exists():
        return False
    app = bootstrap.build(playing.config_path, {}, cwd=playing.folder, clock=playing.clock)
    try:
        return app.warehouse().reader().lease("drumtower") is not None
    except errors.SyncError:
        return False
    finally:
        app.close()


def test_a_stop_leaves_a_pull_at_once_and_the_next_start_makes_up_for_all(served: stage.Stage, tmp_path: Path) -> None:
    configure(served, '[run]\nthreads = 1\n[alerts]\ncommand = ["sh", "-c", "cat >> told.jsonl"]\n')
    hanging = Fault(mode=Mode.SLOW, project="drumtower", content="record", seconds=120.0, times=1)
    served.sandbox.faults.add(hanging)
    served.sandbox.faults.add(Fault(mode=Mode.TOKEN_REVOKED, project="yangzhou", times=None))
    told = served.folder / "told.jsonl"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.settimeout(20)
        ear.bind(str(tmp_path / "n"))
        with daemon(served, notify=tmp_path / "n") as process:
            assert ear.recv(300) == b"READY=1"
            until(lambda: working(served), "the first site's pull")
            time.sleep(2)  # into the request that hangs
            process.send_signal(signal.SIGTERM)
            told_at = time.monotonic()
            process.wait(30)
            assert time.monotonic() - told_at < 20, "the server's answer is not waited for"
        heard = drained(ear)
    assert process.returncode == 0
    assert heard[-1] == b"STOPPING=1"
    assert b"WATCHDOG=1" in heard
    assert outcomes(served) == {}, "a pull has written nothing, and no other site was begun"
    assert not told.exists(), "a stop is no trouble"

    with daemon(served) as process:
        until(lambda: told.exists() and told.stat().st_size > 0, "the alert after the pass")
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert outcomes(served) == {"drumtower": "ok", "jiangsu": "ok", "zhenjiang": "ok", "yangzhou": "refused"}
    (document,) = [json.loads(line) for line in told.read_text("utf-8").splitlines()]
    assert {each["site"]: each["exit_code"] for each in document["sites"]} == {
        "drumtower": 0,
        "jiangsu": 0,
        "zhenjiang": 0,
        "yangzhou": 4,
    }
    (reason,) = [each["reason"] for each in document["sites"] if each["reason"]]
    assert "token" in reason
    app = bootstrap.build(served.config_path, {}, cwd=served.folder)
    assert app.warehouse().reader().verify().problems == ()
    assert len(app.warehouse().reader().runs(site="drumtower")) == 1, "what was done is not done again"

    with daemon(served, "--once") as process:
        pass
    assert process.returncode == 0, "nothing is due: the refused site waits for a person or the next night"


def test_a_site_with_a_broken_mapping_or_token_keeps_no_other_from_its_night(served: stage.Stage) -> None:
    configure(served, '[alerts]\ncommand = ["sh", "-c", "cat >> told.jsonl; echo >> told.jsonl"]\n')
    broken = served.folder / "sites" / "jiangsu.toml"
    good = broken.read_text("utf-8")
    broken.write_text(good + "\nnonsense = [", encoding="utf-8")
    (served.folder / "tokens" / "yangzhou.token").chmod(0o644)
    told = served.folder / "told.jsonl"
    with daemon(served) as process:
        until(lambda: len(outcomes(served)) == 4, "every site's first night", seconds=120)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert outcomes(served) == {"drumtower": "ok", "jiangsu": "refused", "zhenjiang": "ok", "yangzhou": "refused"}
    (first,) = [json.loads(line) for line in told.read_text("utf-8").splitlines() if line]
    assert {each["site"]: each["exit_code"] for each in first["sites"]} == {"jiangsu": 4, "yangzhou": 4}
    assert "chmod 600" in first["text"], "told at the start, and not again after the pass"


def drained(ear: socket.socket) -> list[bytes]:
    ear.setblocking(False)
    heard = []
    try:
        while True:
            heard.append(ear.recv(300))
    except BlockingIOError:
        return heard
