"""Choose labels by language and sort names the way people do."""

from collections.abc import Mapping


def word(labels: Mapping[str, str], language: str, fallback: str) -> str:
    """Choose the text of a language, else English, else the first there is, else the name itself."""
    return labels.get(language) or labels.get("en") or next(iter(labels.values()), fallback)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Make a sort key in which 2 comes before 10 and ZJJU-002 before ZJJU-010."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for character in text + "\0":
        if character.isdigit() and character.isascii():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, character))
    return tuple(parts)
