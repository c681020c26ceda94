"""Serve the invented trial's true projects, once for all tests of the daemon."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import loading
from sync.demo import odm, projects, stage, truth
from sync.harmonise import mapping

START = datetime(2026, 3, 2, 2, 0, tzinfo=ZoneInfo(stage.ZONE))


@pytest.fixture(scope="session")
def project_files() -> dict[str, str]:
    """Give each centre's project XML, free of errors."""
    study = loading.shipped_study("sle")
    invented = truth.truth()
    folder = loading.shipped_folder("sle") / "sites"
    return {
        site: odm.write(
            projects.build(study, mapping.parse((folder / f"{site}.toml").read_text("utf-8"), study), invented, site)
        )
        for site in stage.CENTRES
    }


@pytest.fixture
def served(tmp_path: Path, project_files: dict[str, str]) -> Iterator[stage.Stage]:
    """Serve four centres on a port of this test's own."""
    playing = stage.set_up(tmp_path / "stage", project_files, start=START)
    yield playing
    playing.sandbox.stop()
