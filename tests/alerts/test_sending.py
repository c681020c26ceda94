"""An alert leaves once for each trouble, by every way, over real sockets and processes. All names are invented."""

import base64
import email
import email.policy
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sync import config, errors
from sync.alerts import memory, sending
from sync.config import Config
from sync.config_transport import TransportConfig
from sync.workflows.results import SiteResult
from sync.workflows.run import RunResult
from tests.alerts.servers import Post, Web, running
from tests.redcap import proxies

START = datetime(2026, 3, 2, 2, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
TOKEN = "0123456789ABCDEF0123456789ABCDEF"

SITES = """
[[sites]]
slug = "north"
name = "North Hospital"
subject_prefix = "NO"
url = "https://north.example.org/api/"
project_id = 1
token_env = "TOKEN_NORTH"

[[sites]]
slug = "south"
name = "South Hospital"
subject_prefix = "SO"
url = "https://south.example.org/api/"
project_id = 2
token_env = "TOKEN_SOUTH"
"""


@dataclass
class Clock:
    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class App:
    config: Config
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/bin:/bin"})
    clock: Clock = field(default_factory=Clock)


def app(folder: Path, alerts: str) -> App:
    path = folder / "config.toml"
    path.write_text(f"[alerts]\ntimeout = 1\n{alerts}\n{SITES}", encoding="utf-8")
    return App(config=config.load(path, {}))


def result(*sites: tuple[str, int, str, str | None], dry_run: bool = False) -> RunResult:
    return RunResult(
        run_id="20260302T020000Z-abc123",
        started=START,
        finished=START,
        dry_run=dry_run,
        sites=tuple(
            SiteResult(site=site, exit_code=code, outcome=outcome, reason=reason)
            for site, code, outcome, reason in sites
        ),
    )


FINE = ("north", 0, "ok", None)
REVOKED = ("south", 4, "refused", "the server does not accept the token: it was revoked")


@pytest.fixture
def web() -> Iterator[Web]:
    with running(Web()) as server:
        yield server


@pytest.fixture
def post() -> Iterator[Post]:
    with running(Post()) as server:
        yield server


# --- when


def test_success_a_lock_and_a_dry_run_are_silent(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    assert not sending.after_run(given, result(FINE, ("south", 0, "ok", None)))
    assert not sending.after_run(given, result(FINE, ("south", 75, "locked", "another run works on this site")))
    assert not sending.after_run(given, result(REVOKED, dry_run=True))
    assert web.posted == []
    assert not given.config.alerts.state_file.exists()


def warned(*warnings: str, code: int = 0) -> RunResult:
    site = SiteResult(site="north", exit_code=code, outcome="x" if code else "ok", warnings=warnings)
    return replace(result(FINE), sites=(site,))


def test_a_warning_is_told_once_while_it_stands_and_again_after_it_was_gone(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    assert sending.after_run(given, warned("left out: vitals.q1"))
    ((_, _, document),) = web.posted
    assert (document["alert"], document["exit_code"]) == ("warning", 0)
    assert "north: left out: vitals.q1" in document["text"]
    for code in (0, 3, 0):
        given.clock.moment += timedelta(hours=24)
        sending.after_run(given, warned(*(() if code else ("left out: vitals.q1",)), code=code))
    assert [each["alert"] for _, _, each in web.posted] == ["warning", "trouble"], "a failed night forgets nothing"
    assert sending.after_run(given, warned("left out: vitals.q1", "left out: vitals.q2"))
    assert web.posted[-1][2]["sites"][0]["warnings"] == ["left out: vitals.q2"], "only what is new"
    assert not sending.after_run(given, warned())
    assert sending.after_run(given, warned("left out: vitals.q1"))


def test_a_warning_that_stands_is_told_again_after_a_week(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    told = []
    for _ in range(15):
        told.append(sending.after_run(given, warned("3 records belong to no group")))
        given.clock.moment += timedelta(hours=24)
    assert [night for night, each in enumerate(told) if each] == [0, 7, 14]


@pytest.mark.parametrize("code", [3, 4, 5, 70])
def test_each_kind_of_trouble_is_told_once_with_every_site(tmp_path: Path, web: Web, code: int) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    assert sending.after_run(given, result(FINE, ("south", code, "x", "why")))
    ((_, headers, document),) = web.posted
    assert headers["Content-Type"].startswith("application/json")
    assert document["exit_code"] == code
    assert [(each["site"], each["exit_code"]) for each in document["sites"]] == [("north", 0), ("south", code)]


def test_the_same_trouble_is_told_once_a_day_and_again_when_it_changes(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    told = []
    for hours, site in [
        (0, ("south", 5, "braked", "12 of 40 records are gone")),
        (1, ("south", 5, "braked", "13 of 40 records are gone")),  # a count is no other trouble
        (2, ("south", 4, "refused", "the token was revoked")),
        (3, ("south", 4, "refused", "the token was revoked")),
        (24, ("south", 4, "refused", "the token was revoked")),  # the next night
        (25, ("south", 0, "ok", None)),
        (26, ("south", 4, "refused", "the token was revoked")),  # it was well in between
    ]:
        given.clock.moment = START + timedelta(hours=hours)
        told.append(sending.after_run(given, result(site)))
    assert told == [True, False, True, False, True, False, True]
    assert len(web.posted) == 4


def test_a_second_site_in_trouble_is_news_and_the_first_is_marked(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    sending.after_run(given, result(REVOKED))
    assert sending.after_run(given, result(REVOKED, ("north", 3, "unreachable", "no answer")))
    sites = {each["site"]: each["repeated"] for each in web.posted[1][2]["sites"]}
    assert sites == {"south": True, "north": False}


def test_several_runs_of_one_pass_make_one_alert(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    assert sending.after_run(given, result(REVOKED), result(("north", 3, "unreachable", "no answer")))
    assert len(web.posted) == 1
    assert web.posted[0][2]["exit_code"] == 4


def test_what_keeps_every_site_from_work_is_told_once(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    error = errors.ConfigError([f"sites.north.mapping: it cannot be read; {TOKEN}"])
    assert sending.after_failure(given, error)
    assert not sending.after_failure(given, error)
    assert sending.after_failure(given, RuntimeError("NO-0012 has 12.5 g"))
    assert [document["exit_code"] for _, _, document in web.posted] == [2, 70]
    assert "mapping" in web.posted[0][2]["reason"]
    everything = json.dumps(web.posted)
    assert TOKEN not in everything
    assert "NO-0012" not in everything


def test_a_damaged_or_unwritable_memory_tells_once_too_often(
    tmp_path: Path, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"\nstate_file = "gone/state.json"')
    assert sending.after_run(given, result(REVOKED))
    assert sending.after_run(given, result(REVOKED))
    assert "alerts.state.unwritable" in capsys.readouterr().out
    for text in ("{", "[]", '{"told": 3}', '{"told": {"south": {"at": "x", "trouble": 1}}}', '{"told": {"south": 1}}'):
        (tmp_path / "state.json").write_text(text)
        given = app(tmp_path, f'webhook = "{web.url}"\nstate_file = "state.json"')
        assert sending.after_run(given, result(REVOKED))
        assert not sending.after_run(given, result(REVOKED))


def test_the_memory_holds_no_reason_and_is_its_owners(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    sending.after_run(given, result(REVOKED))
    state = given.config.alerts.state_file
    assert "revoked" not in state.read_text("utf-8")
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if "alerts" in each.name] == [state.name]


def test_without_a_way_nothing_is_kept(tmp_path: Path) -> None:
    given = app(tmp_path, "")
    assert not sending.after_run(given, result(REVOKED))
    assert sending.test(given) == {}
    assert not given.config.alerts.state_file.exists()


# --- ways that fail


@pytest.mark.parametrize("answer", [404, 500, 302, "silence"])
def test_a_webhook_that_fails_is_a_warning_and_is_tried_at_the_next_run(
    tmp_path: Path, web: Web, answer: int | str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    web.answer = answer
    assert not sending.after_run(given, result(REVOKED))
    logged = capsys.readouterr().out
    assert "alerts.failed" in logged
    assert "secret-part" not in logged
    assert len(web.posted) == 1, "nobody follows a redirect"
    web.answer = 204
    assert sending.after_run(given, result(REVOKED))


def test_one_way_that_fails_does_not_keep_back_the_others(tmp_path: Path, post: Post) -> None:
    given = app(
        tmp_path,
        'webhook = "http://127.0.0.1:9/x"\ncommand = ["/no/such/program"]\n' + mail(post),
    )
    outcome = sending.test(given)
    assert outcome["e-mail"] is None
    assert "cannot be started" in str(outcome["command"])
    assert "could not be reached" in str(outcome["webhook"])
    assert sending.after_run(given, result(REVOKED))
    assert len(post.letters) == 2


def test_the_webhooks_address_may_be_a_secret_of_the_environment(tmp_path: Path, web: Web) -> None:
    given = app(tmp_path, 'webhook_env = "HOOK"')
    assert not sending.after_run(given, result(REVOKED))
    given.environ["HOOK"] = web.url
    assert sending.after_run(given, result(REVOKED))


def test_a_webhook_goes_through_the_proxy_of_the_sites_with_its_password(
    tmp_path: Path, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    given.config = given.config.model_copy(update={"transport": TransportConfig(proxy_env="WAY_OUT")})
    assert not sending.after_run(given, result(REVOKED))
    assert "environment variable WAY_OUT is not set" in capsys.readouterr().out
    with proxies.serve() as proxy:
        proxy.login = "robot:made-up"
        given.environ["WAY_OUT"] = proxy.url("robot:made-up")
        assert sending.after_run(given, result(REVOKED))
        assert proxy.asked == [web.url]
    assert len(web.posted) == 1


def test_no_fault_of_telling_reaches_the_run(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = app(tmp_path, f'webhook = "{web.url}"')
    monkeypatch.setattr(memory, "read", lambda path: 1 / 0)
    assert not sending.after_run(given, result(REVOKED))
    assert not sending.after_failure(given, RuntimeError("x"))
    assert "ZeroDivisionError" in capsys.readouterr().out


# --- the command


def script(folder: Path, body: str) -> str:
    path = folder / "hook"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return "./hook"


def test_the_command_gets_json_on_stdin_and_no_secret(tmp_path: Path) -> None:
    given = app(
        tmp_path, f'command = ["{script(tmp_path, "cat > got.json; env > env.txt; echo $1 >> env.txt")}", "a b"]'
    )
    given.environ |= {"TOKEN_NORTH": TOKEN, "TOKEN_SOUTH": TOKEN, "KEPT": "yes", "CREDENTIALS_DIRECTORY": "/run/x"}
    given.environ["WAY_OUT"] = "http://robot:made-up@proxy.example.org"
    given.config = given.config.model_copy(update={"transport": TransportConfig(proxy_env="WAY_OUT")})
    assert sending.after_run(given, result(FINE, REVOKED))
    document = json.loads((tmp_path / "got.json").read_text("utf-8"))
    assert document["sites"][1]["outcome"] == "refused"
    seen = (tmp_path / "env.txt").read_text()
    assert "KEPT=yes" in seen
    assert "a b" in seen
    assert TOKEN not in seen
    assert "CREDENTIALS_DIRECTORY" not in seen
    assert "made-up" not in seen


def test_a_command_that_fails_or_does_not_read_is_told_apart(tmp_path: Path) -> None:
    given = app(tmp_path, f'command = ["{script(tmp_path, "exit 3")}"]')
    assert sending.test(given) == {"command": "the program ended with 3"}
    script(tmp_path, "exit 0")
    assert sending.test(given) == {"command": None}


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    given = app(tmp_path, f'command = ["{script(tmp_path, "sleep 60 & echo $! > child; wait")}"]')
    begun = time.monotonic()
    assert "was killed" in str(sending.test(given)["command"])
    assert time.monotonic() - begun < 5
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        if not alive(child):
            break
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# --- e-mail


def mail(post: Post, more: str = "") -> str:
    return (
        f'email_to = ["dm@example.org", "pi@example.org"]\nemail_from = "syncline@example.org"\n'
        f'smtp_host = "127.0.0.1"\nsmtp_port = {post.port}\nlink = "https://syncline.example.org/"\n{more}'
    )


def test_a_letter_holds_counts_and_a_link_only(tmp_path: Path, post: Post) -> None:
    given = app(tmp_path, mail(post))
    assert sending.after_run(given, result(FINE, REVOKED))
    ((sender, recipients, text),) = post.letters
    assert (sender, recipients) == ("<syncline@example.org>", ["<dm@example.org>", "<pi@example.org>"])
    letter = email.message_from_string(text, policy=email.policy.default)
    assert letter["Subject"] == "Syncline: 1 of 2 sites in trouble: south refused"
    assert letter["Auto-Submitted"] == "auto-generated"
    body = letter.get_content()
    assert "https://syncline.example.org/" in body
    assert "does not accept" not in body


def test_a_password_comes_from_the_environment_or_a_credential(tmp_path: Path, post: Post) -> None:
    given = app(tmp_path, mail(post, 'smtp_user = "u"\nsmtp_password_env = "P"'))
    given.environ["P"] = "made-up"
    assert sending.test(given) == {"e-mail": None}
    (tmp_path / "pw").write_text("made-up\n")
    given = app(tmp_path, mail(post, 'smtp_user = "u"\nsmtp_password_credential = "pw"'))
    given.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert sending.test(given) == {"e-mail": None}
    assert [base64.b64decode(each) for each in post.logins] == [b"\0u\0made-up"] * 2


def test_a_refused_recipient_does_not_keep_back_the_others(
    tmp_path: Path, post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    given = app(tmp_path, mail(post).replace("pi@", "refused@"))
    assert sending.test(given) == {"e-mail": None}
    assert "refused=1" in capsys.readouterr().out
    given = app(tmp_path, mail(post).replace("pi@", "refused@").replace("dm@", "refused-too@"))
    assert "could not be used" in str(sending.test(given)["e-mail"])
    assert len(post.letters) == 1


def test_nothing_is_sent_in_clear_where_encryption_was_asked_for(tmp_path: Path, post: Post) -> None:
    given = app(tmp_path, mail(post, 'smtp_security = "starttls"'))
    assert "could not be used" in str(sending.test(given)["e-mail"])
    assert post.letters == []
