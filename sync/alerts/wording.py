"""Word an alert, and filter what goes into it.

Reasons are written to hold no value. The filter is there for the day on which one does.
"""

import re
from collections.abc import Sequence
from typing import Any

from sync import telemetry
from sync.plural import counted
from sync.ports.alerts import Alert, SiteLine

_BLOT = "[hidden]"
_DATE = re.compile(r"\b\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\b\d{1,2}[/.]\d{1,2}[/.]\d{4}\b")
_LONG_NUMBER = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){5,}(?![\w.])")
_ADDRESS = re.compile(r"[^@\s<>\"'(),;:]+@[^@\s<>\"'(),;:]+\.[A-Za-z]{2,}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 1000

SENTENCES = {
    3: "could not be reached; it is tried again by itself",
    4: "refused or does not match its configuration (token, rights, changed form); a person must look",
    5: "was stopped by a brake: too much would have changed at once; a person must look",
    70: "failed by a fault of the program or of its machine",
}
"""Exit code -> what it means for a site, for ways that carry no reason."""


def safe(text: str, prefixes: Sequence[str]) -> str:
    """Blot out tokens, passwords in addresses, subjects' ids, dates, long numbers and e-mail addresses; cut the rest.

    ``prefixes`` are those of the sites' subjects. A filter, no proof: what enters must be free of values already.
    """
    kept = str(telemetry.redact(None, "", {"reason": _CONTROL.sub(" ", text)})["reason"])
    for prefix in prefixes:
        kept = re.sub(rf"(?<![A-Za-z]){re.escape(prefix)}[-_/. ]?\d+(?:-\d+)*", _BLOT, kept, flags=re.IGNORECASE)
    for pattern in (_ADDRESS, _DATE, _LONG_NUMBER):
        kept = pattern.sub(_BLOT, kept)
    return kept if len(kept) <= _LONGEST else f"{kept[:_LONGEST]}…"


def summary(alert: Alert) -> str:
    """Say in one line what is wrong, with counts and sites only."""
    if alert.is_test:
        return "Syncline: a test of the alerts; nothing is wrong"
    if not alert.sites:
        return f"Syncline: no site could be worked on (exit {alert.exit_code})"
    words = ", ".join(f"{line.site} {line.outcome}" for line in alert.troubles)
    many = f"{len(alert.troubles)} of {counted(len(alert.sites), 'site')}"
    trouble = f"{many} in trouble: {words}" if alert.troubles else ""
    look = f"a person should look at {', '.join(line.site for line in alert.warned)}" if alert.warned else ""
    return f"Syncline: {'; '.join(each for each in (trouble, look) if each)}"


def document(alert: Alert) -> dict[str, Any]:
    """Show an alert as JSON; ``text`` serves chat servers, which read that key."""
    return {
        "format": "syncline/1",
        "alert": "test" if alert.is_test else "trouble" if alert.troubles or not alert.sites else "warning",
        "at": alert.at.isoformat(timespec="seconds"),
        "exit_code": alert.exit_code,
        "text": "\n".join([summary(alert), *_lines(alert), *([alert.link] if alert.link else [])]),
        "reason": alert.reason,
        "link": alert.link,
        "sites": [_site(line) for line in alert.sites],
    }


def _lines(alert: Alert) -> list[str]:
    whole = [alert.reason] if alert.reason else []
    reasons = [f"{line.site}: {line.reason}" for line in alert.troubles if line.reason]
    return whole + reasons + [f"{line.site}: {warning}" for line in alert.warned for warning in line.warnings]


def _site(line: SiteLine) -> dict[str, Any]:
    return {
        "site": line.site,
        "run_id": line.run_id,
        "outcome": line.outcome,
        "exit_code": line.exit_code,
        "reason": line.reason,
        "repeated": line.repeated,
        "warnings": list(line.warnings),
        "counts": dict(line.counts),
    }


def letter(alert: Alert) -> str:
    """Word an alert for e-mail: counts, standing sentences and a link; no reason, as mail is read by many servers."""
    lines = [summary(alert), ""]
    for line in alert.troubles:
        told = " (told before)" if line.repeated else ""
        lines.append(f"- {line.site} {SENTENCES.get(line.exit_code, SENTENCES[70])} (exit {line.exit_code}){told}.")
        lines.append(f"  Reason: sync runs show {line.run_id}" if line.run_id else "  Reason: see the log")
    for line in alert.warned:
        lines.append(f"- {line.site}: {counted(len(line.warnings), 'new notice')} that a person should read.")
        lines.append("  See: sync status")
    if not alert.sites and not alert.is_test:
        lines.append("The configuration, the study or the warehouse is not usable. See the log, or run: sync doctor")
    fine = sum(line.exit_code == 0 for line in alert.sites)
    lines += ["", f"Sites done in the same run: {fine}.", f"At: {alert.at.isoformat(timespec='seconds')}"]
    if alert.link:
        lines.append(f"More: {alert.link}")
    lines += ["", "This letter holds no data of patients. Do not answer with any."]
    return "\n".join(lines) + "\n"
