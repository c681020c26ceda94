"""Lay out made-up rows for checks to judge: text tables in, form frames and findings out.

A table's first line names its columns; ``record`` is always there, ``event``, ``instance`` and ``status`` may be.
A dot is a blank cell, ``?x`` a cell that could not be read, ``~word`` a word for a missing value; ``_`` inside a
text stands for a space. Everyone in these tables is invented.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl

from schemas import loading
from schemas.frames import DECLARED_SCHEMA, PROBLEM_SCHEMA, FormFrame, columns_of, empty_rows
from schemas.study import CheckSpec, Choice, Field, Form, Interval, Kind, Severity, Study, Visit  # noqa: F401
from validators import engine
from validators.findings import Judgement

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2013, 6, 1, 12, 0, tzinfo=SHANGHAI)
_PROBLEM = {Kind.DATE: "DT01", Kind.DATETIME: "DT01", Kind.CODED: "CD01", Kind.YESNO: "CD01"}


@cache
def sle(*checks: str) -> Study:
    """Give the shipped study, with only the checks of these rules where any are named (``XF03`` brings ``XF03.S``)."""
    if not checks:
        return loading.shipped_study("sle")
    kept = tuple(each for each in sle().checks if each.id.partition(".")[0] in checks)
    assert {each.id.partition(".")[0] for each in kept} == set(checks)
    return replace(sle(), checks=kept)


def rows(table: str) -> list[dict[str, str]]:
    lines = [line.split() for line in table.strip().splitlines() if line.strip()]
    head, *body = lines
    return [dict(zip(head, line, strict=True)) for line in body]


def frame(
    form: Form, given: str | Iterable[Mapping[str, str]], *, site: str = "zj", absent: Mapping[str, str] | None = None
) -> FormFrame:
    given = rows(given) if isinstance(given, str) else list(given)
    fields = columns_of(form)
    typed, raw, problems, declared = [], [], [], []
    for place, line in enumerate(given):
        key = {
            "site": site,
            "record": line["record"],
            "event": line.get("event", ""),
            "instrument": form.name,
            "instance": int(line.get("instance", "1")),
            "_status": None if line.get("status", "2") == "." else int(line.get("status", "2")),
            "_site_event": f"{line.get('event', '')}_arm_1",
            "_site_instrument": form.name,
            "_site_instance": int(line.get("instance", "1")),
        }
        unknown = set(line) - set(fields) - {"record", "event", "instance", "status"}
        assert not unknown, f"{form.name} has no {unknown}"
        cells, entered = {}, {}
        for column, field in fields.items():
            text = line.get(column, ".").replace("_", " ") if field.kind is Kind.TEXT else line.get(column, ".")
            cells[column], entered[column] = None, None
            if text == ".":
                continue
            entered[column] = text.lstrip("?~")
            if text.startswith("?"):
                problems.append((place, column, _PROBLEM.get(field.kind, "TY01")))
            elif text.startswith("~"):
                declared.append((place, column, entered[column]))
            else:
                cells[column] = read(field, text)
        typed.append(key | cells)
        raw.append(entered)
    return FormFrame(
        form=form,
        rows=pl.DataFrame(typed, schema=empty_rows(form).schema),
        raw=pl.DataFrame(raw, schema=dict.fromkeys(fields, pl.String())),
        problems=pl.DataFrame(problems, schema=PROBLEM_SCHEMA, orient="row"),
        declared=pl.DataFrame(declared, schema=DECLARED_SCHEMA, orient="row"),
        site_fields={},
        site_fields_at={},
        absent=dict(absent or {}),
    )


def read(field: Field, text: str):
    match field.kind:
        case Kind.NUMBER:
            return float(text)
        case Kind.INTEGER | Kind.CHECKBOX:
            return int(text)
        case Kind.DATE:
            return date.fromisoformat(text)
        case Kind.DATETIME:
            return datetime.fromisoformat(text)
        case Kind.TIME:
            return time.fromisoformat(text)
        case _:
            return text


def study(*forms: Form, checks: Iterable[CheckSpec] = (), visits=(), **more) -> Study:
    return Study(
        name="made_up",
        version="1.0",
        title={"en": "Made up"},
        languages=("en",),
        record_field="id",
        forms=forms,
        visits=tuple(visits),
        checks=tuple(checks),
        **more,
    )


def form(name: str, *fields: Field, **more) -> Form:
    return Form(name=name, label={"en": name}, fields=fields, **more)


def field(name: str, form: str = "f", kind: Kind = Kind.NUMBER, **more) -> Field:
    return Field(name=name, form=form, kind=kind, label={"en": name.upper()}, **more)


def spec(id: str, **more) -> CheckSpec:
    defaults = {
        "version": "1.0",
        "title": {"en": id},
        "severity": Severity.HARD,
        "category": "consistency",
        "form": "f",
        "targets": ("a",),
        "message": {"en": id},
    }
    return CheckSpec(id=id, **(defaults | more))


def judged(
    study: Study, tables: Mapping[str, str], *, prefix: str = "ZJJU", as_of: datetime = NOW, absent=None
) -> Judgement:
    absent = absent or {}
    unknown = set(tables) - {each.name for each in study.forms}
    assert not unknown, f"the study has no form {unknown}"
    frames = [frame(each, tables.get(each.name, []), absent=absent.get(each.name)) for each in study.forms]
    return engine.judge(study, frames, site="zj", prefix=prefix, as_of=as_of)


def fired(judgement: Judgement, check: str) -> list[str]:
    """Name the places where a check fired: ``record/event/field``, sorted as the findings are."""
    return [f"{each.row.record}/{each.row.event}/{each.field}" for each in judgement.findings if each.check == check]


def missed(judgement: Judgement, check: str) -> dict[str, int]:
    """Give scope -> count of what a check could not judge."""
    found: dict[str, int] = {}
    for each in judgement.not_evaluated:
        if each.check == check:
            found[each.scope] = found.get(each.scope, 0) + each.count
    return found
