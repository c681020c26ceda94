"""Join mapping, placement and reading: one pull in, one frame a study form out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

import polars as pl

from schemas import frames
from schemas.coordinates import KEY_COLUMNS
from schemas.frames import FormFrame
from schemas.project import ProjectStructure, Snapshot
from schemas.study import Form, Kind, Study
from sync.harmonise import placement, reading
from sync.harmonise.mapping import Layout, SiteMapping
from sync.plural import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmonised:
    """Hold a site's data in the study's words."""

    #: one a study form, in study order; forms that the site does not have are left out
    frames: tuple[FormFrame, ...]
    mapping_version: str
    #: event of the site -> rows of it that no part of the mapping speaks of
    unread: Mapping[str, int]

    @property
    def notices(self) -> tuple[str, ...]:
        """Give sentences for a person, without values."""
        return notices(self.unread)


def harmonise(snapshot: Snapshot, study: Study, mapping: SiteMapping) -> Harmonised:
    """Read one pull into the study's words. Pure; never raises for what a cell holds."""
    return Harmonised(
        frames=tuple(_frame(snapshot, form, mapping) for form in study.forms if form.name in mapping.forms),
        mapping_version=mapping.version,
        unread=dict(_unread(snapshot, mapping)),
    )


def notices(unread: Mapping[str, int]) -> tuple[str, ...]:
    """Say of each event how many of its rows are not read."""
    return tuple(
        f"{counted(rows, 'row')} of event '{event}' {'is' if rows == 1 else 'are'} not read: the mapping's [visits] "
        "does not name it"
        for event, rows in sorted(unread.items())
    )


def mismatches(structure: ProjectStructure, study: Study, mapping: SiteMapping) -> tuple[str, ...]:
    """Say where a mapping speaks of events, instruments or fields that the site's project does not have."""
    return tuple(_mismatches(structure, study, mapping))


def site_fields(study: Study, mapping: SiteMapping) -> frozenset[str]:
    """Name every export column of the site's project that the mapping reads."""
    return frozenset(
        site
        for form in study.forms
        if form.name in mapping.forms
        for part in placement.slices(form, mapping)
        for each in form.fields
        if each.name in part.sources
        for site in placement.text_columns(each, part.sources[each.name]).values()
    )


def _frame(snapshot: Snapshot, form: Form, mapping: SiteMapping) -> FormFrame:
    mapped = mapping.forms[form.name]
    lifted = placement.lift(snapshot, form, mapping)
    fields = frames.columns_of(form)
    present = {column: each for column, each in fields.items() if each.name in mapped.sources}
    plans = [
        reading.read(column, each, mapped.sources[each.name], mapping, snapshot.structure.missing_codes)
        for column, each in present.items()
    ]
    typed, problems, declared = reading.apply(lifted, plans)
    boxes = [column for column, each in present.items() if each.kind is Kind.CHECKBOX]
    # a 0 on a form that nobody has opened is REDCap's, not the site's
    untouched = lifted["_status"].is_null()
    typed = typed.with_columns(pl.when(~(untouched & (pl.col(box) == 0))).then(pl.col(box)).alias(box) for box in boxes)
    head = lifted.select(*KEY_COLUMNS, *frames.META_COLUMNS)
    gaps = [pl.lit(None, frames.POLARS_TYPES[fields[c].kind]).alias(c) for c in fields if c not in present]
    rows = head.hstack(typed).with_columns(gaps).select(*KEY_COLUMNS, *frames.META_COLUMNS, *fields)
    raw = lifted.select(pl.col(c) if c in present else pl.lit(None, pl.String).alias(c) for c in fields)
    return FormFrame(
        form=form,
        rows=rows,
        raw=raw,
        problems=problems,
        declared=declared,
        site_fields=dict(_site_fields(form, mapping)),
        site_fields_at=dict(_site_fields_at(form, mapping)),
        absent={
            column: mapped.absent.get(each.name, "the site's mapping does not name it")
            for column, each in fields.items()
            if each.name not in mapped.sources
        },
        site_codes={name: source.codes for name, source in mapped.sources.items() if source.codes},
        examples=_examples(form, mapping),
    )


def _examples(form: Form, mapping: SiteMapping) -> dict[str, str]:
    """Write one date the way each date field of the form is written at this site."""
    moment = datetime(2012, 3, 5, 7, 30, tzinfo=UTC)
    written: dict[str, str] = {}
    for each in form.fields:
        source = mapping.forms[form.name].sources.get(each.name)
        if source is not None and each.kind is Kind.DATE:
            ways = [way for way in source.dates or mapping.dates if way != "excel"]
            written[each.name] = moment.strftime(ways[0]) if ways else "40973"
        elif source is not None and each.kind is Kind.DATETIME:
            written[each.name] = moment.strftime(mapping.datetimes[0])
    return written


def _site_fields(form: Form, mapping: SiteMapping) -> Iterator[tuple[str, str]]:
    fields = {each.name: each for each in form.fields}
    for name, source in mapping.forms[form.name].sources.items():
        yield name, source.field
        if fields[name].kind is Kind.CHECKBOX:
            yield from ((column, source.field) for column in fields[name].columns)


def _site_fields_at(form: Form, mapping: SiteMapping) -> Iterator[tuple[tuple[str, int, str], str]]:
    """Name the site's field at each visit and slot, where they differ."""
    if mapping.layout is not Layout.CLASSIC:
        return
    fields = {each.name: each for each in form.fields}
    for part in placement.slices(form, mapping):
        for name, source in part.sources.items():
            columns = (name, *fields[name].columns) if fields[name].kind is Kind.CHECKBOX else (name,)
            for column in columns:
                yield (part.visit or "", part.slot_instance or 1, column), source.field


def _unread(snapshot: Snapshot, mapping: SiteMapping) -> Iterator[tuple[str, int]]:
    if not snapshot.structure.is_longitudinal or mapping.layout is Layout.CLASSIC:
        return
    known = set(mapping.visits.values())
    for event, rows in snapshot.rows.group_by("redcap_event_name").len().iter_rows():
        if event not in known:
            yield str(event), rows


def _mismatches(structure: ProjectStructure, study: Study, mapping: SiteMapping) -> Iterator[str]:
    events = [event.unique_name for event in structure.events]
    if mapping.layout is Layout.LONGITUDINAL and events:
        for visit, event in mapping.visits.items():
            if event not in events:
                yield f"visits.{visit}: the project has no event '{event}'{_nearest(event, events)}"
    instruments = [each.name for each in structure.instruments]
    exported = set(structure.export_fields) | {each.field_name for each in structure.fields}
    for form in study.forms:
        if form.name not in mapping.forms:
            continue
        fields = {each.name: each for each in form.fields}
        for part in placement.slices(form, mapping):
            if part.instrument not in instruments:
                near = _nearest(part.instrument, instruments)
                yield f"forms.{form.name}: the project has no instrument '{part.instrument}'{near}"
            for name, source in part.sources.items():
                for site in placement.text_columns(fields[name], source).values():
                    if site not in exported:
                        near = _nearest(site, sorted(exported))
                        yield f"forms.{form.name}.fields.{name}: the project has no field '{site}'{near}"


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""
