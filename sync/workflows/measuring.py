"""Measure what a night is about to do to a site: written, and not committed yet."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from schemas.pull import Delta
from sync import changes
from sync.config import BrakesConfig
from sync.ports.stored import StoreCounts
from sync.ports.warehouse import SiteTransaction
from sync.queries.model import LIVE, Action, Query, QueryEventDraft, QueryKey
from sync.volume import CheckChange, ColumnChange, Place, PlaceChange, Volume
from sync.workflows.followup import FollowedUp
from sync.workflows.gathering import Held
from sync.workflows.past import Past

_OPENING = frozenset({Action.RAISED, Action.REOPENED})
_CLOSING = frozenset({Action.CLOSED, Action.ANSWERED, Action.CANCELLED})

_Asked = tuple[str, str, str]
"""A check, and the form and field that it asks about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """Count what the warehouse held before the run."""

    subjects: frozenset[str]
    #: form rows of the records that the pull calls gone
    rows_of_gone: int
    #: form rows that records which got another name had under the old one and have no longer
    rows_lost_by_renamed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Hold what a night did in its transaction."""

    delta: Delta
    stood: Stood
    #: what the pull holds
    held: Held
    stored: StoreCounts
    #: the site's queries before
    before: Sequence[Query]
    after: FollowedUp


def volume(done: Done, past: Past, columns: Sequence[ColumnChange], places: Sequence[PlaceChange]) -> Volume:
    """Measure a run that has been written and not committed. Pure."""
    delta, stood, stored = done.delta, done.stood, done.stored
    rows = done.held.rows + stored.deleted - stored.inserted
    counts = done.after.reconciled
    # a record that got another name is not gone; one whose name another patient bears is
    there = delta.record_ids - delta.reborn if delta.reborn else delta.record_ids
    gone = (stood.subjects - there) - delta.renamed.keys()
    explained = delta.renamed.keys() | delta.moved_away | delta.deleted_in_log
    known = stood.subjects | set(delta.renamed.values())
    moved = done.after.reconciled.drafts
    return Volume(
        records_before=len(stood.subjects),
        records_now=len(delta.record_ids),
        records_gone=len(gone),
        cells_known=done.held.cells - stored.cells_more if delta.complete else past.cells,
        cells_changed=stored.cells_changed,
        queries_open=sum(query.state in LIVE for query in done.before),
        queries_closed=counts.closed + counts.answered + counts.cancelled,
        queries_opened=counts.opened + counts.reopened + counts.candidates,
        queries_opened_new=sum(each.action in _OPENING and each.key.record not in known for each in moved),
        queries_closed_unchanged=sum(_closes_unchanged(each, done) for each in moved),
        rows_known=rows if delta.complete else past.rows,
        rows_gone=max(0, stored.deleted - stood.rows_of_gone) + stood.rows_lost_by_renamed,
        records_untraced=delta.untraced,
        thinned_untraced=tuple(sorted(delta.thinned_untraced)),
        columns=tuple(columns),
        checks=_checks(done, known),
        gone=tuple(sorted(gone)),
        unexplained=tuple(sorted((gone | delta.gone) - explained)),
        places=tuple(places),
        thinned=tuple(sorted({record for _, _, record in stored.touched.vanished if record in delta.record_ids})),
    )


def columns(tx: SiteTransaction, stored: StoreCounts, limits: BrakesConfig) -> tuple[ColumnChange, ...]:
    """Set the changes of each column against what it held before; only columns with many changes are counted out."""
    tallies = {column: tally for column, tally in stored.touched.columns.items() if tally.changed}
    many = [column for column, tally in tallies.items() if tally.changed > changes.of_column(limits, tally.factor)[1]]
    now = tx.count_filled(many) if many else {}
    found = [
        ColumnChange(
            form=column[0],
            column=column[1],
            changed=tally.changed,
            emptied=tally.emptied,
            known=now[column] + tally.beside - tally.filled + tally.emptied if column in now else None,
            factor=tally.factor,
        )
        for column, tally in tallies.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.changed, each.form, each.column)))


def places(
    tx: SiteTransaction, stored: StoreCounts, staying: Collection[str], limits: BrakesConfig
) -> tuple[PlaceChange, ...]:
    """Set the rows that go from records that stay against those that stood at the same form and visit."""
    gone: Counter[Place] = Counter()
    others: Counter[Place] = Counter()
    for (form, event, record), rows in stored.touched.vanished.items():
        (gone if record in staying else others)[form, event] += rows
    few = min(limits.changed_column_allowed, limits.deleted_records_allowed)
    many = {form for (form, _), count in gone.items() if count > few}
    now = tx.count_standing(many) if many else {}
    found = [
        PlaceChange(
            form=place[0],
            event=place[1],
            gone=count,
            known=now.get(place, 0) + count + others[place] if place[0] in many else None,
        )
        for place, count in gone.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.gone, each.form, each.event)))


def _closes_unchanged(draft: QueryEventDraft, done: Done) -> bool:
    """Tell whether a query closes about a record that stayed as it was."""
    record = draft.key.record
    return draft.action in _CLOSING and record not in done.stored.touched.records and record in done.delta.record_ids


def _checks(done: Done, known: frozenset[str]) -> tuple[CheckChange, ...]:
    """Say what happens to the queries of each check at each field, where it moves any."""
    waiting = Counter(_asked(query.key) for query in done.before if query.state in LIVE)
    opened: Counter[_Asked] = Counter()
    closed: Counter[_Asked] = Counter()
    unchanged: Counter[_Asked] = Counter()
    records: dict[_Asked, set[str]] = {}
    for draft in done.after.reconciled.drafts:
        asked = _asked(draft.key)
        if draft.action in _OPENING and draft.key.record in known:
            opened[asked] += 1
            records.setdefault(asked, set()).add(draft.key.record)
        closed[asked] += draft.action in _CLOSING
        unchanged[asked] += _closes_unchanged(draft, done)
    return tuple(
        CheckChange(
            check=asked[0],
            form=asked[1],
            field=asked[2],
            waiting=waiting[asked],
            opened=opened[asked],
            records=len(records.get(asked, ())),
            closed=closed[asked],
            closed_unchanged=unchanged[asked],
        )
        for asked in sorted({*(+opened), *(+closed)})
    )


def _asked(key: QueryKey) -> _Asked:
    return key.check, key.instrument, key.field
