"""Write a site's query list as CSV and as a workbook with links and coded answers."""

import csv
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import xlsxwriter

from sync.delivery import lists
from sync.delivery.lists import ANSWERS, HEADINGS, ListRow

WIDTHS = {
    "number": 13,
    "record": 11,
    "visit": 12,
    "form": 18,
    "instance": 5,
    "field_label": 26,
    "site_field": 20,
    "raw": 14,
    "read_as": 16,
    "message": 60,
    "severity": 9,
    "opened": 11,
    "age_days": 9,
    "round": 7,
    "link": 16,
    "answer": 30,
    "comment": 34,
    "site_form": 18,
    "check": 8,
}
"""Column widths in characters, tried out on the shipped trial's lists."""


def write(
    folder: Path,
    site: str,
    rows: Sequence[ListRow],
    *,
    formats: Sequence[str],
    language: str,
    title: str,
    now: datetime,
) -> tuple[Path, ...]:
    """Write a site's list in each format, whole or not at all, readable by its owner only.

    Files are ``<site>.csv`` and ``<site>.xlsx``. A list without rows is written too: it says that nothing is open.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for form in formats:
        target = folder / f"{site}.{form}"
        partial = folder / f".{site}.{form}.partial"
        if form == "csv":
            write_csv(partial, rows, language=language)
        else:
            write_workbook(partial, rows, language=language, title=title, now=now)
        partial.chmod(0o600)
        os.replace(partial, target)
        written.append(target)
    return tuple(written)


def write_csv(path: Path, rows: Sequence[ListRow], *, language: str) -> None:
    """Write the list as CSV (UTF-8 with a byte-order mark, so that spreadsheets show Chinese)."""
    names = lists.columns(rows)
    headings = HEADINGS.get(language, HEADINGS["en"])
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([headings[name] for name in names])
        cells = attrgetter(*names)
        writer.writerows(map(lists.defuse, cells(row)) for row in rows)


def write_workbook(path: Path, rows: Sequence[ListRow], *, language: str, title: str, now: datetime) -> None:
    """Write the list as a workbook: frozen header, filters, links, a drop-down of answers, answer cells unlocked."""
    names = lists.columns(rows)
    headings = HEADINGS.get(language, HEADINGS["en"])
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"title": title, "created": now.replace(tzinfo=None)})
        sheet = book.add_worksheet("Queries")
        head = book.add_format({"bold": True, "bg_color": "#DCE6F1", "bottom": 1, "text_wrap": True, "valign": "top"})
        plain = book.add_format({"valign": "top", "text_wrap": True})
        hard = book.add_format({"valign": "top", "bold": True, "font_color": "#9C0006"})
        link = book.add_format({"valign": "top", "font_color": "#0563C1", "underline": 1})
        to_fill = book.add_format(
            {"valign": "top", "text_wrap": True, "locked": False, "bg_color": "#FFF9E5", "border": 4}
        )
        for place, name in enumerate(names):
            sheet.set_column(place, place, WIDTHS[name])
            sheet.write_string(0, place, headings[name], head)
        for line, row in enumerate(rows, start=1):
            for place, name in enumerate(names):
                value = getattr(row, name)
                if name == "link" and value:
                    sheet.write_url(line, place, value, link, string=headings["link"])
                elif isinstance(value, int):
                    sheet.write_number(line, place, value, plain)
                else:
                    chosen = to_fill if name in ("answer", "comment") else hard if value == "hard" else plain
                    sheet.write_string(line, place, value, chosen)
        _add_answers(book, sheet, names, len(rows), language)
        sheet.freeze_panes(1, 2)
        sheet.autofilter(0, 0, max(len(rows), 1), len(names) - 1)
        sheet.protect("", {"autofilter": True, "sort": True, "format_columns": True, "format_rows": True})
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)


def _add_answers(
    book: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet, names: Sequence[str], height: int, language: str
) -> None:
    """Offer the coded answers as a drop-down; the code in front is what is read back."""
    choices = [f"{code}: {text}" for code, text in ANSWERS.get(language, ANSWERS["en"]).items()]
    listed = book.add_worksheet("Answers")
    listed.set_column(0, 0, 40)
    listed.write_column(0, 0, choices)
    listed.protect()
    if height:
        place = names.index("answer")
        source = f"=Answers!$A$1:$A${len(choices)}"
        sheet.data_validation(1, place, height, place, {"validate": "list", "source": source})


def write_table(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write any listing as a plain workbook; texts stay texts, whatever they begin with."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet()
        head = book.add_format({"bold": True})
        for place, name in enumerate(names):
            sheet.write_string(0, place, name, head)
        for line, row in enumerate(rows, start=1):
            for place, name in enumerate(names):
                value = row.get(name)
                if isinstance(value, int | float):
                    sheet.write_number(line, place, value)
                elif value is not None:
                    sheet.write_string(line, place, str(value))
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(len(rows), 1), len(names) - 1)
        sheet.autofit(max_width=400)
    path.chmod(0o600)
