"""Write true values the way each centre writes them: the inverse of ``sync.harmonise``, by code of its own.

The two share the mapping file and its reader, nothing else, so that writing a project and reading it back tests
both. Numbers are written with as few digits as the site's unit needs to be read back to the study's decimals.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from math import ceil, log10

from schemas.frames import Scalar
from schemas.study import Field, Form, Kind, Study
from sync.demo.truth import Place
from sync.harmonise.mapping import FormMapping, Layout, SiteMapping, Source, fill

MOST_DIGITS = 6
NEAR_HALF = Decimal("0.45")
"""How near to the next rounded value a written number may come: away from ties, where a float could tip over."""

CARELESS = 4
"""One in so many cells is written with the centre's second unit or its full-width colon."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SiteRow:
    """Address one row of a site's project in REDCap's words; blank event, instrument and None where unused."""

    record: str
    event: str = ""
    repeat_instrument: str = ""
    repeat_instance: int | None = None

    def key(self) -> dict[str, str]:
        """Give the API's key columns but the record's, ready for an import."""
        instance = "" if self.repeat_instance is None else str(self.repeat_instance)
        return {
            "redcap_event_name": self.event,
            "redcap_repeat_instrument": self.repeat_instrument,
            "redcap_repeat_instance": instance,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCell:
    """Hold what one value becomes in the site's project: where it goes, and the site's fields with their text."""

    row: SiteRow
    instrument: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEncoder:
    """Write one centre's project. ``study`` and ``mapping`` say how."""

    study: Study
    mapping: SiteMapping

    @property
    def record_field(self) -> str:
        """Name the field that holds REDCap's record id."""
        return self.mapping.record or self.study.record_field

    def record(self, subject: str) -> str:
        """Name a subject's record: the subject id, or a number of its own where the centre numbers records."""
        for form in self.study.forms:
            if form.name in self.mapping.forms:
                source = self.mapping.forms[form.name].sources.get(self.study.record_field)
                if source is not None and source.field == self.record_field:
                    return subject
        return str(int(subject.rpartition("-")[2]))

    def cell(self, place: Place, field: str, value: Scalar, row: Mapping[str, Scalar]) -> SiteCell:
        """Write one column of a row; ``row`` holds the row's true values, for fields that are kept as a product.

        LookupError where the site does not report the field.
        """
        mapped = self.mapping.forms[place.form]
        form = self.study.form(place.form)
        each = next(one for one in form.fields if field in one.columns)
        if each.name not in mapped.sources:
            raise LookupError(f"{place.site} does not report {field}: {mapped.absent.get(each.name, 'not mapped')}")
        source = self._source(mapped, each, place)
        if each.kind is Kind.CHECKBOX:
            cells = {f"{source.field}___{field.partition('___')[2]}": "1" if value == 1 else "0"}
        else:
            cells = self._write(each, source, value, row, place)
        return SiteCell(row=self.row(form, place), instrument=self.instrument(mapped, place), cells=cells)

    def cells(self, place: Place, row: Mapping[str, Scalar]) -> Iterator[SiteCell]:
        """Write every column of a row that the site reports."""
        mapped = self.mapping.forms[place.form]
        for each in self.study.form(place.form).fields:
            if each.name in mapped.sources:
                for column in each.columns:
                    yield self.cell(place, column, row[column], row)

    def row(self, form: Form, place: Place) -> SiteRow:
        """Say in which row of the project a study row stands."""
        record = self.record(place.subject)
        if self.mapping.layout is Layout.CLASSIC:
            return SiteRow(record=record)
        event = self.mapping.visits[place.visit]
        if self.repeats(form, place.visit):
            instrument = self.instrument(self.mapping.forms[form.name], place)
            return SiteRow(record=record, event=event, repeat_instrument=instrument, repeat_instance=place.instance)
        return SiteRow(record=record, event=event)

    def repeats(self, form: Form, visit: str) -> bool:
        """Tell whether a form repeats at a visit: by itself, or because the visit may come several times."""
        planned = next(each for each in self.study.visits if each.id == visit)
        return form.repeating or planned.repeating

    def instrument(self, mapped: FormMapping, place: Place) -> str:
        """Name the site's instrument of a row."""
        return fill(mapped.instrument, visit=self.mapping.visits[place.visit], slot=self.slot(mapped, place))

    def slot(self, mapped: FormMapping, place: Place) -> str:
        """Name the numbered slot of an instance in a single-row project."""
        return mapped.slots[place.instance - 1] if self.mapping.layout is Layout.CLASSIC else ""

    def _source(self, mapped: FormMapping, each: Field, place: Place) -> Source:
        if self.mapping.layout is not Layout.CLASSIC:
            return mapped.sources[each.name]
        return mapped.sources[each.name].at(visit=self.mapping.visits[place.visit], slot=self.slot(mapped, place))

    def _write(
        self, each: Field, source: Source, value: Scalar, row: Mapping[str, Scalar], place: Place
    ) -> dict[str, str]:
        if value is None:
            # a result that was not done is said in the site's words, where it has any
            word = self.mapping.missing[0] if self.mapping.missing and each.not_done and row[each.not_done] else ""
            return {source.field: word} | ({source.unit_field: ""} if source.unit_field else {})
        if source.product:
            return {source.field: _factor(each, source, value, row, self.mapping)}
        if source.unit_field:
            code, unit = _pick(list(source.units.items()), place, each.name)
            return {source.field: number_text(each, unit, Decimal(str(value))), source.unit_field: code}
        if isinstance(value, int | float) and each.kind in (Kind.NUMBER, Kind.INTEGER):
            text = number_text(each, source.unit, Decimal(str(value)))
            return {source.field: _wrapped(source, text, place, each.name)}
        return {source.field: self._text(each, source, value)}

    def _text(self, each: Field, source: Source, value: Scalar) -> str:
        if isinstance(value, datetime):
            return moment_text(value, self.mapping.datetimes[0])
        if isinstance(value, date):
            return moment_text(value, (source.dates or self.mapping.dates)[0])
        if isinstance(value, time):
            return value.strftime("%H:%M")
        if source.codes and each.kind in (Kind.CODED, Kind.YESNO):
            return next(site for site, study in source.codes.items() if study == value)
        return str(value)


def number_text(each: Field, unit: str | None, value: Decimal) -> str:
    """Write a number in a site's unit so that it is read back exactly; ValueError where six digits do not do."""
    if unit is None or unit == each.unit:
        places = 0 if each.kind is Kind.INTEGER else -int(value.normalize().as_tuple().exponent)
        return f"{value:.{max(places, 0)}f}"
    factor = Decimal(str(each.units[unit]))
    kept = each.decimals or 0
    for places in range(max(0, kept + ceil(log10(factor))), MOST_DIGITS + 1):
        there = (value / factor).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        if abs(there * factor - value) <= NEAR_HALF.scaleb(-kept):
            return f"{there:.{places}f}"
    raise ValueError(f"{each.name} cannot be written in {unit} without loss")


def moment_text(value: date | datetime, pattern: str) -> str:
    """Write a date or time; where the year stands first and no dash follows, without leading zeros (2012/3/5)."""
    if pattern.startswith("%Y") and "-" not in pattern:
        pattern = pattern.replace("%m", str(value.month)).replace("%d", str(value.day))
    return value.strftime(pattern)


def _factor(each: Field, source: Source, value: Scalar, row: Mapping[str, Scalar], mapping: SiteMapping) -> str:
    """Write the first factor of a product whose second is another true value of the row (the 24-hour volume)."""
    wanted = Decimal(str(value))
    volume = Decimal(str(row["uvol24_ml"])) * Decimal(str(source.factor))
    kept = each.decimals or 0
    for places in range(kept, MOST_DIGITS + 1):
        there = (wanted / volume).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        if abs(there * volume - wanted) <= NEAR_HALF.scaleb(-kept):
            return f"{there:.{places}f}"
    raise ValueError(f"{each.name} cannot be written as a product without loss")


def _chance(place: Place, name: str) -> int:
    """Draw a number from 0 to CARELESS - 1 that is the same whenever the cell is written."""
    return zlib.crc32(f"{place.subject}/{place.visit}/{place.instance}/{name}".encode()) % CARELESS


def _pick(units: list[tuple[str, str]], place: Place, name: str) -> tuple[str, str]:
    return units[1] if len(units) > 1 and _chance(place, name) == 0 else units[0]


def _wrapped(source: Source, text: str, place: Place, name: str) -> str:
    if source.write is None:
        return text
    written = source.write.format(text)
    return written.replace(":", "：") if _chance(place, name) == 0 else written
