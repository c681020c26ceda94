"""Pull and judge, write nothing (`sync validate`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sync import errors
from sync.commands import output, progress
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.plural import counted

if TYPE_CHECKING:
    from sync.workflows.validate import Validation

CSV_COLUMNS = (
    "site",
    "record",
    "event",
    "instrument",
    "instance",
    "field",
    "site_field",
    "check",
    "check_version",
    "severity",
    "condition",
    "raw",
    "value",
    "unit",
    "message",
    "link",
)


@click.command("validate")
@click.option("--site", "sites", multiple=True, help="Site to judge; repeat for several. Without it: all.")
@click.option("--stored", is_flag=True, help="Judge what the warehouse holds; no network.")
@click.option(
    "--fail-on", type=click.Choice(["hard", "soft", "never"]), default="hard", show_default=True, help="What exits 1."
)
@click.option("--language", help="Language of the messages, e.g. zh [the study's].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write the findings as CSV; - for stdout.")
@click.option("--xlsx", "xlsx_path", type=click.Path(path_type=Path), help="Write the findings as a workbook.")
@pass_invocation
def command(
    invocation: Invocation,
    sites: tuple[str, ...],
    stored: bool,
    fail_on: str,
    language: str | None,
    as_json: bool,
    csv_path: Path | None,
    xlsx_path: Path | None,
) -> int:
    """Pull a site's project and show what is wrong with it. Nothing is written, no query is raised."""
    from sync.workflows import validate

    app = invocation.app
    chosen = app.sites(sites)
    if not chosen:
        raise errors.ConfigError([f"{app.config.path.name}: no site is configured; add a [[sites]] section"])
    results = []
    for site in chosen:
        with progress.bar(f"{site.slug}: pulling") as report:
            results.append(validate.validate_site(app, site, stored=stored, language=language, progress=report))
    documents = [_document(each, fail_on) for each in results]
    if csv_path or xlsx_path:
        rows = [finding for document in documents for finding in document["findings"]]
        _write_files(rows, csv_path, xlsx_path)
    if as_json:
        output.emit_json({"sites": documents})
    elif csv_path is None and xlsx_path is None:
        _show(results)
    return _gravest([document["exit_code"] for document in documents])


def _show(results: Sequence["Validation"]) -> None:
    console = output.console_out()
    for place, each in enumerate(results):
        if place:
            console.print()
        if each.error is not None:
            click.echo(f"{each.site.slug}: {each.error}", err=True)
        else:
            console.print(_text(each))


def _text(each: "Validation") -> Any:
    from sync.reports import text

    assert each.study is not None  # noqa: S101  a site without an error was judged by a study
    said = "as stored" if each.stored else f"pulled {each.at:%Y-%m-%d %H:%M}"
    return text.validation(
        title=f"{each.site.name} ({each.site.slug})",
        subtitle=f"{said} · {counted(each.records, 'record')} · {counted(each.rows, 'row')}",
        study=each.study,
        findings=each.findings,
        not_evaluated=each.not_evaluated,
        records=each.records,
        language=each.language,
        notices=each.notices,
        stored=each.stored,
    )


def _document(each: "Validation", fail_on: str) -> dict[str, Any]:
    """Show one site as the interface promises it."""
    from sync.reports import documents

    links = each.links or (None,) * len(each.findings)
    shown: dict[str, Any] = {
        "site": each.site.slug,
        "pulled_at": None if each.error else each.at.isoformat(timespec="seconds"),
        "stored": each.stored,
        "records": each.records,
        "rows": each.rows,
        "findings": [
            documents.finding(finding, language=each.language, link=link)
            for finding, link in zip(each.findings, links, strict=True)
        ],
        "not_evaluated": [documents.not_evaluated(entry) for entry in each.not_evaluated],
        "notices": list(each.notices),
        "exit_code": each.exit_code(fail_on),
    }
    return shown | ({"error": str(each.error), "outcome": each.error.outcome} if each.error else {})


def _gravest(codes: Sequence[int]) -> int:
    """Choose the exit code: a site that could not be judged weighs more than what was found at another."""
    failed = [code for code in codes if code > 1]
    return errors.gravest(failed) if failed else max(codes, default=0)


def _write_files(rows: Sequence[dict[str, Any]], csv_path: Path | None, xlsx_path: Path | None) -> None:
    columns = [Column(key=name, title=name) for name in CSV_COLUMNS]
    if csv_path:
        output.write_csv(csv_path, columns, rows)
    if xlsx_path:
        from sync.delivery import files

        files.write_table(xlsx_path, CSV_COLUMNS, rows)
        click.echo(f"{counted(len(rows), 'row')} written to {xlsx_path}", err=True)
