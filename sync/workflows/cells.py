"""Show the cells of frames by their place. Pure."""

from collections.abc import Sequence

from schemas.coordinates import Parts, RowKey, places_of
from schemas.frames import FormFrame
from validators import messages


class Cells:
    """Show cells as they are now, so that a closing query can hold the new value beside the old one."""

    def __init__(self, frames: Sequence[FormFrame]) -> None:
        """Keep the frames; a form is indexed when it is first asked for."""
        self._frames = {frame.form.name: frame for frame in frames}
        self._places: dict[str, dict[Parts, int]] = {}

    def at(self, *, row: RowKey, field: str) -> tuple[str | None, str | None] | None:
        """Give raw and harmonised text of a cell; None where no such cell exists."""
        frame = self._frames.get(row.instrument)
        if frame is None or field not in frame.raw.columns:
            return None
        places = self._places.get(row.instrument)
        if places is None:
            places = self._places[row.instrument] = places_of(frame.rows)
        place = places.get(row.parts)
        if place is None:
            return None
        return frame.raw[field][place], messages.text_of(frame.rows[field][place])
