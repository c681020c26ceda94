"""Condense each row of a form to one number, so that an unchanged row costs one comparison.

The number depends on the row's values alone: not on the polars version, the machine, the order of the columns,
columns that are blank, or whether a column holds numbers or their texts. A column that joins the study therefore
changes no fingerprint until it holds something.
"""

import hashlib
import struct
from collections.abc import Iterable

import polars as pl

from sync.warehouse import difference
from sync.warehouse.layout import Slot

_ROWS_AT_ONCE = 20_000

PLACE = ("_status", "_site_event", "_site_instrument", "_site_instance", "_remarks")
"""Columns beside the cells that a fingerprint covers."""


def row_hashes(place: pl.DataFrame, values: pl.DataFrame, texts: pl.DataFrame, slots: Iterable[Slot]) -> pl.Series:
    """Give one signed 64-bit number a row.

    ``place`` holds PLACE, ``values`` and ``texts`` the slots' frame columns; all have the same rows in one order.
    """
    numbers = [pl.Series("row_hash", [], pl.Int64)]
    chosen = list(slots)
    for start in range(0, place.height, _ROWS_AT_ONCE):
        part = [frame.slice(start, _ROWS_AT_ONCE) for frame in (place, values, texts)]
        numbers.append(_hashes(part[0], part[1], part[2], chosen))
    return pl.concat(numbers)


def _hashes(place: pl.DataFrame, values: pl.DataFrame, texts: pl.DataFrame, slots: Iterable[Slot]) -> pl.Series:
    """Do a part, so that not all rows stand there as one text each."""
    parts = [pl.concat_str(pl.lit(f"\x1d{name}\x1f"), place[name].cast(pl.String)) for name in PLACE]
    for slot in slots:
        text = texts[slot.frame_column]
        value = difference.text_of(values[slot.frame_column])
        if text.null_count() == text.len() and value.null_count() == value.len():
            continue
        # A cell may have a text without a value (unreadable) and a value without a text (derived by the mapping).
        mark = pl.lit(f"\x1e{slot.column_name}\x1f")
        known = text.is_not_null() | value.is_not_null()
        cell = pl.concat_str(mark, text.fill_null("\x00"), pl.lit("\x1f"), value.fill_null("\x00"))
        parts.append(pl.when(known).then(cell))
    lines = pl.select(pl.concat_str(parts, ignore_nulls=True).alias("row_hash"))["row_hash"]
    blake = hashlib.blake2b
    digests = b"".join([blake(line, digest_size=8).digest() for line in lines.cast(pl.Binary)])
    return pl.Series("row_hash", struct.unpack(f">{lines.len()}q", digests), pl.Int64)
