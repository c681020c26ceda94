"""Follow up queries after judging: only those that the judgement can say anything about. Pure but for the links."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache

from schemas import project
from schemas.coordinates import RowKey
from sync.ports.application import Application
from sync.queries import desk, moving, reconcile
from sync.queries.acts import Act
from sync.queries.model import LIVE, ActorKind, Query, QueryEventDraft, QueryKey
from sync.queries.reconcile import Reconciled
from sync.workflows.gathering import Seen
from sync.workflows.reading import Reading

ACTOR = "syncline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold a site's queries before a run looks at them, under the present names of their records."""

    queries: tuple[Query, ...]
    #: what the renames write
    drafts: tuple[QueryEventDraft, ...] = ()
    #: the rows at which renamed ones stood, by number
    former: Mapping[str, RowKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Name what has ended since the last run."""

    #: records that are gone, or whose name another patient bears
    records: frozenset[str] = frozenset()
    #: rows, those of other records included
    rows: frozenset[RowKey] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedUp:
    """Hold what a run does to a site's queries."""

    drafts: tuple[QueryEventDraft, ...]
    #: every query of the site afterwards
    queries: tuple[Query, ...]
    #: those that were followed up or renamed: the ones to be written
    concerned: tuple[Query, ...]
    reconciled: Reconciled
    #: live queries of a project that the site had before, of which nothing was judged in the present one
    left: int = 0


def standing(before: Sequence[Query], renamed: Mapping[str, str], *, at: datetime, run_id: str) -> Standing:
    """Move the keys of renamed records."""
    if not renamed:
        return Standing(queries=tuple(before))
    act = Act(at=at, actor=ACTOR, actor_kind=ActorKind.SYSTEM, run_id=run_id)
    moved, drafts = desk.rename(before, renamed, act)
    # a run looks at each query once: being renamed is not being looked at
    queries = tuple(replace(query, run_id=None) if query.run_id == run_id else query for query in moved)
    movers = {draft.number for draft in drafts}
    former = {query.number: query.key.row for query in before if query.number in movers}
    return Standing(queries=queries, drafts=drafts, former=former)


def follow_up(
    seen: Seen,
    before: Standing,
    reading: Reading,
    *,
    project_id: int,
    gone: Collection[str],
    ended: Lives,
    at: datetime,
    run_id: str,
    next_number: int,
    secret: bytes,
) -> FollowedUp:
    """Carry queries over to a new project, then hold each one that is concerned against what was seen.

    A query of a record that was not judged tonight is left exactly as it is: not looked at is not passed. ``gone``:
    records that two answers of the server did not hold any more; nothing is left to ask about them. ``ended``: what
    was followed up so far and has ended, whatever stands in its place now.
    """
    carried = _carried(before.queries, seen, reading.study.name, project_id, at=at, run_id=run_id)
    drafts = (*before.drafts, *carried.drafts)
    named = {draft.number for draft in drafts}
    over = _over(carried.queries, before.former, ended, seen)
    named |= over
    concerned = [
        query for query in carried.queries if query.number in named or seen.concerns(query.key.record, query.key.check)
    ]
    result = reconcile.reconcile(
        seen.judgement,
        concerned,
        study=reading.study.name,
        project_id=project_id,
        at=at,
        run_id=run_id,
        # the records that are concerned were judged whole
        complete=True,
        next_number=next_number,
        prefix=reading.plan.prefix,
        secret=secret,
        cells=seen.cells,
        gone=gone,
        ended=over,
    )
    looked_at = {query.number for query in concerned}
    others = tuple(query for query in carried.queries if query.number not in looked_at)
    waiting = sum(query.state in LIVE for query in others)
    return FollowedUp(
        drafts=(*drafts, *result.drafts),
        queries=(*others, *result.queries),
        concerned=result.queries,
        reconciled=replace(result, unchanged=result.unchanged + waiting),
        left=carried.left,
    )


def _over(queries: Iterable[Query], former: Mapping[str, RowKey], ended: Lives, seen: Seen) -> set[str]:
    """Number the queries whose row ended; one of a renamed record goes on where the record has the row still."""
    found = {(each.row, each.check, each.field) for each in seen.judgement.findings} if former else set()

    def is_over(key: QueryKey, was: RowKey | None) -> bool:
        if was is None:
            return key.record in ended.records or key.row in ended.rows
        if was not in ended.rows or (key.row, key.check, key.field) in found:
            return False
        return seen.judgement.conditions.at(check=key.check, row=key.row, field=key.field) is None

    return {query.number for query in queries if is_over(query.key, former.get(query.number))}


def _carried(
    before: Sequence[Query], seen: Seen, study: str, project_id: int, *, at: datetime, run_id: str
) -> moving.Carried:
    """Carry over the queries of a project that the site had before, where their place was judged in the present one."""
    judgement = seen.judgement

    @cache
    def found() -> frozenset[tuple[RowKey, str, str]]:
        return frozenset((each.row, each.check, each.field) for each in judgement.findings)

    def is_judged(key: QueryKey) -> bool:
        if not seen.concerns(key.record, key.check):
            return False
        condition = judgement.conditions.at(check=key.check, row=key.row, field=key.field)
        return condition is not None or (key.row, key.check, key.field) in found()

    return moving.carry(
        before,
        study=study,
        project_id=project_id,
        judged=is_judged,
        act=Act(at=at, actor=ACTOR, actor_kind=ActorKind.SYSTEM, run_id=run_id),
    )


def asked_since(queries: Iterable[Query]) -> set[str]:
    """Name the records of live queries about which a person did something since a run last looked."""
    return {query.key.record for query in queries if query.state in LIVE and query.changed_at > query.evaluated_at}


def left_behind(count: int, project_id: int) -> str:
    """Word the notice about live queries that stay at a project which the site had before."""
    return (
        f"{count} live queries are about the site's former project and what project {project_id} does not hold; "
        "nothing looks at them any more: answer, accept or cancel them"
    )


def quarantined(queries: Iterable[Query]) -> set[RowKey]:
    """Name the rows that a hard query still holds back from analysis."""
    return {query.key.row for query in queries if query.holds_back}


def query_links(
    app: Application, structure: project.ProjectStructure, base_url: str, queries: Iterable[Query]
) -> dict[str, str]:
    """Map query numbers to the pages on which they are answered; built when needed, since versions move on."""
    links = {}
    for query in queries:
        if query.state not in LIVE or query.key.project_id != structure.project_id:
            continue
        link = app.link(
            structure,
            base_url,
            record=query.key.record,
            event=query.site_event,
            instrument=query.site_instrument,
            instance=query.site_instance,
        )
        if link:
            links[query.number] = link
    return links
