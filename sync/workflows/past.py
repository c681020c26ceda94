"""Read what the last run left for this one, and leave what the next one needs. Values of patients: none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from schemas import project, pull
from schemas.known import Known
from schemas.project import ProjectStructure
from schemas.pull import Delta, Watermark
from sync.ports.warehouse import SiteTransaction, WarehouseReader
from sync.workflows import drift, mapped
from sync.workflows.drift import Examined

PROJECT, KNOWN = "project", "known_rows"
"""Names of what is kept: the project's structure and address; keys and hashes of the site's rows as REDCap exports
them. Where the next pull begins stands in the run's own row, since it is a time."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_WITHOUT_FULL = timedelta(days=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Hold what is known of a site before it is asked again; all None at its first run."""

    remembered: Any
    accepted: Any
    marks: Mapping[str, str] | None
    #: what the last run's mapping read (sync.workflows.mapped)
    mapped: Mapping[str, Any] | None
    watermark: Watermark | None
    known: Known | None
    #: something is kept of the rows that are known, and cannot be read
    is_damaged: bool = False
    last_full: datetime | None
    #: columns were left out since, so that what changed in them shows in no pull but a complete one
    owes_full: bool = False
    #: filled cells and form rows of the site that stand
    cells: int
    rows: int

    @property
    def structure(self) -> ProjectStructure | None:
        """Give the structure that this run compares with."""
        return drift.baseline(self.accepted, self.remembered)

    def of_project(self, project_id: int) -> "Past":
        """Forget where to begin and which rows are known where the last run read another project.

        Ids, times and log of one project say nothing about another, even where one is a copy of the other.
        """
        known = self.remembered["structure"]["project_id"] if self.remembered else project_id
        return self if known == project_id else replace(self, watermark=None, known=None)


def read(reader: WarehouseReader, site: str) -> Past:
    """Read all of it; what cannot be read any more counts as not known, which makes the next pull complete."""
    full = reader.last_success(site, kind="full")
    last = reader.last_success(site)
    body = reader.memory(site, KNOWN)
    states = reader.states(site)
    known = _known(body)
    return Past(
        remembered=states.get(PROJECT),
        accepted=states.get(drift.STATE),
        marks=states.get(drift.MARKS_STATE),
        mapped=states.get(mapped.STATE),
        watermark=_watermark(last.counts.get("watermark")) if last else None,
        known=known,
        is_damaged=body is not None and known is None,
        last_full=full.started if full else None,
        owes_full=bool(last and last.counts.get("full_is_owed")),
        cells=int(last.counts.get("cells_known", 0)) if last else 0,
        rows=int(last.counts.get("rows_known", 0)) if last else 0,
    )


def full_is_due(past: Past, now: datetime, weekly: str) -> bool:
    """Tell whether everything is to be pulled: never yet, or the weekly night has come since.

    ``now`` is aware, in the study's zone; ``weekly`` is a weekday's three letters or "always". A full pull that lies
    in the future says that this machine's clock was wrong then or is wrong now, and nothing else.
    """
    if weekly == "always" or past.last_full is None or past.watermark is None or past.known is None:
        return True
    if not timedelta() <= now - past.last_full <= LONGEST_WITHOUT_FULL:
        return True
    day = past.last_full.astimezone(now.tzinfo).date() + timedelta(days=1)
    while day <= now.date():
        if WEEKDAYS[day.weekday()] == weekly:
            return True
        day += timedelta(days=1)
    return False


def keep(tx: SiteTransaction, past: Past, delta: Delta, found: Examined, *, reads: Mapping[str, Any] | None) -> None:
    """Leave what the next run needs; it belongs to the transaction that holds what the Delta brought.

    ``reads``: what the mapping reads now (``mapped.reads``); None where the project's dictionary is the mapping.
    """
    head = delta.head
    remembered = {"structure": project.as_plain(head.structure), "base_url": head.base_url}
    _put(tx, PROJECT, remembered, past.remembered)
    settled = drift.settle(past.accepted, found)
    if settled is not None:
        _put(tx, drift.STATE, settled, past.accepted)
    _put(tx, drift.MARKS_STATE, dict(found.marks), past.marks)
    if reads is not None:
        _put(tx, mapped.STATE, reads, past.mapped)
    known = pull.advanced(past.known if past.known is not None else pull.nothing_known(), delta)
    if known is not past.known:
        tx.put_memory(KNOWN, packed(known))


def packed(known: Known) -> bytes:
    """Write what is known so that the same rows are the same bytes, whatever nights they came by."""
    return known.as_bytes()


def unpacked(body: bytes) -> Known:
    """Read back what :func:`packed` wrote."""
    return Known.from_bytes(body)


def _known(body: bytes | None) -> Known | None:
    if body is None:
        return None
    try:
        return unpacked(body)
    except ValueError:
        return None


def _put(tx: SiteTransaction, name: str, value: Any, before: Any) -> None:
    if value != before:
        tx.put_state(name, value)


def _watermark(plain: Any) -> Watermark | None:
    if not plain:
        return None
    try:
        return Watermark.from_plain(plain)
    except (KeyError, TypeError, ValueError):
        return None
