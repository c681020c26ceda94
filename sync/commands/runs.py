"""Show what each run did, and decide on runs that a brake parked (`sync runs …`)."""

import getpass
from pathlib import Path
from typing import Any

import click

from sync.commands import output
from sync.commands.context import Invocation, pass_invocation
from sync.commands.output import Column
from sync.ports.stored import ParkedRun, RunRow

COLUMNS = [
    Column(key="run_id", title="Run", style="bold", whole=True),
    Column(key="site", title="Site", whole=True),
    Column(key="began", title="Started", whole=True),
    Column(key="outcome_shown", title="Outcome", whole=True),
    Column(key="rows_pulled", title="Rows", right=True, whole=True),
    Column(key="changed", title="+ ~ -", whole=True),
    Column(key="cells_changed", title="Cells", right=True, whole=True),
    Column(key="moves", title="Queries", whole=True),
    *(
        Column(key=name, title=name, optional=True)
        for name in ("kind", "started", "finished", "outcome", "exit_code", "opened", "closed", "reason", "decision")
    ),
]


@click.group("runs")
def command() -> None:
    """Look into past runs; release or discard what a brake parked."""


@command.command("list")
@click.option("--site", help="One site only.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1))
@output.listing_options
@pass_invocation
def list_runs(invocation: Invocation, site: str | None, limit: int, as_json: bool, csv_path: Path | None) -> None:
    """List runs, newest first."""
    app = invocation.app
    if site:
        app.config.site(site)
    reader = app.warehouse().reader()
    parked = {(each.site, each.run_id): each for each in reader.parked(site=site)}
    rows = [_row(run, parked.get((run.site, run.run_id))) for run in reader.runs(site=site, limit=limit)]
    output.show(name="runs", title="Runs", columns=COLUMNS, rows=rows, as_json=as_json, csv_path=csv_path)
    if not as_json and csv_path is None:
        _show_reasons(rows)


@command.command("show")
@click.argument("run_id")
@output.listing_options
@pass_invocation
def show_run(invocation: Invocation, run_id: str, as_json: bool, csv_path: Path | None) -> None:
    """Show what one run did at each site."""
    from sync.errors import ConfigError

    reader = invocation.app.warehouse().reader()
    parked = {each.site: each for each in reader.parked() if each.run_id == run_id}
    rows = [_row(run, parked.get(run.site)) for run in reader.run(run_id)]
    if not rows:
        raise ConfigError([f"there is no run {run_id}; `sync runs list` shows them"])
    output.show(name="sites", title=f"Run {run_id}", columns=COLUMNS, rows=rows, as_json=as_json, csv_path=csv_path)
    if not as_json and csv_path is None:
        _show_reasons(rows)
        _show_notices(rows)
        for each in parked.values():
            _show_parked(each)


@command.command("approve")
@click.argument("run_id")
@click.option("--site", required=True)
@pass_invocation
def approve(invocation: Invocation, run_id: str, site: str) -> None:
    """Let the site's next run pass the brake that parked this one, once."""
    _decide(invocation, run_id, site, "approved")
    click.echo(f"{site}: approved; run `sync run --site {site}` (or wait for tonight)")


@command.command("discard")
@click.argument("run_id")
@click.option("--site", required=True)
@pass_invocation
def discard(invocation: Invocation, run_id: str, site: str) -> None:
    """Put a parked run away; the brake stays."""
    _decide(invocation, run_id, site, "discarded")
    click.echo(f"{site}: discarded")


def _decide(invocation: Invocation, run_id: str, site: str, decision: str) -> None:
    from sync.errors import ConfigError

    app = invocation.app
    app.config.site(site)
    now = app.clock.now()
    if not app.warehouse().decide(site, run_id, decision=decision, by=getpass.getuser(), at=now):
        raise ConfigError([f"{site}: no parked run {run_id} waits for a decision; `sync status` shows how many do"])


def _show_reasons(rows: list[dict[str, Any]]) -> None:
    """Say below the table why a run did not go through; a reason is too long for a column."""
    for row in rows:
        if row["why"]:
            click.echo(f"{row['run_id']} {row['site']}: {row['why']}")


def _show_notices(rows: list[dict[str, Any]]) -> None:
    """Say below one run's table what it had to say of each site, the graver first."""
    for row in rows:
        warnings = row.get("warnings", [])
        for warning in warnings:
            click.secho(f"{row['site']}: {warning}", bold=True)
        for notice in row.get("notices", []):
            if notice not in warnings:
                click.echo(f"{row['site']}: {notice}")
        if row.get("not_evaluated"):
            click.echo(f"{row['site']}: {row['not_evaluated']} checks of rows could not be evaluated")


def _show_parked(parked: ParkedRun) -> None:
    """Show what a parked run would have done, and what a person said to it."""
    said = f"{parked.decision} by {parked.decided_by}" if parked.decision else "waits for a decision"
    used = f", used by run {parked.used_by_run_id}" if parked.used_by_run_id else ""
    click.secho(f"{parked.site}: parked, {said}{used}", bold=True)
    words = {
        "records_before": "records in the warehouse",
        "records_now": "records in the project",
        "records_gone": "records that are gone",
        "records_untraced": "of them without a trace in the server's log",
        "rows_known": "known rows of forms",
        "rows_gone": "rows that would go, of records that stay",
        "cells_known": "known cells",
        "cells_changed": "cells that would change",
        "queries_open": "queries that wait",
        "queries_closed": "queries that would close",
        "queries_opened": "queries that would open",
    }
    for name, text in words.items():
        click.echo(f"  {parked.difference.get(name, 0):>8}  {text}")
    if not parked.decision:
        click.echo(f"  sync runs approve {parked.run_id} --site {parked.site}   (or discard)")


def _row(run: RunRow, parked: ParkedRun | None) -> dict[str, Any]:
    counts = {name: value for name, value in run.counts.items() if name not in ("watermark", "full_is_owed")}
    queries = counts.get("queries", {})
    return {
        "run_id": run.run_id,
        "site": run.site,
        "kind": run.kind,
        "started": run.started.isoformat(timespec="seconds"),
        "began": f"{run.started:%Y-%m-%d %H:%M}",
        "outcome_shown": f"{run.outcome} ({parked.decision or 'parked'})" if parked else run.outcome,
        "finished": run.finished.isoformat(timespec="seconds") if run.finished else None,
        "outcome": run.outcome,
        "exit_code": run.exit_code,
        "reason": run.reason,
        "why": (run.reason or "").partition("\n")[0].partition(". ")[0],
        "parked": dict(parked.difference) if parked else None,
        "decision": parked.decision if parked else None,
        **counts,
        "changed": " ".join(
            f"{sign}{counts.get(name, 0)}"
            for sign, name in (("+", "rows_inserted"), ("~", "rows_updated"), ("-", "rows_deleted"))
        ),
        "moves": f"+{queries.get('opened', 0) + queries.get('reopened', 0)} -{queries.get('closed', 0)}",
        "opened": queries.get("opened", 0) + queries.get("reopened", 0),
        "closed": queries.get("closed", 0),
    }
