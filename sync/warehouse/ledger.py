"""Write a site's queries: ledger rows behind the chain, and the projection against the version that was read."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from sync.errors import StaleQuery
from sync.queries import chain
from sync.queries.model import Query, QueryEventDraft
from sync.warehouse import keys, query_rows
from sync.warehouse.query_tables import chain_head, query, query_event, query_event_value

_AT_ONCE = 500


def read_queries(connection: sa.Connection, site: str) -> tuple[Query, ...]:
    """Read all queries of a site by number."""
    found = connection.execute(sa.select(query).where(query.c.site == site).order_by(query.c.number))
    names = tuple(found.keys())
    # plain dicts of plain tuples: a site's every query comes along here, each night
    return tuple(query_rows.query(dict(zip(names, row, strict=True))) for row in found.all())


def read_head(connection: sa.Connection, site: str) -> tuple[int, chain.Tip]:
    """Read the first number never given, and the end of the site's chain."""
    row = connection.execute(sa.select(chain_head).where(chain_head.c.site == site)).one_or_none()
    if row is None:
        return 1, chain.Tip()
    return row.last_number + 1, chain.Tip(seq=row.last_seq, hash=row.last_hash)


def write(
    connection: sa.Connection,
    site: str,
    drafts: Sequence[QueryEventDraft],
    queries: Iterable[Query],
    *,
    next_number: int | None,
    secret: bytes,
) -> None:
    """Append ledger rows and write the projection; StaleQuery where a query stands at another version."""
    after = {each.number: each for each in queries}
    moves = Counter(draft.number for draft in drafts)
    if any(each.key.site != site for each in after.values()):
        raise ValueError(f"a query of another site than {site}")
    if missing := moves.keys() - after.keys():
        raise ValueError(f"ledger rows without their query: {', '.join(sorted(missing))}")
    known_next, tip = read_head(connection, site)
    _write_projection(connection, site, after, moves)
    sealed = chain.seal(drafts, tip=tip, secret=secret)
    if sealed:
        connection.execute(sa.insert(query_event), [query_rows.event_row(event) for event, _ in sealed])
        texts = [query_rows.values_row(values) for _, values in sealed if not query_rows.is_empty(values)]
        if texts:
            connection.execute(sa.insert(query_event_value), texts)
        tip = chain.Tip(seq=sealed[-1][0].seq, hash=sealed[-1][0].hash)
    number = max(known_next, next_number or 1)
    if sealed or number != known_next:
        _move_head(connection, site, number - 1, tip, keys.check_value(secret))


def _move_head(connection: sa.Connection, site: str, last_number: int, tip: chain.Tip, check: str) -> None:
    values = {"last_number": last_number, "last_seq": tip.seq, "last_hash": tip.hash, "secret_digest": check}
    moved = connection.execute(sa.update(chain_head).where(chain_head.c.site == site).values(**values))
    if not moved.rowcount:
        connection.execute(sa.insert(chain_head).values(site=site, **values))


def _write_projection(connection: sa.Connection, site: str, after: dict[str, Query], moves: Counter[str]) -> None:
    standing = _standing(connection, site, list(after))
    inserts: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    for number, each in after.items():
        before = standing.get(number)
        if (before.version if before else 0) != each.version - moves[number]:
            raise StaleQuery(f"{number} changed since it was read; look at it again")
        if before is None:
            inserts.append(query_rows.query_row(each))
        elif before != each:
            updates.append(query_rows.query_row(each) | {"b_version": before.version, "b_number": number})
    if inserts:
        connection.execute(sa.insert(query), inserts)
    if updates:
        _update(connection, site, updates)


def _standing(connection: sa.Connection, site: str, numbers: Sequence[str]) -> dict[str, Query]:
    """Read the queries as they stand, locked against other writers where the database has row locks."""
    standing: dict[str, Query] = {}
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        wanted = sa.select(query).where(query.c.site == site, query.c.number.in_(some)).with_for_update()
        standing |= {row.number: query_rows.query(row._mapping) for row in connection.execute(wanted)}
    return standing


def _update(connection: sa.Connection, site: str, updates: Sequence[dict[str, Any]]) -> None:
    columns = [column.name for column in query.columns if column.name not in ("site", "number")]
    statement = (
        sa.update(query)
        .where(
            query.c.site == site,
            query.c.number == sa.bindparam("b_number"),
            query.c.version == sa.bindparam("b_version"),
        )
        .values({name: sa.bindparam(f"v_{name}") for name in columns})
    )
    rows = [
        {f"v_{name}": row[name] for name in columns} | {name: row[name] for name in ("b_number", "b_version")}
        for row in updates
    ]
    done = connection.execute(statement, rows)
    if done.rowcount not in (-1, len(rows)):
        raise StaleQuery(f"a query of {site} changed since it was read; look again")
