"""Draw subjects and visits out of judged frames: day 0, actual dates, study days, window status. Pure."""

from datetime import date

import polars as pl

from schemas.frames import FormFrame
from schemas.study import Anchor, Visit
from sync.ports.stored import SubjectRow, VisitRow
from sync.workflows.judging import Judged


def subjects(judged: Judged) -> tuple[SubjectRow, ...]:
    """List every record of the pull, with the date of its first infusion where the study has an anchor."""
    infused = _dates(judged, judged.study.anchor)
    first: dict[str, date] = {}
    for (record, _, _), day in infused.items():
        first[record] = min(day, first.get(record, day))
    structure = judged.snapshot.structure
    records = judged.snapshot.rows[structure.record_field].unique(maintain_order=True).to_list()
    return tuple(SubjectRow(record=record, first_infusion=first.get(record)) for record in records)


def visits(judged: Judged, people: tuple[SubjectRow, ...]) -> tuple[VisitRow, ...]:
    """List the visits that have a date, with study day (day of the first infusion = 0) and window status."""
    day_0 = {subject.record: subject.first_infusion for subject in people}
    planned = {visit.id: visit for visit in judged.study.visits}
    rows = []
    for (record, visit, instance), day in sorted(_dates(judged, judged.study.visit_date).items()):
        start = day_0.get(record)
        study_day = (day - start).days if start else None
        rows.append(
            VisitRow(
                record=record,
                visit=visit,
                instance=instance,
                actual_date=day,
                study_day=study_day,
                window_status=window_status(planned.get(visit), study_day),
            )
        )
    return tuple(rows)


def window_status(visit: Visit | None, study_day: int | None) -> str:
    """Say where a visit lies: in_window, early, late, beyond (nearer another visit), unplanned or unknown."""
    if study_day is None:
        return "unknown"
    if visit is None or visit.window is None:
        return "unplanned"
    if visit.hard is not None and not visit.hard[0] <= study_day <= visit.hard[1]:
        return "beyond"
    if study_day < visit.window[0]:
        return "early"
    return "late" if study_day > visit.window[1] else "in_window"


def _dates(judged: Judged, anchor: Anchor | None) -> dict[tuple[str, str, int], date]:
    """Read one date field: (record, visit, instance) -> date, blanks left out."""
    frame = _frame(judged, anchor)
    if anchor is None or frame is None or anchor.field not in frame.rows.columns:
        return {}
    rows = frame.rows.filter(pl.col(anchor.field).is_not_null())
    if anchor.visit is not None:
        rows = rows.filter(pl.col("event") == anchor.visit)
    return {
        (record, event, instance): day
        for record, event, instance, day in rows.select("record", "event", "instance", anchor.field).iter_rows()
    }


def _frame(judged: Judged, anchor: Anchor | None) -> FormFrame | None:
    if anchor is None:
        return None
    return next((frame for frame in judged.harmonised.frames if frame.form.name == anchor.form), None)
