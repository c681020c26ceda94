"""Judge checks that are written as logic, and apply what every check may ask for: population and completeness.

As in REDCap's Data Quality module, true means a discrepancy. A row is judged where ``when`` is true; where that,
or the logic itself, cannot be told, the row is not evaluated, with the reason.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from schemas.study import CheckSpec
from validators import verdict
from validators.cells import COMPLETE
from validators.dataset import Dataset, known
from validators.references import Link
from validators.sheet import Answer, Rule, Sheet
from validators.verdict import NOT_APPLICABLE, NOT_EVALUATED, Read, Verdict


def judge(sheet: Sheet, specs: Sequence[CheckSpec]) -> dict[str, tuple[Verdict, ...]]:
    """Judge all logic checks of one form; every piece of logic is run in one select.

    A target on another form (``form.field``) speaks of that form's row at the same visit.
    """
    asked: list[Rule] = []
    for spec in specs:
        asked += [sheet.rule(spec.logic or "")] + ([sheet.rule(spec.when)] if spec.when else [])
    answers = iter(sheet.run(asked))
    found: dict[str, tuple[Verdict, ...]] = {}
    for spec in specs:
        truth = next(answers)
        population = next(answers) if spec.when else None
        found[spec.id] = tuple(_verdict(sheet, spec, target, truth, population) for target in spec.targets)
    return found


def restrict(data: Dataset, spec: CheckSpec, one: Verdict, population: Answer | None) -> Verdict:
    """Take the rows out of a verdict that the check's population and ``complete_only`` leave out."""
    if one.keys is not None or one.form != spec.form:
        return one
    states, reasons = one.states, one.reasons
    if population is not None:
        if population.refused is not None:
            return _all(one, f"population: {population.refused}")
        unknown = population.truth.is_null() & (states != NOT_APPLICABLE)
        states = _where(~known(population.truth, otherwise=True), NOT_APPLICABLE, states)
        states = _where(unknown, NOT_EVALUATED, states)
        reasons = _reasons(reasons, population.reasons, unknown)
    if spec.complete_only:
        status = data.table(one.form)["_status"]
        states = _where(known(status != COMPLETE, otherwise=True), NOT_APPLICABLE, states)
    return replace(one, states=states, reasons=reasons)


def _verdict(sheet: Sheet, spec: CheckSpec, target: str, truth: Answer, population: Answer | None) -> Verdict:
    """Build the verdict of one logic check at one target."""
    data, home = sheet.data, sheet.form
    form, _, column = target.rpartition(".")
    form = form or home
    rule = sheet.rule(spec.logic or "")
    one = Verdict(
        form=home,
        target=column,
        states=verdict.of_truth(truth.truth),
        reads=_inputs(sheet, spec, rule),
        facts=_facts(sheet, spec, rule),
        reasons=truth.reasons,
    )
    if truth.refused is not None:
        one = _all(one, truth.refused)
    one = restrict(data, spec, one, population)
    return one if form == home else _moved(data, one, home, form, column)


def _inputs(sheet: Sheet, spec: CheckSpec, rule: Rule) -> tuple[Read, ...]:
    """Name what the evidence shows: the targets, then the declared inputs, else what the logic read."""
    columns = sheet.data.table(sheet.form).columns
    own = tuple(Read(form=sheet.form, column=target) for target in spec.targets if target in columns)
    reads = own + sheet.reads(_declared(sheet, spec) or rule.links)
    return tuple({(each.form, each.column, each.visit, each.rows is None): each for each in reads}.values())


def _declared(sheet: Sheet, spec: CheckSpec) -> tuple[Link, ...]:
    """Find where the declared inputs come from."""
    return tuple(link for name in spec.inputs for link in sheet.rule(f"{_bracketed(name)} <> ''").links)


def _bracketed(name: str) -> str:
    return name if name.startswith("[") else f"[{name.rpartition('.')[2]}]"


def _facts(sheet: Sheet, spec: CheckSpec, rule: Rule) -> dict[str, pl.Series]:
    """Offer what was read, the inputs and the targets to the message: by name, elsewhere also as ``visit.name``."""
    table = sheet.data.table(sheet.form)
    facts: dict[str, pl.Series] = {name: table[name] for name in spec.targets if name in table.columns}
    for link in (*rule.links, *_declared(sheet, spec)):
        if link.column.startswith("_"):
            continue
        values = sheet.data.table(link.form)[link.column]
        rows = sheet.rows(link)
        laid = values if rows is None else values[rows]
        facts.setdefault(link.column, laid)
        facts.setdefault(f"{link.at}.{link.column}", laid)
    return facts


def _moved(data: Dataset, one: Verdict, home: str, form: str, column: str) -> Verdict:
    """Let a verdict on the rows of one form speak of the rows of another at the same visit."""
    back = data.pointer(form, home)
    return replace(
        one,
        form=form,
        target=column,
        states=one.states[back].fill_null(NOT_APPLICABLE),
        reads=(
            Read(form=form, column=column),
            *(replace(each, rows=back if each.rows is None else each.rows[back]) for each in one.reads),
        ),
        facts={name: values[back] for name, values in one.facts.items()},
        reasons=None if one.reasons is None else one.reasons[back],
    )


def _all(one: Verdict, reason: str) -> Verdict:
    states = verdict.constant(one.states.len(), NOT_EVALUATED)
    return replace(one, states=states, reason=reason, reasons=None, refused=True)


def _where(mask: pl.Series, value: int, otherwise: pl.Series) -> pl.Series:
    return verdict.constant(otherwise.len(), value).zip_with(mask, otherwise)


def _reasons(first: pl.Series | None, second: pl.Series | None, where: pl.Series) -> pl.Series | None:
    if second is None:
        return first
    old = pl.repeat(None, where.len(), dtype=pl.String, eager=True) if first is None else first
    return pl.select(pl.when(where).then(second).otherwise(old).alias("r"))["r"]
