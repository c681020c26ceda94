"""See that no name of a record went to another while a project was pulled: what was seen stands beside one log.

The log is read before the lists and the rows. Were a record renamed in between, its name would be heard of a night
late, or its rows be taken for another's, so whoever finds that in the log after it looks again.
"""

from collections.abc import Collection, Iterable

from sync.errors import SourceRefused
from sync.redcap.client import Client
from sync.redcap.logbook import Logbook, continued
from sync.redcap.names import Kind, NameAct, unseen
from sync.redcap.replies import ReplyFailed, TokenRefused

#: looks in a row that names may disturb
LOOKS = 3

DISTURBED = (
    "records were renamed each time while they were pulled, so that nothing tells whose rows came; nothing"
    " was taken over, run the site again when that is done"
)


class NamesMoved(Exception):
    """Say that names were given since the log was read, or may have been."""


def heard(client: Client, book: Logbook | None, record_field: str) -> Logbook | None:
    """Continue a log that was read before: with what was written since, this request's line included.

    None for a log that gave no line, or gives none now. TokenRefused where the token has been revoked.
    """
    if book is None or book.problem or book.newest is None:
        return None
    try:
        return continued(client, book, record_field=record_field)
    except TokenRefused:
        raise
    except (SourceRefused, ReplyFailed):
        return None


def acts_between(book: Logbook | None, later: Logbook | None) -> tuple[NameAct, ...]:
    """Give what ``later`` says of names that ``book``, of which it is the continuation, does not."""
    if book is None or later is None or book.newest is None:
        return ()
    return unseen([act for act in later.acts if act.at is not None], book.newest, book.lines)


def check(
    between: Collection[NameAct], acts: Iterable[NameAct], *, known: Collection[str], own: Collection[str]
) -> None:
    """Raise NamesMoved where rows that came under one of a site's names may be another's.

    A name was given meanwhile, or made anew though it is ``known``; others may be made, and any may end. ``between``:
    what was written after the log was read; ``acts``: what of the whole log gives and ends names; ``own``: the site's
    records of now.
    """
    after = {*between}
    lately = [act for act in acts if act in after]
    given = [act for act in lately if act.kind is Kind.NAMED and not act.names.isdisjoint({*known, *own})]
    if given or any(act.kind is Kind.MADE and not act.names.isdisjoint(known) for act in lately):
        raise NamesMoved
