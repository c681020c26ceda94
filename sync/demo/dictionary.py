"""Derive a centre's data dictionary from the study: names, types, codes and labels as the mapping has them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.study import Field, Form, Kind
from sync.demo.encode import SiteEncoder
from sync.demo.truth import Place
from sync.harmonise.mapping import Layout, Source

YES_NO = {"en": {"1": "Yes", "0": "No"}, "zh": {"1": "是", "0": "否"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteField:
    """Describe one field of a site's dictionary, in REDCap's words."""

    name: str
    label: str
    field_type: str = "text"
    #: code -> label
    choices: Mapping[str, str] | None = None
    validation: str = ""
    low: str = ""
    high: str = ""
    note: str = ""
    branching: str = ""
    required: bool = False
    identifier: bool = False


def site_fields(encoder: SiteEncoder, form: Form, place: Place, language: str) -> Iterator[SiteField]:
    """Yield the fields of one form at one place; ``branching`` is still in the study's words."""
    mapped = encoder.mapping.forms[form.name]
    for each in form.fields:
        if each.name not in mapped.sources:
            continue
        source = mapped.sources[each.name]
        if encoder.mapping.layout is Layout.CLASSIC:
            source = source.at(visit=encoder.mapping.visits[place.visit], slot=encoder.slot(mapped, place))
        chinese = language == "zh" or (language == "mixed" and len(each.name) % 2 == 1)
        label = each.label["zh" if chinese else "en"]
        if source.product:
            # the other factor, the volume, is a study field of its own
            yield SiteField(name=source.field, label=f"{label}（浓度 g/L）", validation=_numeric(encoder, each))
            continue
        yield _site_field(encoder, each, source, label, "zh" if chinese else "en")
        if source.unit_field:
            shown = {code: unit.replace("10*", "10^") for code, unit in source.units.items()}
            yield SiteField(name=source.unit_field, label=f"{label}：单位", field_type="dropdown", choices=shown)


def _site_field(encoder: SiteEncoder, each: Field, source: Source, label: str, language: str) -> SiteField:
    kind, choices = _type(each, source, language)
    validation = "" if choices else _validation(encoder, each, source)
    own_unit = validation in ("number", "integer") and source.unit in (None, each.unit)
    limits = each.hard if own_unit else None
    return SiteField(
        name=source.field,
        label=label,
        field_type=kind,
        choices=choices,
        validation=validation,
        low=_plain(limits.low) if limits else "",
        high=_plain(limits.high) if limits else "",
        note=(source.unit or each.unit or "").replace("10*", "10^"),
        branching=each.branching or "",
        required=each.required,
        identifier=each.identifier,
    )


def _type(each: Field, source: Source, language: str) -> tuple[str, dict[str, str] | None]:
    """Name REDCap's field type and choices; codes that REDCap does not take (男, 有) make it a plain text box."""
    site_code = {study: site for site, study in reversed(list(source.codes.items()))}
    if not all(code.isascii() for code in source.codes):
        return "text", None
    if each.kind is Kind.YESNO:
        if not site_code:
            return "yesno", None
        return "radio", {site_code[code]: text for code, text in YES_NO[language].items()}
    if each.kind not in (Kind.CODED, Kind.CHECKBOX):
        return "text", None
    labels = {choice.code: choice.label[language] for choice in each.choices}
    shown = {site_code.get(code, code): text for code, text in labels.items()}
    if each.kind is Kind.CHECKBOX:
        return "checkbox", shown
    return "radio" if len(shown) <= 5 else "dropdown", shown


def _validation(encoder: SiteEncoder, each: Field, source: Source) -> str:
    mapping = encoder.mapping
    match each.kind:
        case Kind.DATE:
            return "date_ymd" if (source.dates or mapping.dates)[0] == "%Y-%m-%d" else ""
        case Kind.DATETIME:
            return "datetime_ymd" if mapping.datetimes[0] == "%Y-%m-%d %H:%M" else ""
        case Kind.TIME:
            return "time"
        case Kind.NUMBER | Kind.INTEGER if source.write is None:
            return _numeric(encoder, each)
        case _:
            return ""


def _numeric(encoder: SiteEncoder, each: Field) -> str:
    """Validate numbers only where the site's words for a missing value are numbers themselves."""
    if not all(re.fullmatch(r"-?\d+", word) for word in encoder.mapping.missing):
        return ""
    return "integer" if each.kind is Kind.INTEGER else "number"


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:g}"


_CODED = re.compile(r"(?:\[(?P<visit>\w+)\])?\[(?P<field>[\w-]+)\](?:\s*(?P<op>=|<>|<|>)\s*(?P<value>'[^']*'|\d+))?")


def branching_at(encoder: SiteEncoder, logic: str, place: Place) -> str:
    """Write branching logic in the site's words: its names, codes and events at one place.

    Blank where the site's project cannot ask it (no such field, or a single-row project's event).
    """
    lost = False

    def said(match: re.Match[str]) -> str:
        nonlocal lost
        visit, value = match["visit"] or place.visit, (match["value"] or "").strip("'")
        if match["field"] == "event-name":
            if encoder.mapping.layout is Layout.CLASSIC:
                lost = True
                return ""
            return f"[event-name] {match['op']} '{encoder.mapping.visits[value]}'"
        found = _locate(encoder, match["field"], visit, place)
        if found is None:
            lost = True
            return ""
        source, event = found
        code = next((site for site, study in source.codes.items() if study == value), value)
        before = f"[{event}]" if match["visit"] and event else ""
        if not match["op"]:
            return f"{before}[{source.field}]"
        quoted = f"'{code}'" if match["value"].startswith("'") else code
        return f"{before}[{source.field}] {match['op']} {quoted}"

    written = _CODED.sub(said, logic)
    return "" if lost else written


def _locate(encoder: SiteEncoder, name: str, visit: str, place: Place) -> tuple[Source, str] | None:
    """Find the site's field behind a study field at a visit, and its event (blank in a single-row project)."""
    for form in encoder.study.forms:
        mapped = encoder.mapping.forms.get(form.name)
        if mapped is None or name not in mapped.sources:
            continue
        if encoder.mapping.layout is not Layout.CLASSIC:
            return mapped.sources[name], encoder.mapping.visits[visit]
        slot = encoder.slot(mapped, place) if form.name == place.form else ""
        return mapped.sources[name].at(visit=encoder.mapping.visits[visit], slot=slot), ""
    return None
