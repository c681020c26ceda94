"""Build findings, judgements, acts and queries for the tests; every value is made up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from schemas.coordinates import RowKey
from schemas.study import Severity
from sync.queries import fingerprint, reconcile, states
from sync.queries.acts import Act, Sight
from sync.queries.model import ActorKind, AnswerCode, CancelReason, CloseReason, Query, QueryKey, Reason, State
from validators.findings import Condition, Coverage, Evidence, Finding, Judgement

SECRET = b"a key made up for tests"
START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
SITE = "zhenjiang"
STUDY = "sle"
PROJECT = 17


def finding(
    *,
    record: str = "ZJJU-001",
    field_name: str = "creat",
    check: str = "LAB-RANGE",
    raw: str | None = "812",
    version: str = "1.0",
    severity: Severity = Severity.HARD,
    raises_query: bool = True,
    review: bool = False,
    auto_close: bool = True,
    held_by: str | None = None,
    evidence: tuple[Evidence, ...] | None = None,
    value: str | None = None,
) -> Finding:
    row = RowKey(site=SITE, record=record, event="month_1", instrument="labs", instance=1)
    value = raw if value is None else value
    own = Evidence(event="month_1", instrument="labs", instance=1, field=field_name, raw=raw, value=value)
    return Finding(
        row=row,
        field=field_name,
        site_field=f"{field_name}_zj",
        check=check,
        check_version=version,
        severity=severity,
        raw=raw,
        value=value,
        unit="umol/L",
        message={"en": f"Creatinine {raw} is implausible.", "zh": f"肌酐 {raw} 不合理。"},
        evidence=(own,) if evidence is None else evidence,
        site_event="m1_arm_1",
        site_instrument="lab",
        site_instance=None,
        raises_query=raises_query,
        review_before_release=review,
        auto_close=auto_close,
        held_by=held_by,
    )


def key_of(item: Finding) -> QueryKey:
    return QueryKey(
        study=STUDY,
        site=item.row.site,
        project_id=PROJECT,
        record=item.row.record,
        event=item.row.event,
        instrument=item.row.instrument,
        instance=item.row.instance,
        check=item.check,
        field=item.field,
    )


def sight(item: Finding) -> Sight:
    return Sight(finding=item, fingerprint=fingerprint.of_finding(item, key=SECRET))


def system(at: datetime = START, **more: object) -> Act:
    return replace(Act(at=at, actor="syncline", actor_kind=ActorKind.SYSTEM, run_id="run-1"), **more)


def dm(comment: str | None = "because of the source document", **more: object) -> Act:
    act = Act(at=START + timedelta(days=1), actor="dm.zhou", actor_kind=ActorKind.DM, comment=comment)
    return replace(act, **more)


def site(comment: str | None = None, **more: object) -> Act:
    act = Act(at=START + timedelta(days=1), actor="crc.lin", actor_kind=ActorKind.SITE, comment=comment)
    return replace(act, **more)


def query(
    state: State = State.OPEN,
    reason: Reason | None = None,
    *,
    item: Finding | None = None,
    condition: Condition | None = None,
    **more: object,
) -> Query:
    """Stand a query in a state, with all that belongs to that state."""
    item = item or finding()
    raised, _ = states.raise_query(key_of(item), "ZJJU-000001", sight(item), system())
    answered = state in (State.ANSWERED, State.CLOSED) and reason is not CloseReason.NOT_APPLICABLE
    seen = {CloseReason.CORRECTED: Condition.PASSING, CancelReason.AUTO: Condition.PASSING}
    seen[CloseReason.NOT_APPLICABLE] = Condition.NOT_APPLICABLE
    candidate = state is State.CANDIDATE or reason in (CancelReason.AUTO, CancelReason.REJECTED)
    usual: dict[str, object] = {
        "condition": condition or seen.get(reason, Condition.FAILING),
        "round": 0 if candidate else 1,
        "opened_at": None if candidate else START,
        "answer": AnswerCode.CONFIRMED if answered else None,
        "fingerprint_answered": raised.fingerprint if answered else None,
        "fingerprint_decided": raised.fingerprint if reason in states.BOUND else None,
    }
    return replace(raised, state=state, reason=reason, **(usual | more))


@dataclass
class Conditions:
    """Answer from a mapping; a place that is not in it has no row."""

    known: Mapping[tuple[str, str, str], Condition] = field(default_factory=dict)

    def at(self, *, check: str, row: RowKey, field: str) -> Condition | None:
        return self.known.get((check, row.record, field))


def judgement(
    findings: Sequence[Finding] = (),
    conditions: Mapping[tuple[str, str, str], Condition] | None = None,
    coverage: tuple[Coverage, ...] = (),
) -> Judgement:
    known = {(f.check, f.row.record, f.field): Condition.FAILING for f in findings}
    return Judgement(
        site=SITE,
        findings=tuple(findings),
        not_evaluated=(),
        coverage=coverage,
        conditions=Conditions(known | dict(conditions or {})),
    )


def seen(item: Query, condition: Condition) -> Judgement:
    """Judge so that nothing is found and one query's place shows a condition."""
    return judgement(conditions={(item.key.check, item.key.record, item.key.field): condition})


def run(
    judged: Judgement,
    queries: Sequence[Query] = (),
    *,
    run_id: str = "run-2",
    complete: bool = True,
    next_number: int = 2,
    **more: object,
) -> reconcile.Reconciled:
    return reconcile.reconcile(
        judged,
        queries,
        study=STUDY,
        project_id=PROJECT,
        at=START + timedelta(days=2),
        run_id=run_id,
        complete=complete,
        next_number=next_number,
        prefix="ZJJU",
        secret=SECRET,
        **more,
    )
