"""Look after the warehouse (`sync warehouse …`)."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sync.commands import output
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.plural import counted

if TYPE_CHECKING:
    from schemas.coordinates import RowKey
    from schemas.study import Study


@click.group("warehouse")
def command() -> None:
    """Upgrade, inspect and verify the warehouse."""


@command.command("upgrade")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def upgrade(invocation: Invocation, as_json: bool) -> None:
    """Bring tables, columns and views to what program and study need."""
    done = invocation.app.warehouse().upgrade()
    if as_json:
        output.emit_json({"done": done})
    for line in [] if as_json else done or ["The warehouse is up to date."]:
        click.echo(line)


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def status(invocation: Invocation, as_json: bool) -> int:
    """Say whether an upgrade is due; exit 1 where it is."""
    pending = list(invocation.app.warehouse().pending())
    if as_json:
        output.emit_json({"up_to_date": not pending, "pending": pending})
    elif pending:
        click.echo("An upgrade is due (`sync warehouse upgrade`):")
        for line in pending:
            click.echo(f"  {line}")
    else:
        click.echo("The warehouse is up to date.")
    return int(bool(pending))


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_invocation
def verify(invocation: Invocation, as_json: bool) -> int:
    """Prove the audit trail: chain whole, queries and cells as their history leads to, ledgers closed to change."""
    app = invocation.app
    result = app.warehouse().reader().verify()
    if as_json:
        output.emit_json(
            {
                "ok": not result.problems,
                "events": dict(result.events),
                "rows": dict(result.rows),
                "problems": list(result.problems),
            }
        )
    else:
        for site in sorted({*result.events, *result.rows}):
            ledger, forms = result.events.get(site, 0), result.rows.get(site, 0)
            click.echo(f"{site}: {counted(ledger, 'ledger row')}, {counted(forms, 'form row')}")
        for problem in result.problems:
            click.echo(f"PROBLEM {problem}")
        found = f"{counted(len(result.problems), 'problem')}."
        click.echo(found if result.problems else "The audit trail is whole.")
    return int(bool(result.problems))


@command.command("history")
@click.option("--site", required=True)
@click.option("--record", required=True)
@click.option("--event", default="", help="Visit id; none in a project without events.")
@click.option("--form", "instrument", required=True, help="Study form.")
@click.option("--instance", default=1, show_default=True, type=click.IntRange(1))
@click.option("--field", required=True, help="Column of the form.")
@output.listing_options
@pass_invocation
def history(
    invocation: Invocation,
    site: str,
    record: str,
    event: str,
    instrument: str,
    instance: int,
    field: str,
    as_json: bool,
    csv_path: Path | None,
) -> None:
    """Show one cell's whole life: what stood there, as entered and as read, since which run, former names included."""
    from schemas.coordinates import Coordinate, RowKey
    from sync.errors import ConfigError
    from sync.workflows import desk

    app = invocation.app
    app.config.site(site)
    study = desk.study_of(app, site)
    row = RowKey(site=site, record=record, event=event, instrument=instrument, instance=instance)
    if study is None:
        raise ConfigError([f"sites.{site}: nothing was pulled yet; run `sync run --site {site}` first"])
    reader = app.warehouse(study).reader()
    versions = reader.history(Coordinate(row=row, field=field))
    if not versions:
        raise ConfigError([_unknown_part(study, row, field, has_record=record in reader.records(site))])
    rows = [
        {
            "since": version.since.isoformat(timespec="seconds"),
            "record": version.row.record,
            "change": version.change,
            "other_name": version.other_name,
            "raw": version.raw,
            "value": version.value,
            "run_id": version.run_id,
        }
        for version in versions
    ]
    columns = [
        Column(key="since", title="Since", whole=True),
        Column(key="record", title="Record", whole=True),
        Column(key="change", title="Change"),
        Column(key="other_name", title="Other name", gives_way=1),
        Column(key="raw", title="As entered"),
        Column(key="value", title="Read as"),
        Column(key="run_id", title="Run", whole=True, gives_way=2),
    ]
    if not as_json and csv_path is None:
        rows = output.in_zone(rows, "since", app.config.study.zone)
    output.show(
        name="history", title=f"{instrument}.{field}", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path
    )


def _unknown_part(study: "Study", row: "RowKey", field: str, *, has_record: bool) -> str:
    """Say which part of a cell's place is unknown, with the nearest name; ids of other records are not told."""
    from sync.config_problems import hint

    forms = {form.name: form for form in study.forms}
    if row.instrument not in forms:
        return f"--form {row.instrument}: the study has no such form; {hint(row.instrument, list(forms))}"
    columns = [column for each in forms[row.instrument].fields for column in each.columns]
    if field not in columns:
        return f"--field {field}: form {row.instrument} has no such column; {hint(field, columns)}"
    visits = [visit.id for visit in study.visits]
    if visits and row.event not in visits:
        what = f"--event {row.event}: the study has no such visit" if row.event else "--event is missing"
        return f"{what}; {hint(row.event, visits)}"
    if not has_record:
        return (
            "--record: the warehouse holds no record of this name at this site; write it as the site's project does "
            "(`sync queries list --all` and the site's list show names)"
        )
    place = f"{row.instrument}.{field}" + (f" at {row.event}" if row.event else "")
    return (
        f"this record never had a row for {place}, instance {row.instance}; look at its form in the site's project, or "
        "name another --event or --instance"
    )
