"""Find what a pull changes in the rows that stand. Pure: frames in, frames out.

Rows are first compared by their fingerprints; only where these differ are cells compared, and only where a cell
differs is there a change. A fingerprint alone that differs (a status, another program version) renews the row
without any cell change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from sync.warehouse.layout import Slot

ROW = ("record", "event", "instance")
"""What tells rows of one form at one site apart."""

STANDING_SCHEMA = pl.Schema({"record": pl.String, "event": pl.String, "instance": pl.Int64, "row_hash": pl.Int64})

CHANGE_SCHEMA = pl.Schema(
    {
        "record": pl.String,
        "event": pl.String,
        "instance": pl.Int64,
        "table_name": pl.String,
        "column_name": pl.String,
        "old": pl.String,
        "new": pl.String,
        "raw_old": pl.String,
        "raw_new": pl.String,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDifference:
    """Hold the positions of the new frame's rows that are new or look changed, and the keys that vanished."""

    #: positions in the new frame
    inserted: pl.Series
    #: positions in the new frame whose fingerprint differs from the standing one
    suspected: pl.Series
    #: ROW columns of standing rows that the new frame does not hold
    vanished: pl.DataFrame


def rows(standing: pl.DataFrame, arriving: pl.DataFrame) -> RowDifference:
    """Compare fingerprints; both frames hold ROW and ``row_hash``, ``arriving`` in the new frame's order."""
    joined = arriving.with_row_index("position").join(
        standing.with_columns(stands=True), on=ROW, how="left", maintain_order="left"
    )
    new = joined["stands"].is_null()
    differs = ~new & joined["row_hash"].ne_missing(joined["row_hash_right"])
    return RowDifference(
        inserted=joined["position"].filter(new),
        suspected=joined["position"].filter(differs),
        vanished=standing.select(ROW).join(arriving.select(ROW), on=ROW, how="anti"),
    )


def suspecting(found: RowDifference, arriving: pl.DataFrame, rows: pl.DataFrame) -> tuple[RowDifference, int]:
    """Suspect ``rows`` (ROW), too, whose fingerprints look unchanged; gives how many were not suspected before.

    ``arriving``: ROW, in the new frame's order.
    """
    positions = arriving.with_row_index("position").join(rows, on=ROW, how="semi")["position"]
    also = positions.filter(~positions.is_in(found.suspected.implode()))
    return replace(found, suspected=pl.concat([found.suspected, also]).sort()), also.len()


def cells(
    slots: Sequence[Slot],
    before: pl.DataFrame,
    before_raw: pl.DataFrame,
    after: pl.DataFrame,
    after_raw: pl.DataFrame,
) -> pl.DataFrame:
    """List the cells that differ between two states of the same rows, in CHANGE_SCHEMA.

    All four frames have the same height and order; ``before`` and ``after`` hold ROW and the frame columns.
    Values are compared as values, not as their texts: 7 and 7.0 of a number column are equal.
    """
    found: list[pl.DataFrame] = []
    for slot in slots:
        name = slot.frame_column
        value = as_stored(after[name], before[name].dtype)
        changed = before[name].ne_missing(value) | before_raw[name].ne_missing(after_raw[name])
        if not changed.any():
            continue
        found.append(
            after.select(ROW)
            .with_columns(
                table_name=pl.lit(slot.table_name),
                column_name=pl.lit(slot.column_name),
                old=text_of(before[name]),
                new=text_of(value),
                raw_old=before_raw[name],
                raw_new=after_raw[name],
            )
            .filter(changed)
        )
    return _joined(found)


def ends(slots: Sequence[Slot], before: pl.DataFrame, before_raw: pl.DataFrame) -> pl.DataFrame:
    """List what vanished rows held: one change to nothing for each cell that was not blank."""
    found: list[pl.DataFrame] = []
    for slot in slots:
        name = slot.frame_column
        held = before[name].is_not_null() | before_raw[name].is_not_null()
        if not held.any():
            continue
        nothing = pl.lit(None, pl.String)
        found.append(
            before.select(ROW)
            .with_columns(
                table_name=pl.lit(slot.table_name),
                column_name=pl.lit(slot.column_name),
                old=text_of(before[name]),
                new=nothing,
                raw_old=before_raw[name],
                raw_new=nothing,
            )
            .filter(held)
        )
    return _joined(found)


def _joined(found: Iterable[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=CHANGE_SCHEMA), *found])


def as_stored(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Turn values into texts where their column holds text; leave them otherwise."""
    return text_of(values) if dtype == pl.String and values.dtype != pl.String else values


def as_read(values: pl.Series, dtype: Any) -> pl.Series:
    """Turn texts of ``text_of`` back into values of a type; null where a text is none of its values."""
    if values.dtype != pl.String or dtype == pl.String:
        return values
    if dtype in (pl.Date, pl.Time):
        return values.str.strptime(dtype, "%Y-%m-%d" if dtype == pl.Date else "%H:%M:%S%.f", strict=False)
    if dtype == pl.Datetime:
        return values.str.strptime(dtype, "%Y-%m-%dT%H:%M:%S%.f", strict=False)
    return values.cast(dtype, strict=False)


def told(values: pl.DataFrame, slots: Iterable[Slot]) -> pl.DataFrame:
    """Write the cells of a frame as texts, of those slots' columns that it has."""
    there = frozenset(values.columns)
    names = [slot.frame_column for slot in slots if slot.frame_column in there]
    return pl.DataFrame([text_of(values[name]) for name in names])


def text_of(values: pl.Series) -> pl.Series:
    """Write values as text: ISO dates and times, numbers as short as they can be (7, not 7.0)."""
    if values.dtype == pl.Datetime:
        return values.dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
    if values.dtype == pl.Float64:
        return values.cast(pl.String).str.strip_suffix(".0").replace("-0", "0")
    return values.cast(pl.String)
