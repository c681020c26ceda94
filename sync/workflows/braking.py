"""Stop a night before harm, unless a person let through what it is about to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sync import approvals, changes, errors
from sync.config import BrakesConfig
from sync.ports.stored import ParkedRun
from sync.ports.warehouse import WarehouseReader
from sync.volume import Volume
from sync.workflows.results import SiteResult


class Braked(errors.BrakeEngaged):
    """Carry the figures of a run that was stopped before harm."""

    def __init__(self, message: str, volume: Volume, kind: str) -> None:
        """Keep the figures and the kind of the run (full, incremental)."""
        self.volume = volume
        self.kind = kind
        #: what the run would have done, for a dry run to show
        self.would: SiteResult | None = None
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Say what would have stopped a run, and what let it through; empty where nothing would have."""

    #: sentences for a person
    reasons: tuple[str, ...] = ()
    #: parked runs whose approval covers one of the reasons
    approvals: tuple[str, ...] = ()
    #: a person ran it with --allow-mass-change where no approval covered it
    by_flag: bool = False


def brake(
    measured: Volume,
    limits: BrakesConfig,
    approved: Sequence[ParkedRun],
    *,
    allow: bool,
    run_id: str,
    site: str,
    kind: str,
    dry_run: bool = False,
) -> Released:
    """Stop before harm; raising inside the transaction leaves the site as it was. Gives what was let through.

    An approval lets through what the person saw: the same reasons about the same things, with figures not much larger.
    """
    covering = approvals.covering(measured, _seen(approved), limits)
    sentences = changes.worded(tuple(covering))
    covered = all(covering.values())
    if not covered and not allow:
        next_step = _when_dry(site) if dry_run else _when_parked(site, run_id)
        raise Braked(f"{'; '.join(sentences)}. {next_step}{_another(approved)}", measured, kind)
    used = sorted({run for runs in covering.values() for run in runs}) if covered else []
    return Released(reasons=tuple(each.sentence for each in covering), approvals=tuple(used), by_flag=not covered)


def _when_parked(site: str, run_id: str) -> str:
    return (
        f"Nothing of this site was changed; the run is parked. `sync runs show {run_id}` says "
        f"what it is about. If this is right, `sync runs approve {run_id} --site {site}` and run again, or "
        f"`sync run --site {site} --allow-mass-change`; if not, ask the site what happened."
    )


def _when_dry(site: str) -> str:
    """Say what a dry run leaves behind, which is nothing that could be approved."""
    return (
        "This was a dry run: nothing was changed and nothing is parked. A real run would be parked: if this is right, "
        f"`sync run --site {site}` and approve the run that it names, or `sync run --site {site} --allow-mass-change`; "
        "if not, ask the site what happened."
    )


def _another(approved: Sequence[ParkedRun]) -> str:
    if not approved:
        return ""
    return f" What was approved (run {approved[0].run_id}) was another change, so it does not cover this one."


def approval_of(stopped: ParkedRun, approved: Sequence[ParkedRun], limits: BrakesConfig) -> ParkedRun | None:
    """Find the approval with which what stopped this run goes through, the last given of several; None where none."""
    covering = approvals.covering(Volume.from_plain(stopped.difference), _seen(approved), limits)
    if not covering or not all(covering.values()):
        return None
    used = {run for runs in covering.values() for run in runs}
    return max((each for each in approved if each.run_id in used), key=lambda each: str(each.decided_at))


def _seen(approved: Sequence[ParkedRun]) -> list[tuple[str, Volume]]:
    return [(each.run_id, Volume.from_plain(each.difference)) for each in approved]


def approvals_of(reader: WarehouseReader, site: str, *, now: datetime, limits: BrakesConfig) -> tuple[ParkedRun, ...]:
    """Give the parked runs that a person approved lately and that no run has used or superseded."""
    return tuple(
        parked
        for parked in reader.parked(site=site)
        if parked.is_approved and not approvals.has_expired(parked.decided_at, now, limits)
    )
