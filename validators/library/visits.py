"""Judge when visits took place: windows, order, double dates, visits that are overdue, dates typed wrong.

Study days count in calendar days from the anchor (the first infusion, day 0). Without an anchor nobody can tell
whether a visit was in time: not evaluated, with the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from schemas.study import CheckSpec, Visit
from validators import verdict
from validators.dataset import Dataset
from validators.library import earlier
from validators.library.registry import Params, unavailable
from validators.references import ANY
from validators.verdict import FAILING, NOT_APPLICABLE, NOT_EVALUATED, PASSING, Read, Verdict

NO_ANCHOR = "the date from which study days count is missing or could not be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Days:
    """Hold the visit form's rows with study day (``_on``), anchor and what could not be read."""

    form: str
    column: str
    view: pl.DataFrame
    reads: tuple[Read, ...]


def window(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find visits outside their window but inside the hard limits (facts: day, low, high)."""
    days = _study_days(data)
    if not isinstance(days, _Days):
        yield from days
        return
    low, high = _limits(data, "window")
    hard_low, hard_high = _limits(data, "hard")
    on = pl.col("_on")
    outside = (on < low) | (on > high)
    beyond = ((on < hard_low) | (on > hard_high)).fill_null(value=False)
    yield _window_verdict(days, low, high, applies=low.is_not_null() & ~beyond, fails=outside)


def hard_window(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find visits beyond the hard limits: likelier filed under the wrong visit (facts: day, other_event)."""
    days = _study_days(data)
    if not isinstance(days, _Days):
        yield from days
        return
    low, high = _limits(data, "hard")
    on = pl.col("_on")
    planned = [visit for visit in data.study.visits if visit.day is not None]
    nearest = pl.concat_list([(on - visit.day).abs() for visit in planned]).list.arg_min()
    names = pl.Series("names", [visit.id for visit in planned])
    found = _window_verdict(days, low, high, applies=low.is_not_null(), fails=(on < low) | (on > high))
    closest = names.gather(days.view.select(nearest.alias("n"))["n"])
    yield Verdict(
        form=found.form,
        target=found.target,
        states=found.states,
        reads=found.reads,
        facts={**found.facts, "other_event": closest},
        visit_facts=frozenset({"other_event"}),
        reason=NO_ANCHOR,
    )


def order(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find planned visits dated before an earlier planned one; equal dates are ``same_date``'s matter.

    Facts: before (date), event_before.
    """
    place = _place(data)
    if not isinstance(place, tuple):
        yield place
        return
    form, column = place
    view = earlier.with_previous(_planned(data, form, column), [column])
    row = view[f"{column}<row"]
    states = _dated_state(view, column, pl.col(column) < pl.col(f"{column}<"))
    yield Verdict(
        form=form,
        target=column,
        states=states,
        reads=(Read(form=form, column=column), Read(form=form, column=column, rows=row)),
        facts={"before": view[f"{column}<"], "event_before": view["event"].gather(row)},
        visit_facts=frozenset({"event_before"}),
    )


def same_date(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find two planned visits of one subject on the same date; the later one is pointed at (fact: other_event)."""
    place = _place(data)
    if not isinstance(place, tuple):
        yield place
        return
    form, column = place
    view = earlier.with_previous(_planned(data, form, column), [column])
    row = view[f"{column}<row"]
    yield Verdict(
        form=form,
        target=column,
        states=_dated_state(view, column, pl.col(column) == pl.col(f"{column}<")),
        reads=(Read(form=form, column=column), Read(form=form, column=column, rows=row)),
        facts={"other_event": view["event"].gather(row)},
        visit_facts=frozenset({"other_event"}),
    )


def overdue(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find required visits whose window closed more than ``grace`` days ago and of which nothing is recorded.

    A visit row with any entry counts, so a visit declared missed is not overdue. ``ended`` names fields (e.g. dates
    of death and of the end of study): a visit whose window had not closed by then is not expected. Fact: days.
    """
    place, anchor = _place(data), data.study.anchor
    if not isinstance(place, tuple):
        yield place
        return
    form, column = place
    if anchor is None or data.absent(anchor.form, anchor.field) is not None:
        yield unavailable(data, form, column, NO_ANCHOR)
        return
    expected = [visit for visit in data.study.visits if visit.required and visit.window and not visit.repeating]
    visits = pl.DataFrame(
        {"event": [v.id for v in expected], "_high": [v.window[1] for v in expected if v.window]},
        schema={"event": pl.String, "_high": pl.Int64},
    )
    subjects = _subjects(data, tuple(params["ended"]))
    keys = subjects.join(visits, how="cross").join(_recorded(data, form), on=["record", "event"], how="left")
    keys = keys.sort("record", maintain_order=True)
    days = (pl.lit(data.as_of.date()) - pl.col("_anchor")).dt.total_days() - pl.col("_high")
    left = pl.col("_ended") <= pl.col("_anchor") + pl.duration(days=pl.col("_high"))
    state = (
        pl.when(pl.col("_there").is_not_null())
        .then(PASSING)
        .when(left.fill_null(value=False))
        .then(NOT_APPLICABLE)
        .when(pl.col("_ended").is_not_null() & pl.col("_anchor").is_null())
        .then(NOT_APPLICABLE)
        .when(pl.col("_anchor").is_null())
        .then(NOT_EVALUATED)
        .when(days > int(params["grace"]))
        .then(FAILING)
        .otherwise(NOT_APPLICABLE)
    )
    keys = keys.with_columns(state.cast(pl.UInt8).alias("_state"), days.alias("_late"))
    yield Verdict(
        form=form,
        target=column,
        states=keys["_state"],
        reads=(Read(form=form, column=column), Read(form=anchor.form, column=anchor.field, rows=keys["_row"])),
        facts={"days": keys["_late"]},
        reason=NO_ANCHOR,
        keys=keys.select(
            pl.lit(data.site).alias("site"),
            "record",
            "event",
            pl.lit(form).alias("instrument"),
            pl.lit(1, dtype=pl.Int64).alias("instance"),
        ),
    )


def slip(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find dates that fall into place when the year is changed by one, or day and month are swapped.

    A visit's date is in place inside the visit's window; the date of another form at the visit within ``near``
    days of the visit's date. Dates less than ``off`` days away are no slips. Fact: suggested.
    """
    days = _study_days(data)
    if not isinstance(days, _Days):
        yield from days
    else:
        low, high = _limits(data, "window")
        yield _slip_of_visit(data, days, low, high)
    place = _place(data)
    if not isinstance(place, tuple):
        return
    for name, frame in data.frames.items():
        own = frame.form.date_field
        if own is None or name == place[0] or frame.form.repeating:
            continue
        reason = data.absent(name, own)
        yield unavailable(data, name, own, reason) if reason else _slip_of_form(data, name, own, place, params)


def _slip_of_visit(data: Dataset, days: _Days, low: pl.Expr, high: pl.Expr) -> Verdict:
    found = pl.col(days.column)
    inside = [
        pl.when(((each - pl.col("_anchor")).dt.total_days()).is_between(low, high)).then(each)
        for each in _candidates(found)
    ]
    view = days.view.with_columns(pl.coalesce(inside).alias("_suggested"))
    on = pl.col("_on")
    states = _day_state(view, days.column, low.is_not_null(), ((on < low) | (on > high)) & _said())
    facts = {"suggested": view["_suggested"]}
    return Verdict(form=days.form, target=days.column, states=states, reads=days.reads, facts=facts, reason=NO_ANCHOR)


def _slip_of_form(data: Dataset, form: str, own: str, place: tuple[str, str], params: Params) -> Verdict:
    visit = data.reading(form, *place)
    view = data.view(form, own).with_columns(
        visit.values.cast(pl.Date).alias("_visit"), visit.unreadable.alias("_visit?")
    )
    found = pl.col(own).cast(pl.Date)
    near = pl.duration(days=int(params["near"]))
    inside = [pl.when((each - pl.col("_visit")).abs() <= near).then(each) for each in _candidates(found)]
    view = view.with_columns(pl.coalesce(inside).alias("_suggested"))
    off = (found - pl.col("_visit")).abs() > pl.duration(days=int(params["off"]))
    states = view.select(
        verdict.state(
            applies=(found.is_not_null() | pl.col(f"{own}?")) & (pl.col("_visit").is_not_null() | pl.col("_visit?")),
            fails=off & _said(),
            known=~(pl.col(f"{own}?") | pl.col("_visit?")),
        ).alias("s")
    )["s"]
    reads = (Read(form=form, column=own), Read(form=place[0], column=place[1], rows=visit.rows))
    return Verdict(form=form, target=own, states=states, reads=reads, facts={"suggested": view["_suggested"]})


def _said() -> pl.Expr:
    return pl.col("_suggested").is_not_null()


def _candidates(found: pl.Expr) -> list[pl.Expr]:
    """Give what may have been meant: a year later, a year earlier, day and month swapped (null: no such date)."""
    swapped = found.dt.strftime("%Y-%d-%m").str.to_date("%Y-%m-%d", strict=False)
    return [found.dt.offset_by("1y"), found.dt.offset_by("-1y"), pl.when(swapped != found).then(swapped)]


def _place(data: Dataset) -> tuple[str, str] | Verdict:
    """Find form and column of the visit dates, or say why there are none."""
    anchor = data.study.visit_date
    if anchor is None:
        return _nowhere(data, "the study names no field for the dates of visits")
    reason = data.absent(anchor.form, anchor.field)
    if reason is not None:
        return unavailable(data, anchor.form, anchor.field, reason)
    return anchor.form, anchor.field


def _nowhere(data: Dataset, reason: str) -> Verdict:
    form = next(iter(data.frames))
    states = verdict.constant(data.height(form), NOT_EVALUATED)
    return Verdict(form=form, target="", states=states, reason=reason, refused=True)


def _study_days(data: Dataset) -> _Days | tuple[Verdict, ...]:
    """Give the visit form's rows with their study days, or the verdict that there are none."""
    place, anchor = _place(data), data.study.anchor
    if not isinstance(place, tuple):
        return (place,)
    form, column = place
    if anchor is None or data.absent(anchor.form, anchor.field) is not None:
        return (unavailable(data, form, column, NO_ANCHOR),)
    start = data.reading(form, anchor.form, anchor.field, at=anchor.visit or ANY)
    view = data.view(form, column).with_columns(
        start.values.cast(pl.Date).alias("_anchor"), start.unreadable.alias("_anchor?")
    )
    view = view.with_columns((pl.col(column).cast(pl.Date) - pl.col("_anchor")).dt.total_days().alias("_on"))
    reads = (
        Read(form=form, column=column),
        Read(form=anchor.form, column=anchor.field, rows=start.rows, visit=anchor.visit),
    )
    return _Days(form=form, column=column, view=view, reads=reads)


def _window_verdict(days: _Days, low: pl.Expr, high: pl.Expr, *, applies: pl.Expr, fails: pl.Expr) -> Verdict:
    facts = days.view.select(pl.col("_on").alias("day"), low.alias("low"), high.alias("high"))
    return Verdict(
        form=days.form,
        target=days.column,
        states=_day_state(days.view, days.column, applies, fails),
        reads=days.reads,
        facts={name: facts[name] for name in facts.columns},
        reason=NO_ANCHOR,
    )


def _day_state(view: pl.DataFrame, column: str, applies: pl.Expr, fails: pl.Expr) -> pl.Series:
    dated = pl.col(column).is_not_null() | pl.col(f"{column}?")
    known = pl.col("_anchor").is_not_null() & ~pl.col(f"{column}?")
    return view.select(verdict.state(applies=dated & applies, fails=fails, known=known).alias("s"))["s"]


def _dated_state(view: pl.DataFrame, column: str, fails: pl.Expr) -> pl.Series:
    """Judge a planned visit against the previous dated one; the first has nothing to be judged against."""
    unread = pl.col(f"{column}?")
    applies = pl.col("_order").is_not_null() & (unread | pl.col(f"{column}<").is_not_null())
    applies = applies & (unread | pl.col(column).is_not_null())
    return view.select(verdict.state(applies=applies, fails=fails, known=~unread).alias("s"))["s"]


def _planned(data: Dataset, form: str, column: str) -> pl.DataFrame:
    """Give the visit form's rows with a place in the order only where the visit has a planned day."""
    planned = [visit.id for visit in data.study.visits if visit.day is not None]
    in_order = pl.col("event").is_in(planned)
    return data.view(form, column).with_columns(pl.when(in_order).then(pl.col("_order")).alias("_order"))


def _limits(data: Dataset, which: str) -> tuple[pl.Expr, pl.Expr]:
    """Give the first and the last day of each row's visit window, or of its hard limits."""

    def end(place: int) -> pl.Expr:
        days = {visit.id: _pair(visit, which)[place] for visit in data.study.visits}
        return pl.col("event").replace_strict(days, default=None, return_dtype=pl.Int64)

    return end(0), end(1)


def _pair(visit: Visit, which: str) -> tuple[int | None, int | None]:
    return (visit.window if which == "window" else visit.hard) or (None, None)


def _subjects(data: Dataset, ended: tuple[str, ...]) -> pl.DataFrame:
    """Give each record's anchor date with its row, and the first date on which its part ended."""
    anchor = data.study.anchor
    subjects = pl.DataFrame({"record": data.records})
    if anchor is None:
        return subjects
    rows = data.view(anchor.form, anchor.field)
    rows = rows if anchor.visit is None else rows.filter(pl.col("event") == anchor.visit)
    start = rows.sort("_order", "instance").unique("record", keep="first", maintain_order=True)
    start = start.select("record", "_row", pl.col(anchor.field).cast(pl.Date).alias("_anchor"))
    subjects = subjects.join(start, on="record", how="left", maintain_order="left")
    ends = [
        data.table(each.form).select("record", pl.col(name).cast(pl.Date).alias("_ended"))
        for name in ended
        for each in data.fields.get(name, ())
        if data.absent(each.form, name) is None
    ]
    if not ends:
        return subjects.with_columns(pl.lit(None, dtype=pl.Date).alias("_ended"))
    first = pl.concat(ends).group_by("record").agg(pl.col("_ended").min())
    return subjects.join(first, on="record", how="left", maintain_order="left")


def _recorded(data: Dataset, form: str) -> pl.DataFrame:
    """Give record and event of the visits of which anything is recorded."""
    columns = [name for each in data.form(form).fields for name in each.columns]
    raw = data.frames[form].raw.select(pl.any_horizontal(pl.col(columns).is_not_null()).alias("_there"))
    table = data.table(form).select("record", "event").with_columns(raw["_there"])
    return table.filter(pl.col("_there")).unique(["record", "event"])
