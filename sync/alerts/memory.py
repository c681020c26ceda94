"""Remember what was told, so that the same trouble is not told again and again.

A small JSON file: per site a digest of its trouble, and of each warning, and when it was told. It holds no reason and
no value. Where it is lost, damaged or cannot be written, trouble is told once too often, never once too seldom.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sync.ports.alerts import SiteLine

WHOLE = ""
"""Stands in place of a site for what concerns all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Hold what was told of one site, and when."""

    trouble: str
    at: datetime


Memory = Mapping[str, Told]


def digest(outcome: str, exit_code: int, reason: str | None) -> str:
    """Name a trouble; counts and times in the reason do not make it another one."""
    plain = re.sub(r"\d+", "#", reason or "")
    return hashlib.sha256(f"{outcome}|{exit_code}|{plain}".encode()).hexdigest()[:16]


def is_news(memory: Memory, site: str, trouble: str, *, now: datetime, repeat: timedelta) -> bool:
    """Tell whether a trouble has not been told yet, has changed, or was told long enough ago."""
    told = memory.get(site)
    # a moment to come was noted by a clock that was wrong
    return told is None or told.trouble != trouble or now - told.at >= repeat or told.at > now


def warning_key(site: str, warning: str) -> str:
    """Name a warning of a site, to be remembered beside the site's trouble; no slug holds a space."""
    # a count makes it no other one, a digit in the name of a field does
    plain = re.sub(r"(?<![\w.])\d+(?![\w.])", "#", warning)
    return f"{site} {hashlib.sha256(plain.encode()).hexdigest()[:16]}"


def recovered(memory: Memory, lines: Sequence[SiteLine]) -> Memory:
    """Forget the troubles of sites that are done, and the warnings that they no longer give.

    Whoever reached a site has also got past what concerns all.
    """
    done = {line.site for line in lines if line.exit_code == 0}
    standing = {warning_key(line.site, warning) for line in lines for warning in line.warnings}
    return {
        key: told
        for key, told in memory.items()
        if not (lines and key == WHOLE) and (key in standing or key.partition(" ")[0] not in done)
    }


def read(path: Path) -> Memory:
    """Read the file; nothing is remembered where it is absent or damaged."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))["told"]
        memory = {
            str(site): Told(trouble=str(each["trouble"]), at=datetime.fromisoformat(each["at"]))
            for site, each in held.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {site: told for site, told in memory.items() if told.at.tzinfo is not None}


def write(path: Path, memory: Memory) -> None:
    """Replace the file whole, or not at all; OSError where it cannot be written."""
    told = {site: {"trouble": each.trouble, "at": each.at.isoformat()} for site, each in sorted(memory.items())}
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({"format": "syncline-alerts/1", "told": told}, indent=1), encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
