"""Try a check on the made-up rows that stand beside it, to see that it fires where it must and nowhere else.

A trial is judged by the same engine as a site's data, in a study that has no other check.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

import polars as pl

from schemas.coordinates import RowKey
from schemas.frames import DECLARED_SCHEMA, PROBLEM_SCHEMA, FormFrame, columns_of, empty_rows
from schemas.study import CheckSpec, Field, Form, Kind, Study, Trial
from validators import engine
from validators.findings import Condition, Judgement

SITE = "trial"
_NOON = time(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Say how one trial went. ``fired`` is None where the check could not be evaluated; ``reason`` says why."""

    check: str
    number: int
    trial: Trial
    fired: bool | None
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """Tell whether the check did what the trial says."""
        return self.fired is self.trial.fires


def run(study: Study, checks: Iterable[CheckSpec], *, as_of: datetime) -> Iterator[Tried]:
    """Try checks on their trials; ``as_of`` (aware) stands for now where a trial does not say.

    Checks written as logic see one subject at a time, so all their trials are judged at once, a subject each.
    Raises KeyError for a row that names a field the study does not have, ValueError for a value that cannot be
    read as its field's kind.
    """
    together: dict[datetime, list[_Case]] = {}
    for check in checks:
        for number, trial in enumerate(check.tests, start=1):
            case = _Case(check=check, number=number, trial=trial)
            if check.logic is None:
                yield from _judged(study, [case], _now(trial, as_of))
            else:
                together.setdefault(_now(trial, as_of), []).append(case)
    for now, cases in together.items():
        yield from _judged(study, cases, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    check: CheckSpec
    number: int
    trial: Trial

    @property
    def record(self) -> str:
        return f"{self.check.id}/{self.number}"


def _now(trial: Trial, as_of: datetime) -> datetime:
    if trial.today is None:
        return as_of
    return datetime.combine(date.fromisoformat(trial.today), _NOON, tzinfo=as_of.tzinfo)


def _judged(study: Study, cases: Sequence[_Case], now: datetime) -> Iterator[Tried]:
    checks = tuple({case.check.id: case.check for case in cases}.values())
    alone = replace(study, checks=checks)
    judged = engine.judge(alone, _frames(study, cases), site=SITE, prefix="TRIAL", as_of=now)
    fired = {(each.check, each.row.record) for each in judged.findings}
    reasons = {each.check: next(iter(each.reasons)) for each in judged.coverage if each.reasons}
    for case in cases:
        check = case.check
        seen: bool | None = (check.id, case.record) in fired
        if not seen and not _looked(judged, case):
            seen = None
        reason = reasons.get(check.id) if seen is None else None
        yield Tried(check=check.id, number=case.number, trial=case.trial, fired=seen, reason=reason)


def _looked(judged: Judgement, case: _Case) -> bool:
    """Tell whether a check that did not fire could be evaluated on its trial."""
    if case.check.form is None or not case.check.targets:
        return not any(each.not_evaluated for each in judged.coverage if each.check == case.check.id)
    form, _, target = case.check.targets[0].rpartition(".")
    row = RowKey(
        site=SITE,
        record=case.record,
        event=case.trial.event,
        instrument=form or case.check.form,
        instance=1,
    )
    seen = judged.conditions.at(check=case.check.id, row=row, field=target)
    return seen is not Condition.NOT_EVALUATED


def _frames(study: Study, cases: Iterable[_Case]) -> list[FormFrame]:
    """Lay the cells of trials out as form frames: one row for each record, form and visit that is mentioned."""
    form_of = {column: form for form in study.forms for column in columns_of(form)}
    fields = {column: each for form in study.forms for column, each in columns_of(form).items()}
    rows: dict[str, dict[tuple[str, str], dict[str, Any]]] = {form.name: {} for form in study.forms}
    for case in cases:
        if case.check.form is not None:
            rows[case.check.form][case.record, case.trial.event] = {}
        for mention, value in case.trial.row.items():
            event, name = case.trial.event, mention
            if mention.startswith("["):
                event, _, name = mention[1:-1].partition("][")
            name = name.rpartition(".")[2]
            cells = rows[form_of[name].name].setdefault((case.record, event), {})
            cells[name] = _typed(fields[name], value)
    return [_frame(form, rows[form.name]) for form in study.forms]


def _frame(form: Form, rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> FormFrame:
    empty = empty_rows(form)
    columns = columns_of(form)
    typed = [
        {
            "site": SITE,
            "record": record,
            "event": event,
            "instrument": form.name,
            "instance": 1,
            "_status": 2,
            "_site_event": event,
            "_site_instrument": form.name,
            **cells,
        }
        for (record, event), cells in rows.items()
    ]
    raw = [{name: None if value is None else str(value) for name, value in cells.items()} for cells in rows.values()]
    return FormFrame(
        form=form,
        rows=pl.DataFrame(typed, schema=empty.schema),
        raw=pl.DataFrame(raw, schema=dict.fromkeys(columns, pl.String())),
        problems=pl.DataFrame(schema=PROBLEM_SCHEMA),
        declared=pl.DataFrame(schema=DECLARED_SCHEMA),
        site_fields={},
        site_fields_at={},
        absent={},
    )


def _typed(field: Field, value: Any) -> Any:
    match field.kind:
        case Kind.NUMBER:
            return float(value)
        case Kind.INTEGER | Kind.CHECKBOX:
            return int(value)
        case Kind.DATE:
            return date.fromisoformat(str(value))
        case Kind.DATETIME:
            return datetime.fromisoformat(str(value))
        case Kind.TIME:
            return time.fromisoformat(str(value))
        case _:
            return str(value)
