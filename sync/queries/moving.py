"""Carry queries over to a site's new project. Pure.

A query's key names its project, so that the queries of a site that got another one stand at places which no run
looks at any more. What was judged at the same place there is the same question: the key moves and the number stays,
as with a renamed record. What was not judged there is left as it is: not looked at is not passed, nor gone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from schemas import dictionary
from sync.queries import states
from sync.queries.acts import Act
from sync.queries.model import LIVE, Query, QueryEventDraft, QueryKey, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Hold what carrying over does to a site's queries."""

    #: all of the site, in the order in which they were given
    queries: tuple[Query, ...]
    drafts: tuple[QueryEventDraft, ...]
    #: live queries of another project that stay there
    left: int


def carry(
    queries: Sequence[Query], *, study: str, project_id: int, judged: Callable[[QueryKey], bool], act: Act
) -> Carried:
    """Move the keys of queries of the site's other projects to ``project_id`` (row 22).

    ``judged`` tells whether a key's check was judged at its place in the new project. Never do two queries stand at
    one place: where another one does already, a live one is closed as not applicable (rows 13, 2a), with the number
    that goes on in its comment. Queries of another study stay, but for studies that are made of a project's own
    dictionary, which go with it.
    """
    taken = {query.key: query.number for query in queries}
    moved: dict[str, Query] = {}
    drafts: list[QueryEventDraft] = []
    left = 0
    strangers = [
        query for query in queries if query.key.project_id != project_id and _follows(query.key, study, project_id)
    ]
    # of several the one that waits goes on, then the latest
    for query in sorted(strangers, key=_rank, reverse=True):
        target = replace(query.key, project_id=project_id, study=study)
        if not judged(target):
            left += query.state in LIVE
            continue
        if target not in taken:
            trigger, with_what = Trigger.MOVE, replace(act, project_id=project_id, study=study)
            taken[target] = query.number
        elif query.state in LIVE:
            trigger, with_what = Trigger.NOT_APPLICABLE, replace(act, comment=f"goes on as {taken[target]}")
        else:
            continue
        moved[query.number], written = states.advance(query, trigger, with_what)
        drafts += written
    return Carried(queries=tuple(moved.get(query.number, query) for query in queries), drafts=tuple(drafts), left=left)


def _follows(key: QueryKey, study: str, project_id: int) -> bool:
    return key.study == study or (
        key.study == dictionary.study_name(key.project_id) and study == dictionary.study_name(project_id)
    )


def _rank(query: Query) -> tuple[bool, int, str]:
    return query.state in LIVE, len(query.number), query.number
