"""Handle frames of rows as the server sent them, and of keys as ``Reader.listing`` gives them. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from schemas.project import DAG_COLUMN, RECORD_COLUMNS, ProjectStructure
from sync.errors import SourceUnavailable

SURVEY_COLUMN = re.compile(r"redcap_survey_identifier|\w+_timestamp")
_FEW = 5_000
"""Up to so many rows Python counts faster than polars begins to."""

_WITHHELD = "left out by the server: the export rights of the token's user do not cover it"
_WITHHELD_GROUP = "left out by the server: the token's user belongs to a data access group, or may not see groups"


# --- rows


def ids_of(rows: pl.DataFrame, structure: ProjectStructure) -> set[str]:
    """Collect the record ids of rows as the server sent them."""
    return set(rows[structure.record_field].unique().to_list()) if rows.height else set()


def joined(frames: Sequence[pl.DataFrame], structure: ProjectStructure) -> pl.DataFrame:
    """Stack the batches that hold rows; without any, the columns that the dictionary lets expect."""
    full = [frame for frame in frames if frame.height]
    if full:
        return pl.concat(full)
    expected = (structure.record_field, *structure.export_fields)
    return pl.DataFrame(schema=dict.fromkeys(expected, pl.String()))


def in_order(rows: pl.DataFrame, structure: ProjectStructure) -> tuple[pl.DataFrame, dict[str, str]]:
    """Give the rows the columns of a Snapshot, and name those that the server withheld."""
    companions = (*RECORD_COLUMNS, *((DAG_COLUMN,) if structure.groups else ()))
    withheld = {name: _WITHHELD for name in structure.export_fields if name not in rows.columns}
    if rows.height and structure.groups and DAG_COLUMN not in rows.columns:
        withheld[DAG_COLUMN] = _WITHHELD_GROUP
    first = (structure.record_field, *companions)
    fields = set(structure.export_fields)
    rest = [
        name
        for name in rows.columns
        if name not in first and name != DAG_COLUMN and (name in fields or not SURVEY_COLUMN.fullmatch(name))
    ]
    absent = [pl.lit(None, dtype=pl.String()).alias(name) for name in companions if name not in rows.columns]
    return rows.with_columns(absent).select(*first, *rest), withheld


def refuse_doubles(rows: pl.DataFrame, structure: ProjectStructure) -> None:
    """See that no two rows stand for the same thing."""
    if rows.select(structure.record_field, *RECORD_COLUMNS).is_duplicated().any():
        raise twice()


def twice() -> SourceUnavailable:
    """Word the refusal of rows that came twice."""
    return SourceUnavailable(
        "the server sent the same record, event, form and instance twice; try again later, and tell the site's"
        " REDCap administrator if it happens again"
    )


def of_group(rows: pl.DataFrame, group: str | None) -> pl.DataFrame:
    """Keep the rows of one group, of rows as the server sent them."""
    return rows if group is None or not rows.height else rows.filter(pl.col(DAG_COLUMN) == group)


def groups_of(rows: pl.DataFrame, structure: ProjectStructure) -> dict[str, str | None]:
    """Map the records of rows to their groups; the last row has the last word."""
    if not rows.height:
        return {}
    group = pl.col(DAG_COLUMN) if DAG_COLUMN in rows.columns else pl.lit(None, dtype=pl.String())
    owners = rows.select(pl.col(structure.record_field).alias("record"), group.alias("group"))
    return dict(owners.unique(maintain_order=True).iter_rows())


def counts_of(rows: pl.DataFrame, record: str = "record") -> dict[str, int]:
    """Count the rows of each record, in the order of the frame."""
    if not rows.height:
        return {}
    if rows.height <= _FEW:
        return dict(Counter(rows[record].to_list()))
    return dict(rows.group_by(record, maintain_order=True).len().iter_rows())


# --- listings


def owners_of(listing: pl.DataFrame) -> pl.DataFrame:
    """Reduce a list of rows to records and their groups, in the server's order."""
    return listing.select("record", "group").unique(maintain_order=True)


def last_groups(listing: pl.DataFrame) -> dict[str, str | None]:
    """Map the records of a list to their groups; the last row has the last word."""
    return dict(zip(listing["record"].to_list(), listing["group"].to_list(), strict=True))


def own_records(listing: pl.DataFrame, group: str | None) -> list[str]:
    """Name the records of a list (those of a group), in the server's order, each once."""
    own = listing if group is None else listing.filter(pl.col("group") == group)
    return own["record"].unique(maintain_order=True).to_list()


def without_group(groups: Mapping[str, str | None], structure: ProjectStructure) -> tuple[str, ...]:
    """Notice the records that belong to none of a project's groups, by their count; ``groups``: record -> group."""
    count = sum(group is None for group in groups.values()) if structure.groups else 0
    if not count:
        return ()
    return (
        f"{count} record{'s' * (count > 1)} of the project belong{'s' * (count == 1)} to no data access group, so to"
        " no site; ask the project's administrator to assign them",
    )
