"""Say what the warehouse holds of a site, so that a change which touches nothing stored need stop nobody. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.frames import FormFrame, columns_of
from schemas.study import Kind

Column = tuple[str, str]
"""A study form and one of its frame columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Say what the warehouse holds of a site, without any value."""

    #: columns with a text in at least one row; of a checkbox's, those that were ever ticked
    columns: frozenset[Column]
    #: (form, visit) with at least one row
    places: frozenset[tuple[str, str]]
    #: (form, visit) with an instance beyond the first
    repeats: frozenset[tuple[str, str]]
    #: words for a missing value that stand in some cell
    words: frozenset[str]


def held(frames: Iterable[FormFrame]) -> Held:
    """Look what stored frames hold."""
    columns: set[Column] = set()
    places: set[tuple[str, str]] = set()
    repeats: set[tuple[str, str]] = set()
    words: set[str] = set()
    for frame in frames:
        name = frame.form.name
        for column, each in columns_of(frame.form).items():
            cells = frame.raw[column]
            filled = (cells == "1").any() if each.kind is Kind.CHECKBOX else cells.null_count() < cells.len()
            if filled:
                columns.add((name, column))
        places |= {(name, event) for event in frame.rows["event"].unique()}
        repeats |= {(name, event) for event in frame.rows.filter(frame.rows["instance"] > 1)["event"].unique()}
        words |= set(frame.declared["word"].unique())
    return Held(
        columns=frozenset(columns), places=frozenset(places), repeats=frozenset(repeats), words=frozenset(words)
    )
