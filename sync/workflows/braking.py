"""Measure what a night is about to do to a site, and stop it before harm unless a person let that through."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.pull import Delta
from sync import changes, errors
from sync.changes import Volume
from sync.config import BrakesConfig
from sync.ports.stored import ParkedRun, StoreCounts
from sync.ports.warehouse import SiteTransaction, WarehouseReader
from sync.queries.model import LIVE, Query
from sync.workflows.followup import FollowedUp
from sync.workflows.gathering import Held
from sync.workflows.past import Past

USED = "used_approvals"
"""Name of the site state that lists the parked runs whose approval was used up."""


class Braked(errors.BrakeEngaged):
    """Carry the figures of a run that was stopped before harm."""

    def __init__(self, message: str, volume: Volume, kind: str) -> None:
        """Keep the figures and the kind of the run (full, incremental)."""
        self.volume = volume
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """Count what the warehouse held before the run."""

    subjects: frozenset[str]
    #: form rows of the records that the pull calls gone
    rows_of_gone: int


def volume(
    delta: Delta,
    past: Past,
    stood: Stood,
    held: Held,
    stored: StoreCounts,
    before: Sequence[Query],
    after: FollowedUp,
) -> Volume:
    """Measure a run that has been written and not committed; ``held`` counts what was stored."""
    rows = held.rows + stored.deleted - stored.inserted
    done = after.reconciled
    return Volume(
        records_before=len(stood.subjects),
        records_now=len(delta.record_ids),
        # a record that got another name is not gone
        records_gone=len(stood.subjects - delta.record_ids - delta.renamed.keys()),
        cells_known=held.cells if delta.complete else max(held.cells, past.cells),
        cells_changed=stored.cells_changed,
        queries_open=sum(query.state in LIVE for query in before),
        queries_closed=done.closed + done.answered + done.cancelled,
        queries_opened=done.opened + done.reopened + done.candidates,
        rows_known=rows if delta.complete else max(rows, past.rows),
        rows_gone=max(0, stored.deleted - stood.rows_of_gone),
        records_untraced=delta.untraced,
    )


def brake(
    measured: Volume,
    limits: BrakesConfig,
    approved: Sequence[ParkedRun],
    *,
    allow: bool,
    run_id: str,
    site: str,
    kind: str,
) -> tuple[str, ...]:
    """Stop before harm; raising inside the transaction leaves the site as it was. Gives what was let through.

    An approval lets through what the person saw: the same reasons with figures not much larger.
    """
    found = changes.reasons(measured, limits)
    reasons = tuple(reason.sentence for reason in found)
    seen = [Volume.from_plain(parked.difference) for parked in approved]
    covered = all(any(changes.is_covered(reason, each, limits) for each in seen) for reason in found)
    if not covered and not allow:
        raise Braked(
            f"{'; '.join(reasons)}. Nothing of this site was changed; the run is parked. If this is right, "
            f"`sync runs approve {run_id} --site {site}` and run again, or `sync run --site {site} "
            "--allow-mass-change`; if not, ask the site what happened.",
            measured,
            kind,
        )
    return reasons


def approvals(reader: WarehouseReader, site: str) -> tuple[ParkedRun, ...]:
    """Give the parked runs that a person approved and that no run has made use of yet."""
    used = set(reader.state(site, USED) or ())
    return tuple(
        parked
        for parked in reader.parked(site=site)
        if parked.decision == "approved" and parked.used_by_run_id is None and parked.run_id not in used
    )


def use_up(tx: SiteTransaction, approved: Sequence[ParkedRun]) -> None:
    """Use up approvals together with what they let through.

    The next run that goes through uses up all of them, whether it needed them or not: they were about this change.
    """
    if approved:
        used = {*(tx.state(USED) or ()), *(parked.run_id for parked in approved)}
        tx.put_state(USED, sorted(used))
