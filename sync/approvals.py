"""Decide whether a person's approval of a parked run covers what a later run would do. Pure.

Who let 40 changed cells through did not let the site be emptied, nor 4,000 cells, nor other records go. Sites go on
working while somebody looks, so figures may grow somewhat; what they are about may not.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sync.changes import Brake, Reason, reasons
from sync.config import BrakesConfig
from sync.volume import CheckChange, ColumnChange, PlaceChange, Volume

MORE_THAN_APPROVED = 1.5
"""How many times the figure that a person approved a run may reach."""
_FACTORS_ALIKE = 0.1
_SAME = {Brake.RECORDS_GONE: (Brake.RECORDS_GONE, Brake.EMPTIED)}
"""Who let the whole site go let a part of it go."""


def is_covered(reason: Reason, now: Volume, approved: Volume, limits: BrakesConfig) -> bool:
    """Tell whether a person who approved a run that would do ``approved`` has seen this reason of ``now``."""
    kinds = _SAME.get(reason.brake, (reason.brake,))
    seen = [
        each
        for each in reasons(approved, limits)
        if each.brake in kinds and each.subject == reason.subject and reason.count <= each.count * MORE_THAN_APPROVED
    ]
    return bool(seen) and _is_about_the_same(reason, now, approved, limits)


def covering(
    measured: Volume, approved: Iterable[tuple[str, Volume]], limits: BrakesConfig
) -> dict[Reason, tuple[str, ...]]:
    """Name, for each reason to stop a run that would do ``measured``, the approvals that cover it; often none.

    ``approved``: run that a person approved, and what it would have done.
    """
    seen = list(approved)
    return {
        reason: tuple(run for run, volume in seen if is_covered(reason, measured, volume, limits))
        for reason in reasons(measured, limits)
    }


def has_expired(decided_at: datetime | None, now: datetime, limits: BrakesConfig) -> bool:
    """Tell whether an approval is too old to say anything about tonight."""
    return decided_at is None or now > counts_until(decided_at, limits)


def counts_until(decided_at: datetime, limits: BrakesConfig) -> datetime:
    """Give the moment after which an approval says nothing any more."""
    return decided_at + timedelta(days=limits.approval_days)


def _is_about_the_same(reason: Reason, now: Volume, approved: Volume, limits: BrakesConfig) -> bool:
    match reason.brake:
        case Brake.EMPTIED | Brake.RECORDS_GONE:
            return set(now.gone) <= set(approved.gone)
        case Brake.RECORDS_UNTRACED:
            return set(now.unexplained) <= set(approved.unexplained)
        case Brake.ROWS_UNTRACED:
            return set(now.thinned_untraced) <= set(approved.thinned_untraced)
        case Brake.ROWS_GONE | Brake.PLACE_EMPTIED:
            where = _of(now.places, "gone"), _of(approved.places, "gone")
            return set(now.thinned) <= set(approved.thinned) and _grew_little(*where, limits.changed_column_allowed)
        case Brake.CELLS_CHANGED:
            return all(
                _grew_little(_of(now.columns, what), _of(approved.columns, what), limits.changed_column_allowed)
                for what in ("changed", "emptied")
            )
        case Brake.COLUMN_CHANGED:
            emptied = {reason.subject: _of(now.columns, "emptied")[reason.subject]}
            return _grew_little(emptied, _of(approved.columns, "emptied"), limits.changed_column_allowed) and (
                _factors_agree(_factor(now, reason.subject), _factor(approved, reason.subject))
            )
        case Brake.QUERIES_CLOSED:
            closed = _of(now.checks, "closed"), _of(approved.checks, "closed")
            return _grew_little(*closed, limits.closed_unchanged_allowed)
        case Brake.QUERIES_CLOSED_UNCHANGED:
            closed = _of(now.checks, "closed_unchanged"), _of(approved.checks, "closed_unchanged")
            return _grew_little(*closed, limits.closed_unchanged_allowed)
        case Brake.QUERIES_OPENED:
            return _grew_little(_of(now.checks, "opened"), _of(approved.checks, "opened"), limits.opened_check_allowed)
        case Brake.CHECK_CLOSED | Brake.CHECK_OPENED:
            return True


def _of(changes: Iterable[ColumnChange | CheckChange | PlaceChange], what: str) -> dict[str, int]:
    return {each.name: getattr(each, what) for each in changes}


def _grew_little(tonight: dict[str, int], seen: dict[str, int], handful: int) -> bool:
    """Tell whether what changes tonight in more than a handful of places was seen to change about as much."""
    return all(count <= max(handful, seen.get(name, 0) * MORE_THAN_APPROVED) for name, count in tonight.items())


def _factor(volume: Volume, name: str) -> float | None:
    return next((each.factor for each in volume.columns if each.name == name), None)


def _factors_agree(tonight: float | None, seen: float | None) -> bool:
    if tonight is None or seen is None:
        return tonight is seen
    return abs(tonight / seen - 1) <= _FACTORS_ALIKE
