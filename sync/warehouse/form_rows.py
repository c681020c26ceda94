"""Read a form's stored rows back as the frames that were stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from polars.datatypes import DataType

from schemas import frames
from sync.warehouse import bulk, layout, texts
from sync.warehouse.layout import Slot

ROW_SCHEMA: dict[str, DataType] = {"record": pl.String(), "event": pl.String(), "instance": pl.Int64()}

PLACE_SCHEMA: dict[str, DataType] = {
    "status": pl.Int64(),
    "site_event": pl.String(),
    "site_instrument": pl.String(),
    "site_instance": pl.Int64(),
    "remarks": pl.String(),
}
"""Columns that say where a row stands at the site and how it was read."""

_IN_ORDER: Any = {"on": list(ROW_SCHEMA), "how": "left", "maintain_order": "left"}

OWN_SCHEMA: dict[str, DataType] = {"is_quarantined": pl.Boolean(), "run_id": pl.String(), "row_hash": pl.Int64()}
FIRST_SCHEMA: dict[str, DataType] = {"mapping_version": pl.String(), "first_run_id": pl.String()}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """Hold stored rows, both frames in the same order (record, event, instance)."""

    #: ROW_SCHEMA, OWN_SCHEMA with a leading underscore, then the frame columns as harmonised values
    values: pl.DataFrame
    #: ROW_SCHEMA, PLACE_SCHEMA and FIRST_SCHEMA with a leading underscore, then the frame columns as entered
    texts: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Say which rows are read."""

    connection: sa.Connection
    site: str
    records: Sequence[str] | None


def table_names(slots: Sequence[Slot]) -> tuple[str, ...]:
    """Name a form's tables, first part first."""
    return tuple(dict.fromkeys(slot.table_name for slot in slots))


def read(
    connection: sa.Connection, site: str, slots: Sequence[Slot], records: Sequence[str] | None = None
) -> StoredRows:
    """Read a site's rows of one form, of some records or of all."""
    reading = _Reading(connection=connection, site=site, records=records)
    values: list[pl.DataFrame] = []
    kept: list[pl.DataFrame] = []
    for table in table_names(slots):
        mine = [slot for slot in slots if slot.table_name == table]
        own = {} if values else OWN_SCHEMA | PLACE_SCHEMA | FIRST_SCHEMA
        types = {slot.column_name: frames.POLARS_TYPES[slot.kind] for slot in mine}
        raw = dict.fromkeys(types, pl.String())
        names = [slot.frame_column for slot in mine]
        values.append(_part(reading, table, own, types, names))
        kept.append(_part(reading, layout.texts_of(table), {}, raw, names))
    whole = _beside(values)
    return _told(whole, [values[0].select(*ROW_SCHEMA).join(part, **_IN_ORDER) for part in kept], slots)


def _told(values: pl.DataFrame, kept: Sequence[pl.DataFrame], slots: Sequence[Slot]) -> StoredRows:
    """Put the texts back that the values tell."""
    held = {column.name: column for part in kept for column in part.drop(*ROW_SCHEMA)}
    entered = [texts.entered(slot, held[slot.frame_column], values[slot.frame_column]) for slot in slots]
    place = [f"_{name}" for name in (*PLACE_SCHEMA, *FIRST_SCHEMA)]
    named = [text.alias(slot.frame_column) for text, slot in zip(entered, slots, strict=True)]
    return StoredRows(values=values.drop(place), texts=values.select(*ROW_SCHEMA, *place).hstack(named))


def _part(
    reading: _Reading,
    table: str,
    own: Mapping[str, DataType],
    columns: Mapping[str, DataType],
    names: Sequence[str],
) -> pl.DataFrame:
    schema = {**ROW_SCHEMA, **own}
    # A frame column may be called like one of our own; numbers keep them apart until they are renamed.
    numbered = {f"\x00{number}": dtype for number, dtype in enumerate(columns.values())}
    wanted = ", ".join(bulk.quoted(name) for name in (*schema, *columns))
    sql = f"SELECT {wanted} FROM {bulk.quoted(table)} WHERE site = ?"
    found = bulk.fetch_records(reading.connection, sql, reading.site, reading.records, {**schema, **numbered})
    own_names = {name: f"_{name}" for name in own}
    frame_names = dict(zip(numbered, names, strict=True))
    return found.rename(own_names | frame_names)


def _beside(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put the parts of a form side by side; a row that a further part does not hold is blank there."""
    whole, *others = parts
    for part in others:
        whole = whole.join(part, **_IN_ORDER)
    return whole


def read_hashes(
    connection: sa.Connection, site: str, slots: Sequence[Slot], records: Sequence[str] | None = None
) -> pl.DataFrame:
    """Read the keys and fingerprints of a site's rows of one form, of some records or of all."""
    sql = f"SELECT record, event, instance, row_hash FROM {bulk.quoted(table_names(slots)[0])} WHERE site = ?"
    return bulk.fetch_records(connection, sql, site, records, ROW_SCHEMA | {"row_hash": pl.Int64()})
