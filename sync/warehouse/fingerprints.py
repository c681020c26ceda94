"""Condense each row of a form to one number, so that an unchanged row costs one comparison.

The number depends on the row's values alone: not on the polars version, the machine, the order of a frame's columns,
columns that are blank, or whether a column holds numbers or their texts. Cells stand in the order in which their
columns joined the form, and blank ones at the end leave no trace: a column that joins the study therefore changes no
fingerprint until it holds something.
"""

from collections.abc import Iterable

import polars as pl
import xxhash

from schemas.signs import plain
from sync.warehouse.layout import Slot

_ROWS_AT_ONCE = 50_000

PLACE = ("_status", "_site_event", "_site_instrument", "_site_instance", "_remarks")
"""Columns beside the cells that a fingerprint covers."""

_NEXT, _READ, _NOTHING = "\x1e", "\x1f", "\x00"
"""What ends a cell, what stands before a value that is not its text, and what stands for no text or no value.

Inside cells they are written otherwise (``schemas.signs``)."""


def row_hashes(place: pl.DataFrame, told: pl.DataFrame, texts: pl.DataFrame, slots: Iterable[Slot]) -> pl.Series:
    """Give one signed 64-bit number a row: XXH3 of the row written as one line.

    ``place`` holds PLACE, ``told`` (values as texts) and ``texts`` (as entered) the slots' frame columns; all have the
    same rows in one order.
    ``slots`` are all of the form; those whose column the frames do not have count as blank.
    """
    in_order = sorted(slots, key=lambda slot: slot.position)
    numbers = [pl.Series("row_hash", [], pl.Int64)]
    for start in range(0, place.height, _ROWS_AT_ONCE):
        part = [frame.slice(start, _ROWS_AT_ONCE) for frame in (place, told, texts)]
        numbers.append(_hashes(part[0], part[1], part[2], in_order))
    return pl.concat(numbers)


def _hashes(place: pl.DataFrame, told: pl.DataFrame, texts: pl.DataFrame, slots: Iterable[Slot]) -> pl.Series:
    """Do a part, so that not all rows stand there as one text each."""
    there = frozenset(texts.columns)
    cells = [_or_blank(plain(place[name].cast(pl.String))) for name in PLACE]
    cells += [_cell(slot.frame_column if slot.frame_column in there else None, told, texts) for slot in slots]
    lines = pl.select(pl.concat_str(map(pl.lit, cells), separator=_NEXT).str.strip_chars_end(_NEXT)).to_series()
    digests = list(map(xxhash.xxh3_64_intdigest, lines.to_list()))
    return pl.Series("row_hash", digests, pl.UInt64).reinterpret(signed=True)


def _or_blank(texts: pl.Series) -> pl.Series:
    return texts.fill_null("") if texts.null_count() else texts


def _cell(column: str | None, told: pl.DataFrame, texts: pl.DataFrame) -> pl.Series:
    """Write a column's cells: the text, and the value where it reads otherwise than the text; None: no such column.

    A cell may have a text without a value (unreadable) and a value without a text (derived by the mapping).
    """
    if column is None:
        return pl.Series([""]).new_from_index(0, texts.height)
    text, value = plain(texts[column]), told[column]
    differs = texts[column].ne_missing(value)
    if not differs.any():
        return _or_blank(text)
    both = pl.concat_str(text.fill_null(_NOTHING), pl.lit(_READ), plain(value).fill_null(_NOTHING))
    return pl.select(pl.when(differs).then(both).otherwise(text.fill_null(""))).to_series()
