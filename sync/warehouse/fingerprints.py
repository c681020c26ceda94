"""Condense each row of a form to one number, so that an unchanged row costs one comparison.

The number depends on the row's values alone: not on the polars version, the machine, the order of the columns,
columns that are blank, or whether a column holds numbers or their texts. A column that joins the study therefore
changes no fingerprint until it holds something.
"""

import hashlib
from collections.abc import Iterable

import polars as pl

from sync.warehouse import difference
from sync.warehouse.layout import Slot

PLACE = ("_status", "_site_event", "_site_instrument", "_site_instance", "_remarks")
"""Columns beside the cells that a fingerprint covers."""


def row_hashes(place: pl.DataFrame, values: pl.DataFrame, texts: pl.DataFrame, slots: Iterable[Slot]) -> pl.Series:
    """Give one signed 64-bit number a row.

    ``place`` holds PLACE, ``values`` and ``texts`` the slots' frame columns; all have the same rows in one order.
    """
    if not place.height:
        return pl.Series("row_hash", [], pl.Int64)
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
    return pl.Series("row_hash", [_number(line) for line in lines], pl.Int64)


def _number(line: str) -> int:
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "big", signed=True)
