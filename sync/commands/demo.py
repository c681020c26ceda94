"""Run the main job on embedded parts (`sync demo`)."""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sync.commands import output
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.reports.documents import tally

if TYPE_CHECKING:
    from sync.demo.nights import Night, Play


@click.command("demo")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path("syncline-demo"),
    show_default=True,
    help="Folder to play in; an earlier demo there is replaced.",
)  # fmt: skip
@click.option("--nights", default=3, show_default=True, type=click.IntRange(1, 30))
@click.option("--json", "as_json", is_flag=True, help="Print the same as one JSON document.")
@pass_invocation
def command(invocation: Invocation, folder: Path, nights: int, as_json: bool) -> int:
    """Play a trial's nights: four centres, 40 invented patients, their errors, queries and corrections.

    Needs nothing but this program. Ends with the efficacy table out of the warehouse beside the published one; exit 1
    where, after all corrections, a printed digit differs.
    """
    from sync import clock
    from sync.demo import nights as demo

    invocation.start_logging()
    if not as_json:
        click.secho("Four centres, 40 patients, everybody and everything made up.", bold=True)
        click.echo("Building the centres' REDCap projects and serving them on this machine …")
    played = demo.play(
        (invocation.cwd / folder).resolve(),
        nights=nights,
        last_night=demo.last_night(clock.SystemClock().now()),
        tell=(lambda night: None) if as_json else _tell,
    )
    if as_json:
        output.emit_json(_document(played))
    else:
        _conclude(played, invocation.cwd)
    return int(nights > 1 and not played.agrees)


def _tell(night: "Night") -> None:
    click.echo()
    click.secho(f"Night {night.number}  {night.at:%Y-%m-%d %H:%M}", bold=True)
    for what, count in night.people.items():
        click.echo(f"  before it: {count} {what}")
    columns = [
        Column(key="site", title="Site", style="bold"),
        Column(key="kind", title="Pull"),
        Column(key="records", title="Patients", right=True),
        Column(key="rows", title="Rows +/~/-", right=True),
        Column(key="cells", title="Cells changed", right=True),
        Column(key="findings", title="Findings"),
        Column(key="moves", title="Queries tonight"),
        Column(key="open", title="Open", right=True),
        Column(key="answered", title="Answered", right=True),
        Column(key="closed", title="Closed", right=True),
        Column(key="seconds", title="s", right=True),
    ]
    rows = []
    for site in night.run.sites:
        standing = night.queries.get(site.site, {})
        rows.append(
            {
                "site": site.site if site.exit_code == 0 else f"{site.site}: {site.outcome}",
                "kind": site.kind,
                "records": site.records_pulled,
                "rows": f"+{site.stored.inserted} ~{site.stored.updated} -{site.stored.deleted}",
                "cells": site.stored.cells_changed,
                "findings": tally({name: site.findings.get(name, 0) for name in ("hard", "soft", "info")}) or "none",
                "moves": tally({name: site.queries.get(name, 0) for name in ("opened", "reopened", "closed")})
                or "none",
                "open": standing.get("OPEN", 0),
                "answered": standing.get("ANSWERED", 0),
                "closed": standing.get("CLOSED", 0),
                "seconds": f"{site.seconds:.1f}",
            }
        )
        if site.reason:
            click.echo(f"  {site.site}: {site.reason}", err=True)
    output.table("", columns, rows)


def _conclude(played: "Play", cwd: Path) -> None:
    first, last = played.nights[0], played.nights[-1]
    before = {(line.measure, line.visit): line for line in first.means}
    output.table(
        "Efficacy, computed by SQL from the warehouse (view efficacy_by_visit)",
        [
            Column(key="measure", title="Measure"),
            Column(key="visit", title="Visit"),
            Column(key="first", title="After night 1 (n)", right=True),
            Column(key="now", title=f"After night {last.number} (n)", right=True, style="bold"),
            Column(key="published", title="Published", right=True),
            Column(key="agrees", title=""),
        ],
        [
            {
                "measure": line.measure,
                "visit": line.visit,
                "first": _mean(before.get((line.measure, line.visit))),
                "now": _mean(line),
                "published": f"{line.published_mean} ± {line.published_sd}" if line.published_mean else "not reported",
                "agrees": _verdict(line.agrees),
            }
            for line in last.means
        ],
        caption="Rows with an unresolved hard query are left out, so n grows as errors are corrected.",
    )
    output.table(
        "Responses, derived from BILAG grades (view response_summary)",
        [
            Column(key="category", title="Category"),
            Column(key="visit", title="Visit"),
            Column(key="now", title="Warehouse", right=True, style="bold"),
            Column(key="published", title="Published", right=True),
            Column(key="agrees", title=""),
        ],
        [
            {
                "category": line.category,
                "visit": line.visit,
                "now": f"{line.n}/{line.denominator} ({line.percent} %)",
                "published": f"{line.published_n} ({line.published_percent} %)",
                "agrees": _verdict(line.agrees),
            }
            for line in last.responses
        ],
    )
    score = played.score
    click.echo(
        f"Seeded entry errors: {score.detectable} that a rule can notice, {score.found} found on night 1; "
        f"{score.undetectable} more that no rule can notice (plausible, but wrong). "
        f"Findings without a cause: {score.false_findings}."
    )
    if played.agrees:
        click.secho("Every printed digit agrees with the abstract.", fg="green", bold=True)
    else:
        why = "corrections come with more nights" if len(played.nights) == 1 else "see the lines marked above"
        click.secho(f"Not every printed digit agrees yet: {why}.", fg="yellow", bold=True)
    _leftovers(played, cwd)


def _leftovers(played: "Play", cwd: Path) -> None:
    folder = played.folder
    shown = folder.relative_to(cwd) if folder.is_relative_to(cwd) else folder
    program = called_as(Path(sys.argv[0]), cwd, shutil.which("sync"))
    click.echo(
        f"\nIn {shown}: warehouse.sqlite, queries/ (a list per site), logs/, sandbox/, tokens/, config.toml. Go on with"
    )
    click.echo(f"  {program}{played.serve_command.replace(str(folder), str(shown)).removeprefix('sync')} &")
    for command in ("validate --site zhenjiang", "queries list --site jiangsu --all", "status", "warehouse verify"):
        click.echo(f"  {program} --config {shown}/config.toml {command}")


def called_as(program: Path, cwd: Path, first: str | None) -> str:
    """Write the program the way it can be called again: coreutils has a `sync` of its own on the PATH."""
    if program.name not in ("sync", "syncline"):
        return "python -m sync"
    if first and Path(first).resolve() == program.resolve():
        return program.name
    found = program.absolute()
    return str(found.relative_to(cwd)) if found.is_relative_to(cwd) else str(found)


def _mean(line: Any) -> str:
    if line is None or line.mean is None:
        return "–"
    return f"{line.mean} ± {line.sd} ({line.n})"


def _verdict(agrees: bool | None) -> str:
    return "" if agrees is None else "agrees" if agrees else "DIFFERS"


def _document(played: "Play") -> dict[str, Any]:
    """Show the demo as the interface promises it."""
    last = played.nights[-1]
    return {
        "dir": str(played.folder),
        "serve": played.serve_command,
        "agrees": played.agrees,
        "nights": [
            {"night": night.number, "at": night.at.isoformat(), "people": dict(night.people), **night.run.document()}
            for night in played.nights
        ],
        "efficacy": [_numbers(asdict(line), "mean", "sd", "published_mean", "published_sd") for line in last.means],
        "responses": [_numbers(asdict(line), "percent", "published_percent") for line in last.responses],
        "seeded": asdict(played.score),
    }


def _numbers(line: dict[str, Any], *names: str) -> dict[str, Any]:
    """Give printed figures as numbers; their decimals are those that were printed."""
    return {key: float(value) if key in names and value is not None else value for key, value in line.items()}
