"""Judge single values: against a subject's own earlier ones, and against the words people type for "missing"."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from schemas.study import CheckSpec, Field, Interval, Kind
from validators import verdict
from validators.dataset import Dataset
from validators.library import earlier
from validators.library.registry import Params, unavailable
from validators.verdict import Read, Verdict

SENTINELS = (99.0, 999.0, 9999.0, -1.0, -9.0, -99.0, -999.0, 0.0)
"""Numbers that stand for "missing" in many habits; they only count where they are implausible."""


def sentinel(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find numbers outside a field's usual limits that look like a code for a missing value.

    Parameters: ``codes``. A negative number is one wherever the usual limits hold none. A plausible value never
    fires, nor a field without usual limits unless the number is negative and so are its possible limits not.
    """
    codes = [float(code) for code in params["codes"]]
    for form, frame in data.frames.items():
        fields = [each for each in frame.form.fields if each.kind in {Kind.NUMBER, Kind.INTEGER}]
        fields = [each for each in fields if each.soft is not None or each.hard is not None]
        for each in fields:
            reason = data.absent(form, each.name)
            if reason is not None:
                yield unavailable(data, form, each.name, reason)
        fields = [each for each in fields if data.absent(form, each.name) is None]
        if not fields:
            continue
        view = data.view(form, *(each.name for each in fields))
        states = view.select(_sentinel_state(each, codes).alias(each.name) for each in fields)
        for each in fields:
            yield Verdict(
                form=form,
                target=each.name,
                states=states[each.name],
                reads=(Read(form=form, column=each.name),),
            )


def _sentinel_state(each: Field, codes: list[float]) -> pl.Expr:
    value = pl.col(each.name).cast(pl.Float64)
    usual = each.soft or each.hard or Interval()
    odd = ~_inside(value, usual)
    return verdict.state(
        applies=value.is_not_null() | pl.col(f"{each.name}?"),
        fails=odd & (value.is_in(codes) | (value < 0)),
        known=~pl.col(f"{each.name}?"),
    )


def _inside(value: pl.Expr, limits: Interval) -> pl.Expr:
    low = pl.lit(value=True) if limits.low is None else value >= limits.low
    high = pl.lit(value=True) if limits.high is None else value <= limits.high
    return low & high


def delta(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find values that jumped from the subject's previous one.

    Parameters: ``fields``, a list of tables with ``field`` and one or more of ``absolute`` (difference in the
    canonical unit), ``percent`` (of the previous value), ``factor`` (times up or down); ``upto_percent`` leaves
    larger jumps to another check. ``days``: only within so many days (0: any distance).
    """
    for item in params["fields"]:
        column = item["field"]
        form = data.fields[column][0].form
        reason = data.absent(form, column)
        if reason is not None:
            yield unavailable(data, form, column, reason)
            continue
        yield _delta(data, form, column, item, int(params["days"]))


def _delta(data: Dataset, form: str, column: str, limits: Mapping[str, Any], most: int) -> Verdict:
    view = data.view(form, column).with_columns(
        earlier.dates(data, form).alias("_date"), earlier.planned_days(data, form).alias("_day")
    )
    view = earlier.with_previous(view, [column])
    before = pl.col(f"{column}<row")
    view = view.with_columns(
        pl.coalesce(
            (pl.col("_date") - pl.col("_date").gather(before)).dt.total_days(),
            pl.col("_day") - pl.col("_day").gather(before),
        ).alias("_days")
    )
    near = pl.lit(value=True) if most <= 0 else pl.col("_days") <= most
    has = pl.col(f"{column}<").is_not_null() & (pl.col(column).is_not_null() | pl.col(f"{column}?"))
    view = view.with_columns(
        verdict.state(
            applies=has & near.fill_null(value=False),
            fails=_jump(pl.col(column).cast(pl.Float64), pl.col(f"{column}<").cast(pl.Float64), limits),
            known=~pl.col(f"{column}?"),
        ).alias("state")
    )
    facts = {"before": view[f"{column}<"], "days": view["_days"], "change": _percent(view, column)}
    facts["event_before"] = view["event"].gather(view[f"{column}<row"])
    return Verdict(
        form=form,
        target=column,
        states=view["state"],
        reads=(Read(form=form, column=column), Read(form=form, column=column, rows=view[f"{column}<row"])),
        facts=facts,
        visit_facts=frozenset({"event_before"}),
    )


def _jump(now: pl.Expr, before: pl.Expr, limits: Mapping[str, Any]) -> pl.Expr:
    tests = []
    moved = (now - before).abs()
    if "absolute" in limits:
        tests.append(moved > float(limits["absolute"]))
    if "percent" in limits:
        tests.append(moved * 100 > before.abs() * float(limits["percent"]))
    if "factor" in limits:
        factor = float(limits["factor"])
        tests.append((now > before * factor) | (now * factor < before))
    jumped = pl.any_horizontal(tests)
    if "upto_percent" in limits:
        jumped = jumped & (moved * 100 <= before.abs() * float(limits["upto_percent"]))
    return jumped


def _percent(view: pl.DataFrame, column: str) -> pl.Series:
    now, before = pl.col(column).cast(pl.Float64), pl.col(f"{column}<").cast(pl.Float64)
    share = pl.when(before != 0).then(((now - before) / before * 100).round(0))
    return view.select(share.alias("change"))["change"]
