"""Read the warehouse (``WarehouseReader`` of the ports)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from schemas.coordinates import Coordinate
from schemas.frames import FormFrame
from schemas.study import Study
from sync.ports.stored import (
    CellVersion,
    EfficacyRow,
    LeaseRow,
    OutcomeRow,
    ParkedRun,
    QueryFilter,
    QueryThread,
    ResponseRow,
    RunRow,
    SiteRow,
    SiteStatus,
    SubjectRow,
    Verification,
    VisitRow,
)
from sync.queries.model import Query, State
from sync.warehouse import bulk, catalogue, connection, history, keys, query_rows, stored_frames, tables, verify
from sync.warehouse.keys import Key
from sync.warehouse.query_tables import query, query_event, query_event_value
from validators.findings import Coverage

T = TypeVar("T")

_RUN = tuple(column for column in tables.sync_run.columns if column.name != "seq")


class SqlReader:
    """Read one study's warehouse; each call sees one moment of it."""

    def __init__(self, engine: sa.Engine, study: Study, *, key: Key) -> None:
        """Bind to an engine; ``key`` is that of the ledger's hashes."""
        self._engine = engine
        self._study = study
        self._key = key

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return connection.reading(self._engine)

    def sites(self) -> tuple[SiteRow, ...]:
        """List the sites."""
        return self._all(tables.site, lambda row: SiteRow(**row), tables.site.c.site)

    def status(self, *, aged_before: datetime) -> tuple[SiteStatus, ...]:
        """Tell of every site its last success, last run, queries by state, and OPEN ones opened before a moment."""
        with self._reading() as reading:
            names = {row.site: row.name for row in reading.execute(sa.select(tables.site))}
            for row in reading.execute(sa.select(tables.sync_run.c.site).union(sa.select(tables.lease.c.site))):
                names.setdefault(row.site, row.site)
            return tuple(_site_status(reading, site, names[site], aged_before) for site in sorted(names))

    def runs(self, *, site: str | None = None, limit: int = 50) -> tuple[RunRow, ...]:
        """List runs, newest first."""
        columns = tables.sync_run.c
        wanted = sa.select(*_RUN).order_by(columns.started.desc(), columns.run_id.desc(), columns.site)
        if site is not None:
            wanted = wanted.where(columns.site == site)
        return self._rows(wanted.limit(limit), lambda row: RunRow(**row))

    def last_success(self, site: str, *, kind: str | None = None) -> RunRow | None:
        """Give the site's last run that went through, of one kind or of any; None where there is none."""
        columns = tables.sync_run.c
        wanted = sa.select(*_RUN).where(columns.site == site, columns.outcome == "ok")
        if kind is not None:
            wanted = wanted.where(columns.kind == kind)
        newest = wanted.order_by(columns.seq.desc(), columns.started.desc()).limit(1)
        with self._reading() as reading:
            found = reading.execute(newest).one_or_none()
        return None if found is None else RunRow(**found._mapping)

    def run(self, run_id: str) -> tuple[RunRow, ...]:
        """Give what one run did, a row a site."""
        columns = tables.sync_run.c
        wanted = sa.select(*_RUN).where(columns.run_id == run_id).order_by(columns.site)
        return self._rows(wanted, lambda row: RunRow(**row))

    def lease(self, site: str) -> LeaseRow | None:
        """Tell which run says to be working on a site; None where none is, or where it has ended."""
        with self._reading() as reading:
            return _lease(reading, site)

    def parked(self, *, site: str | None = None, undecided: bool = False) -> tuple[ParkedRun, ...]:
        """List parked runs, newest first."""
        columns = tables.parked_run.c
        wanted = sa.select(tables.parked_run).order_by(columns.parked_at.desc(), columns.run_id)
        if site is not None:
            wanted = wanted.where(columns.site == site)
        if undecided:
            wanted = wanted.where(columns.decision.is_(None))
        return self._rows(wanted, lambda row: ParkedRun(**row))

    def coverage(self, site: str, run_id: str | None = None) -> tuple[Coverage, ...]:
        """Give how far each check reached, in one run or in the last one that noted it."""
        columns, runs = tables.check_coverage.c, tables.sync_run.c
        if run_id is None:
            noted = sa.exists().where(columns.site == runs.site, columns.run_id == runs.run_id)
            newest = sa.select(runs.run_id).where(runs.site == site, noted).order_by(runs.seq.desc()).limit(1)
            with self._reading() as reading:
                run_id = reading.execute(newest).scalar_one_or_none()
        wanted = sa.select(tables.check_coverage).where(columns.site == site, columns.run_id == run_id)
        return self._rows(
            wanted.order_by(columns.check_id),
            lambda row: Coverage(
                check=row["check_id"],
                evaluated=row["evaluated"],
                failing=row["failing"],
                not_evaluated=row["not_evaluated"],
                reasons=row["reasons"],
            ),
        )

    def queries(self, filter_: QueryFilter | None = None) -> tuple[Query, ...]:
        """List queries by site and number."""
        wanted = sa.select(query).where(*_conditions(filter_ or QueryFilter()))
        return self._rows(wanted.order_by(query.c.site, query.c.number), query_rows.query)

    def thread(self, number: str, *, site: str | None = None) -> QueryThread | None:
        """Give one query with its ledger rows and texts; None where no such number was given."""
        with self._reading() as reading:
            wanted = sa.select(query).where(query.c.number == number)
            found = reading.execute(wanted if site is None else wanted.where(query.c.site == site)).first()
            if found is None:
                return None
            here = (query_event.c.site == found.site) & (query_event.c.number == number)
            events = reading.execute(sa.select(query_event).where(here).order_by(query_event.c.seq)).all()
            seqs = sa.select(query_event.c.seq).where(here)
            texts = sa.select(query_event_value).where(
                query_event_value.c.site == found.site, query_event_value.c.seq.in_(seqs)
            )
            return QueryThread(
                query=query_rows.query(found._mapping),
                events=tuple(query_rows.event(row._mapping) for row in events),
                values={row.seq: query_rows.values(row._mapping) for row in reading.execute(texts)},
            )

    def history(self, cell: Coordinate) -> tuple[CellVersion, ...]:
        """Tell one cell's whole life, oldest first."""
        with self._reading() as reading:
            return history.of_cell(reading, catalogue.read(reading), cell)

    def frames(self, site: str, records: Sequence[str] | None = None) -> tuple[FormFrame, ...]:
        """Give back the site's frames (of some records) as they were stored, rows by record, event and instance."""
        with self._reading() as reading:
            return stored_frames.read(reading, self._study, catalogue.read(reading), site, records)

    def state(self, site: str, name: str) -> Any:
        """Read a small value that the site's last run left."""
        columns = tables.site_state.c
        with self._reading() as reading:
            wanted = sa.select(columns.value).where(columns.site == site, columns.name == name)
            return reading.execute(wanted).scalar_one_or_none()

    def states(self, site: str) -> Mapping[str, Any]:
        """Read all small values that the site's last run left, by name."""
        columns = tables.site_state.c
        with self._reading() as reading:
            found = reading.execute(sa.select(columns.name, columns.value).where(columns.site == site))
            return {row.name: row.value for row in found}

    def memory(self, site: str, name: str) -> bytes | None:
        """Read a large value that the site's last run left; None where none is."""
        columns = tables.site_memory.c
        with self._reading() as reading:
            wanted = sa.select(columns.body).where(columns.site == site, columns.name == name)
            found = reading.execute(wanted).scalar_one_or_none()
        return None if found is None else bytes(found)

    def records(self, site: str) -> frozenset[str]:
        """Name the records of a site's subjects."""
        sql = f"SELECT record FROM {tables.subject.name} WHERE site = ?"
        with self._reading() as reading:
            return frozenset(bulk.fetch_texts(reading, sql, (site,)))

    def subjects(self, site: str | None = None) -> Mapping[str, tuple[SubjectRow, ...]]:
        """Give the subjects of each site."""
        return self._by_site(tables.subject, SubjectRow, site)

    def visits(self, site: str | None = None) -> Mapping[str, tuple[VisitRow, ...]]:
        """Give the visits of each site."""
        return self._by_site(tables.visit, VisitRow, site)

    def outcomes(self, site: str | None = None) -> Mapping[str, tuple[OutcomeRow, ...]]:
        """Give the derived outcomes of each site."""
        return self._by_site(tables.derived_outcome, OutcomeRow, site)

    def efficacy(self) -> tuple[EfficacyRow, ...]:
        """Read ``efficacy_by_visit`` in the order of measures and visits of the study."""
        wanted = sa.text("SELECT measure, visit, n, mean, sd FROM efficacy_by_visit")
        measures = {each.name: number for number, each in enumerate(self._study.measures)}
        rows = self._rows(wanted, lambda row: EfficacyRow(**row))
        return tuple(sorted(rows, key=lambda row: (measures.get(row.measure, -1), *self._place(row.visit))))

    def responses(self) -> tuple[ResponseRow, ...]:
        """Read ``response_summary`` in the order of the study's visits."""
        wanted = sa.text("SELECT visit, category, n, denominator, percent FROM response_summary")
        rows = self._rows(wanted, lambda row: ResponseRow(**{**row, "percent": float(row["percent"])}))
        return tuple(sorted(rows, key=lambda row: (*self._place(row.visit), row.category)))

    def verify(self) -> Verification:
        """Prove chain, replay, texts beside it, rows (fingerprints, history, held back or not), and the triggers."""
        with self._reading() as reading:
            keys.refuse_other(self._key.read(), keys.used(reading))
            return verify.verify(reading, catalogue.read(reading), secret=self._key.give())

    def _place(self, visit: str) -> tuple[int, str]:
        order = {each.id: number for number, each in enumerate(self._study.visits)}
        return order.get(visit, len(order)), visit

    def _rows(self, wanted: sa.Executable, make: Callable[[Any], T]) -> tuple[T, ...]:
        with self._reading() as reading:
            return tuple(make(row._mapping) for row in reading.execute(wanted))

    def _all(self, table: sa.Table, make: Callable[[Any], T], order: sa.ColumnElement[Any]) -> tuple[T, ...]:
        return self._rows(sa.select(table).order_by(order), make)

    def _by_site(self, table: sa.Table, make: Callable[..., T], site: str | None) -> Mapping[str, tuple[T, ...]]:
        wanted = sa.select(table).order_by(*table.primary_key.columns)
        if site is not None:
            wanted = wanted.where(table.c.site == site)
        found: dict[str, list[T]] = {}
        with self._reading() as reading:
            rows = reading.execute(wanted)
            names = list(rows.keys())
            # plain tuples: a site's every visit comes along here, each night
            for row in rows:
                content = dict(zip(names, row, strict=True))
                del content["run_id"]
                found.setdefault(content.pop("site"), []).append(make(**content))
        return {name: tuple(rows) for name, rows in found.items()}


def _conditions(chosen: QueryFilter) -> list[sa.ColumnElement[bool]]:
    columns = query.c
    lists = (
        (columns.site, chosen.sites),
        (columns.state, chosen.states),
        (columns.condition, chosen.conditions),
        (columns.check_id, chosen.checks),
        (columns.severity, chosen.severities),
        (columns.record, chosen.records),
        (columns.event, chosen.events),
        (columns.number, chosen.numbers),
    )
    conditions: list[sa.ColumnElement[bool]] = [column.in_(words) for column, words in lists if words is not None]
    if chosen.assignee is not None:
        conditions.append(columns.assignee == chosen.assignee)
    if chosen.opened_before is not None:
        conditions.append(columns.opened_at <= chosen.opened_before)
    if chosen.changed_since is not None:
        conditions.append(columns.changed_at >= chosen.changed_since)
    if chosen.evaluated_before is not None:
        conditions.append(columns.evaluated_at < chosen.evaluated_before)
    if chosen.asked_again:
        conditions.append(columns.changed_at > columns.evaluated_at)
    return conditions


def _site_status(reading: sa.Connection, site: str, name: str, aged_before: datetime) -> SiteStatus:
    runs, parked = tables.sync_run, tables.parked_run
    in_order = sa.select(*_RUN).where(runs.c.site == site).order_by(runs.c.seq.desc(), runs.c.started.desc()).limit(1)
    last = reading.execute(in_order).first()
    success = reading.execute(in_order.where(runs.c.outcome == "ok")).first()
    states = sa.select(query.c.state, sa.func.count()).where(query.c.site == site).group_by(query.c.state)
    aged = sa.select(sa.func.count()).where(
        query.c.site == site, query.c.state == State.OPEN.value, query.c.opened_at < aged_before
    )
    waiting = sa.select(sa.func.count()).where(parked.c.site == site, parked.c.decision.is_(None))
    return SiteStatus(
        site=site,
        name=name,
        last_success=None if success is None else success.finished,
        last_run=None if last is None else RunRow(**last._mapping),
        queries={row[0]: row[1] for row in reading.execute(states)},
        aged=reading.execute(aged).scalar_one(),
        parked=reading.execute(waiting).scalar_one(),
        lease=_lease(reading, site),
    )


def _lease(reading: sa.Connection, site: str) -> LeaseRow | None:
    """Give a site's lease, but for one that could not be dropped when its run ended."""
    leases, runs = tables.lease, tables.sync_run
    ended = sa.exists().where(runs.c.site == leases.c.site, runs.c.run_id == leases.c.run_id)
    found = reading.execute(sa.select(leases).where(leases.c.site == site, ~ended)).first()
    return None if found is None else LeaseRow(**found._mapping)
