"""The command's own words: what it refuses, and how alerts are tried."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

import cli

SITE = """
[[sites]]
slug = "north"
name = "North Hospital (invented)"
subject_prefix = "NO"
url = "https://north.example.org/api/"
project_id = 1
token_env = "T"
enabled = {enabled}
"""


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a command sets up: its log goes to a stream that is closed with it."""
    handlers = logging.root.handlers[:]
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


def call(folder: Path, text: str, *arguments: str, enabled: str = "true") -> tuple[object, str, Exception | None]:
    (folder / "config.toml").write_text(text + SITE.format(enabled=enabled), encoding="utf-8")
    words = ["--config", str(folder / "config.toml"), "daemon", *arguments]
    found = CliRunner().invoke(cli.root, words, standalone_mode=False)
    return found.return_value, found.output, found.exception  # type: ignore[return-value]


def test_alerts_are_tried_by_every_way(tmp_path: Path) -> None:
    code, said, _ = call(tmp_path, '[alerts]\ncommand = ["sh", "-c", "cat > got"]\n', "--test-alert")
    assert (code, said) == (0, "command: accepted\n")
    assert '"alert": "test"' in (tmp_path / "got").read_text("utf-8")
    code, said, _ = call(tmp_path, '[alerts]\ncommand = ["sh", "-c", "exit 9"]\n', "--test-alert")
    assert code == 3
    assert "command: the program ended with 9" in said


def test_without_a_way_or_a_site_it_says_so(tmp_path: Path) -> None:
    code, said, _ = call(tmp_path, "", "--test-alert")
    assert code == 2
    assert "[alerts]" in said
    _, _, error = call(tmp_path, "", enabled="false")
    assert "no site is enabled" in str(error)


def test_a_wrong_study_is_refused_before_anything_waits(tmp_path: Path) -> None:
    _, _, error = call(tmp_path, '[study]\ndefinition = "no-such-study"\n')
    assert getattr(error, "exit_code", None) == 2
