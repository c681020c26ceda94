"""Check every precondition, one line each with its remedy (`sync doctor`)."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from sync import errors
from sync.commands import doctor_machine, doctor_site, output
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.commands.doctor_check import Check
from sync.plural import counted


@click.command("doctor")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several. Without it: all.")
@output.listing_options
@pass_invocation
def command(invocation: Invocation, sites: tuple[str, ...], as_json: bool, csv_path: Path | None) -> int:
    """Check every precondition, one line each with its remedy. Changes nothing."""
    checks = list(_checks(invocation, sites))
    rows = [{name: value for name, value in asdict(check).items() if name != "exit_code"} for check in checks]
    columns = [
        Column(key="status", title=""),
        Column(key="site", title="Site"),
        Column(key="name", title="What"),
        Column(key="detail", title="Detail"),
        Column(key="remedy", title="Remedy"),
    ]
    output.show(name="checks", title="Doctor", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path)
    return errors.gravest([check.exit_code for check in checks if check.status == "fail"])


def _checks(invocation: Invocation, slugs: tuple[str, ...]) -> Iterator[Check]:
    yield from doctor_machine.installation(invocation.environ)
    try:
        app = invocation.app
    except errors.ConfigError as error:
        for problem in error.problems:
            yield Check(name="configuration", status="fail", detail=problem, remedy="correct the file, then look again")
        return
    sites = app.sites(slugs)
    yield Check(name="configuration", detail=f"{app.config.path}: {counted(len(app.config.sites), 'site')}")
    yield from doctor_machine.study(app)
    yield doctor_machine.warehouse(app)
    yield doctor_machine.key(app)
    yield from doctor_machine.disk(app.config)
    for site in sites:
        yield from doctor_site.checks(app, site)
