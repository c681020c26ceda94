"""Hear from the log how the names of one site's records were given and ended since its last pull. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from schemas.known import Known
from sync.redcap import names, traces
from sync.redcap.changes import Request
from sync.redcap.logbook import Logbook
from sync.redcap.names import NameAct, Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Hold what gives and ends names; ids only."""

    acts: tuple[NameAct, ...]
    known: frozenset[str]
    #: records of which everything was blanked at last, as far as it is known how much they held
    blank: frozenset[str]

    def follow(self, exist: Collection[str]) -> Names:
        """Follow the names to the records of now."""
        return names.follow(self.acts, known=self.known, exist=exist, blank=self.blank)


def hear(
    acts: Iterable[NameAct],
    book: Logbook,
    known: Known,
    *,
    seen: Collection[str],
    own: Collection[str],
    request: Request | None,
    bearers: Collection[str] = (),
) -> Heard:
    """Take what is plausible of some acts of a log.

    ``seen``: all records of the project that were seen, ``own``: those of the site; ``bearers``: who bears a name for
    certain, where nothing is known of before.
    """
    before = known.records()
    held = known.of(before & book.traces.blankings.keys())
    emptied = traces.emptied_at(held, book.traces)
    return Heard(
        acts=names.plausible(
            acts,
            known=before or bearers,
            emptied=emptied,
            elsewhere=set(seen) - set(own),
            moved=moved_since(book, request),
            is_erased=book.traces.is_erased,
        ),
        known=frozenset(before),
        blank=frozenset(emptied.keys() | (book.traces.emptied.keys() - before)),
    )


def moved_since(book: Logbook, request: Request | None) -> dict[str, datetime]:
    """Say which records a line since the last pull puts into a group, or out of one, and when."""
    since = request.since if request is not None else None
    return {
        name: at for name, (at, place) in book.moved.items() if since is None or (at, place) >= (since.at, since.lines)
    }
