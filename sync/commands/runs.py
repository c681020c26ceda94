"""Show what each run did, and decide on runs that a brake parked (`sync runs …`)."""

import getpass
from datetime import tzinfo
from pathlib import Path
from typing import Any

import click

from sync.commands import output, parked_runs
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.plural import counted
from sync.ports.stored import ParkedRun, RunRow

COLUMNS = [
    Column(key="run_id", title="Run", style="bold", whole=True),
    Column(key="site", title="Site", whole=True),
    Column(key="began", title="Started", whole=True),
    Column(key="outcome_shown", title="Outcome", whole=True),
    Column(key="rows_pulled", title="Rows", right=True, whole=True, gives_way=2),
    Column(key="changed", title="+ ~ -", whole=True),
    Column(key="cells_changed", title="Cells", right=True, whole=True, gives_way=1),
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
    reader, zone = app.warehouse().reader(), app.config.study.zone
    parked = {(each.site, each.run_id): each for each in reader.parked(site=site)}
    rows = [_row(run, parked.get((run.site, run.run_id)), zone) for run in reader.runs(site=site, limit=limit)]
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

    reader, zone = invocation.app.warehouse().reader(), invocation.app.config.study.zone
    parked = {each.site: each for each in reader.parked() if each.run_id == run_id}
    rows = [_row(run, parked.get(run.site), zone) for run in reader.run(run_id)]
    for row in rows:
        if each := parked.get(row["site"]):
            row["parked"] = parked_runs.document(each)
    if not rows:
        raise ConfigError([f"there is no run {run_id}; `sync runs list` shows them"])
    output.show(name="sites", title=f"Run {run_id}", columns=COLUMNS, rows=rows, as_json=as_json, csv_path=csv_path)
    if not as_json and csv_path is None:
        _show_reasons(rows)
        _show_notices(rows)
        _show_let_through(rows)
        for each in parked.values():
            parked_runs.show(each, _standing(invocation, each))


@command.command("approve")
@click.argument("run_id")
@click.option("--site", required=True)
@pass_invocation
def approve(invocation: Invocation, run_id: str, site: str) -> None:
    """Let the site's next run do what this parked one would have done, once."""
    parked = _decide(invocation, run_id, site, "approved")
    config = invocation.app.config
    until = parked_runs.until(parked, config.brakes, config.study.zone)
    click.echo(f"{site}: approved; run `sync run --site {site}` (or wait for tonight)")
    click.echo(f"It covers this, once and until {until}: {output.first_sentence(parked.reason)}")


@command.command("discard")
@click.argument("run_id")
@click.option("--site", required=True)
@pass_invocation
def discard(invocation: Invocation, run_id: str, site: str) -> None:
    """Put a parked run away, or take an unused approval back; the brake stays."""
    _decide(invocation, run_id, site, "discarded")
    click.echo(f"{site}: discarded")


def _decide(invocation: Invocation, run_id: str, site: str, decision: str) -> ParkedRun:
    """Note the decision and give the parked run as it stands then; ConfigError where there is nothing to decide."""
    from sync.errors import ConfigError

    app = invocation.app
    app.config.site(site)
    now = app.clock.now()
    warehouse = app.warehouse()
    is_noted = warehouse.decide(site, run_id, decision=decision, by=getpass.getuser(), at=now)
    parked = next((each for each in warehouse.reader().parked(site=site) if each.run_id == run_id), None)
    if parked is None or not is_noted:
        raise ConfigError([f"{site}: {parked_runs.why_not(run_id, parked)}"])
    return parked


def _standing(invocation: Invocation, parked: ParkedRun) -> str:
    """Say where a parked run stands: what a person said to it, and what became of that."""
    app = invocation.app
    config = app.config
    return parked_runs.standing(parked, now=app.clock.now(), limits=config.brakes, zone=config.study.zone)


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
            checks = counted(row["not_evaluated"], "check of a row", "checks of rows")
            click.echo(f"{row['site']}: {checks} could not be evaluated")


def _show_let_through(rows: list[dict[str, Any]]) -> None:
    """Say what would have stopped a run that went through, and who let it."""
    for row in rows:
        if let := row.get("let_through"):
            approved = f"approval of {', '.join(let['approvals'])}"
            who = f"--allow-mass-change by {let['by'] or 'nobody named'}" if let["allow_mass_change"] else approved
            click.secho(f"{row['site']}: let through a brake ({who})", bold=True)
            for reason in let["reasons"]:
                click.echo(f"  {reason}")


def _row(run: RunRow, parked: ParkedRun | None, zone: tzinfo) -> dict[str, Any]:
    counts = {name: value for name, value in run.counts.items() if name not in ("watermark", "full_is_owed")}
    queries = counts.get("queries", {})
    return {
        "run_id": run.run_id,
        "site": run.site,
        "kind": run.kind,
        "started": run.started.isoformat(timespec="seconds"),
        "began": output.moment(run.started, zone),
        "outcome_shown": f"{run.outcome} ({parked.decision or 'parked'})" if parked else run.outcome,
        "finished": run.finished.isoformat(timespec="seconds") if run.finished else None,
        "outcome": run.outcome,
        "exit_code": run.exit_code,
        "reason": run.reason,
        "why": output.first_sentence(run.reason),
        "parked": parked_runs.totals(parked) if parked else None,
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
