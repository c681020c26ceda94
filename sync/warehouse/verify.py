"""Prove that what stands follows from what was written."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import polars as pl
import sqlalchemy as sa

from schemas.coordinates import RowKey
from sync.plural import counted
from sync.ports.stored import Verification
from sync.queries import chain
from sync.queries.model import Query
from sync.warehouse import covered, form_rows, ledger, query_rows, replay, row_counts, tables, triggers
from sync.warehouse.form_rows import StoredRows
from sync.warehouse.layout import Slot
from sync.warehouse.query_tables import chain_head, query, query_event, query_event_value

_T = TypeVar("_T")

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a row raises that holds a word or a value which nothing writes."""


def verify(connection: sa.Connection, slots: Sequence[Slot], *, secret: bytes) -> Verification:
    """Check triggers, each site's chain, replay and texts; the number of its rows, their fingerprints and history."""
    problems = list(_triggers(connection))
    events: dict[str, int] = {}
    rows: dict[str, int] = {}
    for site in _sites(connection):
        queries, found = _queries(connection, site)
        problems += found
        events[site], found = _ledger(connection, site, queries, secret)
        problems += found
        rows[site], found = _rows(connection, slots, site, queries)
        problems += found
    return Verification(events=events, rows=rows, problems=tuple(problems))


def _sites(connection: sa.Connection) -> list[str]:
    named = [sa.select(table.c.site) for table in (tables.site, tables.form_mapping, query, query_event, chain_head)]
    return sorted(connection.execute(sa.union(*named)).scalars())


def _triggers(connection: sa.Connection) -> Iterable[str]:
    standing = triggers.standing(connection)
    for ledger_name in tables.LEDGERS:
        for name in triggers.names(ledger_name, connection.dialect.name):
            if name not in standing:
                yield f"{ledger_name}: trigger {name} is missing or switched off; rows may have been altered."


def _queries(connection: sa.Connection, site: str) -> tuple[Sequence[Query], list[str]]:
    """Read a site's queries; of those that cannot be read, say so."""
    return _readable(connection, query, query.c.number, site, query_rows.query, str)


def _ledger(connection: sa.Connection, site: str, queries: Sequence[Query], secret: bytes) -> tuple[int, list[str]]:
    def named(seq: object) -> str:
        return f"{site} ledger row {seq}"

    events, problems = _readable(connection, query_event, query_event.c.seq, site, query_rows.event, named)
    tip = ledger.read_head(connection, site)[1]
    problems += chain.audit(queries, events, secret=secret, tip=tip)
    wanted = sa.select(query_event_value).where(query_event_value.c.site == site)
    texts = {row.seq: query_rows.values(row._mapping) for row in connection.execute(wanted)}
    for event in events:
        problems += chain.verify_values(event, texts.get(event.seq), secret=secret)
    return len(events), problems


def _readable(
    connection: sa.Connection,
    table: sa.Table,
    key: sa.ColumnElement[Any],
    site: str,
    build: Callable[[Mapping[Any, Any]], _T],
    named: Callable[[object], str],
) -> tuple[list[_T], list[str]]:
    """Read a site's rows in the order of a key: at once, or one by one where a row is like none that was written."""
    here = sa.select(table).where(table.c.site == site)
    with suppress(*_UNREADABLE):
        return [build(row._mapping) for row in connection.execute(here.order_by(key))], []
    found: list[_T] = []
    problems: list[str] = []
    for value in connection.execute(sa.select(key).where(table.c.site == site).order_by(key)).scalars().all():
        try:
            found.append(build(connection.execute(here.where(key == value)).one()._mapping))
        except _UNREADABLE:
            problems.append(f"{named(value)}: cannot be read; it holds what no run and no person's command writes.")
    return found, problems


def _rows(
    connection: sa.Connection, slots: Sequence[Slot], site: str, queries: Sequence[Query]
) -> tuple[int, list[str]]:
    """Recompute the fingerprints of a site's rows, follow their history, and hold their queries against them."""
    problems = list(replay.strays(connection, site, slots))
    checked = 0
    known, left = covered.read(connection, site), row_counts.read(connection, site)
    subjects = frozenset(
        connection.execute(sa.select(tables.subject.c.record).where(tables.subject.c.site == site)).scalars()
    )
    strangers: set[str] = set()
    for form in dict.fromkeys(slot.form for slot in slots):
        mine = sorted((slot for slot in slots if slot.form == form), key=lambda slot: slot.position)
        held = [query.key.row for query in queries if query.holds_back and query.key.row.instrument == form]
        found: Counter[str] = Counter()
        before = checked
        for records in replay.in_parts(connection, site, mine):
            stored = form_rows.read(connection, site, mine, records)
            rows = stored.values["_row_hash"]
            checked += rows.len()
            strangers |= set(stored.values["record"]) - subjects
            # a column that left the study keeps its values, but the fingerprints no longer cover them
            altered = rows.ne_missing(covered.hashes(stored, mine, known.get(form, ())))
            found[f"{site}: {{}} rows of form {form} are not what was stored."] += int(altered.sum())
            found.update(replay.problems(connection, site, mine, stored, records))
            found[
                f"{site}: {{}} rows of form {form} are held back from analysis without an unresolved hard query, "
                "or have one and are not held back; the site's next run puts this right."
            ] += _held_otherwise(stored, held)
        problems += [sentence.format(count) for sentence, count in found.items() if count]
        if form in left and left[form] != checked - before:
            problems.append(
                f"{site}: {checked - before} rows of form {form} stand, and the last run left {left[form]}: rows"
                f" were taken out or put in by others; `sync run --site {site} --full` brings back what the site has."
            )
    if subjects and strangers:  # where none is kept, nothing can be missing
        have = counted(len(strangers), "record has rows and is", "records have rows and are")
        problems.append(f"{site}: {have} not among the site's subjects.")
    return checked, problems


def _held_otherwise(stored: StoredRows, held: Iterable[RowKey]) -> int:
    """Count standing rows whose ``is_quarantined`` is not what the live hard queries ask for."""
    keys = pl.DataFrame(
        sorted({(row.record, row.event, row.instance) for row in held}), form_rows.ROW_SCHEMA, orient="row"
    )
    standing = stored.values.select(*form_rows.ROW_SCHEMA, "_is_quarantined")
    asked = standing.join(keys.with_columns(asked=True), on=list(form_rows.ROW_SCHEMA), how="left")
    return int((asked["_is_quarantined"] != asked["asked"].fill_null(False)).sum())
