"""Hold the rows of one form at one site, read and unread side by side.

Strings are read into types exactly once (``sync.harmonise``). What could not be read is null in ``rows``, stands
unchanged in ``raw`` and is named in ``problems``, so that one bad cell never hides another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from typing import TypeAlias

import polars as pl

from schemas.coordinates import KEY_COLUMNS
from schemas.study import Field, Form, Kind

Scalar: TypeAlias = str | int | float | date | datetime | time | None

META_COLUMNS = ("_status", "_site_event", "_site_instrument", "_site_instance")
"""Beside the key: form status 0/1/2 or null (Int64), and where the row stands in the site's project (String,
String, Int64; null instance where the site's row does not repeat)."""

POLARS_TYPES: Mapping[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.NUMBER: pl.Float64(),
    Kind.INTEGER: pl.Int64(),
    Kind.DATE: pl.Date(),
    Kind.DATETIME: pl.Datetime("us"),
    Kind.TIME: pl.Time(),
    Kind.CODED: pl.String(),
    Kind.YESNO: pl.String(),
    Kind.CHECKBOX: pl.Int64(),
    Kind.FILE: pl.String(),
    Kind.UNKNOWN: pl.String(),
}

PROBLEM_SCHEMA = pl.Schema({"row": pl.UInt32(), "column": pl.String(), "check": pl.String()})
"""``row`` is the position in ``rows``; ``check`` is the built-in check that reports it (TY01, DT01, CD01, UN01)."""

DECLARED_SCHEMA = pl.Schema({"row": pl.UInt32(), "column": pl.String(), "word": pl.String()})
"""Cells whose raw text is one of the site's words for a missing value, or a missing-data code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFrame:
    """Hold all rows of one form at one site; ``rows`` and ``raw`` have the same height and order."""

    form: Form
    #: KEY_COLUMNS, META_COLUMNS, then one typed column for each of the form's columns (null = blank)
    rows: pl.DataFrame
    #: one String column for each of the form's columns: the cell as the site entered it (null = blank)
    raw: pl.DataFrame
    problems: pl.DataFrame
    declared: pl.DataFrame
    #: study column -> the site's field; a site whose one row holds all visits overrides it by (event, instance)
    site_fields: Mapping[str, str]
    site_fields_at: Mapping[tuple[str, int, str], str]
    #: columns that the mapping does not fill at this site, with the reason: never judged, never "missing"
    absent: Mapping[str, str]
    #: coded column -> the site's own code -> study code, where they differ; messages speak the site's language
    site_codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: date or date-time column -> 5 March 2012, 07:30, as the site writes it
    examples: Mapping[str, str] = field(default_factory=dict)

    def site_field(self, column: str, *, event: str, instance: int) -> str:
        """Name the site's own field behind a column; the column itself where the mapping has none."""
        at = self.site_fields_at.get((event, instance, column))
        return at or self.site_fields.get(column, column)

    def without_rows(self) -> "FormFrame":
        """Give the same form of a site that holds nothing of it."""
        return replace(
            self,
            rows=self.rows.clear(),
            raw=self.raw.clear(),
            problems=self.problems.clear(),
            declared=self.declared.clear(),
        )


def columns_of(form: Form) -> dict[str, Field]:
    """Map every frame column of a form to its field, in dictionary order."""
    return {column: each for each in form.fields for column in each.columns}


def empty_rows(form: Form) -> pl.DataFrame:
    """Build the zero-row ``rows`` frame of a form, with all its columns typed."""
    schema: dict[str, pl.DataType] = {name: pl.String() for name in KEY_COLUMNS}
    schema |= {"instance": pl.Int64(), "_status": pl.Int64(), "_site_event": pl.String()}
    schema |= {"_site_instrument": pl.String(), "_site_instance": pl.Int64()}
    schema |= {column: POLARS_TYPES[each.kind] for column, each in columns_of(form).items()}
    return pl.DataFrame(schema=schema)
