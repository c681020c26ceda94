"""Run the program the way a person or a cron job does: by its arguments, environment, folder, output and exit code."""

import contextlib
import gc
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cli
from tests import environment

ROOT = environment.ROOT


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
    """Call ``sync`` through its front door, in this process: most of a short command is Python importing libraries."""
    out, err = io.StringIO(), io.StringIO()
    with (
        _stage(cwd or ROOT, environment.PLAIN | (env or {})),
        _arguments(config, arguments),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as leaving,
    ):
        cli.main()
    code = leaving.value.code
    assert isinstance(code, int)
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


def process(
    *arguments: str, config: Path | None = None, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Done:
    """Call ``python -m sync`` as a process of its own and wait for the end."""
    done = subprocess.run(
        [sys.executable, "-m", "sync", *_given(config, arguments)],
        cwd=cwd or ROOT,
        env=environment.PLAIN | (env or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def _given(config: Path | None, arguments: tuple[str, ...]) -> list[str]:
    return [*(["--config", str(config)] if config else []), *arguments]


@contextlib.contextmanager
def _arguments(config: Path | None, arguments: tuple[str, ...]) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["sync", *_given(config, arguments)]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _stage(folder: Path, environ: dict[str, str]) -> Iterator[None]:
    """Give the program a folder and an environment, and take back what it sets for its process."""
    before, where, collected = dict(os.environ), Path.cwd(), gc.get_threshold()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(where)
        gc.set_threshold(*collected)
        root.handlers[:] = handlers
        root.setLevel(level)
