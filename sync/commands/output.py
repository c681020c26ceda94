"""Put results on stdout: a table for people, one JSON document or a CSV file for programs."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import click

from sync.commands.column import Column
from sync.delivery import lists
from sync.plural import counted

FORMAT = "syncline/1"


def emit_json(document: Mapping[str, Any]) -> None:
    """Print exactly one JSON document."""
    click.echo(json.dumps({"format": FORMAT, **document}, ensure_ascii=False, indent=2, default=str))


def write_csv(path: Path, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a listing as CSV (UTF-8 with a mark that spreadsheets know); ``-`` writes to stdout."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.key for column in columns])
    writer.writerows([[lists.defuse(row.get(column.key)) for column in columns] for row in rows])
    if str(path) == "-":
        click.echo(text.getvalue(), nl=False)
    else:
        # a listing may hold patients' values
        path.touch(mode=0o600)
        path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
        click.echo(f"{counted(len(rows), 'row')} written to {path}", err=True)


def table(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    *,
    caption: str = "",
    nothing: str = "none.",
) -> None:
    """Print a listing for people; plain words where there is nothing to list."""
    from rich import box
    from rich.table import Table

    from sync.commands.fitting import fit

    if not rows:
        click.echo(f"{title}: {nothing}")
        return
    console = console_out()
    cells = [["" if row.get(column.key) is None else str(row[column.key]) for row in rows] for column in columns]
    fitted = fit(columns, cells, console.width)
    left_out = [column.title for at, column in enumerate(columns) if at not in fitted.shown]
    if left_out:
        caption = "\n".join(filter(None, [caption, f"Left out in {console.width} columns: {', '.join(left_out)}"]))
    shown = Table(
        title=title,
        title_justify="left",
        caption=caption or None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, fitted.gap - 2, 0, 1),
    )
    for at, width in zip(fitted.shown, fitted.widths, strict=True):
        column = columns[at]
        shown.add_column(
            column.title,
            justify="right" if column.right else "left",
            style=column.style,
            overflow="fold",
            width=width,
        )
    for row in zip(*(cells[at] for at in fitted.shown), strict=True):
        shown.add_row(*(text(cell) for cell in row))
    console.print(shown)


def moment(at: datetime, zone: tzinfo) -> str:
    """Show a person a time, in the study's zone."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def in_zone(rows: Sequence[Mapping[str, Any]], key: str, zone: tzinfo) -> list[dict[str, Any]]:
    """Give rows for a person's eyes: the time of one column, ISO 8601 for programs, in the study's zone."""
    return [{**row, key: moment(datetime.fromisoformat(row[key]), zone)} for row in rows]


def first_sentence(reason: str | None) -> str:
    """Give what a reason begins with, where there is no room for what to do about it."""
    return (reason or "").partition("\n")[0].partition(". ")[0]


def text(value: Any) -> str:
    """Show one value in a table cell, with markup switched off."""
    from rich.markup import escape

    return "" if value is None else escape(str(value))


def console_out() -> Any:
    """Build a console on stdout; wide where stdout is no terminal, so that nothing is cut in a file."""
    from rich.console import Console

    # COLUMNS holds where it is set; a file takes what a wide terminal would
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((160, 50)).columns
    return Console(file=sys.stdout, width=width, highlight=False)


def listing_options(function: Any) -> Any:
    """Add ``--json`` and ``--csv FILE`` to a listing command."""
    function = click.option(
        "--csv", "csv_path", type=click.Path(path_type=Path), help="Write a CSV file; - for stdout."
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def show(
    *,
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    as_json: bool,
    csv_path: Path | None,
    more: Mapping[str, Any] | None = None,
    caption: str = "",
    nothing: str = "none.",
) -> None:
    """Show a listing in the form that was asked for; ``name`` is its key in the JSON document."""
    if csv_path is not None:
        write_csv(csv_path, columns, rows)
    if as_json:
        emit_json({**(more or {}), name: list(rows)})
    elif csv_path is None:
        table(title, [column for column in columns if not column.optional], rows, caption=caption, nothing=nothing)
