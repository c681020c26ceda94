"""Name what a query is, and what one line of its ledger says.

A query is a *projection*: whatever a decision was built on can be replayed from the ledger (``QueryEvent``).
Only what the machine last saw (condition, message, values, severity, check version, ``evaluated_at``) is
refreshed without an event, because seeing the same thing again is no news.

Free text and clinical values stand beside the ledger (``QueryEventValues``), the ledger holds their keyed
hashes: a lawful erasure takes the text away and leaves the chain whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from schemas.coordinates import RowKey
from schemas.study import Severity
from validators.findings import Condition


@unique
class State(StrEnum):
    """Where a query stands between site and data manager (the words of ODM v2)."""

    #: waits for a data manager's release; the site never sees it
    CANDIDATE = "CANDIDATE"
    #: the site is asked
    OPEN = "OPEN"
    #: the site (or a change of its data) has answered; the data manager decides
    ANSWERED = "ANSWERED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


LIVE = frozenset({State.CANDIDATE, State.OPEN, State.ANSWERED})
"""States in which somebody still has to act; at most one live query stands at one key."""


@unique
class CloseReason(StrEnum):
    """Why a query was closed."""

    CORRECTED = "corrected"
    CONFIRMED = "confirmed"
    DATA_UNAVAILABLE = "data_unavailable"
    NOT_APPLICABLE = "not_applicable"
    DEVIATION_RECORDED = "deviation_recorded"
    OTHER = "other"


@unique
class CancelReason(StrEnum):
    """Why a query was withdrawn."""

    RAISED_IN_ERROR = "raised_in_error"
    DUPLICATE = "duplicate"
    CHECK_RETIRED = "check_retired"
    CHECK_CHANGED = "check_changed"
    #: a data manager did not let a candidate out
    REJECTED = "rejected"
    #: a candidate's finding went away before anybody released it
    AUTO = "auto"


Reason = CloseReason | CancelReason
"""The reason of a CLOSED or CANCELLED query; the words of both enums differ, so one column holds either."""


@unique
class AnswerCode(StrEnum):
    """What the answer to a query says."""

    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    DATA_UNAVAILABLE = "data_unavailable"
    DEVIATION_RECORDED = "deviation_recorded"
    OTHER = "other"
    #: given by the system alone: the data changed and now pass, the check asks for a person's look
    DATA_CHANGED = "data_changed"


@unique
class ActorKind(StrEnum):
    """Who acts: the program, a data manager, a site's person, or answers taken in from outside."""

    SYSTEM = "system"
    DM = "dm"
    SITE = "site"
    IMPORT = "import"


@unique
class Trigger(StrEnum):
    """What may move a query: what a run sees, the commands, a record's new name, a site's new project."""

    #: the check fails on the very values that the query's last answer or decision was about
    FAILING_SAME = "failing_same"
    #: the check fails on other values, or under a new major version
    FAILING_NEW = "failing_new"
    PASSING = "passing"
    NOT_EVALUATED = "not_evaluated"
    NOT_APPLICABLE = "not_applicable"
    ANSWER = "answer"
    ACCEPT = "accept"
    #: answer on the site's behalf ("confirmed") and accept it, in one go
    CONFIRM = "confirm"
    REQUERY = "requery"
    REOPEN = "reopen"
    CANCEL = "cancel"
    RELEASE = "release"
    REJECT = "reject"
    ASSIGN = "assign"
    COMMENT = "comment"
    #: the record was renamed at the site: the key moves, the number stays
    RENAME = "rename"
    #: the site's data stand in another project now: the key moves, the number stays
    MOVE = "move"
    #: the row that a finished query was about ended: what comes to its place is another's, or another matter
    LAPSE = "lapse"


@unique
class Action(StrEnum):
    """What a ledger row says was done."""

    RAISED = "raised"
    RELEASED = "released"
    REJECTED = "rejected"
    ANSWERED = "answered"
    ACCEPTED = "accepted"
    REQUERIED = "requeried"
    REOPENED = "reopened"
    #: closed by the program
    CLOSED = "closed"
    CANCELLED = "cancelled"
    #: state kept, but values or flags changed
    NOTED = "noted"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    RENAMED = "renamed"
    MOVED = "moved"
    #: a decision does not cover what comes to its place after its row ended
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class QueryKey:
    """Identify a query for ever: one check at one cell of one project (reference: queries 8.2)."""

    study: str
    site: str
    project_id: int
    record: str
    event: str
    instrument: str
    instance: int
    check: str
    field: str

    @property
    def row(self) -> RowKey:
        """Give the row that the query points into."""
        return RowKey(
            site=self.site,
            record=self.record,
            event=self.event,
            instrument=self.instrument,
            instance=self.instance,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Hold one query as it stands now. Holds values: never log it."""

    key: QueryKey
    #: PREFIX-000123, given once per site and never reused
    number: str
    site_field: str
    severity: Severity
    state: State
    #: set while CLOSED or CANCELLED, else None
    reason: Reason | None = None
    condition: Condition
    #: how often the site was asked: 0 for a candidate never released
    round: int
    #: ledger rows of this query so far; a command that read another version is stale
    version: int
    #: language -> finished text
    message: Mapping[str, str]
    check_version: str
    #: of the values that last failed
    fingerprint: str
    #: of the values that the answer was about; None before an answer and after the system's own
    fingerprint_answered: str | None = None
    #: of the values that a person's decision is bound to (confirmed, unavailable, deviation, in error …)
    fingerprint_decided: str | None = None
    answer: AnswerCode | None = None
    assignee: str | None = None
    #: ANSWERED, and the values failed differently since
    changed_since_answer: bool = False
    #: ANSWERED, and the check passes
    ready_to_close: bool = False
    #: raised or reopened after the site or record was locked
    post_lock: bool = False
    #: a person asked although the check passes: the program does not close it before it has failed again
    by_hand: bool = False
    #: the decision that lapsed when the program asked again (row 12), and the entry it was about; the message says so
    lapsed: Reason | None = None
    lapsed_raw: str | None = None
    auto_close: bool = True
    raw: str | None = None
    value: str | None = None
    unit: str | None = None
    site_event: str | None = None
    site_instrument: str | None = None
    site_instance: int | None = None
    #: first ledger row
    raised_at: datetime
    #: last time it became OPEN; None for a candidate never released
    opened_at: datetime | None = None
    #: last ledger row
    changed_at: datetime
    #: last time the machine could tell; NOT_EVALUATED leaves it as it was, so that it ages
    evaluated_at: datetime
    #: last run that looked at it: the same run does not count twice
    run_id: str | None = None

    @property
    def holds_back(self) -> bool:
        """Tell whether the query's row is not to be analysed yet."""
        return self.severity is Severity.HARD and self.state in LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEventDraft:
    """Say what is to be appended to the ledger; ``chain.seal`` numbers, hashes, links it. Holds values."""

    key: QueryKey
    number: str
    #: the query's version after this event; (number, version) is unique
    version: int
    at: datetime
    actor: str
    actor_kind: ActorKind
    trigger: Trigger
    action: Action
    #: None for the first event
    from_state: State | None
    to_state: State
    #: the query's reason after the event
    reason: Reason | None
    #: the query's answer after the event
    answer: AnswerCode | None
    assignee: str | None
    round: int
    check_version: str
    fingerprint: str
    fingerprint_answered: str | None
    fingerprint_decided: str | None
    changed_since_answer: bool
    ready_to_close: bool
    post_lock: bool
    by_hand: bool
    #: row of the transition table that allowed it
    rule: str
    run_id: str | None = None
    #: where an answer came from: file hash, DRW res_id
    source: str | None = None
    comment: str | None = None
    old_raw: str | None = None
    new_raw: str | None = None
    old_value: str | None = None
    new_value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEvent:
    """Hold one row of the append-only ledger: no clinical value, no free text, no record id."""

    site: str
    #: 1, 2, 3 … per site, without a gap
    seq: int
    number: str
    version: int
    #: keyed hash of the query's key; changes only with a rename or a move to another project
    key_digest: str
    #: aware, UTC
    at: datetime
    actor: str
    actor_kind: ActorKind
    trigger: Trigger
    action: Action
    from_state: State | None
    to_state: State
    reason: Reason | None
    answer: AnswerCode | None
    assignee: str | None
    round: int
    check: str
    check_version: str
    fingerprint: str
    fingerprint_answered: str | None
    fingerprint_decided: str | None
    changed_since_answer: bool
    ready_to_close: bool
    post_lock: bool
    by_hand: bool
    rule: str
    run_id: str | None
    source: str | None
    comment_digest: str | None
    old_raw_digest: str | None
    new_raw_digest: str | None
    old_value_digest: str | None
    new_value_digest: str | None
    #: hash of the site's row before; 64 zeros for the first
    prev_hash: str
    #: SHA-256 over the canonical JSON of all the above
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEventValues:
    """Hold the erasable texts of one ledger row; None where there were none or where they were erased."""

    site: str
    seq: int
    comment: str | None = None
    old_raw: str | None = None
    new_raw: str | None = None
    old_value: str | None = None
    new_value: str | None = None


def reason_of(text: str | None) -> Reason | None:
    """Read a stored reason word back; ValueError where neither enum knows it."""
    if text is None:
        return None
    try:
        return CloseReason(text)
    except ValueError:
        return CancelReason(text)
