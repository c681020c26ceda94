"""Judge one pull: harmonise it, run every check, derive the responses. Pure but for what it is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from schemas.coordinates import KEY_COLUMNS, RowKey
from schemas.frames import FormFrame
from schemas.project import Snapshot
from schemas.study import Study
from sync.errors import SourceMismatch
from sync.harmonise import harmonise
from sync.harmonise.harmonise import Harmonised
from sync.harmonise.mapping import SiteMapping
from sync.harmonise.plan import SitePlan
from validators import engine, messages
from validators.findings import Judgement
from validators.library import outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold one pull with all that was made of it."""

    plan: SitePlan
    study: Study
    mapping: SiteMapping
    snapshot: Snapshot
    harmonised: Harmonised
    judgement: Judgement
    #: (record, visit, outcome, rule_set): derived responses, none where the study defines no rule set
    responses: pl.DataFrame


def judge_pull(snapshot: Snapshot, plan: SitePlan, *, as_of: datetime) -> Judged:
    """Harmonise and judge one pull; ``as_of`` (aware, study's zone) is what "today" means.

    Raises SourceMismatch where the mapping speaks of what the project does not have, or where the server
    withheld columns that it needs: a blank that is no blank must never reach the warehouse.
    """
    study, mapping = plan.resolve(snapshot.structure)
    _refuse_mismatch(snapshot, study, mapping, plan)
    harmonised = harmonise.harmonise(snapshot, study, mapping)
    judgement = judge_frames(harmonised.frames, study, plan, as_of=as_of)
    return Judged(
        plan=plan,
        study=study,
        mapping=mapping,
        snapshot=snapshot,
        harmonised=harmonised,
        judgement=judgement,
        responses=outcomes.derive(harmonised.frames, study),
    )


def judge_frames(frames: tuple[FormFrame, ...], study: Study, plan: SitePlan, *, as_of: datetime) -> Judgement:
    """Judge frames that have been harmonised already (``validate --stored`` takes them from the warehouse)."""
    return engine.judge(study, frames, site=plan.slug, prefix=plan.prefix, as_of=as_of)


def _refuse_mismatch(snapshot: Snapshot, study: Study, mapping: SiteMapping, plan: SitePlan) -> None:
    missing = harmonise.mismatches(snapshot.structure, study, mapping)
    if missing:
        shown = [f"  {line}" for line in missing[:20]]
        shown += [f"  … and {len(missing) - 20} more"] if len(missing) > 20 else []
        raise SourceMismatch(
            f"{plan.slug}: the mapping does not fit the site's project (nothing was changed):\n"
            + "\n".join(shown)
            + "\n  Correct the mapping file, or ask the site what was renamed; `sync sites check` shows it again."
        )
    needed = harmonise.site_fields(study, mapping)
    withheld = sorted(needed & set(snapshot.withheld))
    if withheld:
        raise SourceMismatch(
            f"{plan.slug}: the server withholds {len(withheld)} needed columns from this token "
            f"({', '.join(withheld[:8])}{', …' if len(withheld) > 8 else ''}); a withheld column would look like "
            "blanks. Ask the site's REDCap "
            "administrator for full data export rights on these forms. Nothing was changed."
        )


class Cells:
    """Show cells as they are now, so that a closing query can hold the new value beside the old one."""

    def __init__(self, frames: Sequence[FormFrame]) -> None:
        """Keep the frames; a form is indexed when it is first asked for."""
        self._frames = {frame.form.name: frame for frame in frames}
        self._places: dict[str, dict[tuple[object, ...], int]] = {}

    def at(self, *, row: RowKey, field: str) -> tuple[str | None, str | None] | None:
        """Give raw and harmonised text of a cell; None where no such cell exists."""
        frame = self._frames.get(row.instrument)
        if frame is None or field not in frame.raw.columns:
            return None
        places = self._places.get(row.instrument)
        if places is None:
            keys = frame.rows.select(KEY_COLUMNS).iter_rows()
            places = self._places[row.instrument] = {key: place for place, key in enumerate(keys)}
        place = places.get((row.site, row.record, row.event, row.instrument, row.instance))
        if place is None:
            return None
        return frame.raw[field][place], messages.text_of(frame.rows[field][place])
