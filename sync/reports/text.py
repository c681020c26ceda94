"""Lay out what `sync validate` found, for a person at a terminal."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from schemas.labels import word
from schemas.study import Severity, Study
from sync.plural import counted
from sync.reports.documents import tally
from validators.findings import Finding, NotEvaluated

MARKS = {Severity.HARD: ("●", "bold red"), Severity.SOFT: ("○", "yellow"), Severity.INFO: ("·", "dim")}
"""A filled mark must be corrected, a hollow one looked at, a dot is for the monitor only."""


def validation(
    *,
    title: str,
    subtitle: str,
    study: Study,
    findings: Sequence[Finding],
    not_evaluated: Sequence[NotEvaluated],
    records: int,
    language: str,
    notices: Sequence[str] = (),
    stored: bool = False,
) -> Group:
    """Lay out one site's findings by patient, then what could not be checked, then one line that sums up."""
    parts: list[Any] = [Text.assemble((title, "bold"), ("  " + subtitle, "dim"))]
    if findings:
        parts.append(_findings(study, findings, language))
    if not_evaluated:
        parts.append(_unchecked(not_evaluated))
    if notices:
        parts.append(Text("\n" + "\n".join(f"Note: {notice}" for notice in notices), style="yellow"))
    parts.append(_summary(findings, not_evaluated, records, stored=stored))
    return Group(*parts)


def _findings(study: Study, findings: Sequence[Finding], language: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    table.add_column("", width=1)
    table.add_column("Visit", max_width=16, overflow="fold")
    table.add_column("Item", max_width=34, overflow="fold")
    table.add_column("As entered", max_width=18, overflow="fold")
    table.add_column("What is wrong", ratio=1, overflow="fold")
    table.add_column("Check", style="dim", no_wrap=True)
    names = _Names(study, language)
    for record, group in groupby(findings, key=lambda each: each.row.record):
        table.add_row("", Text(record, style="bold cyan"), "", "", "", "")
        seen = ""
        for each in group:
            mark, style = MARKS[each.severity]
            visit = names.visit(each.row.event)
            table.add_row(
                Text(mark, style=style),
                "" if visit == seen else escape(visit),
                _item(each, names),
                Text(each.raw if each.raw is not None else "(blank)", style="" if each.raw is not None else "dim"),
                Text(word(each.message, language, each.check)),
                each.check,
            )
            seen = visit
    return table


def _item(each: Finding, names: "_Names") -> Text:
    """Name form and field as the site sees them: label first, REDCap's own name behind it."""
    instance = f" #{each.row.instance}" if each.row.instance > 1 else ""
    return Text.assemble(names.field(each.row.instrument, each.field), instance, (f" {each.site_field}", "dim"))


def _unchecked(entries: Sequence[NotEvaluated]) -> Group:
    """List what could not be checked by its cause: one cause often stops many checks."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    ordered = sorted(entries, key=lambda each: each.reason)
    for reason, several in groupby(ordered, key=lambda each: each.reason):
        group = list(several)
        where = _few(sorted({each.scope for each in group}), 3)
        checks = _few(sorted({each.check for each in group}), 8)
        count = str(sum(each.count for each in group))
        table.add_row(count, Text.assemble(f"{reason} ({where}) ", (checks, "dim")))
    return Group(Text("\nCould not be checked", style="bold"), table)


def _few(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _summary(findings: Sequence[Finding], not_evaluated: Sequence[NotEvaluated], records: int, *, stored: bool) -> Text:
    counts = Counter(each.severity for each in findings)
    patients = len({each.row.record for each in findings})
    cells = sum(each.count for each in not_evaluated)
    unchecked = f" {counted(cells, 'check')} could not be carried out." if cells else ""
    nothing = "" if stored else " Nothing was written."
    if not findings:
        said = f"\nNothing found in {counted(records, 'record')}.{unchecked}{nothing}"
        return Text(said, style="bold green" if not cells else "")
    what = tally({f"{severity.value}": counts[severity] for severity in Severity})
    return Text.assemble(
        (f"\n{counted(len(findings), 'finding')}", "bold"),
        f" ({what}) in {patients} of {counted(records, 'record')}.{unchecked}{nothing}",
    )


class _Names:
    """Look up what people call visits and fields."""

    def __init__(self, study: Study, language: str) -> None:
        self._visits = {visit.id: word(visit.label, language, visit.id) for visit in study.visits}
        self._fields: dict[tuple[str, str], str] = {}
        for form in study.forms:
            for each in form.fields:
                label = f"{word(form.label, language, form.name)} › {word(each.label, language, each.name)}"
                for column in (each.name, *each.columns):
                    self._fields[form.name, column] = label

    def visit(self, event: str) -> str:
        return self._visits.get(event, event)

    def field(self, form: str, column: str) -> str:
        return self._fields.get((form, column), f"{form} › {column}")
