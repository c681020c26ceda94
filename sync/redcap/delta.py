"""Make one site's Delta of what was seen of a project, and of what the site's caller holds already."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl

from schemas.known import ROW_KEY, Known, differing, differing_rows
from schemas.parts import Packer, Parts
from schemas.pull import Cost, Delta, fingerprints
from sync.redcap import bearers, missing, steady
from sync.redcap.batches import fetch_whole
from sync.redcap.changes import Request, Sighting, covers, news
from sync.redcap.client import Client
from sync.redcap.frames import counts_of, groups_of, in_order, last_groups, of_group, refuse_doubles, without_group
from sync.redcap.hearing import hear
from sync.redcap.logbook import cut, read_log
from sync.redcap.names import Kind
from sync.redcap.pull import Fetched, Target, head_of
from sync.redcap.reader import Reader
from sync.redcap.renames import Bearers

#: record ids in one request of ids alone
_IDS = 500


def delta_of(
    client: Client, target: Target, sighting: Sighting, known: Known | None, request: Request | None = None
) -> Delta:
    """Make the Delta of ``target``'s site; asks only for what concerns this site alone.

    Without ``known`` nothing can be called gone, renamed, unchanged or moved; without ``request``, what the site asked
    for, the log is not believed to be whole. Raises as a pull does, and NamesMoved where that spoilt it.
    """
    whole = sighting.rows
    reader = Reader(
        client,
        sighting.structure,
        needs_groups=target.group is not None,
        columns=whole.columns if whole.height else None,
    )
    groups = _groups(sighting, whole)
    if target.group is not None:  # a full pull of one group holds no other's rows: the list tells where a record went
        groups = {
            name: group for name, group in last_groups(sighting.listing).items() if group != target.group
        } | groups
    if known is not None and not sighting.complete:
        unlisted = sorted(known.records() - groups.keys() - sighting.vanished)
        groups |= _unlisted(reader, unlisted)
        wanted = _overlooked(sighting, known, groups, target.group) - set(_ids(whole, sighting))
        if wanted:
            listed = dict.fromkeys(wanted, 1) | counts_of(sighting.listing)
            more, vanished = fetch_whole(reader, wanted, target.batch_records, listed=listed)
            whole = _stacked(whole, more)
            groups = _without({**groups, **groups_of(more, sighting.structure)}, vanished)
        if unlisted or wanted:
            sighting = replace(sighting, heard=steady.heard(client, sighting.heard, sighting.structure.record_field))
    own = _own(groups, target.group)
    notices = sighting.notices
    ownerless = without_group(groups, sighting.structure) if target.group is not None else ()
    notices += ownerless
    fetched = _of_all(sighting.fetched, sighting, target) if sighting.fetched else _of_some(whole, sighting, target)
    delta = Delta(
        head=head_of(fetched.parts.empty, sighting.structure, target, withheld=fetched.withheld, notices=notices),
        parts=fetched.parts,
        prints=fetched.prints,
        complete=sighting.complete,
        record_ids=own,
        groups={
            record: group
            for record, group in (groups.items() if sighting.structure.groups else ())
            if record in own and group is not None
        },
        watermark=sighting.watermark,
        notices=notices,
        warnings=ownerless,
        cost=Cost(
            rows_listed=sighting.cost.rows_listed + reader.cost.rows_listed,
            rows_whole=sighting.cost.rows_whole + reader.cost.rows_whole,
        ),
    )
    return delta if known is None else _held_against(client, target, sighting, delta, known, groups, request)


def _held_against(
    client: Client,
    target: Target,
    sighting: Sighting,
    delta: Delta,
    known: Known,
    groups: dict[str, str | None],
    request: Request | None,
) -> Delta:
    """Hold what was seen against what is known, and what is gone against the log, read anew where that may be late."""
    begin = request.begin if request is not None else sighting.begin
    has_reach = begin is not None and sighting.begin is not None and sighting.begin <= begin
    if begin is not None and not has_reach and not sighting.logbook.problem:
        sighting, has_reach = _reaching(client, target, sighting, begin)
    _refuse_disturbed(delta, sighting, known, groups, request)
    borne = bearers.of(delta, sighting, known, groups, request, is_group=target.group is not None)
    delta = _compared(delta, sighting, known, groups, borne)
    delta = _settled(delta, sighting, known)
    told = request is not None and has_reach and covers(sighting.logbook, request)
    told &= not missing.is_partial(sighting, known)
    book = sighting.heard if told else None
    return missing.explained(delta, sighting, book, known, seen=groups.keys(), request=request)


def _refuse_disturbed(
    delta: Delta, sighting: Sighting, known: Known, groups: Mapping[str, str | None], request: Request | None
) -> None:
    """Raise NamesMoved where names of the site were given after the log was read, or the clock was set back then."""
    heard, before = sighting.heard, known.records()
    if heard is not None and sighting.logbook.is_current and not heard.is_current:
        raise steady.NamesMoved
    between = steady.acts_between(sighting.logbook, heard)
    if heard is None or not between:
        return
    acts = news(heard, request) if request is not None else heard.acts
    told = hear(
        acts,
        heard,
        known,
        seen=groups,
        own=delta.record_ids,
        request=request,
        bearers=frozenset(sighting.listing["record"]),
    )
    steady.check(between, told.acts, known=before, own=delta.record_ids)


def _settled(delta: Delta, sighting: Sighting, known: Known) -> Delta:
    """Note which of the records that came were made after the log was read: the next pull hears of it then."""
    mark, heard = delta.watermark, sighting.heard
    acts = steady.acts_between(sighting.logbook, heard)
    made = {name for act in acts if act.kind is Kind.MADE for name in act.names}
    settled = tuple(sorted(made & delta.record_ids - known.records()))
    if mark is None or heard is None or not settled:
        return delta
    mark = replace(mark, settled=settled, settled_at=heard.newest, settled_lines=heard.lines)
    return replace(delta, watermark=mark)


def _reaching(client: Client, target: Target, sighting: Sighting, begin: datetime) -> tuple[Sighting, bool]:
    """Read more of the log for a look that was another site's, which asked for less; says whether that went well."""
    field = sighting.structure.record_field
    book = read_log(client, record_field=field, since=begin, now=target.pulled_at)
    if book.problem:
        return sighting, False
    first = cut(book, sighting.logbook, record_field=field)
    heard = cut(book, sighting.heard, record_field=field) if sighting.heard is not None else None
    return replace(sighting, begin=begin, logbook=first, heard=heard), True


def _of_all(fetched: Fetched, sighting: Sighting, target: Target) -> Fetched:
    """Take one group's rows out of all, part by part."""
    others = [record for record, group in fetched.groups.items() if group != target.group]
    if target.group is None or not others:
        return fetched
    packer = Packer(record_field=sighting.structure.record_field)
    for rows in fetched.parts.frames():
        packer.add(of_group(rows, target.group))
    return replace(
        fetched,
        parts=packer.done(fetched.parts.empty),
        prints=fetched.prints.without(others),
    )


def _of_some(rows: pl.DataFrame, sighting: Sighting, target: Target) -> Fetched:
    """Make one part of the changed records, of rows as the server sent them."""
    structure = sighting.structure
    own = of_group(rows, target.group)
    own, withheld = in_order(own, structure)
    refuse_doubles(own, structure)
    return Fetched(
        parts=_one_part(own, structure.record_field),
        prints=Known.of_frame(fingerprints(own, structure.record_field)),
        groups=groups_of(own, structure),
        owners=sighting.listing,
        withheld=withheld,
    )


def _one_part(rows: pl.DataFrame, record_field: str) -> Parts:
    packer = Packer(record_field=record_field)
    packer.add(rows)
    return packer.done(rows)


def _compared(delta: Delta, sighting: Sighting, known: Known, groups: dict[str, str | None], borne: Bearers) -> Delta:
    """Say what became of the records that are known, and leave out those that did not change."""
    prints = delta.prints
    before = known.records()
    gone = frozenset(before - delta.record_ids)
    parts, unchanged, missed = delta.parts, 0, None
    if not delta.complete and prints.rows:
        came = prints.frame()
        changed = sorted(differing_rows(known.of(prints.records()), came) | borne.reborn)
        unchanged = delta.parts.records - len(changed)
        field = sighting.structure.record_field
        parts = _one_part(parts.whole().filter(pl.col(field).is_in(changed)), field)
        prints = Known.of_frame(came.filter(pl.col("record").is_in(changed)))
    elif delta.complete and sighting.is_reconciliation:
        found = sighting.changed | sighting.logbook.named | _visible(sighting, known, groups, delta.record_ids)
        if sighting.logbook.problem:  # an incremental pull would have listed all keys
            found |= differing(known, prints, columns=ROW_KEY)
        missed = len((differing(known, prints) & delta.record_ids) - found)
    return replace(
        delta,
        parts=parts,
        prints=prints,
        gone=gone,
        renamed=borne.renamed,
        reborn=borne.reborn,
        moved_away=(gone & groups.keys()) - borne.renamed.keys(),
        deleted_in_log=gone & (sighting.heard or sighting.logbook).deleted,
        unchanged=unchanged,
        missed=missed,
        notices=delta.notices + bearers.notices(borne),
        warnings=delta.warnings + bearers.notices(borne),
    )


def _overlooked(sighting: Sighting, known: Known, groups: dict[str, str | None], group: str | None) -> set[str]:
    """Name the site's records that neither the date range nor the log showed, and the lists give away."""
    return _visible(sighting, known, groups, _own(groups, group))


def _visible(sighting: Sighting, known: Known, groups: dict[str, str | None], own: Collection[str]) -> set[str]:
    """Name records that are new, moved, or have other rows than are known (where all keys were listed)."""
    before = known.owners()
    found = set[str]()
    if before != groups or len(own) < len(groups):
        found = {record for record in own if record not in before or before[record] != groups[record]}
    if sighting.all_keys and not sighting.complete:
        listed = sighting.listing.filter(pl.col("record").is_in(sorted(own)))
        found |= differing_rows(known.of(own), listed, columns=ROW_KEY)
    return found


def _unlisted(reader: Reader, records: list[str]) -> dict[str, str | None]:
    """Look for known records that were not listed: they have no data in the listed events, or are gone."""
    found: dict[str, str | None] = {}
    for start in range(0, len(records), _IDS):
        found |= last_groups(reader.listing(records=records[start : start + _IDS]))
    return found


def _groups(sighting: Sighting, whole: pl.DataFrame) -> dict[str, str | None]:
    """Map every record that was seen to its group; its rows have the last word."""
    if sighting.fetched is not None:
        return dict(sighting.fetched.groups)
    return _without(last_groups(sighting.listing) | groups_of(whole, sighting.structure), sighting.vanished)


def _own(groups: Mapping[str, str | None], group: str | None) -> frozenset[str]:
    """Name the records of a group, or all."""
    return frozenset(groups if group is None else [record for record, each in groups.items() if each == group])


def _without(groups: dict[str, str | None], vanished: Collection[str]) -> dict[str, str | None]:
    return {record: group for record, group in groups.items() if record not in vanished} if vanished else groups


def _ids(rows: pl.DataFrame, sighting: Sighting) -> list[str]:
    return rows[sighting.structure.record_field].to_list() if rows.height else []


def _stacked(rows: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    full = [frame for frame in (rows, more) if frame.height]
    return pl.concat(full) if full else rows
