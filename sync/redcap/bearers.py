"""Ask log and cells who bears the names that are known, for one site's Delta. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from schemas.known import Known, differing
from schemas.pull import Delta
from sync.plural import counted
from sync.redcap import renames, traces
from sync.redcap.changes import Request, Sighting, covers, news
from sync.redcap.hearing import hear
from sync.redcap.names import Kind
from sync.redcap.renames import Bearers


def of(
    delta: Delta,
    sighting: Sighting,
    known: Known,
    groups: Mapping[str, str | None],
    request: Request | None,
    *,
    is_group: bool = False,
) -> Bearers:
    """Say which known records have other names or other bearers now.

    ``delta``: before it was compared, with the fingerprints of all that came; ``groups``: all records of the project
    that were seen; ``is_group``: the site is one of them. The log counts from its last line that the pull before has
    seen; where that one could not hear the log, it found out by rows what later lines tell once more.
    """
    since = request.since if request is not None else None
    is_heard = since is not None and since.is_heard
    if request is not None and is_heard and not sighting.logbook.problem and covers(sighting.logbook, request):
        return _by_log(delta, sighting, known, groups, request, is_group=is_group)
    return _without_log(delta, sighting, known, groups, request)


def _by_log(
    delta: Delta,
    sighting: Sighting,
    known: Known,
    groups: Mapping[str, str | None],
    request: Request,
    *,
    is_group: bool,
) -> Bearers:
    book, before, came = sighting.logbook, known.records(), delta.prints
    heard = hear(news(book, request), book, known, seen=groups, own=delta.record_ids, request=request)
    names = heard.follow(groups.keys() | sighting.vanished)
    # who was moved to another group keeps the name, but for one whose name went to somebody else there
    gone = {name for name in before - delta.record_ids if name not in groups or name in names.begun}
    here = names.begun.keys() & delta.record_ids
    if not gone and not here:
        return Bearers(renamed={})
    rows = came.of(here)
    old = known.of(gone | (before & set(rows["record"])))
    return renames.by_log(
        old,
        rows,
        names,
        exist=groups.keys(),
        emptied=traces.emptied(old, book.traces),
        is_erased=book.traces.is_erased,
        is_group=is_group,
    )


def _without_log(
    delta: Delta, sighting: Sighting, known: Known, groups: Mapping[str, str | None], request: Request | None
) -> Bearers:
    """Do with rows, and with what the log calls new names if it does not reach back to the last pull."""
    book, before, came = sighting.logbook, known.records(), delta.prints
    lost = before - delta.record_ids - groups.keys()
    fresh = set(came.records() - before) if lost or book.problem else set[str]()
    told: Mapping[str, str] = {}
    if not book.problem:
        heard = hear(book.acts, book, known, seen=groups, own=delta.record_ids, request=request)
        names = heard.follow(groups.keys() | sighting.vanished)
        fresh &= {name for name, kind in names.begun.items() if kind is Kind.NAMED}
        told = renames.by_log(known.of(lost), came.of(fresh), names, exist=groups.keys(), is_whole=False).renamed
        fresh.clear()
    changed = _changed(delta, known, request)
    found = renames.by_rows(known.of(lost - told.keys()), came.of(fresh), known.of(changed), came.of(changed))
    return replace(found, renamed={**found.renamed, **told})


def notices(bearers: Bearers) -> tuple[str, ...]:
    """Say what nothing could tell; without an id."""
    if not bearers.doubtful:
        return ()
    return (
        f"{counted(bearers.doubtful, 'record holds', 'records hold')} other data than before in every row, and no log"
        " that reaches back to the last pull tells whether an id went to another patient; look at what was confirmed"
        " for records with many changes, and ask the site's REDCap administrator for the right to the log",
    )


def _changed(delta: Delta, known: Known, request: Request | None) -> set[str]:
    """Name known records whose rows differ; none where other columns came, since then all rows do."""
    since, mark = request.since if request else None, delta.watermark
    if since is not None and mark is not None and (since.columns, since.design) != (mark.columns, mark.design):
        return set()
    came = delta.prints
    before = known if delta.complete else Known.of_frame(known.of(came.records()))
    return differing(before, came) & known.records() & delta.record_ids
