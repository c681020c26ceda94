"""Carry out what a person decides on queries: each change against the version that was read, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from schemas import project
from schemas.study import Study
from sync import errors
from sync.ports.application import Application
from sync.ports.stored import QueryFilter
from sync.queries import desk
from sync.queries.acts import Act
from sync.queries.model import ActorKind, AnswerCode, CancelReason, CloseReason, Query, QueryEventDraft, State, Trigger
from sync.workflows import followup

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Hold one command on queries, as a person gave it."""

    trigger: Trigger
    actor: str
    #: a site's answer typed in by a data manager is still a site's answer
    actor_kind: ActorKind = ActorKind.DM
    comment: str | None = None
    answer: AnswerCode | None = None
    reason: CloseReason | CancelReason | None = None
    assignee: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Hold queries as a listing shows them, with their pages in the site's REDCap."""

    queries: tuple[Query, ...]
    #: number -> address
    links: dict[str, str]
    now: datetime

    def document(self, query: Query, *, language: str) -> dict[str, Any]:
        """Show one query as the interface promises it."""
        opened = query.opened_at or query.raised_at
        key = query.key
        return {
            "number": query.number,
            "site": key.site,
            "record": key.record,
            "event": key.event,
            "instrument": key.instrument,
            "instance": key.instance,
            "field": key.field,
            "site_field": query.site_field,
            "check": key.check,
            "check_version": query.check_version,
            "severity": query.severity.value,
            "state": query.state.value,
            "condition": query.condition.value,
            "reason": query.reason.value if query.reason else None,
            "round": query.round,
            "message": query.message.get(language) or next(iter(query.message.values()), ""),
            "raw": query.raw,
            "value": query.value,
            "unit": query.unit,
            "opened": opened.isoformat(timespec="seconds"),
            "age_days": (self.now - opened).days,
            "last_evaluated": query.evaluated_at.isoformat(timespec="seconds"),
            "answer": query.answer.value if query.answer else None,
            "assignee": query.assignee,
            "changed_since_answer": query.changed_since_answer,
            "ready_to_close": query.ready_to_close,
            "version": query.version,
            "link": self.links.get(query.number),
        }


def show(app: Application, wanted: QueryFilter) -> Shown:
    """Read queries and build the links to where they are answered; no network."""
    reader = app.warehouse().reader()
    queries = reader.queries(wanted)
    links: dict[str, str] = {}
    for site in {query.key.site for query in queries}:
        known = reader.state(site, "project")
        if known:
            structure = project.from_plain(known["structure"])
            ours = [query for query in queries if query.key.site == site]
            links |= followup.query_links(app, structure, known["base_url"], ours)
    return Shown(queries=queries, links=links, now=app.clock.now())


def decide(app: Application, numbers: Sequence[str], decision: Decision) -> tuple[Query, ...]:
    """Carry out one decision on queries, all of them or none; give them back as they stand then.

    Raises IllegalTransition, StaleQuery, SiteLocked; ConfigError for a number that was never given.
    """
    warehouse = app.warehouse()
    found = {query.number: query for query in warehouse.reader().queries(QueryFilter(numbers=tuple(numbers)))}
    unknown = [number for number in numbers if number not in found]
    if unknown:
        raise errors.ConfigError(
            [f"no query has the number {number}; `sync queries list` shows them" for number in unknown]
        )
    at = app.clock.now()
    for number in numbers:  # refuse before anything is written: a person gets all or nothing
        _decide(found[number], decision, at)
    after: list[Query] = []
    for site in dict.fromkeys(found[number].key.site for number in numbers):
        ours = [number for number in numbers if found[number].key.site == site]
        with warehouse.site_lock(site), warehouse.transaction(site, _desk_run(at), at) as tx:
            standing = {query.number: query for query in tx.queries()}
            drafts: list[QueryEventDraft] = []
            for number in ours:
                if standing[number].version != found[number].version:
                    raise errors.StaleQuery(f"{number} changed since you looked at it; look again, then decide")
                query, written = _decide(standing[number], decision, at)
                drafts += written
                standing[number] = query
            tx.put_queries(drafts, [standing[number] for number in ours])
            tx.quarantine(followup.quarantined(standing.values()))
            after += [standing[number] for number in ours]
        log.info("queries.decided", site=site, trigger=decision.trigger.value, count=len(ours))
    return tuple(after)


def export(app: Application, sites: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Write the lists of open queries again, as after a run; site -> files."""
    written = {}
    now = app.clock.now().astimezone(app.config.study.zone)
    for slug in sites:
        site = app.config.site(slug)
        reader = app.warehouse().reader()
        shown = show(app, QueryFilter(sites=(slug,), states=(State.OPEN.value,)))
        known = reader.state(slug, "project")
        if known is None:
            raise errors.ConfigError([f"sites.{slug}: nothing was pulled yet; run `sync run --site {slug}` first"])
        study, _ = app.plan(site).resolve(project.from_plain(known["structure"]))
        paths = app.delivery.deliver(site, shown.queries, study, links=shown.links, now=now)
        written[slug] = tuple(str(path) for path in paths)
    return written


def study_of(app: Application, site: str) -> Study | None:
    """Give the study that a site's stored data follow; None where nothing was pulled yet."""
    known = app.warehouse().reader().state(site, "project")
    return app.plan(app.config.site(site)).resolve(project.from_plain(known["structure"]))[0] if known else None


def older_than(now: datetime, days: int | None) -> datetime | None:
    """Turn an age in days into the moment before which something must have happened."""
    return None if days is None else now - timedelta(days=days)


def _decide(query: Query, decision: Decision, at: datetime) -> desk.Decided:
    act = Act(
        at=at,
        actor=decision.actor,
        actor_kind=decision.actor_kind,
        comment=decision.comment,
        answer=decision.answer,
        reason=decision.reason,
        assignee=decision.assignee,
        source=decision.source,
    )
    return desk.decide(query, decision.trigger, act)


def _desk_run(at: datetime) -> str:
    """Name the transaction of a command the way runs are named, so that history can tell them apart."""
    return f"desk-{at:%Y%m%dT%H%M%S%f}Z"
