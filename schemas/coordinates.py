"""Name the place of a datum.

A *row* of a study form is addressed by five parts; a *cell* by those five and a column. The parts are the
study's words (visit ids, study form names); where the row came from in the site's own project travels beside
them in the frame's ``_site_*`` columns.
"""

from dataclasses import dataclass

KEY_COLUMNS = ("site", "record", "event", "instrument", "instance")
"""The key of every form table and every form frame, in order. ``instance`` is an integer, 1 where nothing repeats."""


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


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Coordinate:
    """Address one cell: a row and a column of its form."""

    row: RowKey
    field: str
