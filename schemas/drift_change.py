"""Say what one change of a project's structure is: which part, what happened, and how grave it is by itself.

How grave a change is *here* depends on what the study reads (``sync.workflows.drift_impact``); this is how grave it
is to somebody who reads everything.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from schemas.choices import plain_label

_LONGEST = 80
_SPACE = re.compile(r"\s+")
# full-width forms, which a Chinese keyboard writes for the plain ones
_PLAIN_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


@unique
class Part(StrEnum):
    """Name the part of a project that changed."""

    PROJECT = "project"
    FIELD = "field"
    CHOICE = "choice"
    FORM = "form"
    EVENT = "event"
    DESIGNATION = "designation"
    REPEATING = "repeating"
    MISSING_CODE = "missing_code"
    GROUP = "group"
    EXPORT = "export"


@unique
class What(StrEnum):
    """Name what happened to it."""

    ADDED = "added"
    REMOVED = "removed"
    #: ``becomes`` is the new name; for a field, and mostly for a form, a guess
    RENAMED = "renamed"
    #: a field; ``becomes`` is its new form
    MOVED = "moved"
    #: a code now has another label: what is stored under it means something else
    RELABELLED = "relabelled"
    #: a label now has another code
    RECODED = "recoded"
    #: ``aspect`` says what of it
    CHANGED = "changed"


@unique
class Gravity(StrEnum):
    """Order changes by what they do to whoever reads the part."""

    #: nothing that was read before reads otherwise
    ADDITIVE = "additive"
    #: it still reads the same, but what it means or when it is filled in may differ
    ALTERING = "altering"
    #: it can't be read any more, or reads as something else
    BREAKING = "breaking"


GRAVEST_FIRST = (Gravity.BREAKING, Gravity.ALTERING, Gravity.ADDITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Hold one difference between two structures; holds names and labels, never a value of a record."""

    part: Part
    what: What
    #: name of what changed; of a choice its field; of a designation or repetition the instrument (or the event)
    subject: str
    gravity: Gravity
    #: one sentence for a person
    sentence: str
    #: the attribute that changed (``branching_logic``, ``type``, ``record_field``, …)
    aspect: str = ""
    #: the new name or place
    becomes: str | None = None
    #: unique event name of a designation or repetition; "" in a classic project
    event: str | None = None
    #: the codes that a change of choices is about; of RECODED the old one and the new one
    codes: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """Show the change as JSON holds it."""
        return {
            "part": self.part.value,
            "what": self.what.value,
            "subject": self.subject,
            "gravity": self.gravity.value,
            "sentence": self.sentence,
            "aspect": self.aspect,
            "becomes": self.becomes,
            "event": self.event,
            "codes": list(self.codes),
        }


def keyed(
    part: Part,
    before: Mapping[str, str],
    now: Mapping[str, str],
    *,
    word: str,
    removed: Gravity,
    relabelled: Gravity,
    added: Gravity = Gravity.ADDITIVE,
) -> Iterator[Change]:
    """Compare names that carry labels: which came, which went, which are called otherwise."""
    for name in before.keys() - now.keys():
        sentence = f"{word} '{name}' ({shown(before[name])}) was removed"
        yield Change(part=part, what=What.REMOVED, subject=name, gravity=removed, sentence=sentence)
    for name in now.keys() - before.keys():
        sentence = f"{word} '{name}' ({shown(now[name])}) was added"
        yield Change(part=part, what=What.ADDED, subject=name, gravity=added, sentence=sentence)
    for name in before.keys() & now.keys():
        if before[name] != now[name]:
            yield Change(
                part=part,
                what=What.CHANGED,
                subject=name,
                gravity=relabelled,
                sentence=f"{word} '{name}' is called {shown(now[name])}, it was {shown(before[name])}",
                aspect="label",
            )


def same_words(first: str, second: str) -> bool:
    """Tell whether two labels differ in case, white space, width, markup or a closing stop only."""
    return folded(first) == folded(second)


def folded(label: str) -> str:
    """Reduce a label to what :func:`same_words` compares; signs and digits stay, since they carry meaning."""
    plain = plain_label(label).translate(_PLAIN_WIDTH).casefold()
    return _SPACE.sub("", plain).rstrip(".;:,。；：，")


def shown(text: str) -> str:
    """Show a label or a piece of logic within a sentence: on one line, quoted, cut where it is long."""
    plain = _SPACE.sub(" ", text).strip()
    if not plain:
        return "blank"
    return f"“{plain}”" if len(plain) <= _LONGEST else f"“{plain[: _LONGEST - 1]}…”"
