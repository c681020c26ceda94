"""Take the fingerprint of a project's structure, so that a run can tell that it changed, and in which part."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from schemas.project import Instrument, ProjectStructure, RedcapField

_OF_FIELD = tuple(each.name for each in fields(RedcapField))
_OF_INSTRUMENT = tuple(each.name for each in fields(Instrument))


def structure_fingerprint(structure: ProjectStructure) -> Mapping[str, str]:
    """Hash each part of a structure by itself (SHA-256, hex): two equal maps mean that nothing drifted.

    Parts: fields (with their order), instruments, events, event_forms, repeating, missing_codes. Event ids and
    REDCap's version are left out: moving a project to another server is no drift.
    """
    parts = {
        "fields": [{name: getattr(field, name) for name in _OF_FIELD} for field in structure.fields],
        "instruments": [{name: getattr(each, name) for name in _OF_INSTRUMENT} for each in structure.instruments],
        "events": [[event.unique_name, event.label, event.arm] for event in structure.events],
        "event_forms": sorted(structure.event_forms),
        "repeating": sorted(structure.repeating),
        "missing_codes": sorted(structure.missing_codes.items()),
    }
    return {name: _hash(part) for name, part in parts.items()}


def _hash(part: Any) -> str:
    text = json.dumps(part, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
