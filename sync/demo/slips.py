"""Make the slips that people make when they type: each takes a right cell and gives the wrong one."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from schemas.frames import Scalar
from schemas.study import Field
from sync.demo.encode import SiteCell, SiteEncoder
from sync.demo.truth import Place

Slip = Callable[["Cell"], "Mapping[str, str] | None"]
"""Gives the site's fields with the wrong text; None where the slip cannot be made of this cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Hold a right cell: the true value, and how the centre writes it."""

    place: Place
    field: Field
    value: Scalar
    #: the row's true values
    row: Mapping[str, Scalar]
    #: the same form at the visit before, if any
    previous: Mapping[str, Scalar] | None
    written: SiteCell
    encoder: SiteEncoder
    rng: random.Random

    @property
    def site_field(self) -> str:
        """Name the site's field that holds the value itself."""
        return next(iter(self.written.cells))

    @property
    def text(self) -> str:
        """Give the right text."""
        return self.written.cells[self.site_field]

    def as_value(self, value: Scalar) -> Mapping[str, str] | None:
        """Write another value the way the centre does; None where it looks the same."""
        cells = self.encoder.cell(self.place, self.field.name, value, {**self.row, self.field.name: value}).cells
        return cells if cells != self.written.cells else None

    def as_text(self, text: str) -> Mapping[str, str] | None:
        """Put another text in the same field."""
        return {**self.written.cells, self.site_field: text} if text != self.text else None

    @property
    def number(self) -> float:
        """Give the true value as a number."""
        return float(str(self.value))


def typed(text: str) -> Slip:
    """Type a fixed text instead."""
    return lambda cell: cell.as_text(text)


def blank(cell: Cell) -> Mapping[str, str] | None:
    """Leave the cell empty."""
    return dict.fromkeys(cell.written.cells, "") if cell.text else None


def times(factor: str) -> Slip:
    """Shift the decimal point: the site's own text times a power of ten."""

    def slip(cell: Cell) -> Mapping[str, str] | None:
        shifted = Decimal(cell.text) * Decimal(factor)
        return cell.as_text(f"{shifted.normalize():f}")

    return slip


def in_unit(factor: str) -> Slip:
    """Type the number as another unit has it: the true value times a factor, in the site's field."""

    def slip(cell: Cell) -> Mapping[str, str] | None:
        return cell.as_text(f"{(Decimal(str(cell.value)) * Decimal(factor)).normalize():f}")

    return slip


def under_unit(code: str) -> Slip:
    """Type the number in the study's unit but choose the code of another unit beside it."""

    def slip(cell: Cell) -> Mapping[str, str] | None:
        (unit_field,) = (name for name in cell.written.cells if name != cell.site_field)
        return {cell.site_field: f"{cell.number:g}", unit_field: code}

    return slip


def plus(least: float, most: float) -> Slip:
    """Miss the number by a little, up or down, in the study's unit."""

    def slip(cell: Cell) -> Mapping[str, str] | None:
        step = cell.rng.uniform(least, most) * cell.rng.choice((-1, 1))
        places = cell.field.decimals if cell.field.decimals is not None else 1
        if isinstance(cell.value, int):
            return cell.as_value(cell.value + round(step))
        return cell.as_value(round(cell.number + step, places))

    return slip


def more(points: int) -> Slip:
    """Add wrongly."""
    return lambda cell: cell.as_value(int(cell.number) + points)


def becomes(value: Scalar) -> Slip:
    """Enter another value of the study, written the centre's way."""
    return lambda cell: cell.as_value(value)


def year(step: int) -> Slip:
    """Type the year before or after."""

    def slip(cell: Cell) -> Mapping[str, str] | None:
        if not isinstance(cell.value, date) or (cell.value.month, cell.value.day) == (2, 29):
            return None
        return cell.as_value(cell.value.replace(year=cell.value.year + step))

    return slip


def days(step: int) -> Slip:
    """Type a date some days off."""
    return lambda cell: cell.as_value(cell.value + timedelta(days=step)) if isinstance(cell.value, date) else None


def hours(step: int) -> Slip:
    """Type a time some hours off."""
    return lambda cell: cell.as_value(cell.value + timedelta(hours=step)) if isinstance(cell.value, datetime) else None


def of_field(name: str) -> Slip:
    """Type what belongs to another field of the row, shifted past it: two neighbours changed places."""
    return lambda cell: cell.as_value(cell.row[name])


def as_before(cell: Cell) -> Mapping[str, str] | None:
    """Copy what the visit before has in this field."""
    before = cell.previous[cell.field.name] if cell.previous else None
    return cell.as_value(before) if before is not None else None


def swapped(cell: Cell) -> Mapping[str, str] | None:
    """Change two neighbouring digits' places."""
    text = cell.text
    for at in cell.rng.sample(range(len(text) - 1), len(text) - 1):
        pair = text[at : at + 2]
        if pair.isdigit() and pair[0] != pair[1] and not (at == 0 and pair[1] == "0"):
            return cell.as_text(text[:at] + pair[::-1] + text[at + 2 :])
    return None


def rewritten(old: str, new: str) -> Slip:
    """Replace a piece of the text."""
    return lambda cell: cell.as_text(cell.text.replace(old, new)) if old in cell.text else None


def suffixed(text: str) -> Slip:
    """Type something behind the value that does not belong there."""
    return lambda cell: cell.as_text(cell.text + text) if cell.text else None
