"""Carry what every command starts from: argv's global options, the environment, the clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sync.bootstrap import App


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """Hold one call of the program; builds the application when a command first asks for it."""

    config_path: Path | None
    log_format: str | None
    verbose: int
    environ: Mapping[str, str]
    cwd: Path

    @cached_property
    def app(self) -> "App":
        """Load the configuration and build the application; ConfigError lists every problem."""
        from sync import bootstrap

        self.start_logging()
        return bootstrap.build(self.config_path, self.environ, cwd=self.cwd)

    def start_logging(self) -> None:
        """Send logs to stderr: on the console only warnings unless -v is given, as JSON everything that happened."""
        from sync import telemetry

        json = self.log_format == "json"
        telemetry.configure(
            form="json" if json else "console", verbose=self.verbose > 1, quiet=self.verbose == 0 and not json
        )


pass_invocation = click.make_pass_decorator(Invocation)
