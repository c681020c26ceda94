"""Judge the two activity indices: SLEDAI, a weighted list of items, and BILAG, a grade for each organ system.

Which fields they are, the weights and the numbers behind the grades are the study's (``parameters.sledai``,
``parameters.bilag``); nothing here knows more than that an index has items, a version and a total.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from schemas.study import CheckSpec
from validators import verdict
from validators.dataset import Dataset
from validators.library import earlier
from validators.library.registry import Params, unavailable
from validators.verdict import Read, Verdict

ACTIVE = ("A", "B", "C", "D")
"""Grades that say a system is or was affected; E says never, ND not assessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Hold the items of a weighted index: field -> weight, all on one form, and its total."""

    form: str
    weights: Mapping[str, int]
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """Hold a graded index: for each version its systems' fields and the numbers behind the grades."""

    form: str
    version: str
    total: str
    codings: Mapping[str, tuple[tuple[str, ...], Mapping[str, int]]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the fields of all systems of all versions, each once."""
        return tuple(dict.fromkeys(name for systems, _ in self.codings.values() for name in systems))


def sledai(data: Dataset) -> Items:
    """Read the definition of SLEDAI out of the study's parameters; KeyError where it has none."""
    found = data.study.parameters["sledai"]
    names = [f"{found['prefix']}{nth:02d}" for nth in range(1, len(found["weights"]) + 1)]
    form = data.fields[found["total"]][0].form
    return Items(form=form, weights=dict(zip(names, found["weights"], strict=True)), total=found["total"])


def bilag(parameters: Mapping[str, Any], form: str) -> Grades:
    """Read the definition of BILAG out of a study's parameters; KeyError where it has none."""
    found = parameters["bilag"]
    codings = {
        version: (tuple(f"{found['prefix']}{system}" for system in coding["systems"]), dict(coding["grades"]))
        for version, coding in found["codings"].items()
    }
    return Grades(form=form, version=found["version"], total=found["total"], codings=codings)


def _bilag(data: Dataset) -> Grades:
    return bilag(data.study.parameters, data.fields[data.study.parameters["bilag"]["total"]][0].form)


def _sledai_view(data: Dataset, items: Items) -> pl.DataFrame:
    """Give the rows with ``_sum`` (an item counts with its weight where it is 1 or the weight), ``_n``, ``_blank``."""
    present = [pl.col(name).is_in([1, weight]).fill_null(value=False) for name, weight in items.weights.items()]
    points = [flag * weight for flag, weight in zip(present, items.weights.values(), strict=True)]
    blanks = [pl.col(name).is_null() for name in items.weights]
    unread = [pl.col(f"{name}?") for name in (*items.weights, items.total)]
    return data.view(items.form, *items.weights, items.total).with_columns(
        pl.sum_horizontal(points).alias("_sum"),
        pl.sum_horizontal(present).alias("_n"),
        pl.sum_horizontal(blanks).alias("_blank"),
        pl.any_horizontal(unread).alias("_unread"),
    )


def sledai_sum(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find totals that are not the weighted sum of the items, where all items are there (facts: total, sum, count).

    Rows with an item that holds neither 0, 1 nor its weight are ``item_values``' matter first: not evaluated.
    """
    items = sledai(data)
    missing = next((name for name in (items.total, *items.weights) if data.absent(items.form, name)), None)
    if missing is not None:
        yield unavailable(data, items.form, items.total, str(data.absent(items.form, missing)), column=missing)
        return
    view = _sledai_view(data, items)
    legal = pl.all_horizontal(
        pl.col(name).is_in([0, 1, weight]).fill_null(value=True) for name, weight in items.weights.items()
    )
    total = pl.col(items.total)
    states = view.select(
        verdict.state(
            applies=(total.is_not_null() & (pl.col("_blank") == 0)) | pl.col("_unread"),
            fails=total != pl.col("_sum"),
            known=legal & ~pl.col("_unread"),
        ).alias("s")
    )["s"]
    yield Verdict(
        form=items.form,
        target=items.total,
        states=states,
        reads=tuple(Read(form=items.form, column=name) for name in (items.total, *items.weights)),
        facts={"total": view[items.total], "sum": view["_sum"], "count": view["_n"]},
        reason="an item holds something that is no item's value",
    )


def sledai_incomplete(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find totals that stand beside blank items (fact: count of blank items)."""
    items = sledai(data)
    missing = next((name for name in (items.total, *items.weights) if data.absent(items.form, name)), None)
    if missing is not None:
        yield unavailable(data, items.form, items.total, str(data.absent(items.form, missing)), column=missing)
        return
    words = [data.word(items.form, name).is_not_null().alias(f"{name}!") for name in items.weights]
    view = _sledai_view(data, items).with_columns(words)
    blank = pl.any_horizontal(
        pl.col(name).is_null() & ~pl.col(f"{name}?") & ~pl.col(f"{name}!") for name in items.weights
    )
    applies = pl.col(items.total).is_not_null() | pl.col(f"{items.total}?")
    states = view.select(verdict.state(applies=applies, fails=blank).alias("s"))["s"]
    reads = tuple(Read(form=items.form, column=name) for name in (items.total, *items.weights))
    yield Verdict(form=items.form, target=items.total, states=states, reads=reads, facts={"count": view["_blank"]})


def item_values(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find items that hold neither 0, 1 nor their weight (facts: weight)."""
    items = sledai(data)
    for name, weight in items.weights.items():
        reason = data.absent(items.form, name)
        if reason is not None:
            yield unavailable(data, items.form, name, reason)
            continue
        view = data.view(items.form, name)
        value = pl.col(name)
        states = view.select(
            verdict.state(
                applies=value.is_not_null() | pl.col(f"{name}?"),
                fails=~value.is_in([0, 1, weight]),
                known=~pl.col(f"{name}?"),
            ).alias("s")
        )["s"]
        facts = {"weight": pl.repeat(weight, view.height, dtype=pl.Int64, eager=True)}
        reads = (Read(form=items.form, column=name),)
        yield Verdict(form=items.form, target=name, states=states, reads=reads, facts=facts)


def bilag_sum(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find totals that the grades do not give under the declared version (facts: total, sum_<version>).

    Judged where a total and the version are there and every system of the version has a grade A to E.
    """
    index = _bilag(data)
    wanted = (index.total, index.version, *index.columns)
    needed = [name for name in wanted if name not in _only_in_one(index)]
    missing = next((name for name in needed if data.absent(index.form, name)), None)
    if missing is not None:
        yield unavailable(data, index.form, index.total, str(data.absent(index.form, missing)), column=missing)
        return
    view = data.view(index.form, *wanted)
    version, total = pl.col(index.version), pl.col(index.total)
    applies, fails, facts = pl.lit(value=False), pl.lit(value=False), {"total": view[index.total]}
    for name, (systems, numbers) in index.codings.items():
        points = [pl.col(system).replace_strict(numbers, default=None, return_dtype=pl.Int64) for system in systems]
        graded = pl.all_horizontal(point.is_not_null() for point in points)
        sums = view.select(pl.when(graded).then(pl.sum_horizontal(points)).alias("sum"))["sum"]
        view = view.with_columns(sums.alias(f"_sum_{name}"))
        mine = (version == name).fill_null(value=False) & graded
        applies = applies | mine
        fails = pl.when(mine).then(total != pl.col(f"_sum_{name}")).otherwise(fails)
        facts[f"sum_{name}"] = sums
    unread = pl.any_horizontal(pl.col(f"{name}?") for name in wanted)
    states = view.select(
        verdict.state(applies=(total.is_not_null() & applies) | unread, fails=fails, known=~unread).alias("s")
    )["s"]
    reads = tuple(Read(form=index.form, column=name) for name in wanted)
    yield Verdict(form=index.form, target=index.total, states=states, reads=reads, facts=facts)


def _only_in_one(index: Grades) -> frozenset[str]:
    """Name the systems that only some versions have: a site that uses one version need not deliver the others'."""
    everywhere = set.intersection(*(set(systems) for systems, _ in index.codings.values()))
    return frozenset(index.columns) - everywhere


def bilag_version(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find grades of a system that the declared version does not have (fact: version)."""
    index = _bilag(data)
    for name in index.columns:
        having = [version for version, (systems, _) in index.codings.items() if name in systems]
        if len(having) == len(index.codings):
            continue
        missing = next((each for each in (name, index.version) if data.absent(index.form, each)), None)
        if missing is not None:
            yield unavailable(data, index.form, name, str(data.absent(index.form, missing)), column=missing)
            continue
        view = data.view(index.form, name, index.version)
        version, graded = pl.col(index.version), pl.col(name).is_not_null() & (pl.col(name) != "ND")
        unread = pl.col(f"{name}?") | pl.col(f"{index.version}?")
        states = view.select(
            verdict.state(
                applies=(graded & version.is_not_null()) | unread, fails=~version.is_in(having), known=~unread
            ).alias("s")
        )["s"]
        reads = (Read(form=index.form, column=name), Read(form=index.form, column=index.version))
        yield Verdict(form=index.form, target=name, states=states, reads=reads, facts={"version": view[index.version]})


def never_after_active(data: Dataset, spec: CheckSpec, params: Params) -> Iterator[Verdict]:
    """Find systems graded E (never affected) after an earlier A to D (facts: before, event_before)."""
    index = _bilag(data)
    for name in index.columns:
        reason = data.absent(index.form, name)
        if reason is not None:
            yield unavailable(data, index.form, name, reason)
            continue
        view = data.view(index.form, name)
        affected = view.with_columns(pl.when(pl.col(name).is_in(ACTIVE)).then(pl.col(name)).alias("_active"))
        view = earlier.with_previous(affected, ["_active"])
        rows = view["_active<row"]
        applies = ((pl.col(name) == "E") & pl.col("_order").is_not_null()) | pl.col(f"{name}?")
        states = view.select(
            verdict.state(
                applies=applies.fill_null(value=False),
                fails=pl.col("_active<").is_not_null(),
                known=~pl.col(f"{name}?"),
            ).alias("s")
        )["s"]
        yield Verdict(
            form=index.form,
            target=name,
            states=states,
            reads=(Read(form=index.form, column=name), Read(form=index.form, column=name, rows=rows)),
            facts={"before": view["_active<"], "event_before": view["event"].gather(rows)},
            visit_facts=frozenset({"event_before"}),
        )
