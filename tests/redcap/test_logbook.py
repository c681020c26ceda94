"""What the log says, in the words of several versions. All records are made up."""

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone

from datetime import datetime
from typing import Any

import pytest

from sync.redcap.logbook import Logbook, earliest_local, logbook_from


def line(action: str, details: str = "", record: str | None = None, at: str = "2026-03-01 10:00") -> dict[str, Any]:
    return {"timestamp": at, "username": "u", "action": action, "details": details} | (
        {} if record is None else {"record": record}
    )


def book(*lines: dict[str, Any]) -> Logbook:
    return logbook_from(lines, record_field="record_id")


@pytest.mark.parametrize(
    ("action", "record"),
    [
        ("Create record 12", "12"),
        ("Update record (API) 12", "12"),
        ("Update record (import) A-1 (Day 1 (Arm 1: Drug))", "A-1"),
        ("Updated Record A b", "A b"),
        ("Update Response (Auto calculation) 7", "7"),
        ("Update record (API) (Auto calculation) 7", "7"),
        ("Updated Record (Data Quality) 7", "7"),
        ("Created Record 3 (x)", "3 (x)"),
    ],
)
def test_an_older_log_names_its_records_in_the_action(action: str, record: str) -> None:
    assert record in book(line(action)).named


def test_the_record_column_has_the_last_word() -> None:
    assert book(line("Update record 12 (Event 1)", record="12")).named == {"12"}
    assert book(line("Lock/Unlock Record 5", record="5")).named == {"5"}


def test_a_rename_is_an_update_that_sets_the_record_id() -> None:
    found = book(
        line("Update record new", "record_id = 'new'", "new"),
        line("Create record 5", "record_id = '5', age = '4'", "5"),
        line("Update record 6", "other_record_id = '7', my = 'record'", "6"),
    )
    assert found.renamed == {"new"}
    assert found.named == {"new", "5", "6"}


@pytest.mark.parametrize(
    "details",
    ["[instance = 2], record_id = '4'", "record_id = '4', age = '4'", "age = '4', record_id = '4'"],
)
def test_the_first_row_of_an_event_or_instance_is_no_rename_though_it_sets_the_record_id(details: str) -> None:
    found = book(line("Update record 4 (Event 2 (Arm 1: A))", details, "4"))
    assert (found.renamed, found.acts, found.named) == (frozenset(), (), {"4"})


@pytest.mark.parametrize(
    "details",
    [
        "redcap_data_access_group = 'south'",
        "Assign record to Data Access Group (redcap_data_access_group = 'south')",
        "Assign record to Data Access Group ([instance = 2], redcap_data_access_group = 'south')",
        "Remove record from Data Access Group\n(redcap_data_access_group = '')",
    ],
)
def test_a_move_to_a_group_is_told_by_its_line_and_gives_no_life(details: str) -> None:
    found = book(line("Update record 4 (Event 1)", details, "4"), line("Delete record 4", "record_id = '4'", "4"))
    assert found.moved.keys() == {"4"}
    assert found.traces.deleted == {"4"}
    assert not book(line("Update record 4", f"{details}, age = '4'", "4")).moved


def test_deletions_are_named() -> None:
    assert book(line("Delete record 9", "record_id = '9'", "9"), line("Deleted Record 10")).deleted == {"9", "10"}


def test_the_newest_line_tells_the_time_whatever_the_order() -> None:
    found = book(line("x", at="2026-03-01 10:00"), line("y", at="2026-03-01 12:30:05"), line("z", at="nonsense"))
    assert found.newest == datetime(2026, 3, 1, 12, 30, 5)
    assert book().newest is None


def test_design_changes_name_no_record() -> None:
    assert book(line("Manage/Design", "Export Logging (API)")).named == frozenset()


def test_a_date_header_is_taken_for_the_earliest_local_time_it_can_mean() -> None:
    assert earliest_local("Sun, 01 Mar 2026 10:00:00 GMT") == datetime(2026, 2, 28, 22)
    assert earliest_local("") is None
    assert earliest_local("yesterday") is None
