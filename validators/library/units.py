"""Find values that were probably measured in another unit than the one they stand under."""

import math
from collections.abc import Iterator

import polars as pl

from schemas.study import CheckSpec, Field, Interval
from validators import verdict
from validators.dataset import Dataset
from validators.library.registry import Params, unavailable
from validators.verdict import Read, Verdict

_LEAST_FACTOR = 1.8
"""Factors nearer to 1 cannot be told from ordinary change."""


def signature(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find values that look like another unit's, by the field's signatures or by the subject's own history.

    A value outside the usual limits and inside a signature fires. So does one whose ratio to the median of the
    subject's other values is within ``tolerance`` of a conversion factor, where there are at least ``history``
    others and these agree among themselves within ``steady`` times; for the fields in ``by_history`` only.
    """
    chosen = frozenset(params["by_history"])
    for form, frame in data.frames.items():
        for each in frame.form.fields:
            factors = _factors(each) if each.name in chosen else {}
            if not each.signatures and not factors:
                continue
            reason = data.absent(form, each.name)
            if reason is not None:
                yield unavailable(data, form, each.name, reason)
            else:
                yield _signature(data, form, each, factors, params)


def _factors(each: Field) -> dict[str, float]:
    """Give unit -> how many times too large or small a value in it would be."""
    found = {}
    for unit, factor in each.units.items():
        if factor > 0 and abs(math.log(factor)) >= math.log(_LEAST_FACTOR):
            found[unit] = 1 / factor
    return found


def _signature(data: Dataset, form: str, each: Field, factors: dict[str, float], params: Params) -> Verdict:
    view = data.view(form, each.name)
    value = pl.col(each.name).cast(pl.Float64)
    view = _with_history(view, each.name)
    looks = pl.lit(None, dtype=pl.String)
    for sign in reversed(each.signatures):
        inside = (value >= sign.low) & (value <= sign.high) & _odd(value, each.soft or each.hard)
        looks = pl.when(inside).then(pl.lit(sign.unit)).otherwise(looks)
    near = float(params["tolerance"])
    trusted = (pl.col("_others") >= int(params["history"])) & (pl.col("_spread") <= float(params["steady"]))
    for unit, times in factors.items():
        ratio = value / pl.col("_median")
        fits = trusted & (ratio >= times * (1 - near)) & (ratio <= times * (1 + near))
        looks = pl.when(looks.is_null() & fits.fill_null(value=False)).then(pl.lit(unit)).otherwise(looks)
    view = view.with_columns(looks.alias("_looks"))
    states = view.select(
        verdict.state(
            applies=value.is_not_null() | pl.col(f"{each.name}?"),
            fails=pl.col("_looks").is_not_null(),
            known=~pl.col(f"{each.name}?"),
        ).alias("state")
    )["state"]
    return Verdict(
        form=form,
        target=each.name,
        states=states,
        reads=(Read(form=form, column=each.name),),
        facts={"other_unit": view["_looks"], "usual": view["_median"]},
    )


def _odd(value: pl.Expr, usual: Interval | None) -> pl.Expr:
    if usual is None:
        return pl.lit(value=True)
    low = pl.lit(value=False) if usual.low is None else value < usual.low
    high = pl.lit(value=False) if usual.high is None else value > usual.high
    return low | high


def _with_history(view: pl.DataFrame, column: str) -> pl.DataFrame:
    """Add count, median and spread (largest over smallest) of the subject's other positive values."""
    values = view.filter(pl.col(column) > 0).select("record", "_row", pl.col(column).cast(pl.Float64).alias("v"))
    pairs = values.join(values.select("record", pl.col("_row").alias("other"), pl.col("v").alias("w")), on="record")
    stats = (
        pairs.filter(pl.col("_row") != pl.col("other"))
        .group_by("_row")
        .agg(
            pl.len().alias("_others"),
            pl.col("w").median().alias("_median"),
            (pl.col("w").max() / pl.col("w").min()).alias("_spread"),
        )
    )
    return view.join(stats, on="_row", how="left", maintain_order="left")
