"""Hold what one check saw at one column of one form: a state for every row, and what it read to get there.

States are small integers so that a whole column of them is one polars Series; ``conditions`` turns them into
the words of ``findings.Condition`` when somebody asks about one cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from schemas.study import Severity
from validators.findings import Condition

NOT_APPLICABLE, PASSING, FAILING, NOT_EVALUATED = 0, 1, 2, 3
"""What a check may say of a row; ``combine`` lets FAILING win over NOT_EVALUATED, that over PASSING."""

_LITERALS = tuple(pl.lit(number, dtype=pl.UInt8) for number in range(4))

CONDITIONS = (Condition.NOT_APPLICABLE, Condition.PASSING, Condition.FAILING, Condition.NOT_EVALUATED)
"""The words of the states, by their number."""

UNREADABLE = "an input could not be read"
"""Why a row is not evaluated, where a check has nothing more exact to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Name one column that a check read. ``rows`` gives the row of ``form`` for each judged row (null: none)."""

    form: str
    column: str
    #: UInt32, as long as the verdict's states; None where the judged row itself was read
    rows: pl.Series | None = None
    #: the visit at which it was looked for, where that is a fixed one
    visit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Say what one check saw at one column of one form. Holds values: never log it."""

    form: str
    #: the column that the query points at
    target: str
    #: UInt8, one a row of the form (or of ``keys``)
    states: pl.Series
    reads: tuple[Read, ...] = ()
    #: message placeholder -> one value a row
    facts: Mapping[str, pl.Series] = field(default_factory=dict)
    #: placeholders in ``facts`` that hold visit ids, shown by the visits' labels
    visit_facts: frozenset[str] = frozenset()
    #: placeholders in ``facts`` that hold field names, shown by the fields' labels
    field_facts: frozenset[str] = frozenset()
    #: placeholders in ``facts`` that hold lists of form names, shown by the forms' labels
    form_facts: frozenset[str] = frozenset()
    #: why rows are not evaluated
    reason: str = UNREADABLE
    #: the same row by row, where reasons differ (null: ``reason``)
    reasons: pl.Series | None = None
    #: KEY_COLUMNS of the judged rows where they are not the form's own rows (e.g. visits that should exist)
    keys: pl.DataFrame | None = None
    #: the check could not be run at all, for ``reason``; counts by subjects where the form has no rows
    refused: bool = False
    #: overrides the check's severity
    severity: Severity | None = None


def state(*, applies: pl.Expr, fails: pl.Expr, known: pl.Expr | None = None) -> pl.Expr:
    """Build the expression of a state column (UInt8) out of three-valued parts.

    ``applies`` and ``fails`` may be null, which means that nobody can tell; ``known`` false says the same of a
    row whose inputs could not be read.
    """
    unknown = fails.is_null() if known is None else fails.is_null() | ~known
    return (
        pl.when(applies.is_null())
        .then(_LITERALS[NOT_EVALUATED])
        .when(~applies)
        .then(_LITERALS[NOT_APPLICABLE])
        .when(unknown)
        .then(_LITERALS[NOT_EVALUATED])
        .when(fails)
        .then(_LITERALS[FAILING])
        .otherwise(_LITERALS[PASSING])
    )


def constant(height: int, value: int) -> pl.Series:
    """Build a state column that says the same of every row."""
    return pl.Series([value], dtype=pl.UInt8).new_from_index(0, height)


def of_truth(truth: pl.Series) -> pl.Series:
    """Turn what logic says of each row into states: true is a discrepancy, null is not known."""
    states = truth.cast(pl.UInt8) + PASSING
    return states.fill_null(NOT_EVALUATED) if states.null_count() else states


def combine(states: list[int]) -> int:
    """Choose what to say of a cell of which several verdicts speak."""
    for wanted in (FAILING, NOT_EVALUATED, PASSING):
        if wanted in states:
            return wanted
    return NOT_APPLICABLE
