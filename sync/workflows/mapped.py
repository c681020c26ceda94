"""Notice what a mapping no longer reads: not looked at is not gone. Pure.

A visit, form or field that disappears from a mapping file would look like rows that were deleted at the site: they
would leave the warehouse and their queries would close unseen. So each run compares what the mapping reads with what
it read last, and stops the site where something is lost that the warehouse holds, until a person accepts it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from schemas.frames import FormFrame
from schemas.study import Study
from sync.errors import SourceMismatch
from sync.harmonise.mapping import SiteMapping
from sync.plural import counted

STATE = "mapped"
"""Name of the site state that holds what the last run's mapping read."""


def reads(study: Study, mapping: SiteMapping) -> dict[str, list[str]]:
    """List the visits, and the fields (``form.field``), that a mapping reads; sorted, fit for JSON."""
    fields = [
        f"{form.name}.{each.name}"
        for form in study.forms
        if form.name in mapping.forms
        for each in form.fields
        if each.name in mapping.forms[form.name].sources
    ]
    return {"visits": sorted(mapping.visits), "fields": sorted(fields)}


def refuse_losses(
    site: str,
    before: Mapping[str, Any] | None,
    study: Study,
    mapping: SiteMapping,
    *,
    stored: Callable[[], Iterable[FormFrame]],
) -> None:
    """Raise SourceMismatch where the mapping lost what the warehouse holds values of.

    ``before``: what :func:`reads` gave for the last run; None where there was none. ``stored`` is called only where
    something was lost. What the study itself no longer has is no loss of the mapping.
    """
    if before is None:
        return
    now = reads(study, mapping)
    known = {f"{form.name}.{each.name}" for form in study.forms for each in form.fields}
    planned = {visit.id for visit in study.visits}
    visits = sorted((set(before["visits"]) - set(now["visits"])) & planned)
    fields = sorted((set(before["fields"]) - set(now["fields"])) & known)
    if not visits and not fields:
        return
    lines = list(_held(stored(), visits, fields))
    if lines:
        raise SourceMismatch(
            "the mapping no longer reads what the warehouse holds (nothing was changed):\n"
            + "\n".join(f"  {line}" for line in lines[:20])
            + (f"\n  … and {len(lines) - 20} more" if len(lines) > 20 else "")
            + "\n  Put it back into the mapping; or, if the rows and their queries are to go, accept it with "
            f"`sync sites drift --site {site} --accept`."
        )


def _held(frames: Iterable[FormFrame], visits: Sequence[str], fields: Sequence[str]) -> list[str]:
    """Say of each lost visit and field how much the warehouse holds of it; what holds nothing is left out.

    Frames of one form may come in parts.
    """
    rows: Counter[str] = Counter()
    cells: Counter[str] = Counter()
    for frame in frames:
        rows.update({visit: int((frame.rows["event"] == visit).sum()) for visit in visits})
        for each in frame.form.fields:
            if (name := f"{frame.form.name}.{each.name}") in fields:
                columns = [column for column in each.columns if column in frame.raw.columns]
                cells[name] += sum(int(frame.raw[column].count()) for column in columns)
    return [
        *(f"visits.{visit}: {counted(rows[visit], 'row')}" for visit in visits if rows[visit]),
        *(
            f"forms.{name.replace('.', '.fields.', 1)}: {counted(cells[name], 'value')}"
            for name in fields
            if cells[name]
        ),
    ]
