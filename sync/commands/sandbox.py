"""Serve the REDCap-API-compatible sandbox (`sync sandbox …`)."""

import sys
from pathlib import Path

import click

from sync.commands import output
from sync.commands.column import Column


@click.group("sandbox")
def command() -> None:
    """Run a REDCap-API-compatible server on this machine, to try things out and to train on.

    It is no REDCap and says so; what it only guesses is listed at /__sandbox__/guesses.
    """


@command.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 chooses a free one.")
@click.option("--state", "state_dir", type=click.Path(path_type=Path, file_okay=False), help="Keep projects here.")
@click.option("--super-token", help="64 hexadecimal characters; allows content=project to create projects.")
@click.option(
    "--project", "projects", multiple=True, metavar="FILE.xml,slug=S,token=HEX32,pid=N", help="Load a project."
)
@click.option("--timezone", default="UTC", show_default=True, help="The server's own time zone, e.g. Asia/Shanghai.")
def serve(
    host: str,
    port: int,
    state_dir: Path | None,
    super_token: str | None,
    projects: tuple[str, ...],
    timezone: str,
) -> None:
    """Serve projects over HTTP until stopped; prints `ready http://…/api/` when it accepts connections."""
    from sync.sandbox import serve as server

    try:
        server.serve(
            list(projects),
            host=host,
            port=port,
            state_dir=state_dir,
            super_token=super_token,
            out=sys.stdout,
            timezone=timezone,
        )
    except (ValueError, OSError) as error:
        raise click.UsageError(f"{error}") from None


@command.command("load")
@click.option("--state", "state_dir", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--project", "projects", multiple=True, required=True, metavar="FILE.xml,slug=S,token=HEX32,pid=N")
def load(state_dir: Path, projects: tuple[str, ...]) -> None:
    """Load project XML files into a state folder without serving them."""
    from sync.sandbox import serve as server
    from sync.sandbox.sandbox import Sandbox

    try:
        server.load_into(Sandbox(state=state_dir), projects)
    except (ValueError, OSError) as error:
        raise click.UsageError(f"{error}") from None
    click.echo(
        f"{len(projects)} projects loaded into {state_dir}; serve them with: sync sandbox serve --state {state_dir}"
    )


@command.command("list")
@click.option("--state", "state_dir", required=True, type=click.Path(path_type=Path, file_okay=False, exists=True))
@output.listing_options
def list_projects(state_dir: Path, as_json: bool, csv_path: Path | None) -> None:
    """List the projects in a state folder (never their tokens)."""
    from sync.sandbox.sandbox import Sandbox

    columns = [
        Column(key="slug", title="Project"),
        Column(key="project_id", title="Id", right=True),
        Column(key="title", title="Title"),
        Column(key="records", title="Records", right=True),
    ]
    rows = Sandbox(state=state_dir).projects()
    output.show(name="projects", title="Sandbox", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path)
