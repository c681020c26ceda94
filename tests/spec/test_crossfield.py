"""Checks written as logic: every trial beside a check, and the third answer, which no trial can show."""

from dataclasses import replace

import pytest

from schemas.coordinates import RowKey
from schemas.study import CheckSpec, Form
from tests.spec import bench
from validators import trials
from validators.findings import Condition

LOGIC = [check for check in bench.sle().checks if check.logic is not None]


def test_every_logic_check_brings_a_row_that_fires_and_one_that_does_not():
    for check in LOGIC:
        told = {trial.fires for trial in check.tests}
        assert told == {True, False}, check.id


def test_every_trial_goes_as_the_check_says():
    tried = list(trials.run(bench.sle(), bench.sle().checks, as_of=bench.NOW))
    assert len(tried) > 100
    assert [(each.check, each.number, each.fired, each.reason) for each in tried if not each.passed] == []


def test_a_trial_that_goes_wrong_is_told():
    check = next(each for each in LOGIC if each.id == "XF01")
    wrong = [replace(trial, fires=not trial.fires) for trial in check.tests]
    tried = list(trials.run(bench.sle(), [replace(check, tests=tuple(wrong))], as_of=bench.NOW))
    assert [each.passed for each in tried] == [False] * len(wrong)


def place(mention: str, event: str) -> tuple[str, str]:
    """Split a mention of a field into visit and column."""
    return tuple(mention[1:-1].split("][")) if mention.startswith("[") else (event, mention)


def form_of(column: str) -> Form:
    return next(form for form in bench.sle().forms if column in bench.columns_of(form))


def blinded() -> list[tuple[CheckSpec, str, dict[tuple[str, str, str], dict[str, str]]]]:
    """Give, for each check and each input of its first firing trial, the trial's cells with that input unreadable."""
    found = []
    for check in LOGIC:
        trial = next(trial for trial in check.tests if trial.fires)
        for blind in trial.row:
            cells: dict[tuple[str, str, str], dict[str, str]] = {}
            record = f"{check.id}:{blind}"
            cells[check.form, record, trial.event] = {}
            for mention, value in trial.row.items():
                event, column = place(mention, trial.event)
                text = "?x" if mention == blind else str(value).replace(" ", "T")
                cells.setdefault((form_of(column).name, record, event), {})[column] = text
            found.append((check, record, cells))
    return found


def test_what_hangs_on_an_unreadable_input_is_not_evaluated():
    lines: dict[str, list[dict[str, str]]] = {}
    for _, _, cells in blinded():
        for (form, record, event), row in cells.items():
            lines.setdefault(form, []).append({"record": record, "event": event, **row})
    frames = [bench.frame(form, lines.get(form.name, [])) for form in bench.sle().forms]
    found = bench.engine.judge(
        replace(bench.sle(), checks=tuple(LOGIC)), frames, site="zj", prefix="ZJJU", as_of=bench.NOW
    )
    seen: dict[str, set[Condition | None]] = {}
    for check, record, cells in blinded():
        event = next(event for form, _, event in cells if form == check.form)
        row = RowKey(site="zj", record=record, event=event, instrument=check.form, instance=1)
        seen.setdefault(check.id, set()).add(found.conditions.at(check=check.id, row=row, field=check.targets[0]))
    # What is settled without the unreadable input fires all the same; nothing passes for want of looking.
    assert [check for check, states in seen.items() if Condition.NOT_EVALUATED not in states] == []
    assert [check for check, states in seen.items() if Condition.PASSING in states] == []


@pytest.mark.parametrize(("id", "column"), [("XF01", "sbp"), ("DT08", "birth_ym"), ("AE02", "ae_sae_criteria___hosp")])
def test_a_withheld_column_is_named_and_nothing_passes(id, column):
    check = next(check for check in LOGIC if check.id == id)
    study = replace(bench.sle(), checks=(check,))
    trial = next(trial for trial in check.tests if trial.fires)
    lines: dict[str, list[dict[str, str]]] = {}
    for mention, value in trial.row.items():
        event, name = place(mention, trial.event)
        lines.setdefault(form_of(name).name, []).append({"record": "1", "event": event, name: str(value)})
    frames = [
        bench.frame(
            form, lines.get(form.name, []), absent={column: "withheld"} if column in bench.columns_of(form) else {}
        )
        for form in study.forms
    ]
    found = bench.engine.judge(study, frames, site="zj", prefix="ZJJU", as_of=bench.NOW)
    assert bench.fired(found, id) == []
    told = [each for each in found.not_evaluated if each.check == id]
    assert sum(each.count for each in told) >= 1
    assert all("withheld" in each.reason for each in told)
