"""Prove that what stands follows from what was written."""

from collections.abc import Iterable, Sequence

import polars as pl
import sqlalchemy as sa

from schemas.study import Study
from sync.ports.stored import Verification
from sync.queries import chain
from sync.warehouse import fingerprints, form_rows, form_store, ledger, query_rows, stored_frames, tables, triggers
from sync.warehouse.layout import Slot
from sync.warehouse.query_tables import chain_head, query, query_event, query_event_value


def verify(connection: sa.Connection, study: Study, slots: Sequence[Slot], *, secret: bytes) -> Verification:
    """Check triggers, each site's chain, replay and texts, and the fingerprint of every stored row."""
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
    """Recompute fingerprints; rows whose fingerprint waits to be renewed are passed over."""
    problems: list[str] = []
    checked = 0
    for frame in stored_frames.read(connection, study, slots, site):
        mine = sorted((slot for slot in slots if slot.form == frame.form.name), key=lambda slot: slot.position)
        present = [slot for slot in mine if slot.frame_column in frame.raw.columns]
        if len(present) < len(mine):
            # A column has left the study: whether a row's fingerprint covers it depends on its last store.
            continue
        known = form_rows.read_hashes(connection, site, mine)
        found = frame.rows.select(*form_rows.ROW_SCHEMA).with_columns(
            fingerprints.row_hashes(frame, form_store.remarks_of(frame), present).alias("found")
        )
        both = found.join(known, on=list(form_rows.ROW_SCHEMA), how="left")
        checked += both.height
        altered = both.filter(pl.col("row_hash").is_not_null() & (pl.col("row_hash") != pl.col("found"))).height
        if altered:
            problems.append(f"{site}: {altered} rows of form {frame.form.name} are not what was stored.")
    return checked, problems
