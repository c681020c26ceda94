"""Hold what one incremental pull brought, and what the next one needs to know.

What a caller holds of a project is ``schemas.known.Known``: one row for each exported row, as ``fingerprints`` makes
it. ``applied`` and ``advanced`` bring rows and what is known up to a Delta; both are pure.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import polars as pl
import xxhash

from schemas import known as knowing
from schemas.known import ROW_KEY, Known
from schemas.parts import Parts
from schemas.project import DAG_COLUMN, RECORD_COLUMNS, ProjectStructure, Snapshot
from schemas.signs import plain

BLANK = xxhash.xxh3_64_intdigest("")
"""What ``fingerprints`` makes of a row without cells."""


#: rows whose texts stand in memory at once
_AT_A_TIME = 50_000


class Basis(StrEnum):
    """Say what a watermark was read from."""

    LOG = "log"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Hold up to when, by the server's own clock, a pull has seen every change; belongs to one site."""

    #: server-local and naive, as the server writes it; never later than the moment at which the pull began
    at: datetime
    basis: Basis
    #: how many lines of the log in the minute ``at`` the pull has seen; those behind them are news
    lines: int = 0
    #: the pull could hear the log up to ``at``; else what its lines tell of names is known by rows already
    is_heard: bool = True
    #: names of which later lines were acted on already, since the log was read once more; and up to where it was
    settled: tuple[str, ...] = ()
    settled_at: datetime | None = None
    settled_lines: int = 0
    #: fingerprint of the project's design, and of the columns that came; where either changes, all is pulled again
    design: str
    columns: str
    #: one event of each arm, in which most of its records have data: enough to list the records; () for all
    listing_events: tuple[str, ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """Turn into what JSON can hold."""
        settled_at = self.settled_at.isoformat() if self.settled_at else None
        lists = {"listing_events": list(self.listing_events), "settled": list(self.settled)}
        return {**asdict(self), **lists, "at": self.at.isoformat(), "settled_at": settled_at}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Watermark":
        """Rebuild from :meth:`as_plain`'s result. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            at=datetime.fromisoformat(plain["at"]),
            basis=Basis(plain["basis"]),
            lines=int(plain.get("lines", 0)),
            settled=tuple(plain.get("settled", ())),
            settled_at=datetime.fromisoformat(plain["settled_at"]) if plain.get("settled_at") else None,
            settled_lines=int(plain.get("settled_lines", 0)),
            is_heard=bool(plain.get("is_heard", plain["basis"] == Basis.LOG)),
            design=plain["design"],
            columns=plain["columns"],
            listing_events=tuple(plain["listing_events"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Count what the server sent: rows of the record id alone (or with a few keys), and whole rows."""

    rows_listed: int = 0
    rows_whole: int = 0

    def plus(self, other: "Cost") -> "Cost":
        """Add two costs."""
        return Cost(rows_listed=self.rows_listed + other.rows_listed, rows_whole=self.rows_whole + other.rows_whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """Hold what changed at one site since a watermark. Records in it are whole: all their rows, or none."""

    #: what the parts have in common: structure, time, columns; without any row
    head: Snapshot
    #: all rows of the records that are new or changed; of every record where ``complete``
    parts: Parts
    #: the fingerprints of these rows, taken when they came
    prints: Known
    #: everything was pulled: what is not in the parts is not there
    complete: bool
    #: every record that the site has now
    record_ids: frozenset[str]
    #: record -> its data access group; records without one, and projects without groups, are left out
    groups: Mapping[str, str]
    #: known records that the site has no longer (deleted, renamed, moved to another group), and why where it shows
    gone: frozenset[str] = frozenset()
    #: old id -> new id; the old ones are among ``gone`` or ``reborn``, the new ones in the parts
    renamed: Mapping[str, str] = field(default_factory=dict)
    #: known records whose name another bears now, or so the log lets expect: what was known of it has ended, or goes
    #: on under the name in ``renamed``; all their rows are in the parts
    reborn: frozenset[str] = frozenset()
    #: those of ``gone`` that went to another group of the same project
    moved_away: frozenset[str] = frozenset()
    #: those of ``gone`` whose deletion the server's log shows
    deleted_in_log: frozenset[str] = frozenset()
    #: the server's log was readable back to the watermark, so that ``untraced`` means something
    log_was_read: bool = False
    #: how many of ``gone`` are neither renamed, nor moved, nor ended in the log in any other way
    untraced: int = 0
    #: known records that stay and lost rows, though the log, where ``log_was_read``, does not name them since
    thinned_untraced: frozenset[str] = frozenset()
    #: records that lay in the overlap and were pulled again without any difference
    unchanged: int = 0
    #: of a complete pull that was given what was known: the records that an incremental one would have missed
    missed: int | None = None
    #: where the next pull begins; None: it must be complete (``notices`` say why)
    watermark: Watermark | None
    notices: tuple[str, ...] = ()
    #: those of ``notices`` that somebody should hear of
    warnings: tuple[str, ...] = ()
    cost: Cost = Cost()

    def snapshots(self) -> Iterator[Snapshot]:
        """Hand out the rows, one part after another, each with the head; the head alone where there is no row."""
        if not self.parts:
            yield self.head
        yield from (replace(self.head, rows=part.frame()) for part in self.parts.parts)

    def snapshot(self) -> Snapshot:
        """Give all rows at once, for those who need them so; memory grows with the site."""
        return replace(self.head, rows=self.parts.whole())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Hold a full pull that arrives in batches, for projects larger than memory."""

    site: str
    structure: ProjectStructure
    pulled_at: datetime
    base_url: str
    withheld: Mapping[str, str]
    #: records that the project lists at the beginning
    records: int
    #: frames as ``Snapshot.rows``, all with the same columns; no record stands in two of them. Iterating asks the
    #: server, and raises as a pull does, at the end where the records do not add up: keep nothing before it ends
    frames: Iterator[pl.DataFrame]


def fingerprints(rows: pl.DataFrame, record_field: str) -> pl.DataFrame:
    """Give the ``known`` frame (KNOWN_SCHEMA) of the rows of a Snapshot, in their order.

    The hash covers the cells that are not blank, by column name: XXH3 of 64 bits, the same on every machine. The
    record id and the group are no part of it, so a renamed or moved record keeps its hashes.
    """
    aside = {record_field, *RECORD_COLUMNS, DAG_COLUMN}
    names = [name for name in sorted(rows.columns) if name not in aside]
    hashes: list[int] = []
    for whole in rows.iter_slices(_AT_A_TIME):
        part = whole.with_columns(plain(whole[name]) for name in names)
        cells = [piece for name in names for piece in _pieces(part[name])]
        texts = (
            part.select(pl.concat_str(cells, ignore_nulls=True)).to_series().to_list() if cells else [""] * part.height
        )
        hashes += map(xxhash.xxh3_64_intdigest, texts)
    group = pl.col(DAG_COLUMN) if DAG_COLUMN in rows.columns else pl.lit(None, dtype=pl.String())
    return rows.select(
        *(pl.col(name).alias(key) for name, key in zip((record_field, *RECORD_COLUMNS), ROW_KEY, strict=True)),
        group.alias("group"),
        pl.Series("hash", hashes, dtype=pl.UInt64()),
    )


def _pieces(column: pl.Series) -> Iterator[pl.Expr]:
    """Write what a column adds to each row's text: its name and the cell, nothing where the cell is blank."""
    mark = pl.lit(f"\x1e{column.name}\x1f")
    if column.null_count() == 0:
        yield from (mark, pl.col(column.name))
    elif column.null_count() < column.len():
        yield mark + pl.col(column.name)


def nothing_known() -> Known:
    """Give what a caller knows that holds no row."""
    return knowing.nothing()


def applied(rows: pl.DataFrame, delta: Delta) -> pl.DataFrame:
    """Bring a copy of a project's rows (as ``Snapshot.rows``) up to a Delta."""
    new = delta.parts.whole()
    if delta.complete or not rows.width:
        return new
    kept = rows.filter(~pl.col(delta.head.structure.record_field).is_in(_replaced(delta)))
    return pl.concat([kept, new], how="diagonal") if new.height else kept


def advanced(known: Known, delta: Delta) -> Known:
    """Bring what is known up to a Delta; give it to the next pull together with the Delta's watermark.

    Gives the very same object where the Delta changes nothing of it.
    """
    if delta.complete:
        return delta.prints
    if not delta.gone and not delta.prints.rows:
        return known
    return known.without(_replaced(delta)).with_rows(delta.prints.frame())


def _replaced(delta: Delta) -> Collection[str]:
    """List the records whose rows a Delta replaces or takes away."""
    return sorted(delta.gone | delta.prints.records())
