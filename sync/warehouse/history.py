"""Tell the whole life of one cell from the history tables and what stands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from schemas.coordinates import Coordinate, RowKey
from sync.ports.stored import CellVersion
from sync.warehouse import difference, form_rows, layout, tables
from sync.warehouse.columns import Instant
from sync.warehouse.layout import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    """Hold when a row came and, if it did, when it went."""

    first_run_id: str
    first_at: datetime
    end_run_id: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bearing:
    """Hold the time in which one record had a name."""

    #: when the one before left it
    since: datetime | None
    until: datetime | None
    #: the name that it has from ``until`` on, and had before; None where it came new, or went for good
    next_name: str | None
    former_name: str | None
    renamed_at: datetime | None

    def holds(self, life: _Life) -> bool:
        """Tell whether a row's life lies in it."""
        return (self.since is None or life.first_at >= self.since) and (
            self.until is None or life.first_at < self.until
        )


def of_cell(connection: sa.Connection, slots: Sequence[Slot], cell: Coordinate) -> tuple[CellVersion, ...]:
    """List a cell's versions, oldest first; empty where no such row ever stood.

    ``cell.field`` is the frame column. A row that went and came back has two lives, each with its first value. What
    stood under a record's former names comes before what stands under the one that is asked for.
    """
    mine = [slot for slot in slots if slot.form == cell.row.instrument]
    slot = next((each for each in mine if cell.field in (each.frame_column, each.column_name)), None)
    if slot is None:
        return ()
    found: list[CellVersion] = []
    for bearing in _bearings(connection, cell.row.site, cell.row.record):
        found += _of_bearer(connection, mine, slot, cell.row, bearing)
    return tuple(found)


def _bearings(connection: sa.Connection, site: str, name: str) -> list[_Bearing]:
    """Tell who had a name, one after the other."""
    ends = tables.record_end
    here = sa.select(ends).where(ends.c.site == site)
    left = connection.execute(here.where(ends.c.record == name).order_by(ends.c.ended_at)).all()
    came = connection.execute(here.where(ends.c.new_record == name).order_by(ends.c.ended_at)).all()
    bearings: list[_Bearing] = []
    since: datetime | None = None
    for end in (*left, None):
        until = end.ended_at if end else None
        begun = next(
            (
                each
                for each in came
                if (since is None or each.ended_at >= since) and (until is None or each.ended_at < until)
            ),
            None,
        )
        bearings.append(
            _Bearing(
                since=since,
                until=until,
                next_name=end.new_record if end else None,
                former_name=begun.record if begun else None,
                renamed_at=begun.ended_at if begun else None,
            )
        )
        since = until
    return bearings


def _of_bearer(
    connection: sa.Connection, form: Sequence[Slot], slot: Slot, row: RowKey, bearing: _Bearing
) -> list[CellVersion]:
    """List the versions of one record's cell, under its former names first."""
    before: list[CellVersion] = []
    if bearing.former_name is not None:
        for each in _bearings(connection, row.site, bearing.former_name):
            if each.until == bearing.renamed_at:
                before = _of_bearer(connection, form, slot, replace(row, record=bearing.former_name), each)
    mine = _of_lives(connection, form, slot, row, bearing)
    if before and mine and before[-1].change == "renamed" and before[-1].since == mine[0].since:
        # it went on without a gap
        before, mine[0] = before[:-1], replace(mine[0], change="renamed", other_name=bearing.former_name)
    return before + mine


def _of_lives(
    connection: sa.Connection, form: Sequence[Slot], slot: Slot, row: RowKey, bearing: _Bearing
) -> list[CellVersion]:
    ended = _ended_lives(connection, layout.first_table(slot.table_name), row)
    current = _current_life(connection, slot, row)
    changes = _changes(connection, slot, row)
    versions: list[CellVersion] = []
    for life in [*ended, *([current] if current else [])]:
        if not bearing.holds(life):
            continue
        # where a record's name went to another patient, one life ends at the moment at which the next begins
        is_next = any(each.ended_at == life.first_at for each in ended)
        during = [change for change in changes if _within(change, life, is_next=is_next)]
        # of a row that went and never changed here nothing is known, so the cell was blank
        untold = (None, None) if during or life.ended_at else _standing(connection, form, slot, row)
        versions += _versions(slot, row, life, during, untold)
    if versions and bearing.next_name is not None and versions[-1].change == "ended":
        last = versions[-1]
        if last.since == bearing.until:
            versions[-1] = replace(last, change="renamed", other_name=bearing.next_name)
    return versions


def _within(change: Any, life: _Life, *, is_next: bool) -> bool:
    if change.changed_at < life.first_at or (is_next and change.changed_at == life.first_at):
        return False
    return life.ended_at is None or change.changed_at <= life.ended_at


def _versions(
    slot: Slot, row: RowKey, life: _Life, changes: Sequence[Any], untold: tuple[str | None, str | None]
) -> list[CellVersion]:
    """Write one life of a cell; ``untold`` is the value and text of a cell that never changed in it."""

    def version(value: str | None, raw: str | None, run_id: str, since: datetime, change: str) -> CellVersion:
        return CellVersion(
            row=row,
            table_name=slot.table_name,
            column_name=slot.column_name,
            value=value,
            raw=raw,
            run_id=run_id,
            since=since,
            change=change,
        )

    first: tuple[str | None, str | None] = (changes[0].old, changes[0].raw_old) if changes else untold
    found = [version(*first, life.first_run_id, life.first_at, "first")]
    for change in changes:
        word = "ended" if change.changed_at == life.ended_at else "changed"
        found.append(version(change.new, change.raw_new, change.run_id, change.changed_at, word))
    if life.end_run_id is not None and life.ended_at is not None and found[-1].change != "ended":
        found.append(version(None, None, life.end_run_id, life.ended_at, "ended"))
    return found


def _matches(table: sa.Table | sa.TableClause, row: RowKey) -> list[sa.ColumnElement[bool]]:
    return [
        table.c.site == row.site,
        table.c.record == row.record,
        table.c.event == row.event,
        table.c.instance == row.instance,
    ]


def _ended_lives(connection: sa.Connection, table_name: str, row: RowKey) -> list[_Life]:
    table = tables.row_end
    wanted = sa.select(table).where(*_matches(table, row), table.c.table_name == table_name)
    return [
        _Life(first_run_id=each.first_run_id, first_at=each.first_at, end_run_id=each.run_id, ended_at=each.ended_at)
        for each in connection.execute(wanted.order_by(table.c.ended_at))
    ]


def _current_life(connection: sa.Connection, slot: Slot, row: RowKey) -> _Life | None:
    table = sa.table(
        layout.first_table(slot.table_name),
        *(sa.column(name) for name in ("site", "record", "event", "instance", "first_run_id")),
        sa.column("first_at", Instant()),
    )
    wanted = sa.select(table.c.first_run_id, table.c.first_at).where(*_matches(table, row))
    found = connection.execute(wanted).one_or_none()
    if found is None:
        return None
    return _Life(first_run_id=found.first_run_id, first_at=found.first_at, end_run_id=None, ended_at=None)


def _changes(connection: sa.Connection, slot: Slot, row: RowKey) -> Sequence[Any]:
    table = tables.cell_change
    wanted = (
        sa.select(table)
        .where(*_matches(table, row), table.c.table_name == slot.table_name, table.c.column_name == slot.column_name)
        .order_by(table.c.changed_at)
    )
    return connection.execute(wanted).all()


def _standing(
    connection: sa.Connection, form: Sequence[Slot], slot: Slot, row: RowKey
) -> tuple[str | None, str | None]:
    """Read what a cell holds now, value and text."""
    first = min(form, key=lambda each: each.position)  # a row is read from its form's first table on
    stored = form_rows.read(connection, row.site, list(dict.fromkeys([first, slot])), [row.record])
    at = (stored.values["event"] == row.event) & (stored.values["instance"] == row.instance)
    values = difference.text_of(stored.values.filter(at)[slot.frame_column])
    return values[0], stored.texts.filter(at)[slot.frame_column][0]
