"""Hold a pull's structure against the last accepted one, and carry out what follows. Pure.

The *accepted structure* of a site is the one that a person accepted, or that a run went through with unharmed. Every
run compares against it and not against yesterday's pull, so that a change that stops or leaves something out goes
on doing so until the mapping is right or a person accepts it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from schemas import drift, project
from schemas.coordinates import KEY_COLUMNS
from schemas.drift import Drift, Gravity
from schemas.fingerprint import structure_fingerprint
from schemas.frames import FormFrame
from schemas.project import ProjectStructure, Snapshot
from schemas.study import Study
from sync.errors import SourceMismatch
from sync.harmonise import harmonise
from sync.harmonise.mapping import SiteMapping
from sync.harmonise.plan import SitePlan
from sync.workflows import drift_held, drift_impact
from sync.workflows.drift_held import Column
from sync.workflows.drift_impact import Impact

STATE = "accepted_structure"
"""Name of the site state that holds what :func:`accept` and :func:`settle` give."""

MARKS_STATE = "structure_marks"
"""Name of the site state that holds the last run's :attr:`Examined.marks`."""

_MOST_LINES = 40
_MOST_NAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Hold what examining a pull's structure gave; the drift is empty at a site's first pull."""

    drift: Drift
    impact: Impact
    #: part of the structure, ``mapping`` and ``study`` -> fingerprint, for the run's row
    marks: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """Show it as ``sync sites drift --json`` does."""
        changes = [change.document() for change in self.drift.changes]
        return {"changes": changes, **self.impact.document(), "marks": dict(self.marks)}


def marks(structure: ProjectStructure, study: Study, mapping: SiteMapping) -> dict[str, str]:
    """Fingerprint all that decides how a site's rows are read: each part of the structure, mapping, study."""
    return {**structure_fingerprint(structure), "mapping": mapping.version, "study": study.version}


def baseline(accepted: Any, remembered: Any) -> ProjectStructure | None:
    """Choose the structure to compare with; None at a site's first pull.

    ``accepted`` and ``remembered`` are the site states ``accepted_structure`` and ``project``; the latter stands in
    at sites whose last run knew nothing of acceptance.
    """
    state = accepted or remembered
    return project.from_plain(state["structure"]) if state else None


def examine(
    before: ProjectStructure | None,
    now: ProjectStructure,
    plan: SitePlan,
    *,
    stored: Callable[[Study], Iterable[FormFrame]] | None = None,
    last_marks: Mapping[str, str] | None = None,
) -> Examined:
    """Find what changed since the accepted structure and what it does to this site.

    ``stored`` reads the site's stored frames by a study (``warehouse(study).reader().frames(site)``); it is called
    only where something graver than an addition happened, with the study as it was. Without it everything counts as
    held. ``last_marks``: those of the last run.
    """
    study, mapping = plan.resolve(now)
    found = drift.compare(before or now, now)
    impact = Impact()
    if found:
        derived = plan.study is None or plan.mapping is None
        old_study, old_mapping = plan.resolve(found.before) if derived else (study, mapping)
        is_grave = found.gravity is not Gravity.ADDITIVE
        holds = drift_held.held(stored(old_study)) if stored is not None and is_grave else None
        impact = drift_impact.affected(found, old_study, old_mapping, derived=derived, holds=holds)
    now_marks = marks(now, study, mapping)
    if plan.study is not None and last_marks:
        changed = [name for name in ("study", "mapping") if last_marks.get(name) != now_marks[name]]
        told = tuple(f"the {name} is not that of the last run: every row is read anew" for name in changed)
        impact = replace(impact, notices=(*impact.notices, *told), reread=impact.reread or bool(told))
    return Examined(drift=found, impact=impact, marks=now_marks)


def refuse(site: str, impact: Impact) -> None:
    """Raise SourceMismatch where the site has to stop."""
    if impact.stops:
        raise SourceMismatch(refusal(site, impact))


def refusal(site: str, impact: Impact) -> str:
    """Word the SourceMismatch of a site that has to stop: everything at once, and the ways out."""
    lines = [f"  {sentence}" for sentence in impact.stops[:_MOST_LINES]]
    if len(impact.stops) > _MOST_LINES:
        lines.append(f"  … and {len(impact.stops) - _MOST_LINES} more; `sync sites drift --site {site}` lists all")
    # where the dictionary itself is the study there is no mapping to correct
    way_out = "Ask the site; if it is meant," if impact.derived else "Correct the mapping or ask the site; accept with"
    return (
        "the site changed its project in a way that cannot be read safely (nothing was changed here):\n"
        + "\n".join(lines)
        + f"\n  {way_out} `sync sites drift --site {site} --accept`."
    )


def left_out(site: str, impact: Impact) -> str | None:
    """Word which columns are left out of a site that goes on, and which checks with them; None where none is."""
    if not impact.absent:
        return None
    fields = sorted({f"{form}.{column.partition('___')[0]}" for form, column in impact.absent})
    checks = sorted(check for check, names in impact.checks.items() if not set(fields).isdisjoint(names))
    stopped = f"; not evaluated because of it: {_listed(checks)}" if checks else ""
    return (
        f"left out since the site changed its project: {_listed(fields)}{stopped}; correct the mapping or ask the"
        f" site, and accept with `sync sites drift --site {site} --accept`"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def withheld(snapshot: Snapshot, study: Study, mapping: SiteMapping) -> dict[str, str]:
    """Name the export columns that the study needs and the pull does not hold, with the reason.

    Stricter than ``Snapshot.withheld``: a column that the server does not even list is missed here too, so that it
    is never read as blanks. A column that the project does not have at all is no matter of rights
    (``harmonise.mismatches``) and is left out.
    """
    fields = {field.field_name for field in snapshot.structure.fields}
    known = fields | set(snapshot.structure.export_fields)
    silent = "the server neither lists nor sends it"
    return {
        column: snapshot.withheld.get(column, silent)
        for column in sorted(harmonise.site_fields(study, mapping) - set(snapshot.rows.columns))
        if column in known or column.partition("___")[0] in fields
    }


# --- acceptance


def accept(structure: ProjectStructure, *, by: str, at: datetime) -> dict[str, Any]:
    """Make the state that says: a person saw this structure and takes it as it is (``at`` aware)."""
    return {"structure": project.as_plain(structure), "accepted_by": by, "accepted_at": at.isoformat()}


def settle(accepted: Any, examined: Examined) -> dict[str, Any] | None:
    """Give the state to put after a run that went through; None where the one that stands holds on.

    It names no person and no time, so that a run that was killed and repeated leaves the same state.
    A run that left columns out does not settle: they stay out until a person accepts. A run that stopped never
    comes here.
    """
    if examined.impact.stops or examined.impact.absent:
        return None
    if accepted is not None and not examined.drift:
        return None
    return {"structure": project.as_plain(examined.drift.now), "accepted_by": None, "accepted_at": None}


# --- columns that are left out


def leave_out(frames: Sequence[FormFrame], absent: Mapping[Column, str]) -> tuple[FormFrame, ...]:
    """Blank columns for judging and say why: a check that reads them is not evaluated, never failed or passed."""
    return tuple(_without(frame, _of_form(frame, absent)) for frame in frames)


def carry(
    frames: Sequence[FormFrame], stored: Sequence[FormFrame], absent: Mapping[Column, str]
) -> tuple[FormFrame, ...]:
    """Put what is stored into the columns that were left out, for storing: no value is lost and no cell changes.

    ``frames`` come from :func:`leave_out`, ``stored`` from ``reader.frames(site)``. A row that is new keeps blanks.
    """
    before = {frame.form.name: frame for frame in stored}
    return tuple(
        _carried(frame, before[frame.form.name], list(mine))
        if (mine := _of_form(frame, absent)) and frame.form.name in before
        else frame
        for frame in frames
    )


def _of_form(frame: FormFrame, absent: Mapping[Column, str]) -> dict[str, str]:
    return {
        column: reason for (form, column), reason in absent.items() if form == frame.form.name and column in frame.raw
    }


def _without(frame: FormFrame, mine: Mapping[str, str]) -> FormFrame:
    if not mine:
        return frame
    columns = list(mine)
    blank = [pl.lit(None, frame.rows.schema[column]).alias(column) for column in columns]
    return replace(
        frame,
        rows=frame.rows.with_columns(blank),
        raw=frame.raw.with_columns(pl.lit(None, pl.String).alias(column) for column in columns),
        problems=frame.problems.filter(~pl.col("column").is_in(columns)),
        declared=frame.declared.filter(~pl.col("column").is_in(columns)),
        absent={**frame.absent, **mine},
    )


def _carried(frame: FormFrame, stored: FormFrame, columns: list[str]) -> FormFrame:
    keys = frame.rows.select(KEY_COLUMNS).with_row_index("row")
    there = stored.rows.select(KEY_COLUMNS).with_row_index("was")
    # for each row of the pull the stored row of the same key, or null
    was = keys.join(there, on=KEY_COLUMNS, how="left", maintain_order="left")["was"]
    moved = keys.select("row", was=was).drop_nulls()

    def remarks(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
        kept = before.filter(pl.col("column").is_in(columns)).join(moved, left_on="row", right_on="was", how="inner")
        return pl.concat([now, kept.select(row=pl.col("row_right"), **{c: c for c in now.columns[1:]})])

    return replace(
        frame,
        rows=frame.rows.with_columns(stored.rows[column].gather(was).alias(column) for column in columns),
        raw=frame.raw.with_columns(stored.raw[column].gather(was).alias(column) for column in columns),
        problems=remarks(frame.problems, stored.problems),
        declared=remarks(frame.declared, stored.declared),
    )
