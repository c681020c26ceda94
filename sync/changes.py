"""Decide whether a run may go through, or whether a person must look first. Pure.

A centre that changes its units, a token that suddenly sees nothing, a form that is re-built: each looks like a great
many changes at once, and none of them should reach the warehouse before somebody has looked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sync.config import BrakesConfig


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


def brakes(volume: Volume, limits: BrakesConfig) -> tuple[str, ...]:
    """Name every reason to stop, each with its figures; none where the run may go through.

    The first run of a site (nothing held yet) never brakes.
    """
    return tuple(_reasons(volume, limits)) if volume.records_before else ()


def _reasons(volume: Volume, limits: BrakesConfig) -> Iterator[str]:
    if volume.records_now == 0:
        yield f"the project is empty, the warehouse holds {volume.records_before} records of it"
    elif _too_many(
        volume.records_gone, volume.records_before, limits.deleted_records_percent, limits.deleted_records_allowed
    ):
        yield f"{volume.records_gone} of {volume.records_before} records are gone"
    if _too_many(volume.cells_changed, volume.cells_known, limits.changed_cells_percent, limits.changed_cells_allowed):
        yield f"{volume.cells_changed} of {volume.cells_known} known cells would change"
    if _too_many(
        volume.queries_closed, volume.queries_open, limits.closed_queries_percent, limits.closed_queries_allowed
    ):
        yield f"{volume.queries_closed} of {volume.queries_open} open queries would close"
    if volume.queries_opened > limits.opened_queries_allowed:
        yield f"{volume.queries_opened} queries would open"


def _too_many(count: int, of: int, percent: float, allowed: int) -> bool:
    return count > allowed and count * 100 > percent * of
