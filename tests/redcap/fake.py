"""A small REDCap made of invented data, for ``responses``: answers forms, and can be told to misbehave.

It is written from the wire contract and shares nothing with the client under test.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

URL = "https://redcap.example.org/redcap/api/"
TOKEN = "0123456789ABCDEF0123456789ABCDEF"

Answer = tuple[int, dict[str, Any], str | bytes]
JSON = {"Content-Type": "application/json; charset=utf-8"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}
HTML = {"Content-Type": "text/html; charset=UTF-8"}


class FakeClock:
    """A clock whose pauses take no time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def meta(name: str, form: str, kind: str = "text", choices: str = "") -> dict[str, str]:
    return {
        "field_name": name,
        "form_name": form,
        "section_header": "",
        "field_type": kind,
        "field_label": name.title(),
        "select_choices_or_calculations": choices,
        "field_note": "",
        "text_validation_type_or_show_slider_number": "",
        "text_validation_min": "",
        "text_validation_max": "",
        "identifier": "",
        "branching_logic": "",
        "required_field": "",
        "custom_alignment": "",
        "question_number": "",
        "matrix_group_name": "",
        "matrix_ranking": "",
        "field_annotation": "",
    }


@dataclass
class FakeProject:
    """Hold a classic project of one form unless told otherwise; rows are dicts without the unused columns."""

    project_id: int = 17
    metadata: list[dict[str, str]] = field(
        default_factory=lambda: [
            meta("record_id", "basics"),
            meta("note", "basics", "notes"),
            meta("organs", "basics", "checkbox", "1, Skin | -2, Not known"),
            meta("scan", "basics", "file"),
            meta("hint", "basics", "descriptive"),
        ]
    )
    rows: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    event_forms: list[dict[str, Any]] = field(default_factory=list)
    repeating: list[dict[str, str]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    #: content -> the answer in place of the true one; called with the form and the count of such requests
    faults: dict[str, Callable[[dict[str, str], int], Answer | None]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, request: Any) -> Answer:
        """Answer with a Content-Length, unless the headers hold one already (None leaves it out)."""
        status, given, body = self._answer(request)
        length = len(body.encode() if isinstance(body, str) else body)
        headers = {"Content-Length": str(length)} | given
        return status, {key: value for key, value in headers.items() if value is not None}, body

    def _answer(self, request: Any) -> Answer:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        form = dict(parse_qsl(body, keep_blank_values=True))
        self.asked.append(form)
        if form["token"] != TOKEN:
            return 403, JSON, json.dumps({"error": "You do not have permissions to use the API"})
        content = form["content"]
        if content in self.faults:
            count = sum(each["content"] == content for each in self.asked)
            if (fault := self.faults[content](form, count)) is not None:
                return fault
        return getattr(self, f"_{content}")(form)

    def batches(self) -> list[list[str]]:
        """List the record ids of each request for whole records."""
        wanted = [each for each in self.asked if each["content"] == "record" and "fields[0]" not in each]
        return [[v for k, v in each.items() if k.startswith("records[")] for each in wanted]

    def columns(self) -> list[str]:
        names: list[str] = []
        for index, each in enumerate(self.metadata):
            names += [n for n in self._columns_of(each) if n not in self.hidden]
            if index == 0:
                names += self._companions()
            last = index + 1 == len(self.metadata) or self.metadata[index + 1]["form_name"] != each["form_name"]
            if last and (done := f"{each['form_name']}_complete") not in self.hidden:
                names.append(done)
        return names

    def _companions(self) -> list[str]:
        return (["redcap_event_name"] if self.events else []) + (
            ["redcap_repeat_instrument", "redcap_repeat_instance"] if self.repeating else []
        )

    def _columns_of(self, each: Mapping[str, str]) -> list[str]:
        if each["field_type"] == "descriptive":
            return []
        if each["field_type"] == "checkbox":
            codes = [part.split(",")[0].strip() for part in each["select_choices_or_calculations"].split("|")]
            return [f"{each['field_name']}___{code.lower().replace('-', '_')}" for code in codes]
        return [each["field_name"]]

    def _project(self, form: Mapping[str, str]) -> Answer:
        return reply_json(
            {
                "project_id": self.project_id,
                "project_title": "Invented",
                "is_longitudinal": int(bool(self.events)),
                "has_repeating_instruments_or_events": int(bool(self.repeating)),
                "missing_data_codes": "NA, Not applicable|UNK,Unknown, or not told",
            }
        )

    def _version(self, form: Mapping[str, str]) -> Answer:
        return 200, HTML, "15.2.1"

    def _metadata(self, form: Mapping[str, str]) -> Answer:
        return reply_json(self.metadata)

    def _exportFieldNames(self, form: Mapping[str, str]) -> Answer:
        rows = [
            {"original_field_name": each["field_name"], "choice_value": "", "export_field_name": name}
            for each in self.metadata
            if each["field_type"] != "file"
            for name in self._columns_of(each)
        ]
        return reply_json(rows)

    def _instrument(self, form: Mapping[str, str]) -> Answer:
        names = dict.fromkeys(each["form_name"] for each in self.metadata)
        return reply_json([{"instrument_name": name, "instrument_label": name.title()} for name in names])

    def _event(self, form: Mapping[str, str]) -> Answer:
        return reply_json(self.events)

    def _formEventMapping(self, form: Mapping[str, str]) -> Answer:
        return reply_json(self.event_forms)

    def _repeatingFormsEvents(self, form: Mapping[str, str]) -> Answer:
        return reply_json(self.repeating)

    def _dag(self, form: Mapping[str, str]) -> Answer:
        return reply_json(self.groups)

    def _log(self, form: Mapping[str, str]) -> Answer:
        return 403, JSON, json.dumps({"error": "You do not have permission to see the log"})

    def _record(self, form: Mapping[str, str]) -> Answer:
        record = self.metadata[0]["field_name"]
        columns = [record, *self._companions()] if "fields[0]" in form else self.columns()
        if form.get("exportDataAccessGroups") and DAG not in self.hidden:
            columns.insert(columns.index(record) + 1, DAG)
        wanted = [value for key, value in form.items() if key.startswith("records[")]
        rows = [row for row in self.rows if not wanted or row[record] in wanted]
        table = [{name: row.get(name, "") for name in columns} for row in rows]
        return reply_json(table) if form["format"] == "json" else (200, CSV, as_csv(columns, table))


DAG = "redcap_data_access_group"


def reply_json(data: object) -> Answer:
    return 200, JSON, json.dumps(data)


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[row[name] for name in columns] for row in rows])
    return out.getvalue()


def patients(count: int) -> list[dict[str, str]]:
    """Make up records "P-1"… with a remark each."""
    return [
        {"record_id": f"P-{n}", "note": f"remark {n}", "organs___1": "1", "organs____2": "0", "basics_complete": "2"}
        for n in range(1, count + 1)
    ]
