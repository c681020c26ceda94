"""Judge the site's own response against the derived one and against itself."""

from collections.abc import Iterator, Sequence

import polars as pl

from schemas.frames import FormFrame
from schemas.study import CheckSpec, Study
from validators import verdict
from validators.dataset import Dataset
from validators.library import earlier, indices, response
from validators.library.registry import Params, unavailable
from validators.references import ANY
from validators.verdict import Read, Verdict

RESPONSES = ("MCR", "PCR")
"""Codes of the site's field that say a response."""


def derive(frames: Sequence[FormFrame], study: Study) -> pl.DataFrame:
    """Derive every subject's response by the study's rule set: site, record, visit, outcome, rule_set.

    See ``response.derive``; sites' own judgements stay beside it and are never overwritten.
    """
    return response.derive(frames, study)


def against_derived(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find site responses that differ from the derived one (facts: derived, rule_set).

    Where the grades do not allow a derivation nothing can be told; a subject dead at the visit is not concerned.
    ``relapse_on`` chooses the sensitivity set.
    """
    place = _site(data, spec)
    if isinstance(place, Verdict):
        yield place
        return
    form, column = place
    index = indices.bilag(data.study.parameters, data.fields[data.study.parameters["bilag"]["total"]][0].form)
    reason = data.absent(index.form, index.version)
    if reason is not None:
        yield unavailable(data, form, column, reason, column=index.version)
        return
    changed = {"relapse_on": params["relapse_on"]} if params["relapse_on"] else {}
    derived = response.derive(list(data.frames.values()), data.study, response.rule_set(data.study, **changed))
    derived = derived.select("record", pl.col("visit").alias("event"), "outcome", "rule_set")
    view = data.view(form, column).join(derived, on=["record", "event"], how="left", maintain_order="left")
    outcome = pl.col("outcome").replace({"RELAPSED": "RELAPSE"})
    stated = pl.col(column).is_not_null() | pl.col(f"{column}?")
    known = ~pl.col(f"{column}?") & outcome.is_not_null() & (outcome != "NE")
    states = view.select(
        verdict.state(
            applies=stated & (outcome != "DEATH").fill_null(value=True), fails=pl.col(column) != outcome, known=known
        ).alias("s")
    )["s"]
    rows = data.pointer(form, index.form)
    reads = [Read(form=form, column=column)]
    reads += [Read(form=index.form, column=name, rows=rows) for name in (index.version, *index.columns)]
    yield Verdict(
        form=form,
        target=column,
        states=states,
        reads=tuple(reads),
        facts={"derived": view["outcome"], "rule_set": view["rule_set"]},
        reason="the BILAG grades do not allow a derivation",
    )


def relapse_without_response(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find relapses stated by the site without an earlier response stated by the site."""
    place = _site(data, spec)
    if isinstance(place, Verdict):
        yield place
        return
    form, column = place
    view = _with_response(data, form, column)
    is_relapse = (pl.col(column) == "RELAPSE").fill_null(value=False)
    states = view.select(
        verdict.state(
            applies=is_relapse | pl.col(f"{column}?"),
            fails=pl.col("_response<").is_null(),
            known=~pl.col(f"{column}?"),
        ).alias("s")
    )["s"]
    reads = (Read(form=form, column=column), Read(form=form, column=column, rows=view["_response<row"]))
    yield Verdict(form=form, target=column, states=states, reads=reads)


def relapse_date(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find relapses dated before the response, before the first visit that can award one, or after the study.

    Parameters: ``response`` (the site's field), ``response_date``, ``first`` (a visit), ``end`` (a date field).
    Facts: limit, what.
    """
    place = _site(data, spec)
    if isinstance(place, Verdict):
        yield place
        return
    form, column = place
    needed = (params["response"], params["response_date"])
    missing = next((name for name in needed if data.absent(form, name)), None)
    if missing is not None:
        yield unavailable(data, form, column, str(data.absent(form, missing)), column=missing)
        return
    view = _with_response(data, form, params["response"], column, params["response_date"])
    rows = view["_response<row"]
    since = data.table(form)[params["response_date"]].gather(rows)
    reads = [Read(form=form, column=column), Read(form=form, column=params["response_date"], rows=rows)]
    limits = [("response", since, "before")]
    visit = data.study.visit_date
    if visit is not None and data.absent(visit.form, visit.field) is None:
        first = data.reading(form, visit.form, visit.field, at=params["first"])
        limits.append(("first", first.values, "before"))
        reads.append(Read(form=visit.form, column=visit.field, rows=first.rows, visit=params["first"]))
    home = data.fields[params["end"]][0].form
    if data.absent(home, params["end"]) is None:
        end = data.reading(form, home, params["end"], at=ANY)
        limits.append(("end", end.values, "after"))
        reads.append(Read(form=home, column=params["end"], rows=end.rows))
    view = view.with_columns(values.cast(pl.Date).alias(f"_{name}") for name, values, _ in limits)
    wrong = [
        pl.when(pl.col(column) < pl.col(f"_{name}") if side == "before" else pl.col(column) > pl.col(f"_{name}")).then(
            pl.col(f"_{name}")
        )
        for name, _, side in limits
    ]
    view = view.with_columns(pl.coalesce(wrong).alias("_limit"))
    states = view.select(
        verdict.state(
            applies=pl.col(column).is_not_null() | pl.col(f"{column}?"),
            fails=pl.col("_limit").is_not_null(),
            known=~pl.col(f"{column}?"),
        ).alias("s")
    )["s"]
    yield Verdict(form=form, target=column, states=states, reads=tuple(reads), facts={"limit": view["_limit"]})


def active_in_remission(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find major responses beside active disease: an A or B grade, or SLEDAI risen by ``rise`` since last time.

    Facts: count (systems graded A or B), rise.
    """
    place = _site(data, spec)
    if isinstance(place, Verdict):
        yield place
        return
    form, column = place
    graded = indices.bilag(data.study.parameters, data.fields[data.study.parameters["bilag"]["total"]][0].form)
    items = indices.sledai(data)
    missing = next(
        (
            (home, name)
            for home, name in ((graded.form, graded.version), (items.form, items.total))
            if data.absent(home, name)
        ),
        None,
    )
    if missing is not None:
        yield unavailable(data, form, column, str(data.absent(*missing)), column=missing[1])
        return
    rows = data.pointer(form, graded.form)
    grades = data.table(graded.form).select(
        pl.sum_horizontal(pl.col(name).is_in(["A", "B"]).fill_null(value=False) for name in graded.columns).alias("n"),
        pl.any_horizontal(pl.col(name).is_not_null() for name in graded.columns).alias("any"),
    )
    scores = earlier.with_previous(data.view(items.form, items.total), [items.total])
    risen = scores.select((pl.col(items.total) - pl.col(f"{items.total}<")).alias("rise"))["rise"]
    there = data.pointer(form, items.form)
    view = data.view(form, column).with_columns(
        grades["n"].gather(rows).alias("_n"),
        grades["any"].gather(rows).alias("_any"),
        risen.gather(there).alias("_rise"),
    )
    active = (pl.col("_n") > 0).fill_null(value=False) | (pl.col("_rise") >= int(params["rise"])).fill_null(value=False)
    looked = pl.col("_any").fill_null(value=False) | pl.col("_rise").is_not_null()
    states = view.select(
        verdict.state(
            applies=(pl.col(column) == "MCR").fill_null(value=False) | pl.col(f"{column}?"),
            fails=active,
            known=~pl.col(f"{column}?") & looked,
        ).alias("s")
    )["s"]
    reads = [Read(form=form, column=column), Read(form=items.form, column=items.total, rows=there)]
    reads += [Read(form=graded.form, column=name, rows=rows) for name in graded.columns]
    yield Verdict(
        form=form,
        target=column,
        states=states,
        reads=tuple(reads),
        facts={"count": view["_n"], "rise": view["_rise"]},
        reason="neither grades nor scores of that visit are there",
    )


def _site(data: Dataset, spec: CheckSpec) -> tuple[str, str] | Verdict:
    """Find the form of the check's target, or say why it is not there."""
    (column,) = spec.targets
    form = data.fields[column][0].form
    reason = data.absent(form, column)
    return (form, column) if reason is None else unavailable(data, form, column, reason)


def _with_response(data: Dataset, form: str, column: str, *more: str) -> pl.DataFrame:
    """Give the rows with the subject's previous stated response (``_response<`` and its row)."""
    view = data.view(form, column, *more)
    stated = pl.when(pl.col(column).is_in(RESPONSES)).then(pl.col(column)).alias("_response")
    return earlier.with_previous(view.with_columns(stated), ["_response"])
