"""Turn queries and ledger rows into database rows and back."""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from schemas.study import Severity
from sync.queries import model
from sync.queries.model import (
    Action,
    ActorKind,
    AnswerCode,
    Query,
    QueryEvent,
    QueryEventValues,
    QueryKey,
    State,
    Trigger,
)
from validators.findings import Condition

_KEY = tuple(field.name for field in fields(QueryKey))
_QUERY = tuple(field.name for field in fields(Query) if field.name != "key")
_EVENT = tuple(field.name for field in fields(QueryEvent))
Row = Mapping[Any, Any]
_COLUMN = {"check": "check_id"}
"""``check`` is a word of SQL."""
_KEY_COLUMNS = tuple((name, _COLUMN.get(name, name)) for name in _KEY)


def query_row(query: Query) -> dict[str, Any]:
    """Write a query as a row of ``query``."""
    row = {_COLUMN.get(name, name): getattr(query.key, name) for name in _KEY}
    row |= {name: _plain(getattr(query, name)) for name in _QUERY}
    row["message"] = dict(query.message)
    return row


def query(row: Row) -> Query:
    """Read a row of ``query``."""
    rest = dict(row)
    key = QueryKey(**{name: rest.pop(_COLUMN.get(name, name)) for name in _KEY})
    rest["severity"] = Severity(rest["severity"])
    rest["state"] = State(rest["state"])
    rest["condition"] = Condition(rest["condition"])
    for name in ("reason", "lapsed"):
        rest[name] = model.reason_of(rest[name])
    rest["answer"] = _or_none(AnswerCode, rest["answer"])
    return Query(key=key, **rest)


def event_row(event: QueryEvent) -> dict[str, Any]:
    """Write a ledger row."""
    return {_COLUMN.get(name, name): _plain(getattr(event, name)) for name in _EVENT}


def event(row: Row) -> QueryEvent:
    """Read a ledger row."""
    content = {name: row[_COLUMN.get(name, name)] for name in _EVENT}
    content |= {
        "actor_kind": ActorKind(row["actor_kind"]),
        "trigger": Trigger(row["trigger"]),
        "action": Action(row["action"]),
        "from_state": _or_none(State, row["from_state"]),
        "to_state": State(row["to_state"]),
        "reason": model.reason_of(row["reason"]),
        "answer": _or_none(AnswerCode, row["answer"]),
    }
    return QueryEvent(**content)


def values_row(values: QueryEventValues) -> dict[str, Any]:
    """Write the texts beside a ledger row."""
    return {field.name: getattr(values, field.name) for field in fields(QueryEventValues)}


def values(row: Row) -> QueryEventValues:
    """Read the texts beside a ledger row."""
    return QueryEventValues(**{field.name: row[field.name] for field in fields(QueryEventValues)})


def is_empty(texts: QueryEventValues) -> bool:
    """Tell whether no text stands beside a ledger row."""
    return all(getattr(texts, field.name) is None for field in fields(texts) if field.name not in ("site", "seq"))


def _plain(value: Any) -> Any:
    """Turn an enum into its word."""
    return value.value if isinstance(value, StrEnum) else value


def _or_none(kind: type[Any], word: str | None) -> Any:
    return None if word is None else kind(word)
