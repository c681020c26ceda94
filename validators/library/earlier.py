"""Lay beside each row the subject's previous value of the same column.

"Previous" means the latest earlier planned visit, in the study's order of visits, at which the column has a
value. Rows at unscheduled visits have no place in that order: they get no previous value and are none.
"""

from collections.abc import Sequence

import polars as pl

from validators.dataset import Dataset


def with_previous(view: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Add ``<column><`` (the previous value) and ``<column><row`` (its ``_row``) to a view, rows in old order."""
    planned = pl.col("_order").is_not_null()
    laid = view.sort("record", "_order", "instance", nulls_last=True, maintain_order=True)
    added = []
    for column in columns:
        has = planned & pl.col(column).is_not_null()
        value = pl.when(has).then(pl.col(column))
        row = pl.when(has).then(pl.col("_row"))
        added.append(_shifted(value).alias(f"{column}<"))
        added.append(_shifted(row).alias(f"{column}<row"))
    laid = laid.with_columns(added).with_columns(
        pl.when(planned).then(pl.col(name)).alias(name)
        for column in columns
        for name in (f"{column}<", f"{column}<row")
    )
    return laid.sort("_row")


def _shifted(expr: pl.Expr) -> pl.Expr:
    return expr.shift(1).forward_fill().over("record")


def dates(data: Dataset, form: str) -> pl.Series:
    """Date each row of a form: by the form's own date field, else by the date of its visit; null where neither."""
    table = data.table(form)
    own = data.form(form).date_field
    found = pl.Series([None], dtype=pl.Date).new_from_index(0, table.height)
    if own is not None and data.absent(form, own) is None:
        found = table[own].cast(pl.Date)
    anchor = data.study.visit_date
    if anchor is None or data.absent(anchor.form, anchor.field) is not None:
        return found
    visit = data.reading(form, anchor.form, anchor.field).values.cast(pl.Date)
    return found.zip_with(found.is_not_null(), visit)


def planned_days(data: Dataset, form: str) -> pl.Series:
    """Give the planned study day of each row's visit (Int64, null where the visit has none)."""
    days = {visit.id: visit.day for visit in data.study.visits}
    return data.table(form)["event"].replace_strict(days, default=None, return_dtype=pl.Int64)
