"""Read the `data` of an import into rows of text: JSON, CSV or XML, flat or EAV."""

import csv
import io
import json
import xml.etree.ElementTree as ET

from sync.sandbox import wire, xml_load, xml_load_data
from sync.sandbox.dictionary import Structure
from sync.sandbox.errors import ApiError
from sync.sandbox.naming import checkbox_column
from sync.sandbox.records import RowKey

TextRow = dict[str, str]
BAD_DATA = "The data being imported is not formatted correctly"  # guess: bad-data-text
_EAV_PLACE = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")


def read_rows(data: str, kind: str, delimiter: str = ",") -> list[TextRow]:
    """Return the rows of a payload, every value as text. Raises ApiError 400 for what cannot be read.

    A JSON object in place of an array holds no rows, as recorded.
    """
    try:
        if kind == wire.JSON:
            return _from_json(data)
        if kind == wire.CSV:
            return _from_csv(data, delimiter)
        return _from_xml(data)
    except (ValueError, csv.Error, ET.ParseError, RecursionError):
        raise ApiError(400, BAD_DATA) from None


def _from_json(data: str) -> list[TextRow]:
    rows = json.loads(data)
    if isinstance(rows, dict):
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError
    return [{str(key): _text(value) for key, value in row.items()} for row in rows]


def _text(value: object) -> str:
    if value is None or value is False:  # guess: json-null
        return ""
    if value is True:
        return "1"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    return json.dumps(value)


def _from_csv(data: str, delimiter: str) -> list[TextRow]:
    csv.field_size_limit(64 * 1024 * 1024)
    reader = csv.reader(io.StringIO(data.lstrip("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    lines = [line for line in reader if any(line)]
    if not lines:
        return []
    header = [name.strip() for name in lines[0]]
    if any(len(line) > len(header) for line in lines):
        raise ValueError
    return [dict(zip(header, line + [""] * (len(header) - len(line)), strict=True)) for line in lines[1:]]


def _from_xml(data: str) -> list[TextRow]:
    if "<!DOCTYPE" in data or "<!ENTITY" in data:
        raise ValueError
    root = ET.fromstring(data)  # noqa: S314 -- declarations are refused above
    return [{node.tag: node.text or "" for node in item} for item in root.findall("item")]


def rows_from_odm(structure: Structure, data: str) -> list[TextRow]:
    """Read the ClinicalData of an ODM text into flat rows. Raises ApiError 400 for what cannot be read."""
    try:
        if "<!DOCTYPE" in data or "<!ENTITY" in data:
            raise ValueError
        root = ET.fromstring(xml_load.keep_line_breaks(data))  # noqa: S314 -- declarations are refused above
    except (ValueError, ET.ParseError):
        raise ApiError(400, BAD_DATA) from None
    rows: dict[tuple[str, RowKey], TextRow] = {}
    for name, key, items in xml_load_data.clinical_items(structure, root):
        row = rows.setdefault((name, key), {structure.record_id: name})
        if structure.longitudinal:
            row["redcap_event_name"] = key[0]
        if structure.has_repeats:
            row |= {"redcap_repeat_instrument": key[1], "redcap_repeat_instance": str(key[2] or "")}
        row |= {item: value for item, value in items if item != structure.record_id}
    return list(rows.values())


def flat_from_eav(structure: Structure, rows: list[TextRow]) -> list[TextRow]:
    """Gather EAV rows into flat ones; a checkbox comes as `field___code` with 0 or 1, or as its code."""
    out: dict[tuple[str, ...], TextRow] = {}
    for row in rows:
        name = row.get("field_name", "")
        if "record" not in row or not name:
            raise ApiError(400, BAD_DATA)
        place = (row["record"], *(row.get(key, "") for key in _EAV_PLACE))
        flat = out.setdefault(
            place, {structure.record_id: row["record"]} | {key: row[key] for key in _EAV_PLACE if key in row}
        )
        field = structure.field_by_name.get(name)
        if field is not None and field.field_type == "checkbox":
            flat[checkbox_column(name, row.get("value", ""))] = "1"
        elif name != structure.record_id:
            flat[name] = row.get("value", "")
    return list(out.values())
