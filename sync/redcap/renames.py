"""Tell a renamed record from a deleted and a new one, so that its queries keep their numbers. Pure.

The log says that a record has a new name, not which one it had; the cells say which.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import polars as pl

from schemas.known import ROW_KEY
from schemas.pull import BLANK
from sync.redcap.logbook import Logbook

#: share of a record's rows that must be the same where it was renamed and edited between two pulls
_ALIKE = 0.5


def pair(gone: pl.DataFrame, come: pl.DataFrame, *, book: Logbook, exist: Collection[str]) -> dict[str, str]:
    """Map the old ids of renamed records to the new ones; both frames are ``known`` frames (KNOWN_SCHEMA).

    With a log, only records that it calls renamed are new names: paired where the rows are the same, else where
    most are, else where one is left of each and nothing else can explain them. Without a log, only where all rows
    are the same and hold something. Whatever could be paired in two ways is not paired. ``exist``: all records that
    are known or exist now.
    """
    old, new = _rows_of(gone), _rows_of(come)
    if book.problem:
        return _unambiguous(_same(old, new))
    new = {record: rows for record, rows in new.items() if record in book.renamed}
    pairs = _unambiguous(_same(old, new))
    alike = ((a, b) for a in _left(old, pairs) for b in _left(new, pairs.values()) if _share(old[a], new[b]))
    pairs |= _unambiguous(alike)
    rest_old, rest_new = _left(old, pairs), _left(new, pairs.values())
    # a name that was known and is called new was taken over: then any of the new names may be its former bearer's
    taken_over = book.renamed & set(exist) - {*come["record"]}
    is_last = len(rest_old) == len(rest_new) == 1 and not taken_over
    if is_last and not _explained(rest_old[0], rest_new[0], book, exist):
        pairs[rest_old[0]] = rest_new[0]
    return pairs


def _explained(old: str, new: str, book: Logbook, exist: Collection[str]) -> bool:
    """Say whether one may have been deleted, or the other be a record that was made and renamed since."""
    return old in book.deleted or new in book.created or bool(book.created - set(exist))


Rows = Counter[tuple[str | int | None, ...]]


def _rows_of(frame: pl.DataFrame) -> dict[str, Rows]:
    rows: dict[str, Rows] = {}
    for record, *rest in frame.select(*ROW_KEY, "hash").iter_rows():
        rows.setdefault(record, Counter())[tuple(rest)] += 1
    return rows


def _same(old: Mapping[str, Rows], new: Mapping[str, Rows]) -> Iterator[tuple[str, str]]:
    by_rows: dict[frozenset[tuple[tuple[str | int | None, ...], int]], list[str]] = {}
    for record, rows in new.items():
        by_rows.setdefault(frozenset(rows.items()), []).append(record)
    for record, rows in old.items():
        if _holds_something(rows):
            yield from ((record, each) for each in by_rows.get(frozenset(rows.items()), ()))


def _holds_something(rows: Rows) -> bool:
    return any(row[-1] != BLANK for row in rows)


def _share(old: Rows, new: Rows) -> bool:
    same = sum(count for row, count in (old & new).items() if row[-1] != BLANK)
    return same > _ALIKE * max(old.total(), new.total())


def _left(records: Iterable[str], paired: Collection[str]) -> list[str]:
    return [record for record in records if record not in paired]


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    listed = list(pairs)
    olds, news = Counter(a for a, _ in listed), Counter(b for _, b in listed)
    return {a: b for a, b in listed if olds[a] == news[b] == 1}
