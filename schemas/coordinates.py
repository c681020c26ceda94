"""Name the place of a datum.

A *row* of a study form is addressed by five parts; a *cell* by those five and a column. The parts are the
study's words (visit ids, study form names); where the row came from in the site's own project travels beside
them in the frame's ``_site_*`` columns.
"""

from dataclasses import dataclass

import polars as pl

KEY_COLUMNS = ("site", "record", "event", "instrument", "instance")
"""The key of every form table and every form frame, in order. ``instance`` is an integer, 1 where nothing repeats."""


Parts = tuple[str, str, str, str, int]


def places_of(rows: pl.DataFrame) -> dict[Parts, int]:
    """Index rows of a frame that has KEY_COLUMNS: their parts -> their positions."""
    return dict(zip(rows.select(KEY_COLUMNS).rows(), range(rows.height), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RowKey:
    """Address one row of one form."""

    site: str
    record: str
    #: the study's visit id; ``""`` in a project without events
    event: str
    #: the study form's name
    instrument: str
    #: 1 where nothing repeats
    instance: int

    @property
    def parts(self) -> Parts:
        """Give the values of KEY_COLUMNS, by which rows of a frame are looked up soonest."""
        return self.site, self.record, self.event, self.instrument, self.instance


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Coordinate:
    """Address one cell: a row and a column of its form."""

    row: RowKey
    field: str
