"""Decide whether a run may go through, or whether a person must look first. Pure.

A centre that changes its units, a token that suddenly sees nothing, a form that is re-built: each looks like a great
many changes at once, and none of them should reach the warehouse before somebody has looked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from sync.config import BrakesConfig
from sync.plural import counted
from sync.volume import ColumnChange, PlaceChange, Volume

_NAMED = 5
"""Columns or checks that a sentence names one by one."""


class Brake(StrEnum):
    """Name the reasons to stop."""

    EMPTIED = "emptied"
    RECORDS_GONE = "records_gone"
    RECORDS_UNTRACED = "records_untraced"
    ROWS_UNTRACED = "rows_untraced"
    ROWS_GONE = "rows_gone"
    PLACE_EMPTIED = "place_emptied"
    CELLS_CHANGED = "cells_changed"
    COLUMN_CHANGED = "column_changed"
    QUERIES_CLOSED = "queries_closed"
    QUERIES_CLOSED_UNCHANGED = "queries_closed_unchanged"
    CHECK_CLOSED = "check_closed"
    QUERIES_OPENED = "queries_opened"
    CHECK_OPENED = "check_opened"


_SUBJECTS = {
    Brake.COLUMN_CHANGED: ("column", "columns"),
    Brake.PLACE_EMPTIED: ("form and visit", "forms and visits"),
}
"""What a reason to stop is about, one and many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Hold one reason to stop: its kind, its figure, what it is about, and the sentence for a person."""

    brake: Brake
    count: int
    sentence: str
    #: the column, check, or form and visit; empty where it is about the site as a whole
    subject: str = ""


def brakes(volume: Volume, limits: BrakesConfig) -> tuple[str, ...]:
    """Name every reason to stop, each with its figures; none where the run may go through.

    The first run of a site (nothing held yet) never brakes.
    """
    return worded(reasons(volume, limits))


def reasons(volume: Volume, limits: BrakesConfig) -> tuple[Reason, ...]:
    """Find every reason to stop; see ``brakes``."""
    if not volume.records_before:
        return ()
    return (*_of_records(volume, limits), *_of_values(volume, limits), *_of_queries(volume, limits))


def worded(found: Sequence[Reason]) -> tuple[str, ...]:
    """Give the sentences of reasons; of many columns or checks the first few are named, and the rest counted."""
    sentences: list[str] = []
    for brake, group in groupby(found, key=lambda reason: reason.brake):
        alike = list(group)
        sentences += [reason.sentence for reason in alike[:_NAMED]]
        if (left := len(alike) - _NAMED) > 0:
            sentences.append(f"and so in {left} more {_SUBJECTS.get(brake, ('check', 'checks'))[left > 1]}")
    return tuple(sentences)


def _of_records(volume: Volume, limits: BrakesConfig) -> Iterator[Reason]:
    before = volume.records_before
    if volume.records_now == 0:
        text = f"the project is empty, the warehouse holds {before} records of it"
        yield Reason(brake=Brake.EMPTIED, count=before, sentence=text)
    elif _too_many(volume.records_gone, before, limits.deleted_records_percent, limits.deleted_records_allowed):
        text = f"{volume.records_gone} of {before} records are gone"
        yield Reason(brake=Brake.RECORDS_GONE, count=volume.records_gone, sentence=text)
    if volume.records_untraced > limits.unexplained_deletions_allowed:
        text = (
            f"{counted(volume.records_untraced, 'record is', 'records are')} gone without a trace in the server's log"
        )
        yield Reason(brake=Brake.RECORDS_UNTRACED, count=volume.records_untraced, sentence=text)
    if (thinned := len(volume.thinned_untraced)) > limits.unexplained_deletions_allowed:
        who = counted(thinned, "record that stays", "records that stay")
        text = f"{who} lost rows without a trace in the server's log"
        yield Reason(brake=Brake.ROWS_UNTRACED, count=thinned, sentence=text)
    # what so many records hold on average may vanish from within records, too
    rows_allowed = -(-limits.deleted_records_allowed * volume.rows_known // before)
    if _too_many(volume.rows_gone, volume.rows_known, limits.deleted_records_percent, rows_allowed):
        text = f"{volume.rows_gone} of {volume.rows_known} form rows are gone from records that stay"
        yield Reason(brake=Brake.ROWS_GONE, count=volume.rows_gone, sentence=text)
    for place in volume.places:
        if place.known is not None and _loses_too_many(place, place.known, limits):
            text = f"{place.name}: {place.gone} of {place.known} rows are gone from records that stay"
            yield Reason(brake=Brake.PLACE_EMPTIED, count=place.gone, sentence=text, subject=place.name)


def _loses_too_many(place: PlaceChange, known: int, limits: BrakesConfig) -> bool:
    """Tell whether a form loses too many rows at a visit; of one that is emptied a few rows are too many."""
    is_emptied = place.gone == known and place.gone > limits.deleted_records_allowed
    percent, allowed = limits.changed_column_percent, limits.changed_column_allowed
    return is_emptied or _too_many(place.gone, known, percent, allowed)


def _of_values(volume: Volume, limits: BrakesConfig) -> Iterator[Reason]:
    if _too_many(volume.cells_changed, volume.cells_known, limits.changed_cells_percent, limits.changed_cells_allowed):
        text = f"{volume.cells_changed} of {volume.cells_known} known cells would change"
        yield Reason(brake=Brake.CELLS_CHANGED, count=volume.cells_changed, sentence=text)
    for column in volume.columns:
        percent, allowed = of_column(limits, column.factor)
        if column.known is not None and _too_many(column.changed, column.known, percent, allowed):
            yield Reason(
                brake=Brake.COLUMN_CHANGED, count=column.changed, sentence=_of_column(column), subject=column.name
            )


def of_column(limits: BrakesConfig, factor: float | None) -> tuple[float, int]:
    """Give the share of a column's values, in percent, and the number that may change.

    Half of the share and two fifths of the number where all change by one factor, which looks like another unit.
    """
    percent, allowed = limits.changed_column_percent, limits.changed_column_allowed
    if factor is None or percent >= 100:
        return percent, allowed
    return percent / 2, 2 * allowed // 5


def _of_column(column: ColumnChange) -> str:
    text = f"{column.name}: {column.changed} of {column.known} known values would change"
    if column.emptied:
        text += f", {column.emptied} of them to nothing"
    if column.factor is None:
        return text
    return f"{text}, as if the unit had changed (factor {column.factor:.3g})"


def _of_queries(volume: Volume, limits: BrakesConfig) -> Iterator[Reason]:
    waiting, percent = volume.queries_open, limits.closed_queries_percent
    unexplained = volume.queries_closed_unchanged
    if _too_many(volume.queries_closed, waiting, percent, limits.closed_queries_allowed):
        text = f"{volume.queries_closed} of {waiting} open queries would close"
        yield Reason(brake=Brake.QUERIES_CLOSED, count=volume.queries_closed, sentence=text)
    if _too_many(unexplained, waiting, percent, limits.closed_unchanged_allowed):
        text = f"{unexplained} of {waiting} open queries would close though nothing changed in their records"
        yield Reason(brake=Brake.QUERIES_CLOSED_UNCHANGED, count=unexplained, sentence=text)
    for each in volume.checks:
        if _too_many(each.closed_unchanged, each.waiting, percent, limits.closed_unchanged_allowed):
            text = (
                f"check {each.name}: {each.closed_unchanged} of {each.waiting} open queries would close though "
                "nothing changed in their records"
            )
            count = each.closed_unchanged
            yield Reason(brake=Brake.CHECK_CLOSED, count=count, sentence=text, subject=each.name)
    opened = volume.queries_opened - volume.queries_opened_new
    if opened > max(limits.opened_queries_allowed, limits.opened_queries_per_record * volume.records_before):
        text = f"{opened} queries would open about {volume.records_before} known records"
        yield Reason(brake=Brake.QUERIES_OPENED, count=opened, sentence=text)
    for each in volume.checks:
        most = limits.opened_check_percent * volume.records_before
        if each.opened > limits.opened_check_allowed and each.records * 100 > most:
            text = (
                f"check {each.name}: {each.opened} queries would open, at {each.records} of "
                f"{volume.records_before} known records"
            )
            yield Reason(brake=Brake.CHECK_OPENED, count=each.opened, sentence=text, subject=each.name)


def _too_many(count: int, of: int, percent: float, allowed: int) -> bool:
    return count > allowed and count * 100 > percent * of
