"""Judge who a row is about: the subject's id, doubles within the site, facts that may not change."""

import re
from collections.abc import Iterator, Sequence

import polars as pl

from schemas import forms
from schemas.study import CheckSpec
from validators import verdict
from validators.dataset import Dataset
from validators.library.registry import Params, unavailable
from validators.verdict import Read, Verdict


def pattern(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find texts that are not of the site's pattern (fact: prefix).

    Parameter ``pattern``: ``{prefix}`` stands for the site's subject prefix; without it the field's own is used,
    whose built-in check PT01 then stands back.
    """
    for target in spec.targets:
        each = data.fields[target][0]
        reason = data.absent(each.form, target)
        if reason is not None:
            yield unavailable(data, each.form, target, reason)
            continue
        wanted = params["pattern"] or each.pattern or ".*"
        rule = forms.PatternRule(pattern=wanted.replace("{prefix}", re.escape(data.prefix)))
        view = data.view(each.form, target)
        yield Verdict(
            form=each.form,
            target=target,
            states=_state(view, target, ~rule.passes(target)),
            reads=(Read(form=each.form, column=target),),
            facts={"prefix": pl.repeat(data.prefix, view.height, dtype=pl.String, eager=True)},
        )


def duplicate(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find two records of one site that agree in an id, or in all of a set of facts (fact: other).

    Parameter ``keys``: lists of fields. A record in which one of the fields is blank is not compared by that list.
    The target is the field of the check, on its own form.
    """
    (target,) = spec.targets
    form = data.fields[target][0].form
    reason = data.absent(form, target)
    if reason is not None:
        yield unavailable(data, form, target, reason)
        return
    for names in params["keys"]:
        absent = next(((name, why) for name in names if (why := data.absent(data.fields[name][0].form, name))), None)
        if absent is None:
            yield _duplicate(data, form, target, names)
        else:
            yield unavailable(data, form, target, absent[1], column=absent[0])


def _duplicate(data: Dataset, form: str, target: str, names: Sequence[str]) -> Verdict:
    view = data.view(form, target)
    reads, unread = [Read(form=form, column=target)], pl.lit(value=False)
    for name in names:
        home = data.fields[name][0].form
        found = data.reading(form, home, name, at="*")
        view = view.with_columns(
            found.values.cast(pl.String).str.strip_chars().str.to_lowercase().alias(f"k_{name}"),
            found.unreadable.alias(f"u_{name}"),
        )
        unread = unread | pl.col(f"u_{name}")
        reads.append(Read(form=home, column=name, rows=found.rows))
    keys = [f"k_{name}" for name in names]
    complete = pl.all_horizontal(pl.col(key).is_not_null() for key in keys)
    groups = view.filter(complete).select(*keys, "record", "_row")
    pairs = groups.join(groups.rename({"record": "_other", "_row": "_other_row"}), on=keys)
    others = (
        pairs.filter(pl.col("record") != pl.col("_other"))
        .sort("_other", "_other_row")
        .group_by("_row", maintain_order=True)
        .agg(pl.col("_other").unique(maintain_order=True).str.join(", "), pl.col("_other_row").first())
    )
    view = view.join(others, on="_row", how="left", maintain_order="left")
    states = view.select(
        verdict.state(applies=complete | unread, fails=pl.col("_other").is_not_null(), known=~unread).alias("s")
    )["s"]
    # The evidence shows the other record's target as well: when that is put right, the fingerprint changes.
    reads.append(Read(form=form, column=target, rows=view["_other_row"]))
    return Verdict(form=form, target=target, states=states, reads=tuple(reads), facts={"other": view["_other"]})


def changed(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find a fact about the person that differs from the subject's first row of it (fact: before).

    It judges the fields that the check targets; where a form is filled once, nothing can differ.
    """
    for target in spec.targets:
        form = data.fields[target][0].form
        reason = data.absent(form, target)
        if reason is not None:
            yield unavailable(data, form, target, reason)
            continue
        view = data.view(form, target)
        first = data.reading(form, form, target, at="*")
        view = view.with_columns(first.values.alias("_first"), first.unreadable.alias("_first?"))
        has = pl.col(target).is_not_null() | pl.col(f"{target}?")
        known = ~(pl.col(f"{target}?") | pl.col("_first?"))
        fails = pl.col(target) != pl.col("_first")
        states = view.select(verdict.state(applies=has, fails=fails, known=known).alias("s"))["s"]
        reads = (Read(form=form, column=target), Read(form=form, column=target, rows=first.rows))
        yield Verdict(form=form, target=target, states=states, reads=reads, facts={"before": view["_first"]})


def _state(view: pl.DataFrame, column: str, fails: pl.Expr) -> pl.Series:
    has = pl.col(column).is_not_null() | pl.col(f"{column}?")
    return view.select(verdict.state(applies=has, fails=fails, known=~pl.col(f"{column}?")).alias("s"))["s"]
