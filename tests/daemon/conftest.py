"""Serve the invented trial's true projects, once for all tests of the daemon."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sync.demo import stage
from tests.acceptance import conftest as acceptance

START = datetime(2026, 3, 2, 2, 0, tzinfo=ZoneInfo(stage.ZONE))

true_projects = acceptance.true_projects


@pytest.fixture
def served(tmp_path: Path, true_projects: dict[str, str]) -> Iterator[stage.Stage]:
    """Serve four centres on a port of this test's own."""
    playing = stage.set_up(tmp_path / "stage", true_projects, start=START)
    yield playing
    playing.sandbox.stop()
