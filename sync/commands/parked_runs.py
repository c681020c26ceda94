"""Show what a parked run would have done: figures, columns, checks and records, for the person who decides.

Ids of records are shown here and nowhere else; values of patients are not kept at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import click

from sync.commands import output
from sync.commands.column import Column
from sync.config import BrakesConfig
from sync.ports.stored import ParkedRun

FIGURES = {
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
    "queries_closed_unchanged": "of them about records in which nothing changed",
    "queries_opened": "queries that would open",
    "queries_opened_new": "of them about records that are new",
}
IDS = {
    "gone": "records that are gone",
    "unexplained": "records gone, and the log shows no deletion",
    "thinned": "records that stay and lose rows",
    "thinned_untraced": "of them without a trace in the server's log",
}
COLUMNS = [
    Column(key="name", title="Column", style="bold"),
    Column(key="changed", title="Would change", right=True),
    Column(key="emptied", title="To nothing", right=True),
    Column(key="known", title="Of", right=True),
    Column(key="times", title="Common factor", right=True),
]
PLACES = [
    Column(key="form", title="Form", style="bold"),
    Column(key="event", title="Visit"),
    Column(key="gone", title="Would go", right=True),
    Column(key="known", title="Of", right=True),
]
CHECKS = [
    Column(key="check", title="Check", style="bold"),
    Column(key="name", title="At"),
    Column(key="waiting", title="Waiting", right=True),
    Column(key="opened", title="Would open", right=True),
    Column(key="records", title="At records", right=True),
    Column(key="closed", title="Would close", right=True),
    Column(key="closed_unchanged", title="Of them unchanged", right=True),
]
LISTED = 200
"""Ids that a document lists; the warehouse keeps all, as an approval is held against them."""
SHOWN = 20
"""Lines and ids of a kind that a person is shown."""


def totals(parked: ParkedRun) -> dict[str, int]:
    """Give the figures alone."""
    return {name: count for name, count in parked.difference.items() if isinstance(count, int)}


def document(parked: ParkedRun) -> dict[str, Any]:
    """Give everything that is kept of a parked run; of very many ids the first, and how many more there are."""
    kept = parked.difference
    ids = {name: list(kept.get(name, ()))[:LISTED] for name in IDS}
    more = {f"{name}_more": max(0, len(kept.get(name, ())) - LISTED) for name in IDS}
    return {
        **totals(parked),
        "columns": list(kept.get("columns", ())),
        "checks": list(kept.get("checks", ())),
        "places": list(kept.get("places", ())),
        **ids,
        **more,
        "reason": parked.reason,
        "decision": parked.decision,
        "decided_by": parked.decided_by,
        "decided_at": parked.decided_at.isoformat(timespec="seconds") if parked.decided_at else None,
        "used_by_run_id": parked.used_by_run_id,
        "superseded_by_run_id": parked.superseded_by_run_id,
    }


def standing(parked: ParkedRun, *, now: datetime, limits: BrakesConfig, zone: tzinfo) -> str:
    """Say where a parked run stands: what a person said to it, what became of that, and until when it counts."""
    from sync import approvals

    if parked.decision is None:
        return "waits for a decision"
    if parked.decision == "superseded":
        return f"superseded by run {parked.superseded_by_run_id}, which went through"
    said = f"{parked.decision} by {parked.decided_by}"
    if parked.used_by_run_id:
        return f"{said}, used by run {parked.used_by_run_id}"
    if parked.superseded_by_run_id:
        return f"{said}, not needed by run {parked.superseded_by_run_id}, which went through"
    if parked.is_approved and approvals.has_expired(parked.decided_at, now, limits):
        return f"{said}, more than {limits.approval_days:g} days ago: it counts no more; approve it again"
    return f"{said}, counts until {until(parked, limits, zone)}" if parked.is_approved else said


def until(parked: ParkedRun, limits: BrakesConfig, zone: tzinfo) -> str:
    """Say until when the approval of a parked run counts."""
    from sync import approvals

    return output.moment(approvals.counts_until(parked.decided_at, limits), zone) if parked.decided_at else ""


def told(stopped: ParkedRun, approval: ParkedRun | None, *, now: datetime, limits: BrakesConfig, zone: tzinfo) -> str:
    """Say why a site's last run was stopped, and what a person has said to it since.

    ``approval``: the parked run, this one or another, with whose approval the next run goes through.
    """
    why = output.first_sentence(stopped.reason)
    if approval is not None:
        which = "" if approval.run_id == stopped.run_id else f"run {approval.run_id} was "
        stands = standing(approval, now=now, limits=limits, zone=zone)
        return f"{why}; {which}{stands}: the next run goes through with it"
    if stopped.decision is None:
        return stopped.reason
    stands = standing(stopped, now=now, limits=limits, zone=zone)
    if stopped.decision == "discarded":
        stands += f": ask the site what happened; the next run (`sync run --site {stopped.site}`) parks what is left"
    return f"{why}; {stands}"


def why_not(run_id: str, parked: ParkedRun | None) -> str:
    """Say why nothing can be decided about a run, and what to do."""
    if parked is None:
        return f"no parked run {run_id} waits for a decision; `sync runs list` shows those that do"
    after = parked.used_by_run_id or parked.superseded_by_run_id
    if after:
        return f"run {after} went through since run {run_id} was parked; nothing is left to decide on"
    return f"run {run_id} was {parked.decision} by {parked.decided_by}; run again, and decide on what is parked then"


def show(parked: ParkedRun, stands: str) -> None:
    """Show a person what a parked run would have done."""
    click.secho(f"{parked.site}: parked, {stands}", bold=True)
    _show_figures(parked.difference)
    if not parked.decision:
        click.echo(f"  sync runs approve {parked.run_id} --site {parked.site}   (or discard)")


def show_rehearsed(parked: ParkedRun) -> None:
    """Show a person what a dry run would have done that a brake stopped; there is nothing to approve."""
    click.secho(f"{parked.site}: a dry run; a real run would be parked with these figures", bold=True)
    _show_figures(parked.difference)


def _show_figures(kept: Mapping[str, Any]) -> None:
    for name, text in FIGURES.items():
        click.echo(f"  {kept.get(name, 0):>8}  {text}")
    columns = [_column(each) for each in kept.get("columns", ())]
    _table("Columns in which known values would change", COLUMNS, columns)
    checks = [{**each, "name": f"{each['form']}.{each['field']}"} for each in _most_first(kept.get("checks", ()))]
    _table("Checks whose queries would open or close", CHECKS, checks)
    _table("Forms of which rows would go from records that stay", PLACES, kept.get("places", ()))
    for name, text in IDS.items():
        if ids := kept.get(name):
            left = f" and {len(ids) - SHOWN} more (--json)" if len(ids) > SHOWN else ""
            click.echo(f"{text}: {', '.join(ids[:SHOWN])}{left}")


def _column(plain: Mapping[str, Any]) -> dict[str, Any]:
    factor = plain.get("factor")
    return {**plain, "name": f"{plain['form']}.{plain['column']}", "times": f"x {factor:.3g}" if factor else None}


def _most_first(checks: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(checks, key=lambda each: -max(each["opened"], each["closed"]))


def _table(title: str, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        left = len(rows) - SHOWN
        output.table(title, columns, rows[:SHOWN], caption=f"{left} more (--json)" if left > 0 else "")
