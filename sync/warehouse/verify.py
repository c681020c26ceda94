"""Prove that what stands follows from what was written."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from sync.ports.stored import Verification
from sync.queries import chain
from sync.warehouse import covered, form_rows, ledger, query_rows, replay, tables, triggers
from sync.warehouse.layout import Slot
from sync.warehouse.query_tables import chain_head, query, query_event, query_event_value


def verify(connection: sa.Connection, slots: Sequence[Slot], *, secret: bytes) -> Verification:
    """Check triggers, each site's chain, replay and texts, the fingerprint of every stored row, and its history."""
    problems = list(_triggers(connection))
    events: dict[str, int] = {}
    rows: dict[str, int] = {}
    for site in _sites(connection):
        events[site], found = _ledger(connection, site, secret)
        problems += found
        rows[site], found = _rows(connection, slots, site)
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


def _ledger(connection: sa.Connection, site: str, secret: bytes) -> tuple[int, list[str]]:
    in_order = sa.select(query_event).where(query_event.c.site == site).order_by(query_event.c.seq)
    events = [query_rows.event(row._mapping) for row in connection.execute(in_order)]
    tip = ledger.read_head(connection, site)[1]
    queries = ledger.read_queries(connection, site)
    problems = list(chain.audit(queries, events, secret=secret, tip=tip))
    wanted = sa.select(query_event_value).where(query_event_value.c.site == site)
    texts = {row.seq: query_rows.values(row._mapping) for row in connection.execute(wanted)}
    for event in events:
        problems += chain.verify_values(event, texts.get(event.seq), secret=secret)
    return len(events), problems


def _rows(connection: sa.Connection, slots: Sequence[Slot], site: str) -> tuple[int, list[str]]:
    """Recompute the fingerprints of a site's rows; those that wait to be renewed (null) are passed over."""
    problems: list[str] = []
    checked = 0
    known = covered.read(connection, site)
    for form in dict.fromkeys(slot.form for slot in slots):
        mine = sorted((slot for slot in slots if slot.form == form), key=lambda slot: slot.position)
        stored = form_rows.read(connection, site, mine)
        rows = stored.values["_row_hash"]
        # a column that left the study keeps its values, but the fingerprints no longer cover them
        altered = rows.is_not_null() & (rows != covered.hashes(stored, mine, known.get(form, ())))
        checked += rows.len()
        problems += replay.problems(connection, site, mine, stored)
        if altered.any():
            problems.append(f"{site}: {altered.sum()} rows of form {form} are not what was stored.")
    return checked, problems
