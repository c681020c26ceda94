"""Open the human door: the root command group, which loads each command only when it is called."""

import gc
import importlib
import os
import sys
from importlib import metadata
from pathlib import Path

import click

from sync import errors

COMMANDS = {
    "demo": ("sync.commands.demo", "Run the main job on embedded parts: four centres, three nights, one table."),
    "run": ("sync.commands.run", "Do one pass: pull, judge, store, follow up queries, deliver lists."),
    "validate": ("sync.commands.validate", "Pull and judge, write nothing; show what is wrong."),
    "status": ("sync.commands.status", "Show one line a site: last success, open queries, what is stale."),
    "runs": ("sync.commands.runs", "Show what each run did."),
    "daemon": ("sync.commands.daemon", "Stay up and run each site at its nightly time; catch up after downtime."),
    "queries": ("sync.commands.queries", "Work on queries: list, show, answer, accept, confirm, export …"),
    "sites": ("sync.commands.sites", "List the sites; check their projects against their mappings."),
    "checks": ("sync.commands.checks", "List, show and lint the edit checks."),
    "warehouse": ("sync.commands.warehouse", "Upgrade, inspect and verify the warehouse."),
    "sandbox": ("sync.commands.sandbox", "Serve the REDCap-API-compatible sandbox."),
    "doctor": ("sync.commands.doctor", "Check every precondition, one line each with its remedy."),
}
"""Command -> (module that holds it as ``command``, one line of help)."""


COLLECT_AFTER = (100_000, 50, 100)
"""When Python looks for cycles of garbage: seldom, since a night's many small objects hardly make any, while each look
walks over everything that the libraries keep (4 % of a large night at Python's own setting)."""


class LazyGroup(click.Group):
    """Load a command's module when the command is called, so that ``--help`` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands in the order of a working day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the commands where the given one is unknown, instead of leaving the reader to guess."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'. Commands are: {', '.join(COMMANDS)}.")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["--help", "-h"]})
@click.option("--config", "config", type=click.Path(path_type=Path), help="Configuration file [$SYNCLINE_CONFIG].")
@click.option("--log-format", type=click.Choice(["console", "json"]), help="Form of the log on stderr.")
@click.option("-v", "--verbose", count=True, help="Log more; twice: every request.")
@click.version_option(metadata.version("syncline"), prog_name="syncline")
@click.pass_context
def root(ctx: click.Context, config: Path | None, log_format: str | None, verbose: int) -> None:
    """Keep a multicentre clinical trial's data true.

    Pulls each centre's REDCap project, judges the records, writes harmonised rows to a warehouse and follows
    every query through to its answer. Start with `sync demo`; it needs nothing but this program.
    """
    from sync.commands import context

    ctx.obj = context.Invocation(
        config_path=config, log_format=log_format, verbose=verbose, environ=dict(os.environ), cwd=Path.cwd()
    )


def main() -> None:
    """Run the program and leave with the documented exit code."""
    gc.set_threshold(*COLLECT_AFTER)
    sys.exit(_run())


def _run() -> int:
    try:
        return int(root.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except errors.SyncError as error:
        _explain(error)
        return error.exit_code
    except BrokenPipeError:
        # the reader of a pipe (head, less) had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            _report_fault(error)
            return 70
        place = f"{error.filename}: {error.strerror}"
        click.echo(f"Error: {place}; choose another place, or give this user the right to it", err=True)
        return 2
    except Exception as error:
        _report_fault(error)
        return 70


def _explain(error: errors.SyncError) -> None:
    if "--json" in sys.argv:
        import json

        problems = list(getattr(error, "problems", ())) or [str(error)]
        click.echo(json.dumps({"format": "syncline/1", "exit_code": error.exit_code, "errors": problems}))
    for line in str(error).splitlines() or [type(error).__name__]:
        click.echo(f"Error: {line}" if not line.startswith(" ") else line, err=True)


def _report_fault(error: Exception) -> None:
    """Name the fault and its place, never its text or locals: either may hold patients' values."""
    click.echo(
        f"Error: a fault of the program itself ({type(error).__name__} at {errors.place_of(error)}). "
        "Nothing half-done was kept. Please report it with this line; set SYNCLINE_TRACEBACK=1 to see where it "
        "came from.",
        err=True,
    )
    if os.environ.get("SYNCLINE_TRACEBACK"):
        import traceback

        for frame in traceback.extract_tb(error.__traceback__):
            click.echo(f"  {frame.filename}:{frame.lineno} {frame.name}", err=True)


if __name__ == "__main__":
    main()
