"""Decide whether a run may go through, or whether a person must look first. Pure.

A centre that changes its units, a token that suddenly sees nothing, a form that is re-built: each looks like a great
many changes at once, and none of them should reach the warehouse before somebody has looked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sync.config import BrakesConfig

MORE_THAN_APPROVED = 1.5
"""How many times the figure that a person approved a run may reach: sites go on working while somebody looks."""


class Brake(StrEnum):
    """Name the reasons to stop."""

    EMPTIED = "emptied"
    RECORDS_GONE = "records_gone"
    RECORDS_UNTRACED = "records_untraced"
    ROWS_GONE = "rows_gone"
    CELLS_CHANGED = "cells_changed"
    QUERIES_CLOSED = "queries_closed"
    QUERIES_OPENED = "queries_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Hold one reason to stop: its kind, its figure, and the sentence for a person."""

    brake: Brake
    count: int
    sentence: str


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
    #: form rows that stood before the run, and those of records that stay which the pull does not hold any more
    rows_known: int = 0
    rows_gone: int = 0
    #: those of ``records_gone`` about which the server's log, where it could be read, says nothing
    records_untraced: int = 0

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Volume":
        """Rebuild from what a parked run keeps; figures that an older program did not count are 0."""
        return cls(**{each.name: int(plain.get(each.name, 0)) for each in fields(cls)})


def brakes(volume: Volume, limits: BrakesConfig) -> tuple[str, ...]:
    """Name every reason to stop, each with its figures; none where the run may go through.

    The first run of a site (nothing held yet) never brakes.
    """
    return tuple(reason.sentence for reason in reasons(volume, limits))


def reasons(volume: Volume, limits: BrakesConfig) -> tuple[Reason, ...]:
    """Find every reason to stop; see ``brakes``."""
    return tuple(_reasons(volume, limits)) if volume.records_before else ()


def is_covered(reason: Reason, approved: Volume, limits: BrakesConfig) -> bool:
    """Tell whether a person who approved a run of ``approved`` figures has seen this reason.

    Who let 40 changed cells through did not let the site be emptied, nor 4,000 cells.
    """
    return any(
        seen.brake is reason.brake and reason.count <= seen.count * MORE_THAN_APPROVED
        for seen in reasons(approved, limits)
    )


def _reasons(volume: Volume, limits: BrakesConfig) -> Iterator[Reason]:
    before = volume.records_before
    if volume.records_now == 0:
        text = f"the project is empty, the warehouse holds {before} records of it"
        yield Reason(brake=Brake.EMPTIED, count=before, sentence=text)
    elif _too_many(volume.records_gone, before, limits.deleted_records_percent, limits.deleted_records_allowed):
        text = f"{volume.records_gone} of {before} records are gone"
        yield Reason(brake=Brake.RECORDS_GONE, count=volume.records_gone, sentence=text)
    if volume.records_untraced > limits.unexplained_deletions_allowed:
        text = f"{volume.records_untraced} records are gone without a trace in the server's log"
        yield Reason(brake=Brake.RECORDS_UNTRACED, count=volume.records_untraced, sentence=text)
    # what so many records hold on average may vanish from within records, too
    rows_allowed = -(-limits.deleted_records_allowed * volume.rows_known // before)
    if _too_many(volume.rows_gone, volume.rows_known, limits.deleted_records_percent, rows_allowed):
        text = f"{volume.rows_gone} of {volume.rows_known} form rows are gone from records that stay"
        yield Reason(brake=Brake.ROWS_GONE, count=volume.rows_gone, sentence=text)
    if _too_many(volume.cells_changed, volume.cells_known, limits.changed_cells_percent, limits.changed_cells_allowed):
        text = f"{volume.cells_changed} of {volume.cells_known} known cells would change"
        yield Reason(brake=Brake.CELLS_CHANGED, count=volume.cells_changed, sentence=text)
    if _too_many(
        volume.queries_closed, volume.queries_open, limits.closed_queries_percent, limits.closed_queries_allowed
    ):
        text = f"{volume.queries_closed} of {volume.queries_open} open queries would close"
        yield Reason(brake=Brake.QUERIES_CLOSED, count=volume.queries_closed, sentence=text)
    if volume.queries_opened > limits.opened_queries_allowed:
        text = f"{volume.queries_opened} queries would open"
        yield Reason(brake=Brake.QUERIES_OPENED, count=volume.queries_opened, sentence=text)


def _too_many(count: int, of: int, percent: float, allowed: int) -> bool:
    return count > allowed and count * 100 > percent * of
