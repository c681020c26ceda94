"""Say what judging brings forth: findings, what could not be checked, and how far each check reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Protocol

from schemas.coordinates import RowKey
from schemas.study import Severity


@unique
class Condition(StrEnum):
    """What the machine saw of one check at one cell (reference: the first axis of a query)."""

    FAILING = "FAILING"
    PASSING = "PASSING"
    #: looked, but could not tell: unreadable value, missing anchor, column withheld, check not executable
    NOT_EVALUATED = "NOT_EVALUATED"
    #: the check does not apply (any more): hidden by branching, row gone from a complete pull, population false
    NOT_APPLICABLE = "NOT_APPLICABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Show one input that a check read: where it stands, as entered and as harmonised (both text)."""

    event: str
    instrument: str
    instance: int
    field: str
    raw: str | None
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Say that one check fails at one cell. Holds values: never log it."""

    row: RowKey
    field: str
    site_field: str
    check: str
    check_version: str
    severity: Severity
    raw: str | None
    #: harmonised value as text (ISO dates, shortest number), None where it could not be read
    value: str | None
    #: canonical unit
    unit: str | None
    #: language -> finished text
    message: Mapping[str, str]
    #: what the check read, in a stable order: the fingerprint covers it
    evidence: tuple[Evidence, ...]
    #: where the row stands in the site's project, for deep links
    site_event: str | None
    site_instrument: str | None
    site_instance: int | None
    #: the site will be asked: false for findings that go to the monitor only
    raises_query: bool = True
    review_before_release: bool = False
    auto_close: bool = True
    #: the finding is explained by a graver one in the same place (e.g. whole form absent): hold its query back
    held_by: str | None = None
    #: the row does not stand yet: where it would stand at the site is guessed from other subjects' rows
    is_gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEvaluated:
    """Say that a check could not be carried out, where, why, and how many cells that concerns. Holds no values."""

    check: str
    #: "labs.creat", "labs", "subject" …
    scope: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Count how far one check reached at one site."""

    check: str
    evaluated: int
    failing: int
    not_evaluated: int
    #: reason -> count
    reasons: Mapping[str, int]


class Conditions(Protocol):
    """Answer what was seen at any one place; the follow-up of open queries asks it."""

    def at(self, *, check: str, row: RowKey, field: str) -> Condition | None:
        """Give the condition of a check at a cell; None where no such row exists in the judged data."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Hold all that judging one site brought forth; findings are sorted by record, visit, form, instance, field."""

    site: str
    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    coverage: tuple[Coverage, ...]
    conditions: Conditions
    #: those of ``not_evaluated`` that count subjects, since their form has no row; where it has rows elsewhere (in
    #: another part of the site) they fall away
    by_subject: tuple[NotEvaluated, ...] = ()
    #: checks that broke or could not be run at all
    errored: frozenset[str] = frozenset()
