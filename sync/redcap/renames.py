"""Tell who bears which name: a renamed record from a deleted and a new one, and a name that went to another. Pure.

The log says that a record has a new name, not which one it had; the cells say which. A query at the wrong patient is
worse than one closed and raised again, so whatever could be paired in two ways is not paired, and a name that was
given or made anew has another bearer.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from schemas.known import ROW_KEY
from schemas.pull import BLANK
from sync.redcap.names import Kind, Names

#: share of a record's rows that must be the same where it was renamed and edited between two pulls
_ALIKE = 0.5
#: rows that tell a record's content from another's where no log does
_TELLING = 2

Rows = Counter[tuple[str | int | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearers:
    """Say what became of those who bore the names that are looked at."""

    #: old id -> new id
    renamed: Mapping[str, str]
    #: ids of before and of now that another bears
    reborn: frozenset[str] = frozenset()
    #: ids of which every row is another, so that nothing tells whether their bearer is
    doubtful: int = 0


def by_log(
    before: pl.DataFrame,
    now: pl.DataFrame,
    names: Names,
    *,
    exist: Collection[str],
    emptied: Collection[str] = (),
    is_whole: bool = True,
    is_erased: bool = False,
    is_group: bool = False,
) -> Bearers:
    """Pair old ids and new ones by what the log says of ``names``; both frames are ``known`` frames (KNOWN_SCHEMA).

    ``before``: rows of records that are gone, and of those whose name was made or given since; ``now``: rows of those
    that have a new name. Paired are the ones with the same rows; else with most, unless one who was made since may
    bear the new name, or another record has a part in it; else, where the log ``is_whole``, the last of each, if it
    speaks of one new name that is not accounted for and nothing else may explain them (``emptied``: old ids of which
    everything was blanked). Not so where the site ``is_group``: a record with a new name may have come from another
    group, and another group's record have a new name as well (``exist``: all records that were seen).

    A name is never paired with itself: whoever left it and came back in one night is asked anew.
    """
    old, new = _rows_of(before), _rows_of(now)
    standing = {name for name in names.begun if name in old and name in new}
    # a line that makes a record may be about its first row in another arm
    stayed = {
        name
        for name in standing
        if names.begun[name] is Kind.MADE
        and not (name in names.vacated or name in emptied or is_erased)
        and (_holds_all(old[name], new[name]) if names.given else _common(old[name], new[name]))
    }
    olds = {name: rows for name, rows in old.items() if name not in names.dead and name not in stayed}
    news = {name: rows for name, rows in new.items() if names.begun.get(name) is Kind.NAMED}
    pairs = _unambiguous(_same(olds, news))
    if names.given - names.passing != len(pairs):  # one of them may have left its name for one that ended, or edited
        made_anew = stayed if names.given else set[str]()
        olds |= {name: old[name] for name in made_anew}
        stayed -= made_anew
        pairs = _unambiguous(_same(olds, news))
    if not names.strays:
        rest = _left(olds, pairs), _left(news, pairs.values())
        pairs |= _alike({name: olds[name] for name in rest[0]}, {name: news[name] for name in rest[1]})
    rest_old, rest_new = _left(olds, pairs), _left(news, pairs.values())
    is_elsewhere = any(kind is Kind.NAMED and name in exist and name not in new for name, kind in names.begun.items())
    # each new name took one record away from another name: one name more than pairs, else somebody's ended meanwhile
    is_last = names.given - names.passing == len(pairs) + 1
    is_told = is_whole and is_last and not (is_erased or names.strays or is_elsewhere or is_group)
    if is_told and len(rest_old) == len(rest_new) == 1 and rest_old[0] not in emptied:
        pairs[rest_old[0]] = rest_new[0]
    return Bearers(
        renamed={one: other for one, other in pairs.items() if one != other}, reborn=frozenset(standing - stayed)
    )


def by_rows(gone: pl.DataFrame, come: pl.DataFrame, changed_before: pl.DataFrame, changed_now: pl.DataFrame) -> Bearers:
    """Pair by rows alone, where no log tells since when a name is new: only where all are the same and hold something.

    ``changed_before``, ``changed_now``: rows of records that are known and there. One of which no row is what it was
    may have another bearer; that is so where what was known of it, more than one row, is somebody else's now, or
    what it holds was. Else it is doubtful.
    """
    was, is_now = _rows_of(changed_before), _rows_of(changed_now)
    other = {
        name
        for name in was.keys() & is_now.keys()
        if min(_filled(was[name]), _filled(is_now[name])) >= _TELLING and not _common(was[name], is_now[name])
    }
    olds = _rows_of(gone) | {name: was[name] for name in other}
    news = _rows_of(come) | {name: is_now[name] for name in other}
    renamed = _unambiguous(_same(olds, news))
    reborn = other & {*renamed, *renamed.values()}
    return Bearers(renamed=renamed, reborn=frozenset(reborn), doubtful=len(other - reborn))


def _holds_all(old: Rows, new: Rows) -> bool:
    """Tell whether all that was known of a record stands under its name, and is enough to tell."""
    return _common(old, new) == _filled(old) >= _TELLING


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
        if _filled(rows):
            yield from ((record, each) for each in by_rows.get(frozenset(rows.items()), ()))


def _alike(old: Mapping[str, Rows], new: Mapping[str, Rows]) -> dict[str, str]:
    """Pair where most rows are the same and no third record has a telling one of them: one that few have."""
    holders_old, holders_new = _holders(old), _holders(new)
    shared = [
        (one, other)
        for row, ones in holders_old.items()
        if len(ones) == 1 and len(others := holders_new.get(row, ())) == 1
        for one, other in zip(ones, others, strict=True)
    ]
    told = _unambiguous(dict.fromkeys(shared))
    return {
        one: other
        for one, other in told.items()
        if _common(old[one], new[other]) > _ALIKE * max(old[one].total(), new[other].total())
    }


def _holders(records: Mapping[str, Rows]) -> dict[tuple[str | int | None, ...], list[str]]:
    holders: dict[tuple[str | int | None, ...], list[str]] = {}
    for record, rows in records.items():
        for row in rows:
            if row[-1] != BLANK:
                holders.setdefault(row, []).append(record)
    return holders


def _filled(rows: Rows) -> int:
    return sum(count for row, count in rows.items() if row[-1] != BLANK)


def _common(old: Rows, new: Rows) -> int:
    return _filled(old & new)


def _left(records: Iterable[str], paired: Collection[str]) -> list[str]:
    return [record for record in records if record not in paired]


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    listed = list(pairs)
    olds, news = Counter(a for a, _ in listed), Counter(b for _, b in listed)
    return {a: b for a, b in listed if olds[a] == news[b] == 1}
