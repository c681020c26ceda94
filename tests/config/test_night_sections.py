"""[run], [schedule] and [alerts]: what they refuse, and how they say it. All names are invented."""

from datetime import timedelta
from pathlib import Path

import pytest

from sync import config
from sync.errors import ConfigError

SITE = """
[[sites]]
slug = "north"
name = "North Hospital"
subject_prefix = "NO"
url = "https://redcap.example.org/api/"
project_id = 17
token_env = "T_NORTH"
"""


def load(folder: Path, text: str) -> config.Config:
    path = folder / "config.toml"
    path.write_text(text + SITE, encoding="utf-8")
    return config.load(path, {})


def problem(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert len(caught.value.problems) == 1, caught.value.problems
    return caught.value.problems[0]


def test_without_sections_there_is_a_night_and_no_alert(tmp_path: Path) -> None:
    loaded = load(tmp_path, "")
    assert (loaded.schedule.cron, loaded.schedule.catch_up) == ("0 2 * * *", True)
    assert (loaded.alerts.command, loaded.alerts.webhook, loaded.alerts.email_to) == (None, None, ())
    assert loaded.alerts.state_file == tmp_path / ".syncline-alerts.json"
    assert loaded.sites[0].cron is None


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 25 * * *", "bad hour field"),
        ("0 2 * *", "five fields"),
        ("*/5 0 2 * * *", "five fields"),
        ("0 0 30 2 *", "day-of-month"),
        ("0 2 * * someday", "bad day-of-week field"),
    ],
)
def test_a_cron_expression_that_never_comes_is_refused(tmp_path: Path, cron: str, words: str) -> None:
    found = problem(tmp_path, f'[schedule]\ncron = "{cron}"\n')
    assert ":2: schedule.cron: " in found
    assert words in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('webhook = "http://chat.example.org/secret-part"', "in clear"),
        ('webhook = "chat.example.org/secret-part"', "https://host/path"),
        ('webhook = "https://a.example.org/x"\nwebhook_env = "W"', "keep exactly one"),
        ('webhook_env = "https://secret-part"', "name of an environment variable"),
        ('email_to = ["a@example.org"]', "email_from is missing"),
        ('email_to = ["a"]\nemail_from = "b@example.org"', "name@host"),
        ('smtp_user = "u"', "give both or neither"),
        ('smtp_user = "u"\nsmtp_password_env = "P"\nsmtp_host = "mail.example.org"', "in clear"),
        ("command = []", "at least 1"),
    ],
)
def test_what_alerts_cannot_go_by_is_refused_without_showing_secrets(tmp_path: Path, text: str, words: str) -> None:
    found = problem(tmp_path, f"[alerts]\n{text}\n")
    assert "alerts" in found
    assert words in found
    assert "secret-part" not in found


def test_a_webhook_is_not_shown(tmp_path: Path) -> None:
    assert "secret-part" not in repr(load(tmp_path, '[alerts]\nwebhook = "https://a.example.org/secret-part"\n'))


def test_the_overlap_is_a_span_within_bounds(tmp_path: Path) -> None:
    assert load(tmp_path, "").run.overlap == timedelta(hours=24)
    assert load(tmp_path, "[run]\noverlap_hours = 2.5\n").run.overlap == timedelta(hours=2, minutes=30)
    for hours in ("0", "1.9", "337", "-24", "nan"):
        assert "run.overlap_hours" in problem(tmp_path, f"[run]\noverlap_hours = {hours}\n")
    assert "transport.pull_deadline_seconds" in problem(tmp_path, "[transport]\npull_deadline_seconds = 0\n")
