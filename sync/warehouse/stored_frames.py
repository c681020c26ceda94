"""Give stored rows back as the form frames that they were."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from schemas import frames
from schemas.coordinates import KEY_COLUMNS
from schemas.frames import DECLARED_SCHEMA, PROBLEM_SCHEMA, FormFrame
from schemas.study import Form, Study
from sync.warehouse import difference, form_rows, tables
from sync.warehouse.form_rows import StoredRows
from sync.warehouse.layout import Slot


def read(
    connection: sa.Connection,
    study: Study,
    slots: Sequence[Slot],
    site: str,
    records: Sequence[str] | None = None,
) -> tuple[FormFrame, ...]:
    """Read all forms that were ever stored of a site, in the study's order: all rows, or those of some records."""
    columns = tables.form_mapping.c
    found = connection.execute(sa.select(tables.form_mapping).where(columns.site == site))
    mappings = {row.form: row for row in found}
    result = []
    for form in study.forms:
        mine = sorted((slot for slot in slots if slot.form == form.name), key=lambda slot: slot.position)
        if form.name in mappings and mine:
            stored = form_rows.read(connection, site, mine, records)
            result.append(_frame(form, mine, stored, site, mappings[form.name]))
    return tuple(result)


def _frame(form: Form, slots: Sequence[Slot], stored: StoredRows, site: str, mapping: Any) -> FormFrame:
    wanted = frames.columns_of(form)
    known = {slot.frame_column for slot in slots}
    head = stored.texts.select(
        pl.lit(site).alias("site"),
        "record",
        "event",
        pl.lit(form.name).alias("instrument"),
        "instance",
        *frames.META_COLUMNS,
    )
    gaps = {name: frames.POLARS_TYPES[each.kind] for name, each in wanted.items() if name not in known}
    held = {name: frames.POLARS_TYPES[each.kind] for name, each in wanted.items() if name in known}
    rows = head.hstack([difference.as_read(stored.values[name], dtype) for name, dtype in held.items()])
    rows = rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in gaps.items())
    raw = stored.texts.with_columns(pl.lit(None, pl.String).alias(name) for name in gaps).select(*wanted)
    problems, declared = _remarks(stored.texts["_remarks"])
    return FormFrame(
        form=form,
        rows=rows.select(*KEY_COLUMNS, *frames.META_COLUMNS, *wanted),
        raw=raw,
        problems=problems,
        declared=declared,
        site_fields=mapping.site_fields,
        site_fields_at=_at(mapping.site_fields_at),
        absent=mapping.absent,
    )


def _at(listed: Sequence[Sequence[Any]]) -> Mapping[tuple[str, int, str], str]:
    return {(event, instance, column): field for event, instance, column, field in listed}


def _remarks(texts: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    problems: list[tuple[int, str, str]] = []
    declared: list[tuple[int, str, str]] = []
    for row in texts.is_not_null().arg_true():
        remarks = json.loads(texts[row])
        for kind, found in (("problems", problems), ("declared", declared)):
            for column, words in remarks.get(kind, {}).items():
                found += [(row, column, word) for word in words]
    return (
        pl.DataFrame(problems, schema=PROBLEM_SCHEMA, orient="row"),
        pl.DataFrame(declared, schema=DECLARED_SCHEMA, orient="row"),
    )
