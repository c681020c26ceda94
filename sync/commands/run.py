"""Do one pass (`sync run`): what cron calls."""

import getpass
import sys
from typing import TYPE_CHECKING, Any

import click

from sync.commands import output, parked_runs, stopping
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.reports.documents import tally

if TYPE_CHECKING:
    from sync.workflows.run import RunResult


@click.command("run")
@click.option("--site", "sites", multiple=True, help="Site to run; repeat for several. Without it: all.")
@click.option("--full", is_flag=True, help="Pull everything, not only what changed.")
@click.option("--dry-run", is_flag=True, help="Do it all, keep nothing: show what would change.")
@click.option("--allow-mass-change", is_flag=True, help="Let through what a brake would stop; look first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def command(
    invocation: Invocation, sites: tuple[str, ...], full: bool, dry_run: bool, allow_mass_change: bool, as_json: bool
) -> int:
    """Do one pass: pull, judge, store, follow up queries, deliver the lists.

    Every site is tried; the exit code is the gravest of them. Silent on success unless stdout is a terminal; what a
    brake would have stopped and an approval or --allow-mass-change let through is always said on stderr. At SIGTERM
    or Ctrl-C pulls are left (exit 75), and what is being stored is finished.
    """
    from sync import errors
    from sync.alerts import sending
    from sync.workflows import run as runs
    from sync.workflows.results import NightOptions

    app = invocation.app
    chosen = app.sites(sites)
    if not chosen:
        raise errors.ConfigError([f"{app.config.path.name}: no site is configured; add a [[sites]] section"])
    by = getpass.getuser() if allow_mass_change else None
    options = NightOptions(full=full, dry_run=dry_run, allow_mass_change=allow_mass_change, by=by)
    try:
        with stopping.on_signals(app.stop):
            result = runs.run(app, chosen, options=options)
    except errors.SyncError as error:
        if not dry_run:
            sending.after_failure(app, error)
        raise
    sending.after_run(app, result)
    if as_json:
        output.emit_json(_document(result))
    elif sys.stdout.isatty() or dry_run or invocation.verbose:
        show(result)
    for site in result.sites:
        for sentence in (*site.warnings, *site.let_through):
            click.echo(f"{site.site}: {sentence}", err=True)
        if site.exit_code:
            click.echo(f"{site.site}: {site.outcome} (exit {site.exit_code}): {site.reason or ''}", err=True)
    return result.exit_code


def _document(result: "RunResult") -> dict[str, Any]:
    """Show the result as the interface promises it; of a dry run that a brake stopped, with what would be parked."""
    document = result.document()
    for site, shown in zip(result.sites, document["sites"], strict=True):
        shown["would_park"] = parked_runs.document(site.would_park) if site.would_park else None
    return document


def show(result: "RunResult") -> None:
    """Print one line a site."""
    columns = [
        Column(key="site", title="Site"),
        Column(key="outcome", title="Outcome"),
        Column(key="records", title="Records", right=True),
        Column(key="rows", title="Rows +/~/-", right=True),
        Column(key="cells", title="Cells changed", right=True),
        Column(key="findings", title="Findings"),
        Column(key="queries", title="Queries"),
        Column(key="unchecked", title="Not checked", right=True),
        Column(key="seconds", title="s", right=True),
    ]
    rows = [
        {
            "site": site.site,
            "outcome": site.outcome,
            "records": site.records_pulled,
            "rows": f"+{site.stored.inserted} ~{site.stored.updated} -{site.stored.deleted}",
            "cells": site.stored.cells_changed,
            "findings": tally({name: site.findings.get(name, 0) for name in ("hard", "soft", "info")}) or "none",
            "queries": tally(
                {name: site.queries.get(name, 0) for name in ("opened", "reopened", "closed", "unchanged")}
            )
            or "none",
            "unchecked": site.not_evaluated,
            "seconds": f"{site.seconds:.1f}",
        }
        for site in result.sites
    ]
    title = f"Run {result.run_id}" + (" (dry run: nothing was kept)" if result.dry_run else "")
    output.table(title, columns, rows)
    for site in result.sites:
        # what goes to stderr, whether or not a table is shown, is not said twice
        for notice in (each for each in site.notices if each not in (*site.warnings, *site.let_through)):
            click.echo(f"{site.site}: {notice}")
    for site in result.sites:
        if site.would_park:
            parked_runs.show_rehearsed(site.would_park)
