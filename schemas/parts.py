"""Hold the rows of a pull in parts of whole records, packed, so that one part at a time stands in memory as cells.

A packed part is polars' own IPC format, compressed: some 20 to 40 bytes a row instead of 16 and more a cell. Parts
stay in memory, since patients' data have no business on a disk outside the warehouse.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import polars as pl

PART_ROWS = 35_000
"""Rows from which on a part is full; what comes in one piece stays in one part."""

PART_CELLS = 2_000_000
"""Cells from which on it is full as well: rows of wide projects take more room."""

LOOSE_CELLS = 5_000_000
"""Cells up to which parts are not packed: some 80 MiB, so that most sites are spared the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Hold one part: rows of whole records, as they are or packed."""

    rows: int
    records: int
    body: pl.DataFrame | bytes

    def frame(self) -> pl.DataFrame:
        """Give the rows."""
        if isinstance(self.body, bytes):
            return pl.read_ipc(self.body)
        return self.body

    def packed(self) -> "Part":
        """Give the same part, packed."""
        if isinstance(self.body, bytes):
            return self
        body = io.BytesIO()
        self.body.write_ipc(body, compression="zstd")
        return replace(self, body=body.getvalue())


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Hold rows in parts, each with the same columns; no record stands in two of them."""

    #: the columns, without any row
    empty: pl.DataFrame
    parts: tuple[Part, ...] = ()

    @property
    def rows(self) -> int:
        """Count the rows."""
        return sum(part.rows for part in self.parts)

    @property
    def records(self) -> int:
        """Count the records."""
        return sum(part.records for part in self.parts)

    def __len__(self) -> int:
        """Count the parts; 0 where there is no row."""
        return len(self.parts)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Hand out one part after another."""
        for part in self.parts:
            yield part.frame()

    def whole(self) -> pl.DataFrame:
        """Give all rows in one piece, for those who need them so: this is what parts are there to avoid."""
        return pl.concat([self.empty, *self.frames()]).rechunk()


@dataclass(slots=True, kw_only=True)
class Packer:
    """Gather pieces (rows of whole records each) to parts; parts are packed where there are many cells in all."""

    record_field: str
    _pieces: list[pl.DataFrame] = field(default_factory=list)
    _parts: list[Part] = field(default_factory=list)
    _height: int = 0
    _cells: int = 0

    def add(self, piece: pl.DataFrame) -> None:
        """Take a piece; its records are in no other one."""
        if not piece.height:
            return
        if self._height and is_full(self._height + piece.height, piece.width):
            self._close()
        self._pieces.append(piece)
        self._height += piece.height

    def done(self, empty: pl.DataFrame) -> Parts:
        """Give the parts; ``empty`` has their columns."""
        if self._pieces:
            self._close()
        return Parts(empty=empty.clear(), parts=tuple(self._parts))

    def _close(self) -> None:
        frame = pl.concat(self._pieces).rechunk()
        records = frame[self.record_field].n_unique()
        self._parts.append(Part(rows=frame.height, records=records, body=frame))
        self._cells += frame.height * frame.width
        self._pieces, self._height = [], 0
        if self._cells > LOOSE_CELLS and len(self._parts) > 1:
            self._parts = [part.packed() for part in self._parts]


def is_full(rows: int, columns: int) -> bool:
    """Tell whether so many cells are more than one part is to hold."""
    return rows > PART_ROWS or rows * columns > PART_CELLS
