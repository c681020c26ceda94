"""Operators and functions over numbers.

An operator's result is blank where either operand is; the aggregates skip blanks. Results that are no number
(division by zero, the root of a negative number, an overflow) are blank, as REDCap shows them.
"""

from collections.abc import Callable, Mapping

import polars as pl

from validators.logic import pieces, tree
from validators.logic.calls import Apply, Invocation
from validators.logic.pieces import Kind, Piece, Refusal
from validators.logic.tree import Operator

_OPERATORS: dict[Operator, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    Operator.ADD: lambda left, right: left + right,
    Operator.SUB: lambda left, right: left - right,
    Operator.MUL: lambda left, right: left * right,
    Operator.DIV: lambda left, right: left / right,
    Operator.POW: lambda left, right: left.pow(right),
}
_MOST_PLACES = 12
# A double carries fifteen decimal digits for certain; beyond them 1.005 * 100 is 100.49999999999999.
_CERTAIN_DIGITS = 15


def compute(operator: Operator, left: Piece, right: Piece, span: tree.Span) -> Piece:
    """Apply + - * / or ^ to two pieces; blank where one is blank. Raises Refusal for what is no number."""
    operands = (pieces.to_number(left), pieces.to_number(right))
    value = _OPERATORS[operator](operands[0].value, operands[1].value)
    return pieces.number(pieces.finite(value), operands, span)


def signed(operator: Operator, operand: Piece, span: tree.Span) -> Piece:
    """Apply a leading + or - to a piece; a signed literal stays a literal, so -1 may be a code."""
    plain = pieces.to_number(operand)
    if operator is Operator.ADD:
        return plain
    if plain.literal is None:
        return pieces.number(-plain.value, (plain,), span)
    spelled = plain.literal[1:] if plain.literal.startswith("-") else f"-{plain.literal}"
    return Piece(value=-plain.value, kind=Kind.NUMBER, span=span, literal=spelled)


def _numbers(call: Invocation) -> tuple[Piece, ...]:
    return tuple(pieces.to_number(piece) for piece in call.pieces)


def _single(apply: Callable[[pl.Expr], pl.Expr]) -> Apply:
    def applied(call: Invocation) -> Piece:
        (operand,) = _numbers(call)
        return pieces.number(pieces.finite(apply(operand.value)), (operand,), call.span)

    return applied


def _rounding(apply: Callable[[pl.Expr], pl.Expr]) -> Apply:
    def applied(call: Invocation) -> Piece:
        operand = pieces.to_number(call.pieces[0])
        scale = 10.0 ** (_places(call.pieces[1]) if len(call.pieces) > 1 else 0)
        rounded = apply((operand.value * scale).round_sig_figs(_CERTAIN_DIGITS)) / scale
        return pieces.number(pieces.finite(rounded), (operand,), call.span)

    return applied


def _places(piece: Piece) -> int:
    if piece.blank_literal:
        return 0
    found = pieces.literal_number(piece)
    if found is None or found != int(found) or abs(found) > _MOST_PLACES:
        reason = f"The decimal places must be written out, from -{_MOST_PLACES} to {_MOST_PLACES}."
        raise Refusal(reason, piece.span)
    return int(found)


def _log(call: Invocation) -> Piece:
    operands = _numbers(call)
    natural = [operand.value.log() for operand in operands]
    value = natural[0] if len(natural) == 1 else natural[0] / natural[1]
    return pieces.number(pieces.finite(value), operands, call.span)


def _mod(call: Invocation) -> Piece:
    dividend, divisor = _numbers(call)
    left, right = dividend.value, divisor.value
    value = pieces.finite(left.abs() % right.abs()) * left.sign()
    return pieces.number(value, (dividend, divisor), call.span, times=2)


def _aggregate(apply: Callable[[list[pl.Expr]], pl.Expr]) -> Apply:
    def applied(call: Invocation) -> Piece:
        operands = _numbers(call)
        value = apply([operand.value for operand in operands]).cast(pl.Float64)
        return pieces.number(pieces.finite(value), operands, call.span)

    return applied


def _is_number(pattern: str, whole: bool) -> Apply:
    """Make isnumber or isinteger: a field's unreadable value is not unknown here, it is the answer "no"."""

    def applied(call: Invocation) -> Piece:
        (piece,) = call.pieces
        match piece.kind:
            case Kind.TEXT:
                answer = piece.value.fill_null("").str.contains(pattern)
            case Kind.NUMBER if whole:
                answer = (piece.value == piece.value.round()).fill_null(False)
            case Kind.NUMBER:
                answer = piece.value.is_not_null()
            case _:
                answer = pl.lit(False)
        if piece.field:
            return pieces.certain_or_null(answer, (piece,), call.span, uncertain=False, times=2)
        return pieces.truth(answer, (piece,), call.span, times=2)

    return applied


FUNCTIONS: Mapping[str, Apply] = {
    "round": _rounding(lambda value: value.round(0, mode="half_away_from_zero")),
    "roundup": _rounding(lambda value: value.ceil()),
    "rounddown": _rounding(lambda value: value.floor()),
    "sqrt": _single(lambda value: value.sqrt()),
    "abs": _single(lambda value: value.abs()),
    "exponential": _single(lambda value: value.exp()),
    "log": _log,
    "mod": _mod,
    "min": _aggregate(pl.min_horizontal),
    "max": _aggregate(pl.max_horizontal),
    "mean": _aggregate(pl.mean_horizontal),
    "median": _aggregate(lambda values: pl.concat_list(values).list.median()),
    "sum": _aggregate(pl.sum_horizontal),
    "stdev": _aggregate(lambda values: pl.concat_list(values).list.std(ddof=1)),
    "isnumber": _is_number(pieces.NUMBER_PATTERN, whole=False),
    "isinteger": _is_number(r"^[+-]?[0-9]+$", whole=True),
}
"""The functions over numbers, by name."""
