"""Compile one pandera schema a form, out of its fields.

The schema judges typed columns (``schemas.frames``): strings have been read before, so nothing is coerced. Each
check carries the id of a built-in check (``schemas.builtin``) and, beside what pandera calls, the polars expression
that it evaluates. pandera walks a frame column by column; whoever judges wide forms takes the expressions out with
``column_checks`` and evaluates them in one select.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandera.polars as pa
import polars as pl

from schemas.frames import POLARS_TYPES, columns_of
from schemas.study import Field, Form, Interval, Kind

ANY_PREFIX = "[A-Za-z0-9]+"
"""Stands for ``{prefix}`` in a pattern where the site's subject prefix is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRule:
    """Require a number inside ``inside``, or else outside ``unless``, whose keeper is a graver check."""

    inside: Interval
    unless: Interval | None = None

    def passes(self, column: str) -> pl.Expr:
        """Build the expression: true where the cell is in order, null where it is blank."""
        value = pl.col(column)
        inside = _inside(value, self.inside)
        return inside if self.unless is None else inside | ~_inside(value, self.unless)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRule:
    """Require one of the listed codes."""

    codes: tuple[str | int, ...]

    def passes(self, column: str) -> pl.Expr:
        """Build the expression: true where the cell is in order, null where it is blank."""
        return pl.col(column).is_in(list(self.codes))


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRule:
    """Require that the whole text matches; the pattern is of polars' engine, without look-around."""

    pattern: str

    def passes(self, column: str) -> pl.Expr:
        """Build the expression: true where the cell is in order, null where it is blank."""
        return pl.col(column).str.contains(rf"\A(?:{self.pattern})\z")


Rule = RangeRule | CodeRule | PatternRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCheck:
    """Name one check of one column of a compiled schema."""

    column: str
    #: id of the built-in check
    check: str
    rule: Rule

    def passes(self) -> pl.Expr:
        """Build the expression: true where the cell is in order, null where it is blank and not judged."""
        return self.rule.passes(self.column)


def compile_form(form: Form, *, site_prefix: str | None = None) -> pa.DataFrameSchema:
    """Compile the schema of a form; the same form content and prefix give the same schema object.

    Columns are nullable and required, named as in ``schemas.frames.columns_of``; the key and the ``_`` columns of a
    form frame pass unseen. ``site_prefix`` fills ``{prefix}`` in patterns; None lets any word stand there.
    """
    return _compile(_ByContent(form), site_prefix)


def column_checks(schema: pa.DataFrameSchema) -> tuple[ColumnCheck, ...]:
    """List the checks of a compiled schema, in the order of its columns, out of the schema itself."""
    return tuple(
        ColumnCheck(column=name, check=check.name, rule=check.statistics["rule"])
        for name, column in schema.columns.items()
        for check in column.checks
    )


def rules_of(field: Field, *, site_prefix: str | None = None) -> tuple[tuple[str, Rule], ...]:
    """Name the built-in checks that a field's columns get, each with its rule."""
    rules: list[tuple[str, Rule]] = []
    if field.kind in (Kind.NUMBER, Kind.INTEGER):
        if field.hard is not None:
            rules.append(("RG01", RangeRule(inside=field.hard)))
        if field.soft is not None:
            rules.append(("RG02", RangeRule(inside=field.soft, unless=_outer(field.hard))))
    elif field.kind is Kind.CODED and field.choices:
        rules.append(("CD01", CodeRule(codes=tuple(choice.code for choice in field.choices))))
    elif field.kind is Kind.YESNO:
        rules.append(("CD01", CodeRule(codes=("0", "1"))))
    elif field.kind is Kind.CHECKBOX:
        rules.append(("CD01", CodeRule(codes=(0, 1))))
    elif field.kind is Kind.TEXT and field.pattern is not None:
        prefix = ANY_PREFIX if site_prefix is None else re.escape(site_prefix)
        rules.append(("PT01", PatternRule(pattern=field.pattern.replace("{prefix}", prefix))))
    return tuple(rules)


def _outer(hard: Interval | None) -> Interval | None:
    """Drop hard limits that bound nothing, so that outside of them stays empty."""
    return None if hard is None or (hard.low is None and hard.high is None) else hard


def _inside(value: pl.Expr, interval: Interval) -> pl.Expr:
    """Compare with both ends; a null stays null also where an end is open."""
    if interval.low is not None and interval.high is not None:
        return value.is_between(interval.low, interval.high)
    if interval.low is not None:
        return value >= interval.low
    if interval.high is not None:
        return value <= interval.high
    return pl.when(value.is_not_null()).then(pl.lit(True))


class _ByContent:
    """Make a form a cache key by its content: its mappings cannot be hashed."""

    __slots__ = ("form", "text")

    def __init__(self, form: Form) -> None:
        self.form = form
        self.text = repr(form)

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByContent) and self.text == other.text


@lru_cache(maxsize=1024)
def _compile(key: _ByContent, site_prefix: str | None) -> pa.DataFrameSchema:
    columns = {
        column: pa.Column(
            POLARS_TYPES[field.kind],
            checks=[_check(name, rule) for name, rule in rules_of(field, site_prefix=site_prefix)],
            nullable=True,
            required=True,
            coerce=False,
        )
        for column, field in columns_of(key.form).items()
    }
    return pa.DataFrameSchema(columns, name=key.form.name, strict=False, coerce=False)


def _check(name: str, rule: Rule) -> pa.Check:
    def judge(data: Any) -> pl.LazyFrame:
        """Evaluate the rule as pandera asks for it: a lazy frame of one boolean column."""
        judged: pl.LazyFrame = data.lazyframe.select(rule.passes(data.key))
        return judged

    return pa.Check(judge, name=name, statistics={"rule": rule}, ignore_na=True)
