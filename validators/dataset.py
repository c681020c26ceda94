"""Hold everything known of one site while it is judged, and find the rows that belong together.

Checks ask here instead of joining for themselves: a *view* is one form's rows with flags for what could not be
read; a *reading* is a column of another form laid beside the rows of this one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from schemas.coordinates import KEY_COLUMNS
from schemas.frames import (
    DECLARED_SCHEMA,
    META_COLUMNS,
    PROBLEM_SCHEMA,
    FormFrame,
    columns_of,
    empty_rows,
)
from schemas.study import Field, Form, Kind, Study
from validators.references import ANY, RELATIVE, SAME

_STEPS = {"current-instance": 0, "previous-instance": -1, "next-instance": 1}

NOT_DELIVERED = "the form is not part of this site's data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Lay one column of ``form`` beside the rows of another: value, place and whether it could not be read."""

    form: str
    column: str
    values: pl.Series
    #: UInt32 row of ``form``; null where the subject has no such row
    rows: pl.Series
    unreadable: pl.Series


class Dataset:
    """Hold one site's frames by form, with the look-ups that checks share. Holds values: never log it."""

    def __init__(self, study: Study, frames: Sequence[FormFrame], *, site: str, prefix: str, as_of: datetime) -> None:
        """Take the frames of one site; ``as_of`` is aware and in the study's time zone.

        A form of the study without a frame counts as wholly unmapped.
        """
        self.study = study
        self.site = site
        self.prefix = prefix
        self.as_of = as_of
        given = {frame.form.name: frame for frame in frames}
        #: forms that somebody looked at, though they may hold no row
        self.delivered: frozenset[str] = frozenset(given)
        self.frames: Mapping[str, FormFrame] = {
            form.name: given.get(form.name) or _undelivered(form) for form in study.forms
        } | {name: frame for name, frame in given.items() if name not in {f.name for f in study.forms}}
        self.order: Mapping[str, int] = {
            visit.id: place for place, visit in enumerate(study.visits) if not visit.repeating
        }
        self._tables: dict[str, pl.DataFrame] = {}
        self._pointers: dict[tuple[str, str, str, str, str], pl.Series] = {}
        self._unreadable: dict[str, dict[str, pl.Series]] = {}
        self._columns: dict[str, Mapping[str, Field]] = {}
        self._keys: dict[str, pl.DataFrame] = {}
        self._unmarked: dict[str, tuple[pl.Series, pl.Series]] = {}
        self._words: dict[str, dict[str, pl.Series]] = {}
        self._sought: dict[tuple[str, str, str, str], pl.DataFrame] = {}
        #: what ``validators.sheet`` keeps of each form; nothing in it may lead back here: a cycle would keep the frames
        self.sheets: dict[str, Any] = {}

    @cached_property
    def fields(self) -> Mapping[str, tuple[Field, ...]]:
        """Map every field name to the fields that bear it (one, unless two forms share a name)."""
        found: dict[str, list[Field]] = {}
        for frame in self.frames.values():
            for each in frame.form.fields:
                found.setdefault(each.name, []).append(each)
        return {name: tuple(several) for name, several in found.items()}

    def form(self, name: str) -> Form:
        """Find a form; KeyError where neither the study nor the frames have it."""
        return self.frames[name].form

    def field_of(self, form: str, column: str) -> Field | None:
        """Find the field behind a frame column."""
        return self.columns(form).get(column)

    def columns(self, form: str) -> Mapping[str, Field]:
        """Map the frame columns of a form to their fields, as ``frames.columns_of`` does, worked out once."""
        if form not in self._columns:
            self._columns[form] = columns_of(self.form(form))
        return self._columns[form]

    def keys(self, form: str) -> pl.DataFrame:
        """Give key and site columns of a form's rows: narrow, so that single rows come out fast."""
        if form not in self._keys:
            self._keys[form] = self.frames[form].rows.select(*KEY_COLUMNS, *META_COLUMNS)
        return self._keys[form]

    def table(self, form: str) -> pl.DataFrame:
        """Give a form's rows with ``_row`` (UInt32, its position) and ``_order`` (the visit's place, or null)."""
        if form not in self._tables:
            rows = self.frames[form].rows
            self._tables[form] = rows.with_row_index("_row").with_columns(
                pl.col("event").replace_strict(self.order, default=None, return_dtype=pl.Int32).alias("_order")
            )
        return self._tables[form]

    def height(self, form: str) -> int:
        """Count the rows of a form."""
        return self.frames[form].rows.height

    def view(self, form: str, *columns: str) -> pl.DataFrame:
        """Give key, ``_row``, ``_order``, ``_status`` and the columns, each with ``<column>?`` (unreadable)."""
        keep = ("_row", "site", "record", "event", "instrument", "instance", "_order", "_status")
        chosen = self.table(form)[[*keep, *(column for column in dict.fromkeys(columns) if column not in keep)]]
        return chosen.hstack([self.unreadable(form, column).alias(f"{column}?") for column in dict.fromkeys(columns)])

    def absent(self, form: str, *columns: str) -> str | None:
        """Say why a column has no data at this site, or None where all the columns have."""
        frame = self.frames.get(form)
        if frame is None:
            return NOT_DELIVERED
        return next((frame.absent[column] for column in columns if column in frame.absent), None)

    def unreadable(self, form: str, column: str) -> pl.Series:
        """Mark the rows whose cell holds something that could not be read."""
        found = self._marked(form).get(column)
        return self._clean(form)[0] if found is None else found

    def has_unreadable(self, form: str, column: str) -> bool:
        """Tell whether any row's cell holds something that could not be read."""
        return column in self._marked(form)

    def _marked(self, form: str) -> dict[str, pl.Series]:
        if form not in self._unreadable:
            self._unreadable[form] = _marks(self.frames[form].problems, self.height(form))
        return self._unreadable[form]

    def word(self, form: str, column: str) -> pl.Series:
        """Give the word for a missing value that stands in each row's cell (null: none)."""
        found = self._worded(form).get(column)
        return self._clean(form)[1] if found is None else found

    def has_words(self, form: str, column: str) -> bool:
        """Tell whether any row's cell holds a word for a missing value."""
        return column in self._worded(form)

    def _worded(self, form: str) -> dict[str, pl.Series]:
        if form not in self._words:
            self._words[form] = _words(self.frames[form].declared, self.height(form))
        return self._words[form]

    def _clean(self, form: str) -> tuple[pl.Series, pl.Series]:
        """Give the marks of a column without any problem and without any word for a missing value."""
        if form not in self._unmarked:
            height = self.height(form)
            self._unmarked[form] = (
                pl.Series([False]).new_from_index(0, height),
                pl.Series([None], dtype=pl.String).new_from_index(0, height),
            )
        return self._unmarked[form]

    def reading(self, of: str, form: str, column: str, *, at: str = SAME) -> Reading:
        """Lay a column of ``form`` beside the rows of ``of``: at the same visit, at a visit, or at ANY."""
        rows = self.pointer(of, form, at=at, column=column if at == ANY else "")
        return Reading(
            form=form,
            column=column,
            values=self.table(form)[column][rows],
            rows=rows,
            unreadable=known(self.unreadable(form, column)[rows]),
        )

    def pointer(
        self, of: str, form: str, *, at: str = SAME, column: str = "", instance: str | None = None
    ) -> pl.Series:
        """Give, for each row of ``of``, the row of ``form`` at ``at`` (UInt32, null: none).

        With ANY it is the subject's first row, in the order of visits, whose ``column`` is not blank. Of several
        instances the first is taken unless ``instance`` (a number or one of REDCap's instance words) says which;
        within a repeating visit rows belong together by the visit's instance.
        """
        wanted = (of, form, at, column, instance or "")
        if wanted not in self._pointers:
            self._pointers[wanted] = self._joined(*wanted)
        return self._pointers[wanted]

    def _joined(self, of: str, form: str, at: str, column: str, instance: str) -> pl.Series:
        mine: list[pl.Expr] = [pl.col("record")]
        if at != ANY:
            mine.append(self._event(at, of, form))
            repeating = self._repeating
            if instance in _STEPS:
                mine.append((pl.col("instance") + _STEPS[instance]).alias("i"))
            elif repeating and not instance and not self.form(form).repeating:
                own = pl.col("event").is_in(repeating) & pl.lit(not self.form(of).repeating)
                mine.append(pl.when(own).then(pl.col("instance")).otherwise(1).alias("i"))
        found = self._firsts(form, column, instance, is_any=at == ANY)
        keys = [name for name in found.columns if name != "_found"]
        return self.table(of).select(mine).join(found, on=keys, how="left", maintain_order="left")["_found"]

    def _firsts(self, form: str, column: str, instance: str, *, is_any: bool) -> pl.DataFrame:
        """Give the rows of ``form`` that can be pointed at, by the key under which they are looked for."""
        wanted = (form, column, instance, ANY if is_any else "")
        if wanted not in self._sought:
            self._sought[wanted] = self._first_of(form, column, instance, is_any=is_any)
        return self._sought[wanted]

    def _first_of(self, form: str, column: str, instance: str, *, is_any: bool) -> pl.DataFrame:
        rows = self.table(form)
        theirs: list[pl.Expr] = [pl.col("record")]
        if is_any:
            rows = rows.filter(rows[column].is_not_null() | self.unreadable(form, column))
            rows = rows.sort("_order", "instance", nulls_last=True, maintain_order=True)
        else:
            repeating = self._repeating
            theirs.append(pl.col("event").alias("at"))
            if instance.isdigit():
                rows = rows.filter(pl.col("instance") == int(instance))
            elif instance == "last-instance":
                rows = rows.sort("instance", descending=True, maintain_order=True)
            elif instance in _STEPS:
                theirs.append(pl.col("instance").alias("i"))
            elif repeating and not instance and not self.form(form).repeating:
                numbered = pl.when(pl.col("event").is_in(repeating)).then(pl.col("instance")).otherwise(1)
                theirs.append(numbered.alias("i"))
        keys = [each.meta.output_name() for each in theirs]
        found = rows.select(*theirs, pl.col("_row").alias("_found"))
        return found.unique(keys, keep="first", maintain_order=True)

    @cached_property
    def _repeating(self) -> list[str]:
        return [visit.id for visit in self.study.visits if visit.repeating]

    def _event(self, at: str, of: str, form: str) -> pl.Expr:
        """Name the event to look at, row by row; relative ones run over the visits that collect ``form``."""
        if at == SAME:
            return pl.col("event").alias("at")
        if at not in RELATIVE:
            return pl.lit(at).alias("at")
        collected = set(self.form(form).visits) or set(self.order)
        planned = [visit for visit in self.order if visit in collected]
        found: dict[str, str | None] = {}
        for visit, place in self.order.items():
            before = [other for other in planned if self.order[other] < place]
            after = [other for other in planned if self.order[other] > place]
            found[visit] = {
                "previous-event-name": before[-1] if before else None,
                "next-event-name": after[0] if after else None,
                "first-event-name": planned[0] if planned else None,
                "last-event-name": planned[-1] if planned else None,
            }[at]
        return pl.col("event").replace_strict(found, default=None, return_dtype=pl.String).alias("at")

    def date_columns(self, form: str) -> tuple[str, ...]:
        """Name the form's date and date-time columns that this site delivers."""
        frame = self.frames[form]
        return tuple(
            field.name
            for field in frame.form.fields
            if field.kind in {Kind.DATE, Kind.DATETIME} and field.name not in frame.absent
        )

    @cached_property
    def records(self) -> pl.Series:
        """Name every record of the site, sorted."""
        parts = [frame.rows["record"] for frame in self.frames.values() if frame.rows.height]
        if not parts:
            return pl.Series("record", [], dtype=pl.String)
        return pl.concat(parts).unique().sort()


def known(flags: pl.Series, *, otherwise: bool = False) -> pl.Series:
    """Fill the nulls of Boolean flags, where there are any; looking is much cheaper than filling."""
    return flags.fill_null(value=otherwise) if flags.null_count() else flags


def _undelivered(form: Form) -> FormFrame:
    rows = empty_rows(form)
    raw = pl.DataFrame(schema=dict.fromkeys(columns_of(form), pl.String()))
    return FormFrame(
        form=form,
        rows=rows,
        raw=raw,
        problems=pl.DataFrame(schema=PROBLEM_SCHEMA),
        declared=pl.DataFrame(schema=DECLARED_SCHEMA),
        site_fields={},
        site_fields_at={},
        absent=dict.fromkeys(columns_of(form), NOT_DELIVERED),
    )


def _marks(cells: pl.DataFrame, height: int) -> dict[str, pl.Series]:
    found: dict[str, pl.Series] = {}
    if not cells.height:
        return found
    for (column,), part in cells.group_by(["column"]):
        marks = pl.Series(str(column), [False]).new_from_index(0, height)
        found[str(column)] = marks.scatter(part["row"].unique(), True)
    return found


def _words(cells: pl.DataFrame, height: int) -> dict[str, pl.Series]:
    found: dict[str, pl.Series] = {}
    for (column,), part in cells.group_by(["column"]):
        words = pl.Series([None], dtype=pl.String).new_from_index(0, height)
        found[str(column)] = words.scatter(part["row"], part["word"])
    return found
