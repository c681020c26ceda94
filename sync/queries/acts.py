"""Say what an actor brings along when a query moves: the one argument of ``states.advance``."""

from dataclasses import dataclass
from datetime import datetime

from sync.queries.model import ActorKind, AnswerCode, Reason
from validators.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Hold what a run saw failing, and its fingerprint. Holds values: never log it."""

    finding: Finding
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Say who does it, when, and with what; only what the trigger needs is read."""

    #: aware, UTC
    at: datetime
    actor: str
    actor_kind: ActorKind
    run_id: str | None = None
    #: where an answer came from: file hash, DRW res_id
    source: str | None = None
    comment: str | None = None
    #: for accept and cancel
    reason: Reason | None = None
    #: for answer
    answer: AnswerCode | None = None
    #: for assign
    assignee: str | None = None
    #: for rename: the record's new name
    record: str | None = None
    #: for move: the project that holds the site's data now, and the study by which it was judged
    project_id: int | None = None
    study: str | None = None
    #: for the failing triggers
    sight: Sight | None = None
    #: raw and value of the cell as they are now, where the check passes and the caller knows them
    now: tuple[str | None, str | None] | None = None
    #: the site or record is locked
    locked: bool = False
    #: policy of row 7: close what was answered as corrected and passes
    close_corrected: bool = False
