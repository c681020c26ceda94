"""Functions over texts, and the questions about blanks and missing-data codes.

Searching ignores case (contains, starts_with, ends_with, find); replacing does not. Places count characters
from 1, not bytes, so Chinese names are cut where a reader would cut them. A blank is the empty text.
"""

from collections.abc import Callable, Mapping

import polars as pl

from validators.logic import pieces
from validators.logic.calls import Apply, Invocation
from validators.logic.pieces import Piece, Refusal


def _words(call: Invocation) -> tuple[tuple[Piece, ...], list[pl.Expr]]:
    """Read all arguments as texts, blanks as ''."""
    texts = tuple(pieces.to_text(piece) for piece in call.pieces)
    return texts, [piece.value.fill_null("") for piece in texts]


def _search(apply: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Apply:
    def applied(call: Invocation) -> Piece:
        texts, values = _words(call)
        haystack, needle = (value.str.to_lowercase() for value in values)
        return pieces.truth(apply(haystack, needle), texts, call.span)

    return applied


def _find(call: Invocation) -> Piece:
    texts, values = _words(call)
    needle, haystack = (value.str.to_lowercase() for value in values)
    # polars finds byte offsets; the characters before the first occurrence count for every script.
    before = haystack.str.split(needle).list.first().str.len_chars().cast(pl.Float64)
    there = haystack.str.contains(needle, literal=True)
    return pieces.number(pl.when(there).then(before + 1).otherwise(0.0), texts, call.span, times=2)


def _cut(apply: Callable[[pl.Expr, list[pl.Expr]], pl.Expr]) -> Apply:
    def applied(call: Invocation) -> Piece:
        text = pieces.to_text(call.pieces[0])
        numbers = tuple(pieces.to_number(piece) for piece in call.pieces[1:])
        counts = [piece.value.fill_null(0.0).clip(0.0, 1e9).cast(pl.Int64) for piece in numbers]
        return pieces.text(apply(text.value.fill_null(""), counts), (text, *numbers), call.span)

    return applied


def _mid(value: pl.Expr, counts: list[pl.Expr]) -> pl.Expr:
    start, length = counts
    return value.str.slice((start - 1).clip(0), length)


def _single(apply: Callable[[pl.Expr], pl.Expr]) -> Apply:
    def applied(call: Invocation) -> Piece:
        texts, values = _words(call)
        return pieces.text(apply(values[0]), texts, call.span)

    return applied


def _length(call: Invocation) -> Piece:
    texts, values = _words(call)
    return pieces.number(values[0].str.len_chars().cast(pl.Float64), texts, call.span)


def _replace_text(call: Invocation) -> Piece:
    texts, values = _words(call)
    sought = texts[1].literal
    if not sought:
        raise Refusal("The text that replace_text looks for must be written out in quotes.", texts[1].span)
    # polars wants as many texts as replacements.
    source = pieces.spread(values[0])
    return pieces.text(source.str.replace_all(sought, values[2], literal=True), texts, call.span)


def _concat(call: Invocation) -> Piece:
    texts, values = _words(call)
    return pieces.text(pl.concat_str(values), texts, call.span)


def _concat_ws(call: Invocation) -> Piece:
    texts, values = _words(call)
    separator = texts[0].literal
    if separator is None:
        raise Refusal("The separator of concat_ws must be written out in quotes.", texts[0].span)
    present = [value.replace("", None) for value in values[1:]]
    return pieces.text(pl.concat_str(present, separator=separator, ignore_nulls=True), texts, call.span)


def _has_code(piece: Piece) -> pl.Expr:
    """Tell which cells hold a missing-data code; none where the project's field declares no such column."""
    return pl.lit(False) if piece.missing is None else piece.missing.is_not_null()


def _blank_question(apply: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Apply:
    def applied(call: Invocation) -> Piece:
        (piece,) = call.pieces
        answer = apply(pieces.is_blank(piece), _has_code(piece))
        uncertain = piece.unknown is not None and not piece.field
        return pieces.certain_or_null(answer, (piece,), call.span, uncertain=uncertain, times=2)

    return applied


def _has_missing_code(call: Invocation) -> Piece:
    piece, codes = call.pieces
    if codes.literal is None:
        raise Refusal("The list of missing-data codes must be written out in quotes.", codes.span)
    listed = [code.strip() for code in codes.literal.split(",")]
    answer = pl.lit(False) if piece.missing is None else piece.missing.is_in(listed).fill_null(False)
    return pieces.certain_or_null(answer, (piece,), call.span, uncertain=False)


FUNCTIONS: Mapping[str, Apply] = {
    "contains": _search(lambda haystack, needle: haystack.str.contains(needle, literal=True)),
    "not_contain": _search(lambda haystack, needle: ~haystack.str.contains(needle, literal=True)),
    "starts_with": _search(lambda haystack, needle: haystack.str.starts_with(needle)),
    "ends_with": _search(lambda haystack, needle: haystack.str.ends_with(needle)),
    "find": _find,
    "left": _cut(lambda value, counts: value.str.head(counts[0])),
    "right": _cut(lambda value, counts: value.str.tail(counts[0])),
    "mid": _cut(_mid),
    "length": _length,
    "trim": _single(lambda value: value.str.strip_chars()),
    "upper": _single(lambda value: value.str.to_uppercase()),
    "lower": _single(lambda value: value.str.to_lowercase()),
    "replace_text": _replace_text,
    "concat": _concat,
    "concat_ws": _concat_ws,
    "isblankormissingcode": _blank_question(lambda blank, code: blank | code),
    "isblanknotmissingcode": _blank_question(lambda blank, code: blank & ~code),
    "ismissingcode": _blank_question(lambda blank, code: code),
    "hasmissingcode": _has_missing_code,
}
"""The functions over texts and blanks, by name."""
