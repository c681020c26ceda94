"""Prove that what stands follows from what was written."""

from collections.abc import Iterable, Sequence

import polars as pl
import sqlalchemy as sa

from schemas import frames
from schemas.study import Study
from sync.ports.stored import Verification
from sync.queries import chain
from sync.warehouse import difference, fingerprints, form_rows, ledger, query_rows, replay, tables, triggers
from sync.warehouse.form_rows import StoredRows
from sync.warehouse.layout import Slot
from sync.warehouse.query_tables import chain_head, query, query_event, query_event_value


def verify(connection: sa.Connection, study: Study, slots: Sequence[Slot], *, secret: bytes) -> Verification:
    """Check triggers, each site's chain, replay and texts, the fingerprint of every stored row, and its history."""
    problems = list(_triggers(connection))
    events: dict[str, int] = {}
    rows: dict[str, int] = {}
    for site in _sites(connection):
        events[site], found = _ledger(connection, site, secret)
        problems += found
        rows[site], found = _rows(connection, study, slots, site)
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


def _rows(connection: sa.Connection, study: Study, slots: Sequence[Slot], site: str) -> tuple[int, list[str]]:
    """Recompute the fingerprints of a site's rows; those that wait to be renewed (null) are passed over."""
    problems: list[str] = []
    checked = 0
    current = {form.name: frames.columns_of(form).keys() for form in study.forms}
    for form in dict.fromkeys(slot.form for slot in slots):
        mine = sorted((slot for slot in slots if slot.form == form), key=lambda slot: slot.position)
        stored = form_rows.read(connection, site, mine)
        known = stored.values["_row_hash"]
        altered = known.is_not_null() & (known != _hashes(stored, mine))
        now = current.get(form) or (_mapped(connection, site, form) if altered.any() else None)
        if altered.any() and now:
            left = {slot.frame_column for slot in mine} - now
            # A column that left the study keeps its values, but the next store no longer covers them.
            altered &= known != _hashes(stored, mine, blank=sorted(left))
        checked += known.len()
        problems += replay.problems(connection, site, mine, stored)
        if altered.any():
            problems.append(f"{site}: {altered.sum()} rows of form {form} are not what was stored.")
    return checked, problems


def _mapped(connection: sa.Connection, site: str, form: str) -> set[str]:
    """Name the columns that a site's form was last read into, where the study that it follows is not at hand."""
    columns = tables.form_mapping.c
    wanted = sa.select(columns.site_fields).where((columns.site == site) & (columns.form == form))
    return set(connection.execute(wanted).scalar() or ())


def _hashes(stored: StoredRows, slots: Sequence[Slot], *, blank: Sequence[str] = ()) -> pl.Series:
    told = difference.told(stored.values, slots)
    return fingerprints.row_hashes(stored.texts, told, stored.texts.drop(blank), slots)
