"""Judge what is missing or should not be there, beyond the required fields that CP01 asks for."""

from collections.abc import Iterator

import polars as pl

from schemas.study import CheckSpec, Field
from validators import branching, verdict
from validators.cells import COMPLETE
from validators.dataset import Dataset
from validators.library import earlier
from validators.library.registry import Params, unavailable
from validators.sheet import Sheet
from validators.verdict import Read, Verdict


def not_done(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find values that stand beside a reason for having none, and blanks without a reason.

    It judges every field that names a ``not_done`` field. Blanks count only on forms declared complete, at
    ``visits`` (empty: at all), and not where CP01 asks for the field. A word for a missing value is a reason.
    """
    visits = list(params["visits"])
    for form, frame in data.frames.items():
        for each in frame.form.fields:
            if each.not_done is None:
                continue
            missing = next((name for name in (each.name, each.not_done) if data.absent(form, name)), None)
            if missing is not None:
                yield unavailable(data, form, each.name, str(data.absent(form, missing)), column=missing)
            else:
                yield _not_done(data, form, each, visits)


def _not_done(data: Dataset, form: str, each: Field, visits: list[str]) -> Verdict:
    name, reason = each.name, str(each.not_done)
    view = data.view(form, name, reason).with_columns(data.word(form, name).alias("_word"))
    unread = pl.col(f"{name}?") | pl.col(f"{reason}?")
    value, code = pl.col(name).is_not_null(), pl.col(reason).is_not_null()
    asked = (pl.col("_status") == COMPLETE).fill_null(value=False) & pl.lit(not each.required)
    if visits:
        asked = asked & pl.col("event").is_in(visits)
    neither = ~value & ~code & pl.col("_word").is_null() & ~pl.col(f"{name}?")
    states = view.select(
        verdict.state(applies=value | code | unread | asked, fails=(value & code) | neither, known=~unread).alias("s")
    )["s"]
    reads = (Read(form=form, column=name), Read(form=form, column=reason))
    return Verdict(form=form, target=name, states=states, reads=reads, facts={"reason": view[reason]})


def hidden_filled(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find fields that hold a value although their branching logic is false.

    The evidence shows what the branching reads: one of these may be what is wrong.
    """
    for form, frame in data.frames.items():
        fields = tuple(each for each in frame.form.fields if each.branching and each.calculation is None)
        if not fields:
            continue
        sheet = Sheet(data, form)
        applies = branching.judge(sheet, fields)
        for each in fields:
            asked = sheet.reads(sheet.rule(each.branching or "").links)
            for column in each.columns:
                absent = data.absent(form, column) or applies.refused(each.name)
                if absent is not None:
                    yield unavailable(data, form, column, absent)
                else:
                    yield _hidden_filled(data, form, column, applies.applies(each.name), asked)


def _hidden_filled(
    data: Dataset, form: str, column: str, applies: pl.Series | None, asked: tuple[Read, ...]
) -> Verdict:
    view = data.view(form, column).with_columns(pl.Series("_applies", applies, dtype=pl.Boolean))
    value = pl.col(column)
    filled = (value != 0).fill_null(value=False) if view.schema[column] == pl.Int64 else value.is_not_null()
    filled = filled | pl.col(f"{column}?")
    states = view.select(verdict.state(applies=filled, fails=~pl.col("_applies")).alias("s"))["s"]
    return Verdict(form=form, target=column, states=states, reads=(Read(form=form, column=column), *asked))


def form_incomplete(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find forms still marked incomplete more than ``grace`` days after their date or their visit (fact: days).

    The target is the form's date field, or its first field. Rows without any date are not judged.
    """
    today = pl.lit(data.as_of.date())
    for form, frame in data.frames.items():
        target = frame.form.date_field or frame.form.fields[0].columns[0]
        reason = data.absent(form, target)
        if reason is not None:
            yield unavailable(data, form, target, reason)
            continue
        view = data.view(form).with_columns(earlier.dates(data, form).alias("_date"))
        view = view.with_columns((today - pl.col("_date")).dt.total_days().alias("_days"))
        late = pl.col("_days") > int(params["grace"])
        fails = (pl.col("_status") == 0) & late
        applies = pl.col("_date").is_not_null() & pl.col("_status").is_not_null()
        states = view.select(verdict.state(applies=applies, fails=fails).alias("s"))["s"]
        reads = (Read(form=form, column=target),)
        yield Verdict(form=form, target=target, states=states, reads=reads, facts={"days": view["_days"]})


def panel(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find visits that took place without a row of a form, or with a wholly blank one.

    Parameter ``forms``: form -> the visits at which it is due. The rows judged are those of the visit form; the
    query points at the visit's date (fact: panel, all forms that are missing). A form that the site does not
    deliver at all is left to the checks of its fields.
    """
    anchor = data.study.visit_date
    if anchor is None:
        return
    reason = data.absent(anchor.form, anchor.field)
    if reason is not None:
        yield unavailable(data, anchor.form, anchor.field, reason)
        return
    view = data.view(anchor.form, anchor.field)
    missing: list[pl.Expr] = []
    for form, visits in params["forms"].items():
        columns = [name for name in data.columns(form) if data.absent(form, name) is None]
        if not columns:
            continue
        filled = data.frames[form].raw.select(pl.any_horizontal(pl.col(columns).is_not_null()).alias("f"))["f"]
        there = filled.gather(data.pointer(anchor.form, form)).fill_null(value=False)
        view = view.with_columns(there.alias(f"_{form}"))
        gone = pl.col("event").is_in(list(visits)) & ~pl.col(f"_{form}")
        missing.append(pl.when(gone).then(pl.lit(form)))
    if not missing:
        return
    view = view.with_columns(pl.concat_list(missing).list.drop_nulls().alias("_missing"))
    due = pl.col("event").is_in(sorted({visit for visits in params["forms"].values() for visit in visits}))
    unread = pl.col(f"{anchor.field}?")
    states = view.select(
        verdict.state(
            applies=due & (pl.col(anchor.field).is_not_null() | unread),
            fails=pl.col("_missing").list.len() > 0,
            known=~unread,
        ).alias("s")
    )["s"]
    yield Verdict(
        form=anchor.form,
        target=anchor.field,
        states=states,
        reads=(Read(form=anchor.form, column=anchor.field),),
        facts={"panel": view["_missing"]},
        form_facts=frozenset({"panel"}),
    )
