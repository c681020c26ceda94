"""Judge rows of adverse events and medication against each other."""

from collections.abc import Iterator

import polars as pl

from schemas.study import CheckSpec
from validators import verdict
from validators.dataset import Dataset
from validators.library.registry import Params, unavailable
from validators.verdict import Read, Verdict


def reaction_without_event(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find reactions (target says yes) on a date without an adverse event on that or the next day (fact: on).

    Parameters: ``date`` (a field of the target's form), ``event_start`` (the adverse events' start).
    """
    (target,) = spec.targets
    form, events = data.fields[target][0].form, data.fields[params["event_start"]][0].form
    for home, name in ((form, target), (form, params["date"]), (events, params["event_start"])):
        reason = data.absent(home, name)
        if reason is not None:
            yield unavailable(data, form, target, reason, column=name)
            return
    view = data.view(form, target, params["date"])
    starts = data.view(events, params["event_start"])
    known = starts.select(
        "record",
        pl.col("_row").alias("_event"),
        pl.col(params["event_start"]).cast(pl.Date).alias("_start"),
        pl.col(f"{params['event_start']}?").alias("_unread"),
    )
    days = (pl.col("_start") - pl.col(params["date"]).cast(pl.Date)).dt.total_days()
    near = view.join(known, on="record", how="inner").filter(pl.col("_unread") | days.is_between(0, 1))
    found = near.sort("_event").group_by("_row").agg(pl.col("_event").first(), pl.col("_unread").all())
    view = view.join(found, on="_row", how="left", maintain_order="left")
    unread = pl.col(f"{target}?") | pl.col(f"{params['date']}?") | pl.col("_unread").fill_null(value=False)
    states = view.select(
        verdict.state(
            applies=(pl.col(target) == "1").fill_null(value=False) | pl.col(f"{target}?"),
            fails=pl.col("_event").is_null(),
            known=pl.col(params["date"]).is_not_null() & ~unread,
        ).alias("s")
    )["s"]
    reads = (
        Read(form=form, column=target),
        Read(form=form, column=params["date"]),
        Read(form=events, column=params["event_start"], rows=view["_event"]),
    )
    facts = {"on": view[params["date"]]}
    yield Verdict(form=form, target=target, states=states, reads=reads, facts=facts)


def overlap(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find rows of one subject that agree in what they say and overlap in time (fact: other_start).

    Parameters: ``same`` (fields that must agree, all filled or blank alike), ``start``, ``end`` (blank: goes on).
    """
    (target,) = spec.targets
    form = data.fields[target][0].form
    same, start, end = list(params["same"]), params["start"], params["end"]
    missing = next((name for name in (*same, start, end) if data.absent(form, name)), None)
    if missing is not None:
        yield unavailable(data, form, target, str(data.absent(form, missing)), column=missing)
        return
    view = data.view(form, *same, start, end)
    rows = view.select("record", "_row", *same, start, end)
    other = rows.rename({"_row": "_other", start: "_start", end: "_end"})
    pairs = rows.join(other, on=["record", *same], how="inner", nulls_equal=True)
    far = pl.date(9999, 12, 31)
    overlaps = (pl.col(start) <= pl.col("_end").fill_null(far)) & (pl.col("_start") <= pl.col(end).fill_null(far))
    found = (
        pairs.filter((pl.col("_row") != pl.col("_other")) & overlaps & pl.col(target).is_not_null())
        .sort("_start", "_other")
        .unique("_row", keep="first", maintain_order=True)
        .select("_row", "_other", "_start")
    )
    view = view.join(found, on="_row", how="left", maintain_order="left")
    unread = pl.any_horizontal(pl.col(f"{name}?") for name in (*same, start, end))
    states = view.select(
        verdict.state(
            applies=(pl.col(target).is_not_null() & pl.col(start).is_not_null()) | unread,
            fails=pl.col("_other").is_not_null(),
            known=~unread,
        ).alias("s")
    )["s"]
    reads = [Read(form=form, column=name) for name in dict.fromkeys((target, *same, start, end))]
    reads += [Read(form=form, column=name, rows=view["_other"]) for name in (start, end)]
    yield Verdict(form=form, target=target, states=states, reads=tuple(reads), facts={"other_start": view["_start"]})
