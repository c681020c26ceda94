"""Read the texts in which REDCap keeps choices, missing-data codes and labels."""

import html
import re
from collections.abc import Mapping

_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_SPACE = re.compile(r"\s+")


def parse_choices(text: str) -> tuple[tuple[str, str], ...]:
    """Split ``1, Yes | 0, No`` into (code, label) pairs, in order, double codes included.

    As real dictionaries need it: only the first comma separates (labels hold commas), blanks around both parts
    are dropped, empty parts between two bars are skipped, a code without a label is its own label. Where no bar
    stands in the text, lines separate.
    """
    parts = text.split("|")
    if len(parts) == 1:
        lines = [line for line in text.replace("\\n", "\n").splitlines() if line.strip()]
        # a line break inside the one label of a single choice is no separator
        parts = lines if all("," in line for line in lines) else parts
    pairs = []
    for part in parts:
        code, _, label = part.strip().partition(",")
        if code.strip():
            pairs.append((code.strip(), plain_label(label) or code.strip()))
    return tuple(pairs)


def missing_codes_from_text(text: str) -> Mapping[str, str]:
    """Read a project's missing-data codes, ``NA,Not applicable|UNK,Unknown``, as code -> meaning."""
    codes: dict[str, str] = {}
    for code, meaning in parse_choices(text):
        codes.setdefault(code, meaning)
    return codes


def plain_label(text: str) -> str:
    """Take markup out of a label: tags dropped, entities resolved, white space folded."""
    return _SPACE.sub(" ", html.unescape(_TAG.sub(" ", text))).strip()
