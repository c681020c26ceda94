"""Read pandera's errors, here and nowhere else.

pandera puts cell values into texts and the whole frame onto the exception, and calls a check that raised a data
finding. What leaves this module is check, column and row, and the shape errors apart from the data; no value.
"""

from dataclasses import dataclass

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrorReason, SchemaErrors

FAILURES = pl.Schema({"row": pl.UInt32(), "column": pl.String(), "check": pl.String()})
"""What fails: the position of the row, the column and the id of the built-in check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold what pandera found in one frame."""

    #: FAILURES, sorted by row, column and check
    failures: pl.DataFrame
    #: what kept columns from being judged at all, without any value
    shape_errors: tuple[str, ...]


def validate(schema: pa.DataFrameSchema, rows: pl.DataFrame) -> Report:
    """Run a form's schema over typed rows, lazily collecting everything, and say what failed where.

    Takes an eager frame: pandera skips the data checks of a lazy one without a word. The engine evaluates the same
    checks in one select (``cells``); this is for callers who want pandera's own walk, and for the test that both
    agree. Raises TypeError for a frame that is not eager.
    """
    if not isinstance(rows, pl.DataFrame):
        raise TypeError("validate takes an eager frame: pandera skips data checks on a lazy one")
    try:
        schema.validate(rows, lazy=True)
    except SchemaErrors as errors:
        return _report(errors)
    return Report(failures=FAILURES.to_frame(), shape_errors=())


def _report(errors: SchemaErrors) -> Report:
    """Split the failure cases into data failures and errors of shape."""
    shape: list[str] = []
    judged: set[tuple[str, str]] = set()
    for error in errors.schema_errors:
        column = str(error.schema.name)
        match error.reason_code:
            case SchemaErrorReason.DATAFRAME_CHECK:
                judged.add((column, str(error.check.name)))
            case SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME:
                shape.append("a column of the schema is missing")
            case SchemaErrorReason.WRONG_DATATYPE:
                shape.append(f"{column}: the column is not of the type that the schema says")
            case SchemaErrorReason.CHECK_ERROR:
                shape.append(f"{column}: check {error.check.name} errored")
            case other:
                shape.append(f"{column}: {other.name.lower() if other is not None else 'unknown error'}")
    cases = errors.failure_cases
    found = cases.filter(pl.col("index").is_not_null()).select(
        pl.col("index").cast(pl.UInt32).alias("row"),
        pl.col("column").cast(pl.String),
        pl.col("check").cast(pl.String),
    )
    keep = pl.DataFrame(sorted(judged), schema={"column": pl.String, "check": pl.String}, orient="row")
    failures = found.join(keep, on=["column", "check"], how="semi").unique().sort("row", "column", "check")
    return Report(failures=failures, shape_errors=tuple(dict.fromkeys(shape)))
