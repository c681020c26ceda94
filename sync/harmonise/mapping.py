"""Read the mapping language: how one site's project says what the study wants to know.

A mapping file (TOML) names, for each study form, the site's instrument and for each study field the site's field
with its codes, unit and way of writing. What is not named falls to ``[defaults]``, two templates in which
``{form}`` and ``{name}`` stand for the study's words. In a classic project, whose single row holds all visits,
``{visit}`` stands for the visit's token and ``{n}`` for a numbered slot.

docs/reference/mapping.md describes every key.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from difflib import get_close_matches
from enum import StrEnum, unique
from typing import Annotated, Any

import pydantic

from schemas import study as study_types
from schemas import units


class MappingError(ValueError):
    """Refuse a mapping; ``problems`` lists all of them, each with its key path and a remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, one line each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@unique
class Layout(StrEnum):
    """How a project holds its visits: as events, or all in one row."""

    LONGITUDINAL = "longitudinal"
    CLASSIC = "classic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Say where one study field stands in a site's project and how it is written there.

    Names may still hold ``{visit}`` and ``{n}``; :meth:`at` fills them in.
    """

    #: the site's field; with ``product`` the first factor
    field: str
    #: site code or word -> study code
    codes: Mapping[str, str] = default(default_factory=dict)
    #: the unit in which the site reports, UCUM; None: the study's own
    unit: str | None = None
    #: the site's field that holds the unit, and what its codes mean in UCUM
    unit_field: str | None = None
    units: Mapping[str, str] = default(default_factory=dict)
    #: further words for a missing value in this field
    missing: tuple[str, ...] = ()
    #: ways of writing dates, instead of the mapping's
    dates: tuple[str, ...] = ()
    #: regular expression whose one group is the value
    extract: str | None = None
    #: how the site writes it, ``{}`` for the value; the inverse of ``extract``, used to write sample projects
    write: str | None = None
    #: site fields whose product is the value, times ``factor``
    product: tuple[str, ...] = ()
    factor: float = 1.0

    def at(self, *, visit: str, slot: str) -> "Source":
        """Fill in ``{visit}`` and ``{n}`` in every field name."""
        return Source(
            field=fill(self.field, visit=visit, slot=slot),
            codes=self.codes,
            unit=self.unit,
            unit_field=self.unit_field and fill(self.unit_field, visit=visit, slot=slot),
            units=self.units,
            missing=self.missing,
            dates=self.dates,
            extract=self.extract,
            write=self.write,
            product=tuple(fill(each, visit=visit, slot=slot) for each in self.product),
            factor=self.factor,
        )

    @property
    def site_fields(self) -> tuple[str, ...]:
        """Name every site field that this source reads."""
        names = self.product or (self.field,)
        return (*names, self.unit_field) if self.unit_field else names


@dataclass(frozen=True, slots=True, kw_only=True)
class FormMapping:
    """Say where one study form stands in a site's project."""

    form: str
    #: may hold {visit}
    instrument: str
    sources: Mapping[str, Source]
    #: study field -> why this site does not report it
    absent: Mapping[str, str]
    #: numbered slots of a repeating form in a single row; ("",) elsewhere
    slots: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMapping:
    """Hold one site's mapping, checked against the study."""

    #: the file's own version and the first 12 hex digits of its SHA-256, e.g. "1+9f2c41d07ab3"
    version: str
    layout: Layout
    #: the site's record id field; None: whatever the project's first field is
    record: str | None
    #: study visit -> event (longitudinal) or token (classic)
    visits: Mapping[str, str]
    forms: Mapping[str, FormMapping]
    #: study form -> why this site does not have it
    absent_forms: Mapping[str, str]
    dates: tuple[str, ...]
    datetimes: tuple[str, ...]
    missing: tuple[str, ...]
    decimal: str
    yes_no: Mapping[str, str]

    def placements(self, form: study_types.Form) -> Iterator[tuple[str, str]]:
        """Yield each (visit, slot) at which a form may stand in a classic project."""
        mapped = self.forms[form.name]
        for visit in form.visits or tuple(self.visits):
            if visit in self.visits:
                for slot in mapped.slots:
                    yield visit, slot


def fill(template: str, *, visit: str, slot: str) -> str:
    """Put a visit's token and a slot's number into a name."""
    return template.replace("{visit}", visit).replace("{n}", slot)


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class _Head(_Strict):
    version: str
    project: Layout
    record: str
    dates: list[str] = ["%Y-%m-%d"]
    datetimes: list[str] = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
    missing: list[str] = []
    decimal: Annotated[str, pydantic.Field(pattern="^[.,]$")] = "."
    yes_no: dict[str, str] = {}


class _Defaults(_Strict):
    instrument: str = "{form}"
    names: str | None = None


class _Entry(_Strict):
    field: str | None = None
    codes: dict[str, str] = {}
    unit: str | None = None
    unit_field: str | None = None
    units: dict[str, str] = {}
    missing: list[str] = []
    dates: list[str] = []
    extract: str | None = None
    write: str | None = None
    product: list[str] = []
    factor: float = 1.0


class _Form(_Strict):
    instrument: str | None = None
    names: str | None = None
    slots: list[str] = []
    absent: dict[str, str] = {}
    fields: dict[str, str | _Entry] = {}


class _File(_Strict):
    mapping: _Head
    defaults: _Defaults = _Defaults()
    visits: dict[str, str] = {}
    absent_forms: dict[str, str] = {}
    forms: dict[str, _Form] = {}


def parse(text: str, study: study_types.Study) -> SiteMapping:
    """Read a mapping file's text and check it against the study; MappingError lists every problem at once."""
    try:
        content = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise MappingError([f"not valid TOML: {error}"]) from None
    except pydantic.ValidationError as error:
        raise MappingError([_say(each) for each in error.errors(include_input=False)]) from None
    problems = list(_check_names(content, study))
    forms: dict[str, FormMapping] = {}
    for form in study.forms:
        if form.name in content.absent_forms:
            continue
        mapped = _form(form, content.forms.get(form.name, _Form()), content)
        problems.extend(_check_form(form, mapped, content))
        forms[form.name] = mapped
    if problems:
        raise MappingError(problems)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    head = content.mapping
    return SiteMapping(
        version=f"{head.version}+{digest}",
        layout=head.project,
        record=head.record,
        visits=content.visits,
        forms=forms,
        absent_forms=content.absent_forms,
        dates=tuple(head.dates),
        datetimes=tuple(head.datetimes),
        missing=tuple(head.missing),
        decimal=head.decimal,
        yes_no=head.yes_no,
    )


def identity(study: study_types.Study) -> SiteMapping:
    """Map a study that was derived from the project itself: every word stands for itself."""
    forms = {
        form.name: FormMapping(
            form=form.name,
            instrument=form.name,
            sources={each.name: Source(field=each.origin or each.name) for each in form.fields},
            absent={},
        )
        for form in study.forms
    }
    return SiteMapping(
        version=f"dictionary+{study.version}",
        layout=Layout.LONGITUDINAL,
        record=study.record_field,
        visits={visit.id: visit.id for visit in study.visits},
        forms=forms,
        absent_forms={},
        dates=("%Y-%m-%d",),
        datetimes=("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"),
        missing=(),
        decimal=".",
        yes_no={},
    )


def _form(form: study_types.Form, given: _Form, content: _File) -> FormMapping:
    names = given.names if given.names is not None else content.defaults.names
    sources: dict[str, Source] = {}
    absent = dict(given.absent)
    for each in form.fields:
        entry = given.fields.get(each.name)
        if isinstance(entry, str):
            entry = _Entry(field=entry)
        if each.name in absent:
            continue
        if entry is None and names is None:
            absent[each.name] = "the site's mapping does not name it"
            continue
        default = (names or "").replace("{form}", form.name).replace("{name}", each.name)
        sources[each.name] = _source(entry or _Entry(), default, each, content.mapping)
    instrument = (given.instrument or content.defaults.instrument).replace("{form}", form.name)
    slots = tuple(given.slots) or ("",)
    return FormMapping(form=form.name, instrument=instrument, sources=sources, absent=absent, slots=slots)


def _source(entry: _Entry, default: str, each: study_types.Field, head: _Head) -> Source:
    codes = entry.codes
    if not codes and each.kind is study_types.Kind.YESNO:
        codes = head.yes_no
    return Source(
        field=entry.field or (entry.product[0] if entry.product else default),
        codes=codes,
        unit=entry.unit,
        unit_field=entry.unit_field,
        units=entry.units,
        missing=tuple(entry.missing),
        dates=tuple(entry.dates),
        extract=entry.extract,
        write=entry.write,
        product=tuple(entry.product),
        factor=entry.factor,
    )


def _check_names(content: _File, study: study_types.Study) -> Iterator[str]:
    visits = [visit.id for visit in study.visits]
    forms = [form.name for form in study.forms]
    for visit in content.visits:
        if visit not in visits:
            yield f"visits.{visit}: the study has no such visit{_nearest(visit, visits)}"
    for name in (*content.forms, *content.absent_forms):
        if name not in forms:
            yield f"forms.{name}: the study has no such form{_nearest(name, forms)}"
    for token in {each for each in content.visits.values() if list(content.visits.values()).count(each) > 1}:
        yield f"visits: '{token}' stands for two visits; give each visit a value of its own"
    for form in study.forms:
        names = [each.name for each in form.fields]
        given = content.forms.get(form.name, _Form())
        for name in (*given.fields, *given.absent):
            if name not in names:
                yield f"forms.{form.name}.fields.{name}: the study form has no such field{_nearest(name, names)}"


def _check_form(form: study_types.Form, mapped: FormMapping, content: _File) -> Iterator[str]:
    fields = {each.name: each for each in form.fields}
    placed = [visit for visit in form.visits if visit in content.visits]
    classic = content.mapping.project is Layout.CLASSIC
    for name, source in mapped.sources.items():
        place = f"forms.{form.name}.fields.{name}"
        each = fields[name]
        if classic and len(placed) > 1 and not all("{visit}" in site for site in source.site_fields):
            yield f"{place}: '{source.field}' needs {{visit}}, since the form is filled at {len(placed)} visits"
        if len(mapped.slots) > 1 and not all("{n}" in site for site in source.site_fields):
            yield f"{place}: '{source.field}' needs {{n}}, since the form has {len(mapped.slots)} slots"
        known = {choice.code for choice in each.choices} or (
            {"1", "0"} if each.kind is study_types.Kind.YESNO else set()
        )
        for code in source.codes.values():
            if known and code not in known:
                yield f"{place}.codes: '{code}' is no code of the study field; use one of {', '.join(sorted(known))}"
        for unit in {source.unit, *source.units.values()} - {None, each.unit}:
            if unit not in each.units and not _converts(each, str(unit)):
                accepted = ", ".join(sorted({*each.units, each.unit or ""} - {""})) or "no unit at all"
                yield f"{place}: unit '{unit}' cannot be turned into {each.unit or 'anything'}; it takes {accepted}"
        if source.extract is not None:
            yield from _check_pattern(place, source.extract)


def _converts(each: study_types.Field, unit: str) -> bool:
    return each.unit is not None and units.conversion(each, unit) is not None


def _check_pattern(place: str, pattern: str) -> Iterator[str]:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        yield f"{place}.extract: not a regular expression: {error}"
    else:
        if groups != 1:
            yield f"{place}.extract: needs exactly one (group), the value; it has {groups}"


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _say(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"] if part not in ("str", "_Entry"))
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key; see docs/reference/mapping.md for those that a mapping takes"
    return f"{place}: {error['msg']}"
