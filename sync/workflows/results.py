"""Say what one run is asked to do and what it did at one site: counts and words, never values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.study import Severity
from sync.ports.stored import ParkedRun, StoreCounts

_MOST_NOTICES = 200
"""A project that was rebuilt brings thousands; the rest is counted."""

QUERY_COUNTS = ("opened", "reopened", "closed", "unchanged", "candidates")


@dataclass(frozen=True, slots=True, kw_only=True)
class NightOptions:
    """Say how one run differs from the plain one."""

    #: pull everything, not only what changed
    full: bool = False
    dry_run: bool = False
    allow_mass_change: bool = False
    #: who allows it
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteResult:
    """Say what one run did at one site; holds counts, never values."""

    site: str
    outcome: str = "ok"
    exit_code: int = 0
    reason: str | None = None
    kind: str = "full"
    records_pulled: int = 0
    rows_pulled: int = 0
    #: rows that the server sent, those of the record id alone included
    rows_asked: int = 0
    stored: StoreCounts = field(default_factory=StoreCounts)
    findings: Mapping[str, int] = field(default_factory=dict)
    queries: Mapping[str, int] = field(default_factory=dict)
    not_evaluated: int = 0
    #: of a full pull: records that the incremental ones before it would have missed
    missed: int | None = None
    #: changes of the site's project since the accepted structure, by gravity
    drift: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    #: sentences without values or ids
    notices: tuple[str, ...] = ()
    #: the graver ones, of which somebody is told
    warnings: tuple[str, ...] = ()
    #: those of ``notices`` that say what would have stopped the run
    let_through: tuple[str, ...] = ()
    #: files of the query list
    lists: tuple[str, ...] = ()
    #: of a dry run that a brake stopped: what a real run would park. Holds ids of records: never log it
    would_park: ParkedRun | None = field(default=None, repr=False)

    def document(self) -> dict[str, Any]:
        """Show the result as the interface promises it."""
        return {
            "site": self.site,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "kind": self.kind,
            **self.counts(),
            "not_evaluated": self.not_evaluated,
            "seconds": round(self.seconds, 3),
            "notices": list(self.notices),
            "warnings": list(self.warnings),
            "lists": list(self.lists),
        }

    def told(self) -> dict[str, Any]:
        """Give what this run has to say beside its counts, bounded, for its row in the warehouse."""
        return {
            "not_evaluated": self.not_evaluated,
            "notices": _bounded(self.notices),
            "warnings": _bounded(self.warnings),
        }

    def counts(self) -> dict[str, Any]:
        """Give the counts alone, for the run's row in the warehouse."""
        return {
            "records_pulled": self.records_pulled,
            "rows_pulled": self.rows_pulled,
            "rows_asked": self.rows_asked,
            "rows_inserted": self.stored.inserted,
            "rows_updated": self.stored.updated,
            "rows_deleted": self.stored.deleted,
            "cells_changed": self.stored.cells_changed,
            "missed": self.missed,
            "drift": dict(self.drift),
            "findings": {name.value: self.findings.get(name.value, 0) for name in Severity},
            "queries": {name: self.queries.get(name, 0) for name in QUERY_COUNTS},
        }


def _bounded(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - _MOST_NOTICES
    return [*sentences[:_MOST_NOTICES], *([f"… and {more} more"] if more > 0 else [])]
