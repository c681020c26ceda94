"""Hold what is known of a project's rows: one key, group and hash for each, without any cell.

It is the one thing of a pull that grows with every row of the site, some 100 bytes each as polars holds it. A full
pull of a large project therefore holds it packed (about 12), in buckets of records: two that are compared, sorted or
written are gone through bucket by bucket, since a record is in the same bucket of both.
"""

import io
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise

import polars as pl
import xxhash

ROW_KEY = ("record", "event", "repeat_instrument", "repeat_instance")
"""Name a row as REDCap exports it; texts, null where unused."""

KNOWN_SCHEMA = {**dict.fromkeys((*ROW_KEY, "group"), pl.String()), "hash": pl.UInt64()}
"""Columns: the key, the record's data access group (or null), ``schemas.pull.fingerprints``."""

_OWNERS_SCHEMA = {"record": pl.String(), "group": pl.String()}

LARGE = 200_000
"""Rows from which on buckets are worth their while."""

BUCKETS = 16

_MARK, _FIRST_MARK = b"KNOWN\x00\x00\x02", b"KNOWN\x00\x00\x01"
_HEAD, _FIRST_HEAD = struct.Struct("<8sQQI"), struct.Struct("<8sQI")
"""The mark, a hash of all that follows the head, and how many rows and buckets there are; at first without the hash,
and without the names beside the rows."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Hold what a caller holds of a project: one row of KNOWN_SCHEMA for each exported row, in no order.

    Of a small project, rows, records and groups are unpacked once, and only where they are needed (so no slots); what
    is large is never held twice.
    """

    rows: int
    #: everything in one bucket, or BUCKETS; each piece as it is or packed
    pieces: tuple[tuple[pl.DataFrame | bytes, ...], ...]
    #: record and group of each record, packed, where they were stored: most nights ask for no more
    listed: bytes | None = None

    @classmethod
    def of_frame(cls, frame: pl.DataFrame) -> "Known":
        """Take a frame of KNOWN_SCHEMA as it is."""
        return cls(rows=frame.height, pieces=((frame,),))

    def frame(self) -> pl.DataFrame:
        """Give all rows at once."""
        return self._whole if self.rows <= LARGE else self._unpacked()

    @cached_property
    def _whole(self) -> pl.DataFrame:
        return self._unpacked()

    def _unpacked(self) -> pl.DataFrame:
        return _together([_loose(piece) for bucket in self.pieces for piece in bucket])

    def buckets(self, number: int | None = None) -> Iterator[pl.DataFrame]:
        """Hand the rows out bucket by bucket: as many as their number asks for, or ``number``."""
        wanted = number or self.number
        if wanted == 1:
            yield self.frame()
        elif wanted == len(self.pieces):
            for bucket in self.pieces:
                yield _together([_loose(piece) for piece in bucket])
        else:
            yield from _split(self.frame())

    @property
    def number(self) -> int:
        """Say how many buckets the rows ask for: the same for the same rows, however they came."""
        return BUCKETS if self.rows > LARGE else 1

    def records(self) -> Set[str]:
        """Name all records."""
        return self.owners().keys()

    def owners(self) -> Mapping[str, str | None]:
        """Map each record to its group."""
        return self._owners if self.rows <= LARGE else self._looked_up()

    @cached_property
    def _owners(self) -> dict[str, str | None]:
        return self._looked_up()

    def _looked_up(self) -> dict[str, str | None]:
        if self.listed is not None:
            listed = _loose(self.listed)
            return dict(zip(listed["record"].to_list(), listed["group"].to_list(), strict=True))
        found: dict[str, str | None] = {}
        for frame in self.buckets(len(self.pieces)):
            owners = _owners_of(frame)
            found.update(zip(owners["record"].to_list(), owners["group"].to_list(), strict=True))
        return found

    def of(self, records: Collection[str]) -> pl.DataFrame:
        """Give the rows of some records."""
        wanted = sorted(records)
        if not wanted:
            return _together([])
        if self.rows <= LARGE:
            return self._whole.filter(pl.col("record").is_in(wanted))
        return _together(
            [_loose(piece).filter(pl.col("record").is_in(wanted)) for bucket in self.pieces for piece in bucket]
        )

    def without(self, records: Collection[str]) -> "Known":
        """Leave the rows of some records out."""
        left_out = sorted(records)
        kept = tuple((frame.filter(~pl.col("record").is_in(left_out)),) for frame in self.buckets(len(self.pieces)))
        return Known(rows=sum(frame.height for (frame,) in kept), pieces=kept)

    def with_rows(self, frame: pl.DataFrame) -> "Known":
        """Add rows of records that are not among these."""
        return Known.of_frame(_together([self.frame(), frame])) if frame.height else self

    def as_bytes(self) -> bytes:
        """Write so that the same rows are the same bytes, whatever nights they came by."""
        owners = [pl.DataFrame(schema=_OWNERS_SCHEMA)]
        bodies = [b""]
        for frame in self.buckets():
            rows = _in_order(frame)
            owners.append(_owners_of(rows))
            bodies.append(_packed(rows))
        bodies[0] = _packed(pl.concat(owners).sort("record"))
        lengths = struct.pack(f"<{len(bodies)}Q", *map(len, bodies))
        body = b"".join([lengths, *bodies])
        return _HEAD.pack(_MARK, xxhash.xxh3_64_intdigest(body), self.rows, len(bodies)) + body

    @classmethod
    def from_bytes(cls, body: bytes) -> "Known":
        """Read back what ``as_bytes`` wrote, now or at first; ValueError for anything else."""
        if len(body) >= _FIRST_HEAD.size and body.startswith(_FIRST_MARK):
            return cls._first_written(body)
        if len(body) < _HEAD.size or not body.startswith(_MARK):
            raise ValueError("not what is known of a project's rows")
        _, digest, rows, number = _HEAD.unpack_from(body)
        if xxhash.xxh3_64_intdigest(memoryview(body)[_HEAD.size :]) != digest:
            raise ValueError("what is known of a project's rows is damaged")
        listed, *pieces = _cut(body, _HEAD.size, number)
        return cls(rows=rows, pieces=tuple((piece,) for piece in pieces), listed=listed)

    @classmethod
    def _first_written(cls, body: bytes) -> "Known":
        _, rows, number = _FIRST_HEAD.unpack_from(body)
        try:
            found = cls(rows=rows, pieces=tuple((piece,) for piece in _cut(body, _FIRST_HEAD.size, number)))
            found.owners()  # no hash tells whether it can be read
        except (struct.error, pl.exceptions.PolarsError):
            raise ValueError("what is known of a project's rows cannot be read") from None
        return found


@dataclass(slots=True, kw_only=True)
class Gathering:
    """Gather rows as they come; many are packed on the way."""

    _waiting: list[pl.DataFrame] = field(default_factory=list)
    _buckets: list[list[pl.DataFrame | bytes]] = field(default_factory=list)
    _height: int = 0
    _rows: int = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows (KNOWN_SCHEMA)."""
        for some in frame.iter_slices(LARGE) if frame.height else ():
            self._waiting.append(some)
            self._height += some.height
            self._rows += some.height
            if self._height > LARGE:
                self._pack()

    def done(self) -> Known:
        """Give all that came."""
        if not self._buckets:
            return Known.of_frame(_together(self._waiting))
        self._pack()
        return Known(rows=self._rows, pieces=tuple(map(tuple, self._buckets)))

    def _pack(self) -> None:
        if not self._buckets:
            self._buckets = [[] for _ in range(BUCKETS)]
        for bucket, frame in zip(self._buckets, _split(_together(self._waiting)), strict=True):
            bucket.append(_packed(frame))
        self._waiting, self._height = [], 0


def nothing() -> Known:
    """Give what a caller knows that holds no row."""
    return Known.of_frame(_together([]))


def differing(before: Known, now: Known, columns: Collection[str] = tuple(KNOWN_SCHEMA)) -> set[str]:
    """Name the records of which a row stands in one of two only, by some columns."""
    number = max(before.number, now.number)
    return {
        record
        for one, other in zip(before.buckets(number), now.buckets(number), strict=True)
        for record in differing_rows(one, other, columns)
    }


def differing_rows(before: pl.DataFrame, now: pl.DataFrame, columns: Collection[str] = tuple(KNOWN_SCHEMA)) -> set[str]:
    """Name the records of which a row stands in one of two frames only, by some columns."""
    names = list(columns)
    one = now.join(before, on=names, how="anti", nulls_equal=True)["record"]
    other = before.join(now, on=names, how="anti", nulls_equal=True)["record"]
    return {*one, *other}


def _owners_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Give record and group of the last of the rows of one record that stand together, which mostly are all."""
    return frame.filter(pl.col("record").ne_missing(pl.col("record").shift(-1))).select("record", "group")


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort by ROW_KEY; where each record's rows stand in their order already, and events tell them apart, by record."""
    rows = frame.sort("record", maintain_order=True)
    record, event = pl.col("record"), pl.col("event")
    follows = (record != record.shift()) | (event > event.shift())
    return rows if rows.select(follows.fill_null(False).slice(1).all()).item() else frame.sort(ROW_KEY)


def _cut(body: bytes, start: int, number: int) -> list[bytes]:
    """Cut out so many pieces, whose lengths stand before them."""
    lengths = struct.unpack_from(f"<{number}Q", body, start)
    ends = accumulate(lengths, initial=start + 8 * number)
    return [body[one:other] for one, other in pairwise(ends)]


def _loose(piece: pl.DataFrame | bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(piece)) if isinstance(piece, bytes) else piece


def _packed(frame: pl.DataFrame) -> bytes:
    body = io.BytesIO()
    frame.write_parquet(body, compression="zstd", statistics=False)
    return body.getvalue()


def _together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=KNOWN_SCHEMA), *frames])


def _split(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Hand out the rows by bucket of their record, empty ones as well.

    Buckets are stored and compared with those of later nights, so their numbers may not hang on polars' own hashes,
    which another version or machine makes otherwise.
    """
    numbers = [xxhash.xxh3_64_intdigest(record) % BUCKETS for record in frame["record"].to_list()]
    numbered = frame.with_columns(pl.Series("\x00bucket", numbers, dtype=pl.UInt64()))
    found = numbered.partition_by("\x00bucket", as_dict=True, include_key=False)
    for number in range(BUCKETS):
        yield found.get((number,), frame.clear())
