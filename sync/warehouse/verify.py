"""Prove that what stands follows from what was written."""

from collections import Counter
from collections.abc import Iterable, Sequence

import polars as pl
import sqlalchemy as sa

from schemas.coordinates import RowKey
from sync.ports.stored import Verification
from sync.queries import chain
from sync.queries.model import Query
from sync.warehouse import covered, form_rows, ledger, query_rows, replay, tables, triggers
from sync.warehouse.form_rows import StoredRows
from sync.warehouse.layout import Slot
from sync.warehouse.query_tables import chain_head, query, query_event, query_event_value


def verify(connection: sa.Connection, slots: Sequence[Slot], *, secret: bytes) -> Verification:
    """Check triggers, each site's chain, replay and texts, the fingerprint of every stored row, and its history."""
    problems = list(_triggers(connection))
    events: dict[str, int] = {}
    rows: dict[str, int] = {}
    for site in _sites(connection):
        queries = ledger.read_queries(connection, site)
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


def _ledger(connection: sa.Connection, site: str, queries: Sequence[Query], secret: bytes) -> tuple[int, list[str]]:
    in_order = sa.select(query_event).where(query_event.c.site == site).order_by(query_event.c.seq)
    events = [query_rows.event(row._mapping) for row in connection.execute(in_order)]
    tip = ledger.read_head(connection, site)[1]
    problems = list(chain.audit(queries, events, secret=secret, tip=tip))
    wanted = sa.select(query_event_value).where(query_event_value.c.site == site)
    texts = {row.seq: query_rows.values(row._mapping) for row in connection.execute(wanted)}
    for event in events:
        problems += chain.verify_values(event, texts.get(event.seq), secret=secret)
    return len(events), problems


def _rows(
    connection: sa.Connection, slots: Sequence[Slot], site: str, queries: Sequence[Query]
) -> tuple[int, list[str]]:
    """Recompute the fingerprints of a site's rows, follow their history, and hold their queries against them."""
    problems = list(replay.strays(connection, site, slots))
    checked = 0
    known = covered.read(connection, site)
    for form in dict.fromkeys(slot.form for slot in slots):
        mine = sorted((slot for slot in slots if slot.form == form), key=lambda slot: slot.position)
        held = [query.key.row for query in queries if query.holds_back and query.key.row.instrument == form]
        found: Counter[str] = Counter()
        for records in replay.in_parts(connection, site, mine):
            stored = form_rows.read(connection, site, mine, records)
            rows = stored.values["_row_hash"]
            checked += rows.len()
            # a column that left the study keeps its values, but the fingerprints no longer cover them
            altered = rows.ne_missing(covered.hashes(stored, mine, known.get(form, ())))
            found[f"{site}: {{}} rows of form {form} are not what was stored."] += int(altered.sum())
            found.update(replay.problems(connection, site, mine, stored, records))
            found[
                f"{site}: {{}} rows of form {form} are held back from analysis without an unresolved hard query, "
                "or have one and are not held back; the site's next run puts this right."
            ] += _held_otherwise(stored, held)
        problems += [sentence.format(count) for sentence, count in found.items() if count]
    return checked, problems


def _held_otherwise(stored: StoredRows, held: Iterable[RowKey]) -> int:
    """Count standing rows whose ``is_quarantined`` is not what the live hard queries ask for."""
    keys = pl.DataFrame(
        sorted({(row.record, row.event, row.instance) for row in held}), form_rows.ROW_SCHEMA, orient="row"
    )
    standing = stored.values.select(*form_rows.ROW_SCHEMA, "_is_quarantined")
    asked = standing.join(keys.with_columns(asked=True), on=list(form_rows.ROW_SCHEMA), how="left")
    return int((asked["_is_quarantined"] != asked["asked"].fill_null(False)).sum())
