"""Follow names of records through the log: which were made, given to others, given up or deleted. Pure.

A rename's line tells the new name and not the old one. Yet whoever bears a name that the log calls new, or made, since
the last pull is not who bore it then; and each new name took somebody away from another one, known or made since.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

NOBODY: Mapping[str, datetime] = {}


@unique
class Kind(StrEnum):
    """Say what became of a name."""

    MADE = "made"
    #: a record that had another name has this one now
    NAMED = "named"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAct:
    """Hold one line of the log that gives or ends a name."""

    kind: Kind
    #: the name, or the ways in which an older server's line can be read
    names: frozenset[str]
    #: server-local, to the minute; None where it cannot be read
    at: datetime | None
    #: how many lines of the same minute came before it
    place: int = 0
    #: how many lines came before it, whatever time they tell
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Hold what became of names since a moment; ids only."""

    #: name -> how its present or last bearer came by it; only names that were made or given since
    begun: Mapping[str, Kind]
    #: names whose bearer of before was deleted under them
    dead: frozenset[str]
    #: names that ended, were given or made more than once, or were given at all: whoever was made there came later
    vacated: frozenset[str]
    #: new names that were given
    given: int
    #: of these, given up again for another one
    passing: int
    #: records made since that gave up their name for another: they bear new names, and nobody known does
    strays: int


def unseen(acts: Iterable[NameAct], at: datetime, lines: int) -> tuple[NameAct, ...]:
    """Leave out what stood in the log when it was read up to its line ``lines`` of the minute ``at``."""
    return tuple(act for act in acts if act.at is None or act.at > at or (act.at == at and act.place >= lines))


def plausible(
    acts: Iterable[NameAct],
    *,
    known: Collection[str],
    emptied: Mapping[str, datetime],
    elsewhere: Collection[str] = (),
    moved: Mapping[str, datetime] = NOBODY,
    is_erased: bool = False,
) -> tuple[NameAct, ...]:
    """Leave out lines that look like a new name and are none, oldest first.

    A record's first row in an event may be logged as an update that sets nothing but the id field, as a rename is. A
    name can be given only where nobody bears it: all data were erased, or its bearer was deleted or emptied, or may
    have left for a name that was given before. ``known``: records of before; ``emptied``: those of which every row was
    blanked, and when; ``elsewhere``: other groups' records, of which nothing tells since when they bear their names,
    but where a line moved one of them or of the known (``moved``: and when).
    """
    borne, is_shifting = set() if is_erased else set(known), False
    leavers = [at for name, at in moved.items() if name in known]
    kept: list[NameAct] = []
    for act in acts:
        at = act.at or datetime.max  # noqa: DTZ901 -- a server's local time
        if act.kind is Kind.NAMED:
            freed = {name for name in act.names if emptied.get(name, datetime.max) <= at}  # noqa: DTZ901
            if not is_shifting and borne - freed >= act.names:
                continue
            is_foreign = not act.names.isdisjoint(elsewhere) and act.names.isdisjoint(moved)
            is_shifting |= not is_foreign or any(left <= at for left in leavers)
        kept.append(act)
        borne = borne - act.names if act.kind is Kind.DELETED else borne | act.names
    return tuple(kept)


def follow(acts: Iterable[NameAct], *, known: Collection[str], exist: Collection[str], blank: Collection[str]) -> Names:
    """Follow names through plausible acts, oldest first.

    ``known``: records of before; ``exist``: records of now; ``blank``: records that were last blanked, which ends
    one whose every row it was.
    """
    lines: dict[str, list[Kind]] = {}
    for act in acts:
        for name in _meant(act.names, known, exist):
            lines.setdefault(name, []).append(act.kind)
    begun: dict[str, Kind] = {}
    given = passing = strays = 0
    for name, kinds in lines.items():
        in_order = _mended(kinds) if name in exist else kinds
        for number, kind in enumerate(in_order):
            if kind is Kind.DELETED:
                continue
            begun[name] = kind
            given += kind is Kind.NAMED
            is_last = number == len(in_order) - 1
            ended = name in exist or name in blank if is_last else in_order[number + 1] is Kind.DELETED
            passing += kind is Kind.NAMED and not ended
            # who is known was not made since: the line is of another arm, or of a pull that could not hear it
            strays += kind is Kind.MADE and not ended and not (number == 0 and name in known)
    return Names(
        begun=begun,
        dead=frozenset(name for name, kinds in lines.items() if name in known and kinds[0] is Kind.DELETED),
        vacated=frozenset(name for name, kinds in lines.items() if len(kinds) > 1 or kinds[0] is not Kind.MADE),
        given=given,
        passing=passing,
        strays=strays,
    )


def _meant(names: frozenset[str], known: Collection[str], exist: Collection[str]) -> list[str]:
    """Choose among the ways in which a line can be read: names that somebody bears or bore, else the shortest."""
    if len(names) <= 1:
        return list(names)
    return sorted(name for name in names if name in known or name in exist) or [min(names, key=len)]


def _mended(kinds: list[Kind]) -> list[Kind]:
    """Put a beginning last, since the record is there: lines of one minute may come in any order."""
    if kinds[-1] is not Kind.DELETED:
        return kinds
    last = max((number for number, kind in enumerate(kinds) if kind is not Kind.DELETED), default=None)
    return kinds if last is None else [*kinds[:last], *kinds[last + 1 :], kinds[last]]
