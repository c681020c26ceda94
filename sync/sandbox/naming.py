"""Derive the names that REDCap derives: event and group slugs, checkbox columns, record order."""

import re
from collections.abc import Iterable
from itertools import count

_CHUNK = re.compile(r"(\d+)")
_SLUG_LENGTH = 18


def slug(name: str) -> str:
    """Lower-case `name`, turn spaces to underscores, drop the rest and cut it to 18 characters."""
    text = re.sub(r"[^a-z0-9_]", "", name.lower().replace(" ", "_"))
    return re.sub(r"_+", "_", text)[:_SLUG_LENGTH].strip("_")


def unique_names(names: Iterable[str], *, suffix: str = "", fallback: str = "group") -> list[str]:
    """Slug every name, telling duplicates apart by a letter (a guess: `duplicate-slug`)."""
    taken: set[str] = set()
    out: list[str] = []
    for name in names:
        base = slug(name) or fallback
        chosen = base + suffix
        for number in count(1):
            if chosen not in taken:
                break
            letter = _letters(number)
            chosen = base[: _SLUG_LENGTH - len(letter)] + letter + suffix  # guess: duplicate-slug
        taken.add(chosen)
        out.append(chosen)
    return out


def _letters(number: int) -> str:
    text = ""
    while number:
        number, rest = divmod(number, 26)
        text = chr(ord("a") + rest) + text
    return text


def checkbox_column(field: str, code: str) -> str:
    """Name the flat column of one checkbox option: `field___code`, odd characters of the code as `_`."""
    return f"{field}___{re.sub(r'[^a-z0-9_]', '_', code.lower())}"


def whole(text: str) -> int | None:
    """Read a whole number of up to nine ASCII digits, None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Order record ids as people do: `2` before `10`, `331-2` before `331-10`."""
    return tuple(
        (0, int(chunk), "") if index % 2 else (1, 0, chunk.lower())
        for index, chunk in enumerate(_CHUNK.split(text))
        if chunk
    )
