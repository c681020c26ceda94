"""Condense each row of a form frame to one number, so that an unchanged row costs one comparison.

The number depends on the row's values alone: not on the polars version, the machine, the order of the columns or
columns that are blank. A column that joins the study therefore changes no fingerprint until it holds something.
"""

import hashlib
from collections.abc import Iterable

import polars as pl

from schemas.frames import META_COLUMNS, FormFrame
from sync.warehouse.layout import Slot


def row_hashes(frame: FormFrame, remarks: pl.Series, slots: Iterable[Slot]) -> pl.Series:
    """Give one signed 64-bit number a row over status, place at the site, remarks, raw and harmonised values."""
    if not frame.rows.height:
        return pl.Series("row_hash", [], pl.Int64)
    named = [*((name, frame.rows[name].cast(pl.String)) for name in META_COLUMNS), ("remarks", remarks)]
    parts = [pl.concat_str(pl.lit(f"\x1d{name}\x1f"), text) for name, text in named]
    for slot in slots:
        raw = frame.raw[slot.frame_column]
        value = frame.rows[slot.frame_column].cast(pl.String)
        if raw.null_count() == raw.len() and value.null_count() == value.len():
            continue
        # A cell may have a text without a value (unreadable) and a value without a text (derived by the mapping).
        mark = pl.lit(f"\x1e{slot.column_name}\x1f")
        known = raw.is_not_null() | value.is_not_null()
        cell = pl.concat_str(mark, raw.fill_null("\x00"), pl.lit("\x1f"), value.fill_null("\x00"))
        parts.append(pl.when(known).then(cell))
    texts = pl.select(pl.concat_str(parts, ignore_nulls=True).alias("row_hash"))["row_hash"]
    numbers = [_number(text) for text in texts]
    return pl.Series("row_hash", numbers, pl.Int64)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
