"""Say what a run is about to do to a site: how much, to which columns and checks, to which records. Pure.

Holds ids of records: it is kept in the warehouse with a parked run and goes nowhere else, neither into a log nor into
an alert.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Column = tuple[str, str]
"""A form and one of its frame columns."""

Place = tuple[str, str]
"""A form and a visit at which it has rows."""

_STEP = 0.02
"""Width of a class of ratios, in powers of ten; two neighbours together span about 10 %."""
_ALIKE = 0.8
"""Share of a column's changed cells that must have one ratio to be called one factor."""
_FEW = 5
"""Fewer cells than this make no factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTally:
    """Count what one run changed in one column, in rows that stood before and still stand; parts add up.

    Rows of a record that has another name now are the same rows.
    """

    #: cells that held a value before and hold another one now, or none
    changed: int = 0
    #: those of ``changed`` that are blank now
    emptied: int = 0
    #: cells that were blank before
    filled: int = 0
    #: cells of rows under another name that hold a value and held one before: no count of standing rows has them
    beside: int = 0
    #: class of log10(new / old) -> how many cells, and the sum of their log10
    ratios: Mapping[int, tuple[int, float]] = field(default_factory=dict)

    def __add__(self, other: "ColumnTally") -> "ColumnTally":
        """Add what another part changed."""
        ratios = dict(self.ratios)
        for step, (count, total) in other.ratios.items():
            before = ratios.get(step, (0, 0.0))
            ratios[step] = (before[0] + count, before[1] + total)
        return ColumnTally(
            changed=self.changed + other.changed,
            emptied=self.emptied + other.emptied,
            filled=self.filled + other.filled,
            beside=self.beside + other.beside,
            ratios=ratios,
        )

    @property
    def factor(self) -> float | None:
        """Give the one factor that most changed cells were multiplied by; None where there is none, or it is near 1."""
        counts = [(_pair(self.ratios, step), step) for step in self.ratios]
        if not counts:
            return None
        (count, total), _ = max(counts, key=lambda each: (each[0][0], -each[1]))
        if count < max(_FEW, _ALIKE * self.changed) or abs(total / count) < 2 * _STEP:
            return None
        return float(10 ** (total / count))


def _pair(ratios: Mapping[int, tuple[int, float]], step: int) -> tuple[int, float]:
    (count, total), (more, besides) = ratios[step], ratios.get(step + 1, (0, 0.0))
    return count + more, total + besides


def ratios(pairs: Iterable[tuple[float | None, float | None]]) -> dict[int, tuple[int, float]]:
    """Class the ratios of old and new numbers, for ``ColumnTally``; those without one are left out."""
    found: dict[int, tuple[int, float]] = {}
    for old, new in pairs:
        if not old or not new or old * new <= 0 or not math.isfinite(new / old):
            continue
        power = math.log10(new / old)
        count, total = found.get(math.floor(power / _STEP), (0, 0.0))
        found[math.floor(power / _STEP)] = (count + 1, total + power)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Say what storing touched; parts add up."""

    columns: Mapping[Column, ColumnTally] = field(default_factory=dict)
    #: records with a row that came, went or changed
    records: frozenset[str] = frozenset()
    #: (form, visit, record) -> rows that went
    vanished: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def __add__(self, other: "Touched") -> "Touched":
        """Add what storing another part, or another form, touched."""
        columns = dict(self.columns)
        for column, tally in other.columns.items():
            columns[column] = columns.get(column, ColumnTally()) + tally
        return Touched(
            columns=columns,
            records=self.records | other.records,
            vanished={**self.vanished, **other.vanished},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """Say how much of one column would change."""

    form: str
    column: str
    changed: int
    #: those of ``changed`` that would be blank
    emptied: int = 0
    #: values that the column held before in rows that still stand; None where so few change that nobody counted
    known: int | None = None
    #: the one factor between old and new numbers, where there is one
    factor: float | None = None

    @property
    def name(self) -> str:
        """Name the column for a person."""
        return f"{self.form}.{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceChange:
    """Say how many rows of one form at one visit would go from records that stay."""

    form: str
    event: str
    gone: int
    #: rows that stood there before; None where so few go that nobody counted
    known: int | None = None

    @property
    def name(self) -> str:
        """Name form and visit for a person."""
        return f"{self.form} at {self.event}" if self.event else self.form


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckChange:
    """Say what would happen to the queries of one check at one field: a check may look at very many."""

    check: str
    form: str
    field: str
    #: queries that waited before the run
    waiting: int = 0
    opened: int = 0
    #: records that stood before the run and would get a new query
    records: int = 0
    closed: int = 0
    #: those of ``closed`` whose record nothing changed in
    closed_unchanged: int = 0

    @property
    def name(self) -> str:
        """Name check and field for a person."""
        return f"{self.check} at {self.form}.{self.field}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Count what a run is about to do to a site that was synced before."""

    #: subjects that the warehouse holds
    records_before: int
    records_now: int
    #: subjects that the warehouse holds and the pull does not
    records_gone: int
    #: cells of the rows that stand in both
    cells_known: int
    cells_changed: int
    #: queries that waited for the site before the run
    queries_open: int
    queries_closed: int
    queries_opened: int
    #: those of ``queries_opened`` about records that are new to the warehouse
    queries_opened_new: int = 0
    #: those of ``queries_closed`` whose record nothing changed in
    queries_closed_unchanged: int = 0
    #: form rows that stood before the run, and those of records that stay which the pull does not hold any more
    rows_known: int = 0
    rows_gone: int = 0
    #: those of ``records_gone`` about which the server's log, where it could be read, says nothing
    records_untraced: int = 0
    #: columns in which a known value changes, most changes first
    columns: tuple[ColumnChange, ...] = ()
    #: checks, field by field, whose queries open or close
    checks: tuple[CheckChange, ...] = ()
    #: ids of the records that are gone, and of those of them whose deletion the log does not show
    gone: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    #: where rows go from records that stay, most rows first, and the ids of these records
    places: tuple[PlaceChange, ...] = ()
    thinned: tuple[str, ...] = ()
    #: ids of records that stay and lose rows, though the log does not name them
    thinned_untraced: tuple[str, ...] = ()

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Volume":
        """Rebuild from what a parked run keeps; what an older program did not keep is 0 or nothing."""
        found: dict[str, Any] = {name: int(plain.get(name, 0)) for name in totals()}
        return cls(
            **found,
            columns=tuple(ColumnChange(**each) for each in plain.get("columns", ())),
            checks=tuple(CheckChange(**each) for each in plain.get("checks", ())),
            gone=tuple(plain.get("gone", ())),
            unexplained=tuple(plain.get("unexplained", ())),
            places=tuple(PlaceChange(**each) for each in plain.get("places", ())),
            thinned=tuple(plain.get("thinned", ())),
            thinned_untraced=tuple(plain.get("thinned_untraced", ())),
        )


DETAILS = ("columns", "checks", "gone", "unexplained", "places", "thinned", "thinned_untraced")
"""Fields of a Volume that are no figures."""


def totals() -> tuple[str, ...]:
    """Name the figures of a Volume."""
    return tuple(each.name for each in fields(Volume) if each.name not in DETAILS)
