"""Show how a piece of logic came to its answer in one row: the value of every part of it.

Each part is evaluated by the very evaluation that judges whole columns, on a frame of one row, so an
explanation cannot tell another story than the finding it explains. The result holds the row's values: it is
for the eyes of somebody who may see them, and never for a log.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import polars as pl

from validators.logic import tree
from validators.logic.compile import (
    Kind,
    NotExecutable,
    Resolve,
    Resolved,
    ResolveSmart,
    Unresolved,
    compile_value,
)

_TYPES: Mapping[Kind, pl.DataType | type[pl.DataType]] = {
    Kind.NUMBER: pl.Float64,
    Kind.CHECKBOX: pl.Float64,
    Kind.TEXT: pl.String,
    Kind.CODED: pl.String,
    Kind.DATE: pl.Date,
    Kind.DATETIME: pl.Datetime("us"),
    Kind.TIME: pl.Time,
    Kind.BOOLEAN: pl.Boolean,
}


class Outcome(StrEnum):
    """Say what a part came to."""

    VALUE = "value"
    BLANK = "blank"
    MISSING_CODE = "missing code"
    NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Hold one part of the logic, what it came to in the row, and the same for its own parts.

    `value` is a bool for conditions, a float, a str (dates as Y-M-D), or None unless the outcome is VALUE or
    MISSING_CODE. Literals explain themselves and are left out of `parts`.
    """

    text: str
    span: tree.Span
    outcome: Outcome
    value: bool | float | str | None
    reason: str | None
    parts: tuple["Explanation", ...]


def explain(
    node: tree.Node,
    row: Mapping[str, Any],
    resolve: Resolve,
    *,
    as_of: datetime,
    smart: ResolveSmart | None = None,
) -> Explanation | NotExecutable:
    """Explain one row; `row` maps column names, as `resolve` gives them, to typed values.

    Columns that the row does not have are blank. Logic that cannot be evaluated gives NotExecutable.
    """
    reader = _Reader(row, resolve, smart, as_of)
    refused = compile_value(node, reader.field, as_of=as_of, smart=reader.smart)
    return refused if isinstance(refused, NotExecutable) else reader.explained(node)


def render(explanation: Explanation) -> str:
    """Write an explanation as lines, each part indented under what it is part of."""
    return "\n".join(_lines(explanation, 0))


def _lines(explanation: Explanation, depth: int) -> Iterator[str]:
    answer = str(explanation.outcome)
    if explanation.outcome is Outcome.VALUE:
        answer = _shown(explanation.value)
    elif explanation.value is not None:
        answer = f"{answer} {explanation.value}"
    because = f" ({explanation.reason})" if explanation.reason else ""
    yield f"{'  ' * depth}{explanation.text}: {answer}{because}"
    for part in explanation.parts:
        yield from _lines(part, depth + 1)


def _shown(value: bool | float | str | None) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.15g}"
        case _:
            return f"'{value}'"


class _Reader:
    """Evaluate parts of one tree over one row."""

    def __init__(self, row: Mapping[str, Any], resolve: Resolve, smart: ResolveSmart | None, as_of: datetime) -> None:
        self._row = row
        self._resolve = resolve
        self._resolve_smart = smart
        self._as_of = as_of
        self._columns: dict[str, pl.Series] = {}

    def field(self, node: tree.Field) -> Resolved | Unresolved:
        return self._noted(self._resolve(node))

    def smart(self, node: tree.Smart) -> Resolved | Unresolved:
        if self._resolve_smart is None:
            return Unresolved(reason="smart variables have no value outside REDCap's pages")
        return self._noted(self._resolve_smart(node))

    def _noted(self, found: Resolved | Unresolved) -> Resolved | Unresolved:
        if isinstance(found, Resolved):
            self._add(found.column, _TYPES[found.kind])
            self._add(found.unparsable, pl.Boolean)
            self._add(found.missing_code, pl.String)
        return found

    def _add(self, name: str | None, dtype: pl.DataType | type[pl.DataType]) -> None:
        if name is not None and name not in self._columns:
            self._columns[name] = pl.Series(name, [self._row.get(name)], dtype=dtype)

    def explained(self, node: tree.Node) -> Explanation:
        compiled = compile_value(node, self.field, as_of=self._as_of, smart=self.smart)
        if isinstance(compiled, NotExecutable):  # the whole was executable, so its parts are
            raise AssertionError(compiled.reason)
        reason = pl.lit(None, dtype=pl.String) if compiled.reason is None else compiled.reason
        frame = pl.DataFrame([*self._columns.values(), pl.Series("", [0])])
        found = frame.select(value=compiled.value, evaluated=compiled.evaluated, reason=reason)
        value, evaluated, why = found.row(0)
        outcome = Outcome.NOT_EVALUATED
        if evaluated:
            outcome = Outcome.BLANK if value is None else Outcome.VALUE
        if compiled.kind is Kind.BOOLEAN and value is not None:
            value = bool(value)
        if outcome is Outcome.BLANK and (code := self._code(node)):
            outcome, value = Outcome.MISSING_CODE, code
        parts = (part for part in tree.children(node) if not isinstance(part, tree.Literal))
        return Explanation(
            text=tree.unparse(node),
            span=node.span,
            outcome=outcome,
            value=value,
            reason=why,
            parts=tuple(self.explained(part) for part in parts),
        )

    def _code(self, node: tree.Node) -> str | None:
        if not isinstance(node, tree.Field):
            return None
        found = self._resolve(node)
        named = found.missing_code if isinstance(found, Resolved) else None
        return None if named is None else self._row.get(named)
