"""Judge dates against the clock, the consent and the death of a subject."""

from collections.abc import Iterator, Sequence

import polars as pl

from schemas.study import CheckSpec, Kind
from validators import verdict
from validators.dataset import Dataset, Reading
from validators.library.registry import Params, unavailable
from validators.references import ANY
from validators.verdict import FAILING, PASSING, Read, Verdict

_DATES = frozenset({Kind.DATE, Kind.DATETIME})


def future(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find dates after the moment of judging, in the study's time zone; ``exclude`` names fields left out."""
    now = data.as_of.replace(tzinfo=None)
    for form, column, absent in _date_columns(data, params["exclude"]):
        if absent is not None:
            yield unavailable(data, form, column, absent)
            continue
        view = data.view(form, column)
        moment = view.schema[column] != pl.Date
        limit = pl.lit(now if moment else now.date())
        yield _dated(view, form, column, pl.col(column) > limit)


def before_consent(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find dates before the subject's consent.

    Parameters: ``consent`` (the field), ``exclude`` (fields) and ``exclude_forms`` that may lie before it.
    """
    consent = params["consent"]
    home = data.fields[consent][0].form
    left_out = [consent, *params["exclude"]]
    for form, column, absent in _date_columns(data, left_out, forms=params["exclude_forms"]):
        absent = absent or data.absent(home, consent)
        if absent is not None:
            yield unavailable(data, form, column, absent)
            continue
        when = data.reading(form, home, consent, at=ANY)
        yield _against(data, form, column, when, "consent", earlier=True)


def after_death(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find dates after the subject's death, and a second row of a form that ends the study.

    Parameters: ``death`` (the field), ``exclude`` (fields that may lie after it, such as a report's date),
    ``once`` (forms of which a subject has one row). A subject without a date of death is not concerned.
    """
    death = params["death"]
    home = data.fields[death][0].form
    for form, column, absent in _date_columns(data, [death, *params["exclude"]]):
        absent = absent or data.absent(home, death)
        if absent is not None:
            yield unavailable(data, form, column, absent)
            continue
        when = data.reading(form, home, death, at=ANY)
        yield _against(data, form, column, when, "death", earlier=False, needed=False)
    for form in params["once"]:
        yield _second(data, form, death)


def consent_late(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find consents dated after something that needed consent.

    Parameters: ``milestones``, fields of which the subject's first date counts. Facts: what (the field), on.
    """
    (target,) = spec.targets
    home = data.fields[target][0].form
    reason = data.absent(home, target)
    if reason is not None:
        yield unavailable(data, home, target, reason)
        return
    view = data.view(home, target)
    reads, firsts = [Read(form=home, column=target)], []
    for name in params["milestones"]:
        form = data.fields[name][0].form
        if data.absent(form, name) is not None:
            yield unavailable(data, home, target, str(data.absent(form, name)), column=name)
            continue
        first = _first(data, form, name)
        view = view.join(first, on="record", how="left", maintain_order="left")
        reads.append(Read(form=form, column=name, rows=view[f"{name}_row"]))
        firsts.append(name)
    late = [pl.when(pl.col(f"{name}_first") < pl.col(target)).then(pl.lit(name)) for name in firsts]
    dates = [pl.when(pl.col(f"{name}_first") < pl.col(target)).then(pl.col(f"{name}_first")) for name in firsts]
    view = view.with_columns(pl.coalesce(late).alias("_what"), pl.coalesce(dates).alias("_on"))
    yield Verdict(
        form=home,
        target=target,
        states=_state(view, target, pl.col("_what").is_not_null()),
        reads=tuple(reads),
        facts={"what": view["_what"], "on": view["_on"]},
        field_facts=frozenset({"what"}),
    )


def _first(data: Dataset, form: str, name: str) -> pl.DataFrame:
    """Give each record's first date of a field with its row."""
    rows = data.view(form, name).filter(pl.col(name).is_not_null()).sort(name, "_row")
    first = rows.unique("record", keep="first", maintain_order=True)
    return first.select(
        "record", pl.col(name).cast(pl.Date).alias(f"{name}_first"), pl.col("_row").alias(f"{name}_row")
    )


def _date_columns(
    data: Dataset, exclude: Sequence[str], *, forms: Sequence[str] = ()
) -> Iterator[tuple[str, str, str | None]]:
    """Give form, column and reason of absence (or None) of every date field that is not left out."""
    for form, frame in data.frames.items():
        for each in frame.form.fields:
            if form not in forms and each.kind in _DATES and each.name not in exclude:
                yield form, each.name, data.absent(form, each.name)


def _against(
    data: Dataset, form: str, column: str, when: Reading, name: str, *, earlier: bool, needed: bool = True
) -> Verdict:
    """Compare a date column with one date of each subject.

    ``needed``: without that date nobody can tell; otherwise its absence means that the check does not apply.
    """
    view = data.view(form, column).with_columns(
        when.values.cast(pl.Date).alias("_when"), when.unreadable.alias("_when?")
    )
    own = pl.col(column).cast(pl.Date)
    fails = own < pl.col("_when") if earlier else own > pl.col("_when")
    has = own.is_not_null() | pl.col(f"{column}?")
    if not needed:
        has = has & (pl.col("_when").is_not_null() | pl.col("_when?"))
    known = ~(pl.col(f"{column}?") | pl.col("_when?"))
    states = view.select(verdict.state(applies=has, fails=fails, known=known).alias("s"))["s"]
    return Verdict(
        form=form,
        target=column,
        states=states,
        reads=(Read(form=form, column=column), Read(form=when.form, column=when.column, rows=when.rows)),
        facts={name: view["_when"]},
        reason=f"the date of {name} is missing, or a date could not be read",
    )


def _second(data: Dataset, form: str, death: str) -> Verdict:
    """Find the second and later rows of a form that a subject has once; the target is the form's date field."""
    target = data.form(form).date_field or data.form(form).fields[0].name
    view = data.view(form)
    nth = pl.int_range(pl.len()).over("record", order_by=["_order", "instance", "_row"])
    view = view.with_columns(nth.alias("_nth"))
    first = view.filter(pl.col("_nth") == 0).select("record", pl.col("_row").alias("_first"))
    rows = view.join(first, on="record", how="left", maintain_order="left")["_first"]
    states = view.select(pl.when(pl.col("_nth") > 0).then(FAILING).otherwise(PASSING).cast(pl.UInt8).alias("s"))["s"]
    values = data.table(form)[target].gather(rows)
    return Verdict(
        form=form,
        target=target,
        states=states,
        reads=(Read(form=form, column=target), Read(form=form, column=target, rows=rows)),
        facts={"death": values.cast(pl.Date) if values.dtype in (pl.Date, pl.Datetime) else values},
    )


def _dated(view: pl.DataFrame, form: str, column: str, fails: pl.Expr) -> Verdict:
    states = _state(view, column, fails)
    return Verdict(form=form, target=column, states=states, reads=(Read(form=form, column=column),))


def _state(view: pl.DataFrame, column: str, fails: pl.Expr) -> pl.Series:
    has = pl.col(column).is_not_null() | pl.col(f"{column}?")
    return view.select(verdict.state(applies=has, fails=fails, known=~pl.col(f"{column}?")).alias("s"))["s"]
