"""Turn what REDCap sends into types: JSON lists into a ProjectStructure, CSV or JSON rows into a frame of text.

Pure. A body that is cut, or is not the table that was asked for, raises Malformed; its messages hold no cell.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from schemas.project import Instrument, ProjectStructure, RedcapEvent, RedcapField
from schemas.study import column_of

_NOT_EXPORTED = ("descriptive",)


class Malformed(ValueError):
    """Refuse a body that is not one complete table."""


# --- rows


def rows_from_csv(text: str) -> pl.DataFrame:
    """Read a CSV export: every column String, blank cells null, nothing else interpreted ("NA" and "01" stay).

    Cells may hold quotes, line ends and any script. An empty text gives a frame without columns. Raises Malformed
    for a body that is cut, ragged, or repeats a column.
    """
    text = _without_nul(text.lstrip("\ufeff"))
    if not text.strip():
        return pl.DataFrame()
    body = text.encode()
    columns = _header(text)
    height = _checked_height(body, len(columns))
    if height == 0:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String()))
    try:
        rows = pl.read_csv(io.BytesIO(body), infer_schema=False, truncate_ragged_lines=False)
    except pl.exceptions.PolarsError:
        rows = None  # its message quotes cells
    if rows is None or rows.height != height or rows.width != len(columns):
        raise Malformed("the table cannot be read row by row")
    rows.columns = columns
    # polars reads an empty cell as null unless it is quoted
    return _blank_as_null(rows) if b'""' in body else rows


def rows_from_json(items: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Read a JSON export into the same frame as ``rows_from_csv`` gives for the same rows."""
    columns = list(items[0]) if items else []
    if any(list(item) != columns for item in items):
        raise Malformed("the rows do not all have the same columns")
    texts = {name: [_text(item[name]) for item in items] for name in columns}
    return _blank_as_null(pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String())))


def _header(text: str) -> list[str]:
    """Read the header row; no column twice, none without a name."""
    columns = next(csv.reader(io.StringIO(_first_row(text), newline="")))
    if "" in columns or len(set(columns)) != len(columns):
        raise Malformed("the header names a column twice, or leaves one without a name")
    return columns


def _first_row(text: str) -> str:
    """Cut the header row off, line ends in quotes included: a reader of the whole text would copy it fourfold."""
    end = 0
    while end := text.find("\n", end) + 1:
        if text.count('"', 0, end) % 2 == 0:
            return text[:end]
    return text


def _checked_height(body: bytes, width: int) -> int:
    """Count the rows below the header, and see that no cell is missing from any.

    polars refuses a row that is too long and fills one that is cut short with nulls without a word, so the separators
    outside quotes are counted here: quoted text is taken out first (a doubled quote is two quoted texts side by side).
    """
    pieces = body.split(b'"')
    if len(pieces) % 2 == 0:
        raise Malformed("a quoted cell is not closed: the reply is cut")
    bare = b"".join(pieces[::2]).rstrip(b"\r\n")
    lines = bare.count(b"\n") + 1
    if bare.count(b",") != lines * (width - 1):
        raise Malformed("a row has more or fewer cells than the header: the reply is cut")
    return lines - 1


def _blank_as_null(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.all().replace({"": None})) if rows.width else rows


def _text(value: object) -> str:
    """Give a JSON cell as text; REDCap sends everything so, except instance numbers."""
    return "" if value is None else _without_nul(str(value))


def _without_nul(text: str) -> str:
    """Show U+FFFD, the sign for what cannot be shown, in place of U+0000, which PostgreSQL does not keep."""
    return text.replace("\0", "\ufffd")


# --- structure


def structure_from(
    *,
    info: Mapping[str, Any],
    version: str,
    metadata: Sequence[Mapping[str, Any]],
    field_names: Sequence[Mapping[str, Any]],
    instruments: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]] = (),
    event_forms: Sequence[Mapping[str, Any]] = (),
    repeating: Sequence[Mapping[str, Any]] = (),
    groups: Sequence[Mapping[str, Any]] = (),
) -> ProjectStructure:
    """Put a project's structure together from the lists that the API gives for each part of it.

    Raises Malformed where a list lacks what it must have.
    """
    try:
        fields = tuple(_field(row) for row in metadata)
        return ProjectStructure(
            project_id=int(info["project_id"]),
            title=_text(info.get("project_title")),
            redcap_version=version,
            is_longitudinal=is_on(info.get("is_longitudinal")),
            fields=fields,
            instruments=tuple(
                Instrument(name=row["instrument_name"], label=_text(row.get("instrument_label"))) for row in instruments
            ),
            events=tuple(_event(row) for row in events),
            event_forms=frozenset((row["unique_event_name"], row["form"]) for row in event_forms),
            repeating=frozenset((_text(row.get("event_name")), _text(row.get("form_name"))) for row in repeating),
            missing_codes=missing_codes(_text(info.get("missing_data_codes"))),
            groups={row["unique_group_name"]: _text(row["data_access_group_name"]) for row in groups},
            export_fields=export_columns(fields, field_names),
        )
    except (KeyError, TypeError, ValueError) as error:
        what = type(error).__name__
    raise Malformed(f"the project's structure lacks a part that it must have ({what})")


def is_on(flag: object) -> bool:
    """Read a project flag, which servers send as 1, "1" or true."""
    return _text(flag).lower() in ("1", "true")


def missing_codes(text: str) -> dict[str, str]:
    """Read ``NA,Not applicable|UNK,Unknown`` (spaces around the signs allowed)."""
    pairs = (part.partition(",") for part in re.split(r"[|\n]", text) if part.strip())
    return {code.strip(): label.strip() for code, _, label in pairs}


def export_columns(fields: Sequence[RedcapField], field_names: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """List every column of a full flat export in its order.

    The server's own list (content=exportFieldNames) has the last word on the columns of a field; it leaves out
    file fields, which are exported all the same, and may leave out fields that the token's user may not export.
    """
    listed: dict[str, list[str]] = {}
    for row in field_names:
        listed.setdefault(row["original_field_name"], []).append(row["export_field_name"])
    columns: list[str] = []
    for index, field in enumerate(fields):
        if field.field_type not in _NOT_EXPORTED:
            columns += listed.get(field.field_name) or _own_columns(field)
        following = fields[index + 1].form_name if index + 1 < len(fields) else None
        if following != field.form_name:
            columns.append(f"{field.form_name}_complete")
    return tuple(dict.fromkeys(columns))


def _own_columns(field: RedcapField) -> list[str]:
    """Work out the columns of a field that the server does not list."""
    if field.field_type != "checkbox":
        return [field.field_name]
    choices = re.split(r"\||\n", field.select_choices_or_calculations)
    codes = (choice.partition(",")[0].strip() for choice in choices)
    return [column_of(field.field_name, code) for code in codes if code]


def _field(row: Mapping[str, Any]) -> RedcapField:
    def text(key: str) -> str:
        return _text(row.get(key))

    return RedcapField(
        field_name=row["field_name"],
        form_name=row["form_name"],
        field_type=row["field_type"],
        field_label=text("field_label"),
        section_header=text("section_header"),
        select_choices_or_calculations=text("select_choices_or_calculations"),
        field_note=text("field_note"),
        text_validation_type=text("text_validation_type_or_show_slider_number"),
        text_validation_min=text("text_validation_min"),
        text_validation_max=text("text_validation_max"),
        identifier=text("identifier").lower() == "y",
        branching_logic=text("branching_logic"),
        required_field=text("required_field").lower() == "y",
        matrix_group_name=text("matrix_group_name"),
        field_annotation=text("field_annotation"),
    )


def _event(row: Mapping[str, Any]) -> RedcapEvent:
    event_id = row.get("event_id")
    return RedcapEvent(
        unique_name=row["unique_event_name"],
        label=_text(row.get("event_name")),
        arm=int(row["arm_num"]),
        event_id=None if event_id in (None, "") else int(event_id),
    )
