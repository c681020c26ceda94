"""Chain a site's ledger rows by hash, check the chain, and replay it.

Every row's hash covers its own content and the hash of the site's row before it; a row changed, removed, inserted
or moved afterwards breaks the chain from there on. Only the newest rows can be cut off unseen, therefore whoever
keeps the tip (``Tip``) outside of the database can prove that nothing is missing at the end either.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sync.queries import fingerprint
from sync.queries.model import (
    AnswerCode,
    Query,
    QueryEvent,
    QueryEventDraft,
    QueryEventValues,
    QueryKey,
    Reason,
    State,
    Trigger,
)

GENESIS = "0" * 64
"""What the first row of a site has for the hash before it."""

_TEXTS = ("comment", "old_raw", "new_raw", "old_value", "new_value")
_HASHED = tuple(f.name for f in fields(QueryEvent) if f.name != "hash")
_KEY = tuple(f.name for f in fields(QueryKey))
_COPIED = frozenset(f.name for f in fields(QueryEvent)) & frozenset(f.name for f in fields(QueryEventDraft))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """Point at the last ledger row of a site."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Hold what the ledger alone says about one query."""

    number: str
    key_digest: str
    state: State
    reason: Reason | None
    answer: AnswerCode | None
    assignee: str | None
    round: int
    version: int
    fingerprint: str
    fingerprint_answered: str | None
    fingerprint_decided: str | None
    changed_since_answer: bool
    ready_to_close: bool
    post_lock: bool
    by_hand: bool
    raised_at: datetime
    opened_at: datetime | None
    changed_at: datetime


def key_digest(key: QueryKey, *, secret: bytes) -> str:
    """Hash a query's key with the warehouse's secret, since a record id may tell who the patient is."""
    parts = [str(getattr(key, name)) for name in _KEY]
    return fingerprint.digest(json.dumps(["key", *parts]), key=secret)


def text_digest(text: str | None, *, site: str, seq: int, name: str, secret: bytes) -> str | None:
    """Hash one erasable text; row and name go in, so that equal values do not show as equal hashes."""
    if text is None:
        return None
    return fingerprint.digest(json.dumps(["text", site, seq, name, text]), key=secret)


def canonical(event: QueryEvent) -> str:
    """Write all of a row but its own hash as JSON: keys sorted, no blanks, ASCII, times as UTC to the microsecond.

    The form must never change: older rows are checked with it. A naive time raises ValueError.
    """
    return _canonical({name: getattr(event, name) for name in _HASHED})


def _canonical(content: Mapping[str, object]) -> str:
    plain = {name: _plain(value) for name, value in content.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def hash_of(event: QueryEvent) -> str:
    """Hash a row: SHA-256 of its canonical JSON, 64 hex digits."""
    return _digest(canonical(event))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def seal(
    drafts: Iterable[QueryEventDraft], *, tip: Tip, secret: bytes
) -> tuple[tuple[QueryEvent, QueryEventValues], ...]:
    """Number, hash and link drafts of one site behind its last row, in the given order.

    Each row comes with its erasable texts. Drafts of two sites at once raise ValueError: every site has its chain.
    """
    sealed: list[tuple[QueryEvent, QueryEventValues]] = []
    site: str | None = None
    for draft in drafts:
        if site not in (None, draft.key.site):
            raise ValueError("a chain holds one site's rows")
        site = draft.key.site
        event = _event(draft, tip=tip, secret=secret)
        texts = QueryEventValues(site=site, seq=event.seq, **{name: getattr(draft, name) for name in _TEXTS})
        sealed.append((event, texts))
        tip = Tip(seq=event.seq, hash=event.hash)
    return tuple(sealed)


def verify(events: Iterable[QueryEvent], *, tip: Tip | None = None) -> tuple[str, ...]:
    """Check one site's rows, given in the order of ``seq``; one plain line a problem, empty where all is well.

    ``tip``: the last row as known from elsewhere; shows rows cut off at the end.
    """
    problems: list[str] = []
    last = Tip()
    latest: dict[str, QueryEvent] = {}
    for event in events:
        where = f"{event.site} ledger row {event.seq} ({event.number})"
        if event.seq != last.seq + 1:
            problems.append(f"{where}: expected row {last.seq + 1}; rows are missing, doubled or out of order.")
        if event.prev_hash != last.hash:
            problems.append(f"{where}: does not follow from the row before it.")
        if event.hash != hash_of(event):
            problems.append(f"{where}: its content is not what was written.")
        problems += [f"{where}: {problem}" for problem in _breaks(latest.get(event.number), event)]
        latest[event.number] = event
        last = Tip(seq=event.seq, hash=event.hash)
    if tip is not None and tip != last:
        problems.append(f"the ledger ends at row {last.seq}, but row {tip.seq} is known: rows are missing at the end.")
    return tuple(problems)


def verify_values(event: QueryEvent, values: QueryEventValues | None, *, secret: bytes) -> tuple[str, ...]:
    """Check the texts beside one row against its hashes; a text erased (None) is no problem, an altered one is."""
    problems = []
    for name in _TEXTS:
        text = getattr(values, name) if values is not None else None
        known = getattr(event, f"{name}_digest")
        found = text_digest(text, site=event.site, seq=event.seq, name=name, secret=secret)
        if found is not None and found != known:
            problems.append(f"{event.site} ledger row {event.seq} ({event.number}): {name} was altered.")
    return tuple(problems)


def replay(events: Iterable[QueryEvent]) -> Mapping[str, Replayed]:
    """Rebuild every query's state from ledger rows in the order of ``seq``; number -> what the ledger says."""
    known: dict[str, Replayed] = {}
    for event in events:
        before = known.get(event.number)
        opened = event.to_state == State.OPEN and event.from_state != State.OPEN
        copied = {f.name: getattr(event, f.name) for f in fields(Replayed) if f.name in _FROM_EVENT}
        known[event.number] = Replayed(
            **copied,
            state=event.to_state,
            raised_at=before.raised_at if before else event.at,
            opened_at=event.at if opened else before.opened_at if before else None,
            changed_at=event.at,
        )
    return known


def differences(query: Query, replayed: Replayed | None, *, secret: bytes) -> tuple[str, ...]:
    """Name the parts in which a stored query is not what its ledger says; empty where both agree."""
    if replayed is None:
        return (f"{query.number}: the ledger knows no such query.",)
    stored = {f.name: getattr(query, f.name) for f in fields(Replayed) if f.name != "key_digest"}
    stored["key_digest"] = key_digest(query.key, secret=secret)
    return tuple(
        f"{query.number}: {name} is not what the ledger says."
        for name, value in stored.items()
        if value != getattr(replayed, name)
    )


def audit(
    queries: Sequence[Query], events: Sequence[QueryEvent], *, secret: bytes, tip: Tip | None = None
) -> tuple[str, ...]:
    """Prove one site's queries: chain whole, every query equal to its replay, no query lost, no key live twice."""
    problems = list(verify(events, tip=tip))
    replayed = replay(events)
    for query in queries:
        problems += differences(query, replayed.get(query.number), secret=secret)
    lost = sorted(set(replayed) - {query.number for query in queries})
    problems += [f"{number}: is in the ledger, but not among the queries." for number in lost]
    seen: set[QueryKey] = set()
    for query in queries:
        if query.key in seen:
            problems.append(f"{query.number}: another query stands at the same place.")
        seen.add(query.key)
    return tuple(problems)


_FROM_EVENT = frozenset(f.name for f in fields(QueryEvent)) & frozenset(f.name for f in fields(Replayed))


def _event(draft: QueryEventDraft, *, tip: Tip, secret: bytes) -> QueryEvent:
    site, seq = draft.key.site, tip.seq + 1
    content = {name: getattr(draft, name) for name in _COPIED}
    content |= {
        f"{name}_digest": text_digest(getattr(draft, name), site=site, seq=seq, name=name, secret=secret)
        for name in _TEXTS
    }
    content["at"] = draft.at.astimezone(UTC)
    content |= {
        "site": site,
        "seq": seq,
        "check": draft.key.check,
        "key_digest": key_digest(draft.key, secret=secret),
        "prev_hash": tip.hash,
    }
    return QueryEvent(**content, hash=_digest(_canonical(content)))


def _breaks(before: QueryEvent | None, event: QueryEvent) -> tuple[str, ...]:
    """Name where a row does not go on from its query's row before."""
    if before is None:
        first = event.from_state is None and event.version == 1
        return () if first else ("is not a first row, but the query has none before it.",)
    problems = []
    if event.version != before.version + 1:
        problems.append(f"version {event.version} does not follow {before.version}.")
    if event.from_state != before.to_state:
        problems.append("starts from another state than the row before left.")
    if event.key_digest != before.key_digest and event.trigger not in (Trigger.RENAME, Trigger.MOVE):
        problems.append("stands at another place without a rename or a move.")
    return tuple(problems)


def _plain(value: object) -> object:
    """Turn a field into JSON's own types."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("ledger times are aware")
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value
