"""Read what is stored of a site, a part at a time, so that no part outlives its turn."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from schemas.frames import FormFrame
from schemas.parts import PART_ROWS
from schemas.study import Study
from sync.ports.application import Application

FEW, MANY = 50, 5_000
"""Records in one part, at least and at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Read what is stored of a site."""

    #: names every record
    records: Callable[[], Collection[str]]
    #: gives the frames of some records
    frames: Callable[[Study, Sequence[str]], Sequence[FormFrame]]


def stored_of(app: Application, site: str) -> Stored:
    """Read a site's records out of the warehouse."""
    return Stored(
        records=lambda: app.warehouse().reader().records(site),
        frames=lambda study, records: app.warehouse(study).reader().frames(site, records),
    )


def frames_of(app: Application, site: str, study: Study) -> Iterator[FormFrame]:
    """Give a site's frames, each form's in parts; every form is there at least once."""
    stored = stored_of(app, site)
    for _, frames in in_parts(study, stored, sorted(stored.records())):
        yield from frames
        del frames


def in_parts(
    study: Study, stored: Stored, records: Sequence[str]
) -> Iterator[tuple[Sequence[str], Sequence[FormFrame]]]:
    """Read some records, as many at a time as make a part: their names and their frames; one part of none for none."""
    if not records:
        yield (), stored.frames(study, ())
    size, start = FEW, 0
    while start < len(records):
        some = records[start : start + size]
        frames = stored.frames(study, some)
        start += len(some)
        rows = max((frame.rows.height for frame in frames), default=0)
        size = min(max(FEW, len(some) * PART_ROWS // max(rows, 1)), MANY)
        yield some, frames
        del frames  # or it would stand beside the next one
