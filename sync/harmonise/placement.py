"""Say where the rows of each study form stand in a site's flat export, and lift them out.

A longitudinal project holds one row a record and event (and repeat instance); a classic one holds all visits in
one row. Both end as the same tall frame: key, where it came from, and the site's text under the study's names.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from schemas import frames
from schemas.coordinates import KEY_COLUMNS
from schemas.project import ProjectStructure, Snapshot
from schemas.study import Field, Form, Kind, column_of
from sync.harmonise.mapping import FormMapping, Layout, SiteMapping, Source, fill
from sync.harmonise.reading import FACTOR_SUFFIX, UNIT_SUFFIX

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Point at the rows of one form that share the site's column names."""

    #: study visit; None: taken from the row's event
    visit: str | None
    #: instance, where a numbered slot gives it
    slot_instance: int | None
    instrument: str
    sources: dict[str, Source]
    #: a form status vouches for a row even where every field is blank
    status_counts: bool


def slices(form: Form, mapping: SiteMapping) -> Iterator[Slice]:
    """Yield the slices of one form: one in a longitudinal project, one a visit and slot in a classic one."""
    mapped = mapping.forms[form.name]
    if mapping.layout is Layout.LONGITUDINAL:
        yield _slice(mapped, visit=None, token="", slot="", alone=True)
        return
    placements = list(mapping.placements(form))
    for visit, slot in placements:
        alone = not slot and ("{visit}" in mapped.instrument or len(placements) == 1)
        yield _slice(mapped, visit=visit, token=mapping.visits[visit], slot=slot, alone=alone)


def lift(snapshot: Snapshot, form: Form, mapping: SiteMapping) -> pl.DataFrame:
    """Lift all rows of one form out of a pull: key and meta columns, then the site's text, nulls for blanks.

    Rows of a single slice stay in the pull's order and share its memory; those of several are sorted by key.
    """
    parts = [_lift_slice(snapshot, form, mapping, each) for each in slices(form, mapping)]
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts, how="diagonal").sort(KEY_COLUMNS, maintain_order=True) if parts else _nothing(form)


def text_columns(each: Field, source: Source) -> dict[str, str]:
    """Map the columns of the lifted frame to the site's export columns, for one field."""
    if each.kind is Kind.CHECKBOX:
        site_code = {study: site for site, study in source.codes.items()}
        return {
            column_of(each.name, choice.code): column_of(source.field, site_code.get(choice.code, choice.code))
            for choice in each.choices
        }
    columns = {each.name: source.field}
    if source.unit_field:
        columns[each.name + UNIT_SUFFIX] = source.unit_field
    for place, name in enumerate(source.product):
        columns[f"{each.name}{FACTOR_SUFFIX}{place}"] = name
    return columns


def _slice(mapped: FormMapping, *, visit: str | None, token: str, slot: str, alone: bool) -> Slice:
    return Slice(
        visit=visit,
        slot_instance=int(slot) if slot.isdigit() else (mapped.slots.index(slot) + 1 if slot else None),
        instrument=fill(mapped.instrument, visit=token, slot=slot),
        sources={name: source.at(visit=token, slot=slot) for name, source in mapped.sources.items()},
        status_counts=alone,
    )


def _lift_slice(snapshot: Snapshot, form: Form, mapping: SiteMapping, part: Slice) -> pl.DataFrame:
    structure = snapshot.structure
    rows = _where(snapshot.rows, _stands_here(structure, mapping, part))
    fields = {each.name: each for each in form.fields}
    wanted = {
        column: site
        for name, source in part.sources.items()
        for column, site in text_columns(fields[name], source).items()
    }
    status = f"{part.instrument}_complete"
    columns = set(rows.columns)
    text = [
        (pl.col(site) if site in columns else pl.lit(None, pl.String)).alias(column) for column, site in wanted.items()
    ]
    lifted = rows.select(
        pl.lit(snapshot.site).alias("site"),
        pl.col(structure.record_field).alias("record"),
        _visit(structure, mapping, part).alias("event"),
        pl.lit(form.name).alias("instrument"),
        _instance(part).alias("instance"),
        (pl.col(status).cast(pl.Int64, strict=False) if status in columns else pl.lit(None, pl.Int64)).alias("_status"),
        pl.col(EVENT).alias("_site_event"),
        pl.lit(part.instrument).alias("_site_instrument"),
        pl.col(INSTANCE).cast(pl.Int64, strict=False).alias("_site_instance"),
        *text,
    )
    return _where(_with_products(lifted, part), _holds_data(form, wanted, part))


def _where(rows: pl.DataFrame, condition: pl.Expr) -> pl.DataFrame:
    """Filter, but hand the frame itself on where all rows stay: a copy of a whole pull would be felt."""
    mask = rows.select(condition.alias("mask"))["mask"]
    return rows if mask.len() == rows.height and mask.all(ignore_nulls=False) else rows.filter(condition)


def _stands_here(structure: ProjectStructure, mapping: SiteMapping, part: Slice) -> pl.Expr:
    """Keep the base rows and the rows of this repeating instrument, at events that have the form."""
    here = pl.col(INSTRUMENT).is_null() | (pl.col(INSTRUMENT) == part.instrument)
    if not structure.is_longitudinal:
        return here
    designated = [event for event, instrument in structure.event_forms if instrument == part.instrument]
    mapped = [event for event in designated if mapping.layout is Layout.CLASSIC or event in mapping.visits.values()]
    return here & pl.col(EVENT).is_in(mapped)


def _visit(structure: ProjectStructure, mapping: SiteMapping, part: Slice) -> pl.Expr:
    if part.visit is not None:
        return pl.lit(part.visit)
    if not structure.is_longitudinal:
        return pl.lit("")
    to_study = {event: visit for visit, event in mapping.visits.items()}
    return pl.col(EVENT).replace_strict(to_study, return_dtype=pl.String)


def _instance(part: Slice) -> pl.Expr:
    if part.slot_instance is not None:
        return pl.lit(part.slot_instance, pl.Int64)
    return pl.col(INSTANCE).cast(pl.Int64, strict=False).fill_null(1)


def _with_products(lifted: pl.DataFrame, part: Slice) -> pl.DataFrame:
    """Show a product as its factors, the way the site entered it."""
    shown = []
    for name, source in part.sources.items():
        if source.product:
            factors = [pl.col(f"{name}{FACTOR_SUFFIX}{place}") for place in range(len(source.product))]
            shown.append(pl.concat_str(factors, separator=" × ", ignore_nulls=True).replace("", None).alias(name))
    return lifted.with_columns(shown)


def _holds_data(form: Form, wanted: dict[str, str], part: Slice) -> pl.Expr:
    """Tell a row that somebody filled in from one that REDCap exports for its event's sake.

    An unticked box is exported as 0 on forms that nobody has opened, so a 0 alone is no datum. A form status
    vouches for a row only at visits that have the form: the site's instrument may hold another study form too.
    """
    ticked = {column for each in form.fields if each.kind is Kind.CHECKBOX for column in each.columns}
    signs = [
        (pl.col(name) == "1").fill_null(False) if name in ticked else pl.col(name).is_not_null() for name in wanted
    ]
    if part.status_counts:
        meant = pl.col("event").is_in(form.visits) if form.visits and part.visit is None else pl.lit(True)
        signs.append(pl.col("_status").is_not_null() & meant)
    return pl.any_horizontal(signs) if signs else pl.lit(False)


def _nothing(form: Form) -> pl.DataFrame:
    empty = frames.empty_rows(form)
    return empty.with_columns(pl.col(column).cast(pl.String) for column in frames.columns_of(form))
