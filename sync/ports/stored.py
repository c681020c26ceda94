"""Hold what goes into the warehouse beside frames and queries, and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from schemas.coordinates import RowKey
from sync.queries.model import Query, QueryEvent, QueryEventValues
from sync.volume import Touched


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCounts:
    """Count what storing changed; all zero where nothing did."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    #: cells of updated rows whose value or text changed
    cells_changed: int = 0
    #: how many more filled cells stand than before
    cells_more: int = field(default=0, compare=False)
    #: rows that stood otherwise than a run had stored them, and were put right
    mended: int = field(default=0, compare=False)
    #: where: columns and records. Counts are compared without these three
    touched: Touched = field(default=Touched(), compare=False)

    def __add__(self, other: "StoreCounts") -> "StoreCounts":
        """Add two counts."""
        return StoreCounts(
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            deleted=self.deleted + other.deleted,
            cells_changed=self.cells_changed + other.cells_changed,
            cells_more=self.cells_more + other.cells_more,
            mended=self.mended + other.mended,
            touched=self.touched + other.touched,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """Describe a site to readers of the warehouse."""

    site: str
    name: str
    subject_prefix: str
    project_id: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRow:
    """Hold one subject; day 0 of the study is the day of the first infusion."""

    record: str
    first_infusion: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """Hold one visit that took place."""

    record: str
    visit: str
    instance: int = 1
    actual_date: date | None
    #: days since the first infusion; None without both dates
    study_day: int | None
    #: "in", "early", "late", "unknown" …, as the validators word it
    window_status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """Hold one derived response (MCR, PCR, NR, RELAPSE, …) and the rule set that it follows from."""

    record: str
    visit: str
    outcome: str
    rule_set: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """Hold what one run did at one site."""

    site: str
    run_id: str
    #: "full", "incremental"; "" where a killed run could not tell
    kind: str
    started: datetime
    finished: datetime | None
    #: ok, unreachable, refused, braked, locked, failed, killed
    outcome: str
    exit_code: int
    #: rows_pulled, findings …: whatever JSON can hold, no values of patients
    counts: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRun:
    """Hold a run that a brake parked, and what a person decided."""

    site: str
    run_id: str
    parked_at: datetime
    reason: str
    difference: Mapping[str, Any]
    #: approved, discarded, superseded (a later run went through first), or None while nobody has looked
    decision: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    #: run that made use of the approval
    used_by_run_id: str | None = None
    #: run that went through without it; nothing is left to decide on
    superseded_by_run_id: str | None = None

    @property
    def is_approved(self) -> bool:
        """Tell whether a person approved it and no run has gone through since."""
        return self.decision == "approved" and self.used_by_run_id is None and self.superseded_by_run_id is None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """Tell who says to be working on a site; informs only, the lock decides."""

    site: str
    run_id: str
    #: host and process, for a person
    holder: str
    taken_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """Hold where a site's ledger ends: the last number given, the last seq and its hash."""

    last_number: int
    last_seq: int
    last_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFilter:
    """Choose queries; what is None does not restrict."""

    sites: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    conditions: tuple[str, ...] | None = None
    checks: tuple[str, ...] | None = None
    severities: tuple[str, ...] | None = None
    records: tuple[str, ...] | None = None
    events: tuple[str, ...] | None = None
    numbers: tuple[str, ...] | None = None
    assignee: str | None = None
    #: opened at or before
    opened_before: datetime | None = None
    #: changed at or after
    changed_since: datetime | None = None
    #: last evaluated before: stale
    evaluated_before: datetime | None = None
    #: a person did something since a run last looked
    asked_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryThread:
    """Hold one query with its whole ledger and the texts that still stand."""

    query: Query
    events: tuple[QueryEvent, ...]
    #: seq -> texts
    values: Mapping[int, QueryEventValues]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellVersion:
    """Hold what one cell held from one run on. Holds values: never log it."""

    row: RowKey
    table_name: str
    column_name: str
    #: canonical value as text; None where blank, unreadable or gone
    value: str | None
    raw: str | None
    #: the run that brought it
    run_id: str
    since: datetime
    #: first, changed, renamed, ended
    change: str
    #: where ``renamed``: the name that the record had before, or has from then on where it ends under this one
    other_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficacyRow:
    """Hold one line of ``efficacy_by_visit``; sd is None for n < 2."""

    measure: str
    visit: str
    n: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRow:
    """Hold one line of ``response_summary``."""

    visit: str
    category: str
    n: int
    denominator: int
    percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStatus:
    """Hold what ``sync status`` tells of one site."""

    site: str
    name: str
    last_success: datetime | None
    last_run: RunRow | None
    #: state -> count of queries in it
    queries: Mapping[str, int]
    #: OPEN queries opened before the moment asked for
    aged: int
    #: parked runs that nobody has decided on
    parked: int
    lease: LeaseRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Hold what ``verify`` found; no problems means that ledger, state and triggers agree."""

    #: site -> ledger rows read
    events: Mapping[str, int]
    #: site -> form rows whose fingerprints were recomputed
    rows: Mapping[str, int]
    #: sentences for a person, without values
    problems: tuple[str, ...]
