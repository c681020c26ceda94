"""Run the program as a process, the way a cron job does."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import environment

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Read stdout as the one JSON document it must be."""
        found = json.loads(self.out)
        assert found["format"] == "syncline/1"
        return found


def sync(
    *arguments: str, config: Path | None = None, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Done:
    """Call ``python -m sync`` with an environment of its own and wait for the end."""
    given = ["--config", str(config)] if config else []
    done = subprocess.run(
        [sys.executable, "-m", "sync", *given, *arguments],
        cwd=cwd or ROOT,
        env=environment.PLAIN | (env or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)
