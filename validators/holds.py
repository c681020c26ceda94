"""Hold a finding back where a graver one in the same place explains it.

The site is then asked about the cause only; the held finding stays in the results and is asked when the cause is
gone and it still fails. Two rules hold for every study:

* a visit that is missing explains what is blank at that visit;
* a value that is impossible or in the wrong unit explains soft findings that read it;
* a graver finding at a cell explains that it is blank.

A check may name others that it explains (``params.explains``): where it fires and at least MANY of theirs fire for
the same subject, these are many symptoms of one cause.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from schemas.study import CheckSpec, Severity
from validators.findings import Finding

MANY = 3
"""From how many findings of a subject on an explaining check is taken for their cause."""

_EXPLAINING = frozenset({"range", "unit", "format"})


def hold(findings: Iterable[Finding], specs: Mapping[str, CheckSpec]) -> tuple[Finding, ...]:
    """Mark the findings that others explain; a check's parameter ``explains`` names more (ids, same subject)."""
    found = tuple(findings)
    often = Counter((each.row.record, each.check) for each in found)
    cells: dict[tuple[str, str, str, int, str], str] = {}
    visits: dict[tuple[str, str], str] = {}
    subjects: dict[tuple[str, str], str] = {}
    graver: dict[tuple[str, str, str, int, str], str] = {}
    for each in found:
        spec = specs[each.check]
        row = each.row
        if spec.category in _EXPLAINING and (each.severity is Severity.HARD or spec.category == "unit"):
            cells.setdefault((row.record, row.event, row.instrument, row.instance, each.field), each.check)
        if spec.category == "visit" and each.site_instance is None and each.raw is None and each.value is None:
            visits.setdefault((row.record, row.event), each.check)
        for other in spec.params.get("explains", ()):
            if often[row.record, other] >= MANY:
                subjects.setdefault((row.record, other), each.check)
        if each.severity is Severity.HARD and spec.category != "missing":
            graver.setdefault((row.record, row.event, row.instrument, row.instance, each.field), each.check)
    held = ((each, _holder(each, specs, cells, visits, subjects, graver)) for each in found)
    return tuple(each if cause is None else replace(each, held_by=cause) for each, cause in held)


def _holder(
    each: Finding,
    specs: Mapping[str, CheckSpec],
    cells: Mapping[tuple[str, str, str, int, str], str],
    visits: Mapping[tuple[str, str], str],
    subjects: Mapping[tuple[str, str], str],
    graver: Mapping[tuple[str, str, str, int, str], str],
) -> str | None:
    spec, row = specs[each.check], each.row
    if (row.record, each.check) in subjects:
        return subjects[row.record, each.check]
    if spec.category == "missing":
        own = (row.record, row.event, row.instrument, row.instance, each.field)
        return visits.get((row.record, row.event)) or (graver.get(own) if each.severity is not Severity.HARD else None)
    if each.severity is Severity.HARD or spec.category in _EXPLAINING:
        return None
    for read in each.evidence:
        cause = cells.get((row.record, read.event, read.instrument, read.instance, read.field))
        if cause is not None and cause != each.check:
            return cause
    return None
