"""The six comparisons, over every pairing of kinds.

Rules, in the order in which they are tried:

1. Beside the literal '' a comparison asks about blankness: `=` and `<>` never need the value to be readable.
2. A literal that equals a field's missing-data code in a row is equal to it.
3. Beside a date, the other side is read as a date; beside a number, as a number.
4. Two texts, codes or quoted literals are equal when they are the same text, in the same case, or both
   numbers of the same size ('1', '01' and '1.0'). They are ordered as numbers beside a literal number and
   where both are numbers, else as text.
5. Two blanks are equal; a blank and a value are not, hence `[x] <> 0` is true for a blank. `<`, `<=`, `>` and
   `>=` are false beside a blank.

What cannot be compared at all (a number with 'abc', a time with a date) is refused: it is a slip in the logic.
"""

from collections.abc import Callable
from datetime import datetime

import polars as pl

from validators.logic import moments, pieces, tree
from validators.logic.pieces import Kind, Piece, Refusal
from validators.logic.tree import Operator

_ORDERINGS: dict[Operator, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    Operator.LT: lambda left, right: left < right,
    Operator.LE: lambda left, right: left <= right,
    Operator.GT: lambda left, right: left > right,
    Operator.GE: lambda left, right: left >= right,
}


def compare(operator: Operator, left: Piece, right: Piece, span: tree.Span, *, as_of: datetime) -> Piece:
    """Compare two pieces, giving a BOOLEAN piece. Raises Refusal for kinds that cannot be compared."""
    if operator in _ORDERINGS:
        return _ordering(operator, left, right, span, as_of=as_of)
    same = _equality(left, right, span, as_of=as_of)
    if operator is Operator.EQ:
        return same
    return pieces.certain_or_null(~same.value, (same,), span, uncertain=same.unknown is not None)


def _equality(left: Piece, right: Piece, span: tree.Span, *, as_of: datetime) -> Piece:
    if right.blank_literal or left.blank_literal:
        other = left if right.blank_literal else right
        uncertain = other.unknown is not None and not other.field
        return pieces.certain_or_null(pieces.is_blank(other), (other,), span, uncertain=uncertain, times=2)
    code = _equal_codes(left, right)
    try:
        same = _equal_values(left, right, span, as_of=as_of)
    except Refusal:
        # `[age] = 'UNK'` compares no number with a text where 'UNK' can be a missing-data code.
        if not _may_equal_code(left, right) and not _may_equal_code(right, left):
            raise
        value = pl.lit(False) if code is None else code
        return pieces.certain_or_null(value, (left, right), span, uncertain=False)
    if code is None:
        return same
    return pieces.certain_or_null(code | same.value, (same, left, right), span, uncertain=same.unknown is not None)


def _may_equal_code(holder: Piece, other: Piece) -> bool:
    return holder.takes_codes and other.literal is not None


def _equal_codes(left: Piece, right: Piece) -> pl.Expr | None:
    """Tell which rows are equal by missing-data code; None where no row's is."""
    if left.missing is not None and right.missing is not None:
        return (left.missing == right.missing).fill_null(False)
    for holder, other in ((left, right), (right, left)):
        if holder.missing is not None and other.literal is not None:
            return (holder.missing == other.literal).fill_null(False)
    return None


def _equal_values(left: Piece, right: Piece, span: tree.Span, *, as_of: datetime) -> Piece:
    kinds = {left.kind, right.kind}
    if kinds & pieces.MOMENTS:
        pair = moments.aligned(*(moments.to_moment(side, as_of=as_of) for side in (left, right)))
        same = pair[0].value.eq_missing(pair[1].value)
    elif kinds <= pieces.NUMERIC or _spells_number(left) or _spells_number(right):
        # Text that is no number reads as null here; a literal number is never null, so the two differ.
        pair = (_number_if_any(left), _number_if_any(right))
        same = pair[0].value.eq_missing(pair[1].value)
    elif kinds == {Kind.TEXT}:
        pair = (left, right)
        same = _same_text(left, right)
    else:
        pair = (_number_if_any(left), _number_if_any(right))
        same = (pair[0].value == pair[1].value).fill_null(False) | pl.all_horizontal(_empty(left), _empty(right))
    # A missing-data code leaves its value null without being blank: it equals no blank.
    coded = [side.missing.is_null() for side in (left, right) if side.missing is not None]
    if coded and not any(side.literal is not None for side in (left, right)):
        same = pl.all_horizontal([same, *coded])
    return pieces.truth(same, pair, span, times=1 if kinds <= pieces.NUMERIC or kinds & pieces.MOMENTS else 2)


def _spells_number(piece: Piece) -> bool:
    return pieces.literal_number(piece) is not None


def _empty(piece: Piece) -> pl.Expr:
    return piece.value.fill_null("") == "" if piece.kind is Kind.TEXT else piece.value.is_null()


def _number_if_any(piece: Piece) -> Piece:
    """Read a piece as a number where it is one, and as null elsewhere, without making the row unknown.

    Raises Refusal for a quoted text that is no number: nothing it stands beside can equal it.
    """
    if piece.kind is not Kind.TEXT or piece.literal is not None:
        return pieces.to_number(piece)
    return pieces.number(pieces.parsed_number(piece.value), (piece,), piece.span)


def _same_text(left: Piece, right: Piece) -> pl.Expr:
    same = left.value.fill_null("") == right.value.fill_null("")
    if left.literal is not None or right.literal is not None:
        return same
    return same | (pieces.parsed_number(left.value) == pieces.parsed_number(right.value)).fill_null(False)


def _ordering(operator: Operator, left: Piece, right: Piece, span: tree.Span, *, as_of: datetime) -> Piece:
    apply = _ORDERINGS[operator]
    kinds = {left.kind, right.kind}
    if left.blank_literal or right.blank_literal:
        return pieces.certain_or_null(pl.lit(False), (), span, uncertain=False)
    if kinds & pieces.MOMENTS:
        pair = moments.aligned(*(moments.to_moment(side, as_of=as_of) for side in (left, right)))
    elif kinds & pieces.NUMERIC or _spells_number(left) or _spells_number(right):
        pair = (pieces.to_number(left), pieces.to_number(right))
    else:
        return pieces.truth(_text_ordering(apply, left, right), (left, right), span, times=3)
    return pieces.truth(apply(pair[0].value, pair[1].value).fill_null(False), pair, span)


def _text_ordering(apply: Callable[[pl.Expr, pl.Expr], pl.Expr], left: Piece, right: Piece) -> pl.Expr:
    texts = [side.value.replace("", None) for side in (left, right)]
    if left.literal is None and right.literal is None:
        numbers = [pieces.parsed_number(side.value) for side in (left, right)]
        return pl.coalesce(apply(*numbers), apply(*texts), pl.lit(False))
    return apply(*texts).fill_null(False)
