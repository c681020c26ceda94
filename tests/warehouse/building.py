"""Build studies and frames for the warehouse's tests; everyone and everything in them is made up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from schemas import frames
from schemas.coordinates import RowKey
from schemas.frames import DECLARED_SCHEMA, PROBLEM_SCHEMA, FormFrame
from schemas.study import Anchor, Choice, Field, Form, Kind, Measure, Study, Visit
from sync.ports.stored import RunRow

SECRET = b"a secret of the tests"
SITE = "zhenjiang"
START = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


def label(text: str = "x") -> Mapping[str, str]:
    return {"en": text}


def field(name: str, kind: Kind, form: str = "labs", codes: Sequence[str] = ()) -> Field:
    choices = tuple(Choice(code=code, label=label()) for code in codes)
    return Field(name=name, form=form, kind=kind, label=label(name), choices=choices)


def form(name: str, *fields: Field, date_field: str | None = None, repeating: bool = False) -> Form:
    return Form(name=name, label=label(name), fields=fields, date_field=date_field, repeating=repeating)


LABS = form(
    "labs",
    field("lab_date", Kind.DATE),
    field("creat", Kind.NUMBER),
    field("ana", Kind.CODED, codes=("1", "2")),
    field("drawn", Kind.DATETIME),
    field("clock", Kind.TIME),
    field("tubes", Kind.INTEGER),
    field("organs", Kind.CHECKBOX, codes=("1", "2")),
    field("remark", Kind.TEXT),
    date_field="lab_date",
)


def visit(name: str, day: int | None, *, repeating: bool = False) -> Visit:
    return Visit(id=name, label=label(name), day=day, window=None, hard=None, required=True, repeating=repeating)


VISITS = (
    visit("screening", -14),
    visit("day_0", 0),
    visit("month_3", 91),
    visit("month_6", 182),
    visit("unscheduled", None, repeating=True),
)


def study(*forms: Form, measures: Sequence[Measure] = (), anchor: Anchor | None = None) -> Study:
    return Study(
        name="made up",
        version="1.0",
        title=label(),
        languages=("en",),
        record_field="record_id",
        forms=forms,
        visits=VISITS,
        checks=(),
        anchor=anchor,
        measures=tuple(measures),
    )


STUDY = study(LABS, measures=[Measure(name="creat", form="labs", field="creat")])

Cells = Mapping[str, Any]


def frame(
    what: Form,
    rows: Mapping[tuple[str, str, int], Cells],
    *,
    site: str = SITE,
    raw: Mapping[tuple[str, str, int], Cells] | None = None,
    status: int | None = 2,
    problems: Sequence[tuple[int, str, str]] = (),
    declared: Sequence[tuple[int, str, str]] = (),
) -> FormFrame:
    """Build a frame; the entered text is the value's, unless ``raw`` says otherwise."""
    columns = frames.columns_of(what)
    typed, texts = [], []
    for key, cells in rows.items():
        record, event, instance = key
        head = [site, record, event, what.name, instance, status, f"{event}_arm_1", what.name, None]
        typed.append([*head, *(cells.get(name) for name in columns)])
        entered = {name: None if cells.get(name) is None else str(cells[name]) for name in columns}
        entered |= dict((raw or {}).get(key, {}))
        texts.append([entered[name] for name in columns])
    return FormFrame(
        form=what,
        rows=pl.DataFrame(typed, schema=frames.empty_rows(what).schema, orient="row"),
        raw=pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String()), orient="row"),
        problems=pl.DataFrame(problems, schema=PROBLEM_SCHEMA, orient="row"),
        declared=pl.DataFrame(declared, schema=DECLARED_SCHEMA, orient="row"),
        site_fields={"creat": "scr"},
        site_fields_at={("month_3", 1, "creat"): "scr_m3"},
        absent={"remark": "not collected here"},
    )


FULL = {
    "lab_date": date(2012, 3, 4),
    "creat": 71.5,
    "ana": "1",
    "drawn": datetime(2012, 3, 4, 8, 15, 30),  # noqa: DTZ001 - naive, as the site wrote it
    "clock": time(23, 59),
    "tubes": 3,
    "organs___1": 1,
    "organs___2": 0,
    "remark": "混合 'quoted' \"text\"; %s ?",
}


def moment(night: int) -> datetime:
    return START + timedelta(days=night)


def key(record: str = "ZJ-01", event: str = "day_0", instance: int = 1, instrument: str = "labs") -> RowKey:
    return RowKey(site=SITE, record=record, event=event, instrument=instrument, instance=instance)


def store(warehouse: Any, night: int, *stored: FormFrame, complete: bool = True, **options: Any) -> Any:
    """Store one night's frames, under the site's lock as a run does."""
    options = {"mapping_version": "1"} | options
    with warehouse.site_lock(SITE), warehouse.transaction(SITE, f"run-{night}", moment(night)) as transaction:
        return transaction.store(stored, complete=complete, **options)


def run_row(night: int, *, site: str = SITE, outcome: str = "ok") -> RunRow:
    return RunRow(
        site=site,
        run_id=f"run-{night}",
        kind="full",
        started=moment(night),
        finished=moment(night) + timedelta(minutes=1),
        outcome=outcome,
        exit_code=0 if outcome == "ok" else 3,
        counts={"rows_pulled": 4},
        reason=None if outcome == "ok" else "the site did not answer",
    )
