"""Show how each site stands (`sync status`)."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from sync.commands import output, parked_runs
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.errors import BrakeEngaged
from sync.plural import counted
from sync.ports.stored import LeaseRow, ParkedRun, RunRow, SiteStatus

if TYPE_CHECKING:
    from sync.bootstrap import App
    from sync.config import SiteConfig
    from sync.ports.warehouse import WarehouseReader

AGED_DAYS = 14
"""An open query older than this counts as aged (median time to answer of a well-run site: 7 to 14 days)."""

COLUMNS = [
    Column(key="site", title="Site", style="bold", whole=True),
    Column(key="name", title="Name", gives_way=4, least=24),
    Column(key="last_success_ago", title="Last success"),
    Column(key="last_outcome", title="Last outcome"),
    Column(key="open", title="Open", right=True),
    Column(key="aged", title="Aged", right=True, gives_way=1),
    Column(key="answered", title="Answered", right=True, gives_way=1),
    Column(key="candidates", title="Candidates", right=True, gives_way=2),
    Column(key="parked", title="Parked", right=True, gives_way=1),
    Column(key="notices", title="Notices", right=True, gives_way=3),
    Column(key="stale", title=""),
    Column(key="last_success", title="last_success", optional=True),
    Column(key="working", title="working", optional=True),
]


@click.command("status")
@output.listing_options
@pass_invocation
def command(invocation: Invocation, as_json: bool, csv_path: Path | None) -> int:
    """Show one line a site; exit 1 where a site had no success for longer than run.stale_after_hours.

    Aged: queries that have been open for more than 14 days.
    """
    app = invocation.app
    now = app.clock.now()
    reader = app.warehouse().reader()
    known = {each.site: each for each in reader.status(aged_before=now - timedelta(days=AGED_DAYS))}
    rows = [_row(app, reader, site, known.get(site.slug), now) for site in app.config.sites]
    if not as_json:
        rows = [{**row, "stale": _stale(row)} for row in rows]
    output.show(name="sites", title="Sites", columns=COLUMNS, rows=rows, as_json=as_json, csv_path=csv_path)
    if not as_json and csv_path is None:
        _show_below(rows)
    return int(any(row["stale"] in (True, "STALE") for row in rows))


def _row(
    app: "App", reader: "WarehouseReader", site: "SiteConfig", each: SiteStatus | None, now: datetime
) -> dict[str, Any]:
    """Say how one site stands; ``each``: what the warehouse knows of it."""
    from sync.workflows import lease

    last = each.last_success if each else None
    run = each.last_run if each else None
    limit = timedelta(hours=app.config.run.stale_after_hours)
    queries = each.queries if each else {}
    said = run.counts if run else {}
    held = each.lease if each else None
    stopped, approval = _stopped(app, reader, run)
    at_work = None if held is None or lease.is_dead(held) else held
    return {
        "site": site.slug,
        "name": site.name,
        "last_success": last.isoformat(timespec="seconds") if last else None,
        "last_success_ago": ago(now, last),
        "run_id": run.run_id if run else None,
        "last_outcome": run.outcome if run else "never ran",
        "reason": run.reason if run else None,
        "decision": stopped.decision if stopped else None,
        "decided_by": stopped.decided_by if stopped else None,
        "approved_run_id": approval.run_id if approval else None,
        "told": _told(app, stopped, approval) if stopped else None,
        "open": queries.get("OPEN", 0),
        "aged": each.aged if each else 0,
        "answered": queries.get("ANSWERED", 0),
        "candidates": queries.get("CANDIDATE", 0),
        "parked": each.parked if each else 0,
        "notices": len(said.get("notices", ())),
        "warnings": list(said.get("warnings", ())),
        "working": at_work.run_id if at_work else None,
        "working_since": at_work.taken_at.isoformat(timespec="seconds") if at_work else None,
        "work": _work(held, now, app.config.study.zone) if held else None,
        "enabled": site.enabled,
        # a success that is yet to come was noted under a clock that was wrong: it says nothing of today
        "stale": site.enabled and (last is None or not -limit <= now - last <= limit),
    }


def _stale(row: dict[str, Any]) -> str:
    """Word for a person whether a site is stale."""
    return "STALE" if row["stale"] else "" if row["enabled"] else "disabled"


def _show_below(rows: list[dict[str, Any]]) -> None:
    """Say below the table what is too long for a column."""
    for row in rows:
        if row["reason"] and row["last_outcome"] != "ok":
            click.echo(f"{row['site']}: {row['told'] or row['reason']}")
        if row["work"]:
            click.echo(f"{row['site']}: {row['work']}")
        for warning in row["warnings"]:
            click.echo(f"{row['site']}: {warning}")
        if row["notices"] > len(row["warnings"]):
            notices = counted(row["notices"], "notice")
            click.echo(f"{row['site']}: {notices}; see `sync runs show {row['run_id']}`")


def _stopped(app: "App", reader: "WarehouseReader", last: RunRow | None) -> tuple[ParkedRun | None, ParkedRun | None]:
    """Find the last run where a brake stopped it, and the approval with which the next one goes through."""
    from sync.workflows import braking

    if last is None or last.outcome != BrakeEngaged.outcome:
        return None, None
    stopped = next((parked for parked in reader.parked(site=last.site) if parked.run_id == last.run_id), None)
    if stopped is None:
        return None, None
    limits = app.config.brakes
    approved = braking.approvals_of(reader, last.site, now=app.clock.now(), limits=limits)
    return stopped, braking.approval_of(stopped, approved, limits)


def _told(app: "App", stopped: ParkedRun, approval: ParkedRun | None) -> str:
    """Say why a brake stopped the last run, and what a person has said to that."""
    zone = app.config.study.zone
    return parked_runs.told(stopped, approval, now=app.clock.now(), limits=app.config.brakes, zone=zone)


def _work(held: LeaseRow, now: datetime, zone: ZoneInfo) -> str:
    """Say which run works on a site, and whether it still shows a sign of life."""
    from sync.workflows import lease

    if lease.is_dead(held):
        return (
            f"run {held.run_id} was killed while it worked here ({lease.since(held, zone=zone)}, {held.holder});"
            " nothing of it was stored, and nothing of it holds up the next run"
        )
    words = f"run {held.run_id} works here {lease.since(held, zone=zone)} ({held.holder})"
    if not lease.is_old(held, now):
        return words
    return (
        f"{words}; last sign of life {ago(now, held.heartbeat_at)}: it hangs, writes a very"
        " large night, or was killed; if it was, nothing of it holds up the next run"
    )


def ago(now: datetime, then: datetime | None) -> str:
    """Say how long ago something was, in the largest fitting unit."""
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now" if seconds < 60 else "1 min ago"
