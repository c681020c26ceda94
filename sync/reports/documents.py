"""Turn results into the JSON documents of the public interface."""

from collections.abc import Mapping
from typing import Any

from schemas.labels import word
from validators.findings import Finding, NotEvaluated


def finding(each: Finding, *, language: str, link: str | None) -> dict[str, Any]:
    """Show one finding as the interface promises it."""
    return {
        "site": each.row.site,
        "record": each.row.record,
        "event": each.row.event,
        "instrument": each.row.instrument,
        "instance": each.row.instance,
        "field": each.field,
        "site_field": each.site_field,
        "check": each.check,
        "check_version": each.check_version,
        "severity": each.severity.value,
        "condition": "FAILING",
        "raw": each.raw,
        "value": each.value,
        "unit": each.unit,
        "message": word(each.message, language, each.check),
        "messages": dict(each.message),
        "link": link,
    }


def not_evaluated(each: NotEvaluated) -> dict[str, Any]:
    """Show what could not be checked, where and why."""
    return {"check": each.check, "scope": each.scope, "reason": each.reason, "count": each.count}


def tally(counts: Mapping[str, int]) -> str:
    """Say counts in words, leaving out the zeros: ``3 hard, 1 soft``."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
