"""Hold what a pull does not find against the log of the server: what is gone, and what should be there. Pure."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from schemas.known import ROW_KEY, Known, differing
from schemas.pull import Delta, Watermark
from sync.plural import counted
from sync.redcap import traces
from sync.redcap.changes import Request, Sighting, news
from sync.redcap.hearing import hear, moved_since
from sync.redcap.logbook import Logbook
from sync.redcap.names import Kind, NameAct

_SET_BACK = timedelta(hours=2)
"""How far before the last pull a line of after it may seem to be, where nothing says that the clock was set back."""


def is_partial(sighting: Sighting, known: Known) -> bool:
    """Say whether the token's user may be in a group; the log shows such a user what that group's users did."""
    if not sighting.structure.groups or sighting.listing["group"].null_count() < sighting.listing.height:
        return False
    return all(group is None for group in known.owners().values())


def thinned(delta: Delta, sighting: Sighting, known: Known, request: Request | None) -> frozenset[str]:
    """Name known records that stay and have rows no longer, although no line of the log since then names them.

    Whoever deletes an event, a form or an instance leaves a line that names the record. The server's clock may have
    been set back since, so that a line tells a time before the last pull: by a winter's hour, or by as much as the log
    itself lets expect. Nothing is said where the project's design or the columns changed, since rows may go with them.
    """
    since, book = request.since if request else None, sighting.logbook
    if since is None or not _is_laid_out_alike(delta, since):
        return frozenset()
    came = delta.prints
    is_set_back = book.goes_back or (book.newest is not None and book.newest < since.at)
    begin = since.at - (request.overlap / 2 if request is not None and is_set_back else _SET_BACK)
    named = {name for name, (at, _) in book.last_named.items() if at >= begin}
    silent = (came.records() & known.records()) - named
    if book.traces.is_erased or not silent:
        return frozenset()
    if delta.complete:
        silent &= differing(known, came, columns=ROW_KEY)
    lost = known.of(silent).join(came.of(silent), on=list(ROW_KEY), how="anti", nulls_equal=True)
    return frozenset(lost["record"])


def explained(
    delta: Delta,
    sighting: Sighting,
    book: Logbook | None,
    known: Known,
    *,
    seen: Collection[str],
    request: Request | None,
) -> Delta:
    """Count the records of which the log does not say why they are not there; notices hold counts, never an id.

    ``book``: the log since the watermark of ``request``; None where it cannot tell. ``seen``: the project's
    records that this pull saw, whatever their group.
    """
    untraced = 0
    told: tuple[str, ...] = ()
    thin: frozenset[str] = frozenset()
    if book is not None:
        thin = thinned(delta, replace(sighting, logbook=book), known, request) - delta.reborn
    lost = delta.gone - delta.moved_away - delta.renamed.keys()
    if not lost:
        pass
    elif book is not None and request is not None:
        new_names = _excuses(lost, delta, sighting, book, known, seen=seen, request=request)
        untraced = traces.untraced(lost, known.of(lost), book.traces, new_names=new_names)
    elif _hides_groups(delta, sighting, known):
        untraced = len(lost)
        told += (
            f"{counted(len(lost), 'record is', 'records are')} gone, and the server no longer tells the"
            " groups of any: the token's user may have been put into a data access group and see its records alone;"
            " ask the site's REDCap administrator",
        )
    else:
        told += (
            f"{counted(len(lost), 'record is', 'records are')} gone; no log that reaches back to the last pull tells"
            " whether the site deleted what is gone",
        )
    if unseen := _unseen(delta, sighting, known, seen, request):
        told += (
            f"the server's log calls {counted(unseen, 'record')} made since the last pull that no answer of the server"
            " held; tell the site's REDCap administrator",
        )
    return replace(
        delta,
        log_was_read=book is not None,
        untraced=untraced,
        thinned_untraced=thin,
        notices=(*delta.notices, *told),
        warnings=(*delta.warnings, *told),
    )


def _hides_groups(delta: Delta, sighting: Sighting, known: Known) -> bool:
    """Tell whether records that are there still had groups, of which the server tells nothing any more."""
    if not sighting.hides_groups:
        return False
    return any(group is not None and record in delta.record_ids for record, group in known.owners().items())


def _excuses(
    lost: Collection[str],
    delta: Delta,
    sighting: Sighting,
    book: Logbook,
    known: Known,
    *,
    seen: Collection[str],
    request: Request,
) -> int:
    """Count the known records that got another name since the last pull, without those of which it is known which.

    Each new name took one record away from the name that it had: one that was made since, one that has had another new
    name since, or one that is known. What was given after the lists were made need not be in them. A new name that
    stands in another group was most likely given there, and explains nothing of this one; unless the log says that
    the record went there with its new name, or lets one that is lost go to a group before.
    """
    listed = {name for act in sighting.logbook.acts for name in act.names}
    later = {name for act in book.acts for name in act.names} - listed
    others = set(seen) - delta.record_ids
    heard = hear(news(book, request), book, known, seen=seen, own=delta.record_ids, request=request)
    names = heard.follow({*seen, *sighting.vanished, *later})
    taken_over = delta.reborn - delta.renamed.keys() - names.dead - heard.blank
    given = {name for name, kind in names.begun.items() if kind is Kind.NAMED}
    foreign = _given_there(given & others, heard.acts, book)
    foreign = max(0, foreign - len(moved_since(book, request).keys() & set(lost)))
    # a record may not show that was made in a form that is gone; and who was made in another group is named there
    strays = names.strays if request.since is None or _is_laid_out_alike(delta, request.since) else 0
    return max(0, names.given - names.passing - max(strays, foreign) - len(delta.renamed) - len(taken_over))


def _is_laid_out_alike(delta: Delta, since: Watermark) -> bool:
    """Tell whether neither the project's design nor the columns changed; rows may go with them, and come."""
    mark = delta.watermark
    return mark is not None and (since.columns, since.design) == (mark.columns, mark.design)


def _given_there(elsewhere: Collection[str], heard: Collection[NameAct], book: Logbook) -> int:
    """Count new names in other groups whose records no line moves after it named them."""
    given_at = {name: act.at for act in heard if act.kind is Kind.NAMED for name in act.names}
    moved_at = {name: at for name, (at, _) in book.moved.items()}
    return sum(name not in moved_at or moved_at[name] < (given_at[name] or moved_at[name]) for name in elsewhere)


def _unseen(delta: Delta, sighting: Sighting, known: Known, seen: Collection[str], request: Request | None) -> int:
    """Count by the log that was read before the lists: what was made since need not be in them.

    The log is read from before the last pull on: what is known was held then, whatever has become of it. In a project
    with groups a record may be made in one and shown in none that the token's user sees.
    """
    if sighting.begin is None or sighting.structure.groups or not sighting.logbook.traces.made:
        return 0
    shown = {*seen, *sighting.vanished, *sighting.changed, *sighting.listing["record"].to_list(), *known.records()}
    book = sighting.logbook
    acts = book.acts
    if request is not None:  # of what the last pull heard, nothing tells any more what was plausible then
        late = {*(found := news(book, request))}
        heard = hear(found, book, known, seen=seen, own=delta.record_ids, request=request)
        acts = (*(act for act in acts if act not in late), *heard.acts)
    named = {name for act in acts if act.kind is Kind.NAMED for name in act.names}
    free = named - set(delta.renamed.values())
    return traces.unseen(sighting.logbook.traces, shown, new_names=len(free))
