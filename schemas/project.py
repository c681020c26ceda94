"""Hold what a site's REDCap project is made of, and what one pull of it brought.

These are REDCap's own words (field, instrument, event, arm, data access group); ``schemas.dictionary`` derives a
study from them, ``sync.harmonise`` maps them to the study's words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

RECORD_COLUMNS = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
"""Companions of the record id in a flat export; always present in ``Snapshot.rows``, blank where unused."""

DAG_COLUMN = "redcap_data_access_group"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedcapField:
    """Hold one row of a REDCap data dictionary (API ``content=metadata``), texts as exported."""

    field_name: str
    form_name: str
    field_type: str
    field_label: str
    section_header: str = ""
    select_choices_or_calculations: str = ""
    field_note: str = ""
    text_validation_type: str = ""
    text_validation_min: str = ""
    text_validation_max: str = ""
    identifier: bool = False
    branching_logic: str = ""
    required_field: bool = False
    matrix_group_name: str = ""
    field_annotation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedcapEvent:
    """Hold one event of a longitudinal project; ``event_id`` goes into deep links."""

    unique_name: str
    label: str
    arm: int
    event_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Hold one instrument's unique name and its label."""

    name: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStructure:
    """Hold everything about a project but its records."""

    project_id: int
    title: str
    redcap_version: str
    is_longitudinal: bool
    #: in dictionary order; the first is the record id field
    fields: tuple[RedcapField, ...]
    instruments: tuple[Instrument, ...]
    #: empty in a classic project
    events: tuple[RedcapEvent, ...]
    #: (unique event name, instrument) pairs; empty in a classic project
    event_forms: frozenset[tuple[str, str]]
    #: (unique event name or "", instrument or "" for a whole repeating event)
    repeating: frozenset[tuple[str, str]]
    #: code -> label of project-wide missing-data codes
    missing_codes: Mapping[str, str]
    #: unique group name -> label
    groups: Mapping[str, str]
    #: every column name that a full flat export may hold (checkboxes expanded, form statuses included)
    export_fields: tuple[str, ...]

    @property
    def record_field(self) -> str:
        """Name the record id field."""
        return self.fields[0].field_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Hold one complete pull of one site's project."""

    site: str
    structure: ProjectStructure
    #: aware; when the pull began
    pulled_at: datetime
    #: flat raw export, every column String, blank cells null; the record id column, RECORD_COLUMNS, then the
    #: exported fields (and DAG_COLUMN where the project has groups); one row as REDCap exports it
    rows: pl.DataFrame
    #: export columns that the server withheld (export rights), with the reason
    withheld: Mapping[str, str]
    #: base of the project's pages, e.g. "https://host/redcap/", for deep links
    base_url: str
    #: sentences for a person, such as records of a shared project that no centre owns; counts, never values
    notices: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """Count the distinct records."""
        return self.rows[self.structure.record_field].n_unique() if self.rows.height else 0


def as_plain(structure: ProjectStructure) -> dict[str, Any]:
    """Turn a structure into what a way through JSON leaves as it is, sets sorted; holds no record."""
    plain: dict[str, Any] = _plain(structure)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(map(_plain, value))
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return dict(value)
    names = getattr(value, "__dataclass_fields__", None)
    return value if names is None else {name: _plain(getattr(value, name)) for name in names}


def from_plain(plain: Mapping[str, Any]) -> ProjectStructure:
    """Rebuild a structure from :func:`as_plain`'s result, also after a way through JSON."""
    return ProjectStructure(
        **{
            **plain,
            "fields": tuple(RedcapField(**each) for each in plain["fields"]),
            "instruments": tuple(Instrument(**each) for each in plain["instruments"]),
            "events": tuple(RedcapEvent(**each) for each in plain["events"]),
            "event_forms": frozenset((event, form) for event, form in plain["event_forms"]),
            "repeating": frozenset((event, form) for event, form in plain["repeating"]),
            "export_fields": tuple(plain["export_fields"]),
        }
    )
