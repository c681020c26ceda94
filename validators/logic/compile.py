"""Turn a tree into polars expressions that answer for whole columns: true, false, or not evaluated.

Whatever cannot be evaluated is said before any data are read: an unknown function, a label modifier, a field
the resolver does not know give `NotExecutable` with a sentence and the place. It is a value, not an exception,
because "could not check" is a result that a report lists; it never becomes false and never becomes a pass.

The tree knows names only. The caller's `resolve` says, for each reference, which column of the typed frame
holds it: that is where events, instances and sites are understood. `as_of` stands for 'today' and 'now', local
to the site, so that a run can be repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from validators.logic import arithmetic, compare, functions, moments, pieces, tree, wording
from validators.logic.calls import Apply, Invocation
from validators.logic.pieces import Kind, Piece, Refusal
from validators.logic.tree import Operator

__all__ = [
    "Compiled",
    "CompiledValue",
    "Kind",
    "NotExecutable",
    "Resolved",
    "Unresolved",
    "compile_logic",
    "compile_value",
    "evaluate",
]

MAX_WEIGHT = 200_000
"""How many nodes the resulting expression may have, about a tenth of a second of planning.

Conditions inside the conditions of `if` multiply; ladders of else-ifs and long lists only add.
"""

IMPLEMENTED: Mapping[str, Apply] = {**moments.FUNCTIONS, **arithmetic.FUNCTIONS, **wording.FUNCTIONS}
"""Every function but `if`, whose branches are chosen here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Say which column holds a reference, and of which kind.

    The column is typed: Float64 or integers for NUMBER, Date, Datetime and Time for moments (without zone),
    String for TEXT and CODED, 0/1 for CHECKBOX; null is blank. `unparsable` names a Boolean column that is true
    where a value is there but could not be typed; `missing_code` a String column with the missing-data code. Where no
    row holds either, both are better left out; `takes_codes` then says that cells may hold codes all the same.
    """

    column: str
    kind: Kind
    unparsable: str | None = None
    missing_code: str | None = None
    takes_codes: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """List every column that is read for this reference."""
        return tuple(name for name in (self.column, self.unparsable, self.missing_code) if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """Say in a sentence why a reference has no column."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExecutable:
    """Say why a piece of logic cannot be evaluated, and which part of its text is to blame."""

    reason: str
    span: tree.Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Hold a condition ready to run.

    `truth` is Boolean, null where the row could not be evaluated; `reason` then gives a sentence without values
    (None where every row can be evaluated). `inputs` are the columns to select first; `kind` is what the logic
    itself yields, before it was read as a condition.
    """

    truth: pl.Expr
    reason: pl.Expr | None
    inputs: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledValue:
    """Hold a calculation ready to run.

    `value` is Float64 for numbers and conditions (1, 0) and String for texts and dates; null is blank, or not
    evaluated where `evaluated` (Boolean, no nulls) is false. `reason` and `inputs` as in Compiled.
    """

    value: pl.Expr
    evaluated: pl.Expr
    reason: pl.Expr | None
    inputs: tuple[str, ...]
    kind: Kind


Resolve = Callable[[tree.Field], Resolved | Unresolved]
ResolveSmart = Callable[[tree.Smart], Resolved | Unresolved]


def compile_logic(
    node: tree.Node, resolve: Resolve, *, as_of: datetime, smart: ResolveSmart | None = None
) -> Compiled | NotExecutable:
    """Compile a condition: branching logic, a filter, a check.

    `smart` resolves smart variables; without it they make the logic not executable.
    """
    compiler = _Compiler(resolve, smart, as_of)
    try:
        piece = compiler.piece(node)
        condition = pieces.to_truth(piece)
    except Refusal as refusal:
        return NotExecutable(reason=refusal.reason, span=refusal.span)
    truth = pieces.spread(condition.value)
    reason = None if condition.unknown is None else compiler.reason(truth.is_null())
    return Compiled(truth=truth, reason=reason, inputs=compiler.inputs, kind=piece.kind)


def compile_value(
    node: tree.Node, resolve: Resolve, *, as_of: datetime, smart: ResolveSmart | None = None
) -> CompiledValue | NotExecutable:
    """Compile a calculation, as a calculated field holds it."""
    compiler = _Compiler(resolve, smart, as_of)
    try:
        piece = compiler.piece(node)
        numeric = piece.kind in pieces.NUMERIC
        result = pieces.to_number(piece) if numeric else pieces.to_text(piece)
    except Refusal as refusal:
        return NotExecutable(reason=refusal.reason, span=refusal.span)
    value = result.value.cast(pl.Float64) if numeric else result.value.replace("", None)
    unknown = pl.lit(False) if result.unknown is None else result.unknown
    return CompiledValue(
        value=pieces.spread(pl.when(~unknown).then(value)),
        evaluated=pieces.spread(~unknown),
        reason=None if result.unknown is None else compiler.reason(pieces.spread(unknown)),
        inputs=compiler.inputs,
        kind=piece.kind,
    )


def evaluate(frame: pl.DataFrame, compiled: Compiled) -> pl.Series:
    """Run a condition over a frame: one Boolean a row, null where the row could not be evaluated."""
    return frame.select(compiled.truth.alias("truth")).to_series()


class _Compiler:
    """Walk one tree, keeping the references that it read."""

    def __init__(self, resolve: Resolve, smart: ResolveSmart | None, as_of: datetime) -> None:
        self._resolve = resolve
        self._smart = smart
        self._as_of = as_of
        self._read: dict[tree.Reference, Resolved] = {}

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for found in self._read.values() for name in found.columns))

    def reason(self, unevaluated: pl.Expr) -> pl.Expr:
        """Explain unevaluated rows by the first field in them that could not be read."""
        blamed = [
            pl.when(pl.col(found.unparsable).fill_null(False)).then(
                pl.lit(f"{tree.unparse_reference(node)} holds something that is not a {found.kind}")
            )
            for node, found in self._read.items()
            if found.unparsable is not None
        ]
        otherwise = pl.lit("a text that should be read as a number or date is neither")
        return pl.when(unevaluated).then(pl.coalesce(*blamed, otherwise))

    def piece(self, node: tree.Node) -> Piece:
        made = self._made(node)
        if made.weight > MAX_WEIGHT:
            raise Refusal("The conditions nest too deeply to be evaluated; split the logic up.", node.span)
        return made

    def _made(self, node: tree.Node) -> Piece:
        match node:
            case tree.Number():
                value = pl.lit(float(node.text))
                return Piece(value=value, kind=Kind.NUMBER, span=node.span, literal=node.text)
            case tree.Text():
                return Piece(value=pl.lit(node.text), kind=Kind.TEXT, span=node.span, literal=node.text)
            case tree.Truth():
                spelled = "true" if node.value else "false"
                return Piece(value=pl.lit(node.value), kind=Kind.BOOLEAN, span=node.span, literal=spelled)
            case tree.Field() | tree.Smart():
                return self._reference(node)
            case tree.Unary(operator=Operator.NOT):
                operand = pieces.to_truth(self.piece(node.operand))
                uncertain = operand.unknown is not None
                return pieces.certain_or_null(~operand.value, (operand,), node.span, uncertain=uncertain)
            case tree.Unary():
                return arithmetic.signed(node.operator, self.piece(node.operand), node.span)
            case tree.Logical():
                return self._logical(node)
            case tree.Binary():
                left, right = self.piece(node.left), self.piece(node.right)
                if node.operator in tree.COMPARISONS:
                    return compare.compare(node.operator, left, right, node.span, as_of=self._as_of)
                return arithmetic.compute(node.operator, left, right, node.span)
            case tree.Call():
                return self._call(node)

    def _logical(self, node: tree.Logical) -> Piece:
        """Join operands by Kleene's rules: a false settles an `and`, a true an `or`, whatever is unknown."""
        operands = tuple(pieces.to_truth(self.piece(operand)) for operand in node.operands)
        join = pl.all_horizontal if node.operator is Operator.AND else pl.any_horizontal
        value = join([operand.value for operand in operands])
        uncertain = any(operand.unknown is not None for operand in operands)
        return pieces.certain_or_null(value, operands, node.span, uncertain=uncertain)

    def _call(self, node: tree.Call) -> Piece:
        row = functions.TABLE.get(node.name)
        if row is None:
            near = functions.nearest(node.name)
            hint = f"; did you mean {near}?" if near else "."
            raise Refusal(f"REDCap has no function {node.name}{hint}", node.span)
        if row.support is functions.Support.NONE:
            raise Refusal(f"The function {node.name} is known but cannot be evaluated.", node.span)
        if not row.accepts(len(node.arguments)):
            raise Refusal(f"{node.name} takes {row.arity}, not {len(node.arguments)}.", node.span)
        arguments = tuple(self.piece(argument) for argument in node.arguments)
        if node.name == "if":
            return _choice(node.span, *arguments)
        return IMPLEMENTED[node.name](Invocation(call=node, pieces=arguments, as_of=self._as_of))

    def _reference(self, node: tree.Reference) -> Piece:
        shown = tree.unparse_reference(node)
        if isinstance(node, tree.Smart):
            if self._smart is None:
                raise Refusal(f"The smart variable {shown} has no value outside REDCap's pages.", node.span)
            found = self._smart(node)
        else:
            if node.modifier not in {None, "value"}:
                reason = f"{shown} asks for ':{node.modifier}'; only raw values can be evaluated."
                raise Refusal(reason, node.span)
            found = self._resolve(node)
        if isinstance(found, Unresolved):
            raise Refusal(f"{shown} could not be resolved: {found.reason}", node.span)
        self._read[node] = found
        return _field(found, node.span)


def _field(found: Resolved, span: tree.Span) -> Piece:
    column = pl.col(found.column)
    missing = None if found.missing_code is None else pl.col(found.missing_code).replace("", None)
    unknown = None if found.unparsable is None else pl.col(found.unparsable).fill_null(False)
    if missing is not None:
        column = pl.when(missing.is_null()).then(column)
        unknown = None if unknown is None else unknown & missing.is_null()
    match found.kind:
        case Kind.CHECKBOX:  # REDCap stores ticks only: an empty box reads 0, never blank
            value, kind = column.cast(pl.Float64).fill_null(0.0), Kind.NUMBER
        case Kind.NUMBER:
            value, kind = column.cast(pl.Float64), Kind.NUMBER
        case Kind.CODED | Kind.TEXT:
            value, kind = column.cast(pl.String), Kind.TEXT
        case _:
            value, kind = column, found.kind
    codes = found.takes_codes or missing is not None
    return Piece(value=value, kind=kind, span=span, unknown=unknown, missing=missing, takes_codes=codes, field=True)


def _choice(span: tree.Span, condition: Piece, yes: Piece, no: Piece) -> Piece:
    """Choose row by row; a row is unknown by its condition, or by the branch it chose."""
    test = pieces.to_truth(condition)
    yes, no = _one_kind(yes, no)
    unknown = test.unknown
    if yes.unknown is not None or no.unknown is not None:
        branches = [pl.lit(False) if side.unknown is None else side.unknown for side in (yes, no)]
        chosen = pl.when(test.value).then(branches[0]).otherwise(branches[1])
        unknown = chosen if unknown is None else unknown | chosen
    return Piece(
        value=pl.when(test.value).then(yes.value).otherwise(no.value),
        kind=yes.kind,
        span=span,
        unknown=unknown,
        weight=1 + 3 * test.weight + yes.weight + no.weight,
    )


def _one_kind(yes: Piece, no: Piece) -> tuple[Piece, Piece]:
    """Bring two branches to one kind: '' fits any, numbers stay numbers, a mixture becomes text."""
    for blank, other in ((yes, no), (no, yes)):
        if blank.blank_literal and other.kind not in {Kind.TEXT, Kind.BOOLEAN}:
            empty = Piece(value=pl.lit(None), kind=other.kind, span=blank.span)
            return (empty, other) if blank is yes else (other, empty)
    kinds = {yes.kind, no.kind}
    if len(kinds) == 1 and Kind.BOOLEAN not in kinds:
        return yes, no
    if all(piece.kind in pieces.NUMERIC or pieces.literal_number(piece) is not None for piece in (yes, no)):
        return pieces.to_number(yes), pieces.to_number(no)
    if kinds == {Kind.DATE, Kind.DATETIME}:
        return moments.aligned(yes, no)
    return pieces.to_text(yes), pieces.to_text(no)
