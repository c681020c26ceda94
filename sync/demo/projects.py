"""Build a centre's REDCap project: its dictionary out of study and mapping, its rows out of the truth."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from schemas.frames import Scalar
from schemas.study import Form, Study
from sync.demo.dictionary import SiteField, branching_at, site_fields
from sync.demo.encode import SiteEncoder, SiteRow
from sync.demo.truth import Place, Truth
from sync.harmonise.mapping import Layout, SiteMapping, fill

COMPLETE = "2"

NAMES: Mapping[str, tuple[str, str]] = {
    "drumtower": ("Drum Tower: UC-MSC in SLE (invented data)", "en"),
    "zhenjiang": ("镇江：脐带间充质干细胞治疗SLE（虚构数据）", "zh"),
    "jiangsu": ("Jiangsu Provincial 江苏省：UC-MSC in SLE (invented data 虚构)", "mixed"),
    "yangzhou": ("扬州：脐带间充质干细胞治疗SLE（虚构数据）", "zh"),
}
"""Site slug -> (project title, language of its labels)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEvent:
    """Describe one event of a site's project; days as planned, 0 where the visit has none."""

    unique_name: str
    label: str
    day: int
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteProject:
    """Hold a centre's project, ready to be written as project XML (``odm.write``)."""

    site: str
    title: str
    record_field: str
    #: instrument -> label, in order
    instruments: Mapping[str, str]
    #: instrument -> its fields; the record id field is the first of the first instrument
    fields: Mapping[str, tuple[SiteField, ...]]
    #: empty in a classic project
    events: tuple[SiteEvent, ...]
    #: event -> its instruments
    event_forms: Mapping[str, tuple[str, ...]]
    #: (event, instrument) pairs that repeat
    repeating: tuple[tuple[str, str], ...]
    #: row -> instrument -> site field -> text; blanks are left out
    rows: Mapping[SiteRow, Mapping[str, Mapping[str, str]]]


def build(study: Study, mapping: SiteMapping, truth: Truth, site: str) -> SiteProject:
    """Build one centre's project with the true values, every form marked complete."""
    encoder = SiteEncoder(study=study, mapping=mapping)
    title, language = NAMES[site]
    instruments, fields = _dictionary(encoder, language)
    events, event_forms, repeating = _events(encoder, language)
    return SiteProject(
        site=site,
        title=title,
        record_field=encoder.record_field,
        instruments=instruments,
        fields=fields,
        events=events,
        event_forms=event_forms,
        repeating=repeating,
        rows=_rows(encoder, dict(truth.of(site))),
    )


def with_cells(project: SiteProject, changes: Mapping[SiteRow, Mapping[str, Mapping[str, str]]]) -> SiteProject:
    """Overwrite cells (row -> instrument -> field -> text); a blank text empties the cell."""
    rows = {row: {name: dict(cells) for name, cells in forms.items()} for row, forms in project.rows.items()}
    for row, forms in changes.items():
        for instrument, cells in forms.items():
            held = rows.setdefault(row, {}).setdefault(instrument, {f"{instrument}_complete": COMPLETE})
            held.update(cells)
            for name in [name for name, text in held.items() if text == ""]:
                del held[name]
    return replace(project, rows=rows)


def _placements(encoder: SiteEncoder, form: Form) -> Iterator[Place]:
    """Yield each place at which a form's fields have names of their own: one, or one a visit and slot."""
    mapping, mapped = encoder.mapping, encoder.mapping.forms[form.name]
    visits = [visit for visit in form.visits if visit in mapping.visits]
    if mapping.layout is not Layout.CLASSIC:
        yield Place(site="", subject="", visit=visits[0], form=form.name)
        return
    for visit in visits:
        for instance in range(1, len(mapped.slots) + 1):
            yield Place(site="", subject="", visit=visit, form=form.name, instance=instance)


def _dictionary(encoder: SiteEncoder, language: str) -> tuple[dict[str, str], dict[str, tuple[SiteField, ...]]]:
    labels: dict[str, str] = {}
    fields: defaultdict[str, dict[str, SiteField]] = defaultdict(dict)
    taken: set[str] = set()
    visits = {visit.id: visit for visit in encoder.study.visits}
    for place, form in _in_reading_order(encoder):
        mapped = encoder.mapping.forms[form.name]
        name = encoder.instrument(mapped, place)
        label = _spoken(form.label, language)
        if "{visit}" in mapped.instrument:
            label = f"{_spoken(visits[place.visit].label, language)}：{label}"
        labels.setdefault(name, label)
        if not taken:
            first = SiteField(name=encoder.record_field, label="Record ID" if language != "zh" else "受试者编号")
            fields[name][first.name] = first
            taken.add(first.name)
        for each in site_fields(encoder, form, place, language):
            if each.name not in taken:
                fields[name][each.name] = replace(each, branching=branching_at(encoder, each.branching, place))
                taken.add(each.name)
    return labels, {name: tuple(found.values()) for name, found in fields.items()}


def _in_reading_order(encoder: SiteEncoder) -> Iterator[tuple[Place, Form]]:
    """Yield forms as the data enterers meet them: by form, or visit by visit where each visit has forms of its own."""
    places = [
        (place, form)
        for form in encoder.study.forms
        if form.name in encoder.mapping.forms
        for place in _placements(encoder, form)
    ]
    if encoder.mapping.layout is Layout.CLASSIC:
        order = [visit.id for visit in encoder.study.visits]
        places.sort(key=lambda pair: order.index(pair[0].visit))
    yield from places


def _spoken(label: Mapping[str, str], language: str) -> str:
    return f"{label['en']} {label['zh']}" if language == "mixed" else label[language]


def _events(
    encoder: SiteEncoder, language: str
) -> tuple[tuple[SiteEvent, ...], dict[str, tuple[str, ...]], tuple[tuple[str, str], ...]]:
    mapping = encoder.mapping
    if mapping.layout is Layout.CLASSIC:
        return (), {}, ()
    events: list[SiteEvent] = []
    event_forms: dict[str, tuple[str, ...]] = {}
    repeating: list[tuple[str, str]] = []
    for visit in encoder.study.visits:
        if visit.id not in mapping.visits:
            continue
        day, window = visit.day or 0, visit.window or (visit.day or 0, visit.day or 0)
        event = mapping.visits[visit.id]
        label = _spoken(visit.label, language)
        events.append(SiteEvent(unique_name=event, label=label, day=day, before=day - window[0], after=window[1] - day))
        here: dict[str, None] = {}
        for form in encoder.study.forms:
            if visit.id in form.visits and form.name in mapping.forms:
                name = fill(mapping.forms[form.name].instrument, visit=event, slot="")
                here[name] = None
                if encoder.repeats(form, visit.id):
                    repeating.append((event, name))
        event_forms[event] = tuple(here)
    return tuple(events), event_forms, tuple(dict.fromkeys(repeating))


def _rows(encoder: SiteEncoder, rows: Mapping[Place, Mapping[str, Scalar]]) -> dict[SiteRow, dict[str, dict[str, str]]]:
    built: dict[SiteRow, dict[str, dict[str, str]]] = {}
    for place, values in rows.items():
        for written in encoder.cells(place, values):
            cells = built.setdefault(written.row, {}).setdefault(
                written.instrument, {f"{written.instrument}_complete": COMPLETE}
            )
            # REDCap keeps the record id apart; a blank cell is no cell
            cells.update({n: text for n, text in written.cells.items() if text and n != encoder.record_field})
    return built
