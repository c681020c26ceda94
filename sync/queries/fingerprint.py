"""Fingerprint the values that a check read, so that a confirmation can be bound to them.

The fingerprint leaves the house in lists and ledgers, therefore it is keyed (HMAC-SHA256): who does not hold the
key cannot try out the few plausible values of a cell.
"""

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Sequence

from validators.findings import Evidence, Finding


def major_of(check_version: str) -> str:
    """Give the part of a check's version whose change makes a confirmation lapse ("2" of "2.1")."""
    return check_version.split(".", maxsplit=1)[0].strip()


def normalised(text: str | None) -> str:
    """Level what a person would call the same entry: blank is missing, outer and doubled blanks do not count.

    Unicode is composed (NFC), so that an entry typed on another keyboard stays the same entry. Case counts.
    """
    return " ".join(unicodedata.normalize("NFC", text or "").split())


def digest(text: str, *, key: bytes) -> str:
    """Hash a text with a key: 64 lower-case hex digits."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def of_evidence(evidence: Sequence[Evidence], *, check_version: str, key: bytes) -> str:
    """Fingerprint evidence and a check's major version; 64 hex digits, independent of the evidence's order.

    Raw *and* harmonised values count: a site that changes the unit beside the number, or a mapping that reads the
    same entry differently, has changed what a person confirmed. The record id is left out, so that a renamed
    record keeps its confirmations.
    """
    read = sorted(
        [
            item.event,
            item.instrument,
            str(item.instance),
            item.field,
            normalised(item.raw),
            normalised(item.value),
        ]
        for item in evidence
    )
    return digest(json.dumps([major_of(check_version), read], ensure_ascii=True), key=key)


def of_finding(finding: Finding, *, key: bytes) -> str:
    """Fingerprint a finding by what its check read; by its own cell where the check names no inputs."""
    row = finding.row
    own = Evidence(
        event=row.event,
        instrument=row.instrument,
        instance=row.instance,
        field=finding.field,
        raw=finding.raw,
        value=finding.value,
    )
    return of_evidence(finding.evidence or (own,), check_version=finding.check_version, key=key)
