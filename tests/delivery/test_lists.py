"""The list that a site gets: order, languages, links, coded answers, and nothing that a spreadsheet would execute."""

import csv
import stat
from datetime import UTC, datetime

import pytest
from python_calamine import CalamineWorkbook

from schemas.study import Severity
from sync.delivery import files, lists
from sync.queries.model import Query, QueryKey, State
from tests.harmonise.builders import a_field, a_form, a_study
from validators.findings import Condition

NOW = datetime(2026, 3, 12, 8, 0, tzinfo=UTC)
STUDY = a_study(
    a_form(a_field("x"), a_field("y"), visits=("v1", "v2")), a_form(a_field("z"), name="g"), visits=("v1", "v2")
)


def a_query(number: int, *, record: str = "P-1", event: str = "v1", form: str = "f", field: str = "x", **more) -> Query:
    key = QueryKey(
        study="invented", site="here", project_id=1, record=record, event=event, instrument=form,
        instance=more.pop("instance", 1), check="RG01", field=field,
    )  # fmt: skip
    given = {
        "key": key,
        "number": f"PR-{number:06d}",
        "site_field": f"site_{field}",
        "severity": Severity.HARD,
        "state": State.OPEN,
        "condition": Condition.FAILING,
        "round": 1,
        "version": 1,
        "message": {"en": "Please look.", "zh": "请核实。"},
        "check_version": "1.0",
        "fingerprint": "0" * 64,
        "raised_at": datetime(2026, 3, 2, tzinfo=UTC),
        "opened_at": datetime(2026, 3, 2, tzinfo=UTC),
        "changed_at": datetime(2026, 3, 2, tzinfo=UTC),
        "evaluated_at": datetime(2026, 3, 2, tzinfo=UTC),
        "raw": "5",
        "value": "5",
        "unit": "g/L",
    }
    return Query(**{**given, **more})


def laid_out(*queries: Query, language: str = "en", links=None):
    return lists.lay_out(queries, STUDY, links=links or {}, language=language, now=NOW)


def test_it_is_sorted_by_patient_and_visit_then_as_the_study_goes():
    rows = laid_out(
        a_query(1, record="P-10"),
        a_query(2, record="P-2", event="v2"),
        a_query(3, record="P-2", form="g", field="z"),
        a_query(4, record="P-2", field="y"),
        a_query(5, record="P-2", field="x"),
    )
    assert [row.number[-1] for row in rows] == ["5", "4", "3", "2", "1"]


@pytest.mark.parametrize("state", [state for state in State if state is not State.OPEN])
def test_only_what_the_site_is_asked_stands_on_it(state):
    assert laid_out(a_query(1, state=state)) == ()


def test_it_says_entry_reading_age_and_page():
    (row,) = laid_out(a_query(1), links={"PR-000001": "https://redcap.example.org/page"})
    assert (row.raw, row.read_as, row.age_days, row.opened) == ("5", "5 g/L", 10, "2026-03-02")
    assert row.link == "https://redcap.example.org/page"
    assert (row.site_field, row.field_label) == ("site_x", "x")


def test_what_could_not_be_read_shows_the_entry_alone():
    (row,) = laid_out(a_query(1, raw="5 mg", value=None))
    assert (row.raw, row.read_as) == ("5 mg", "")


def test_it_speaks_the_sites_language(tmp_path):
    rows = laid_out(a_query(1), language="zh")
    files.write_csv(tmp_path / "list.csv", rows, language="zh")
    head, line = csv.reader((tmp_path / "list.csv").read_text("utf-8-sig").splitlines())
    assert head[:3] == ["质疑编号", "受试者", "访视"]
    assert "请核实。" in line


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "@SUM(A1)", "|calc", " =1", "\t=1", "-abc"])
def test_a_text_that_a_spreadsheet_would_execute_is_defused(text):
    assert lists.defuse(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+1.5", "-1.5e3", "7", "", "abc", None, 5])
def test_numbers_and_plain_texts_are_left_alone(text):
    assert lists.defuse(text) == text


def test_the_workbook_holds_texts_links_and_answers_and_no_formula(tmp_path):
    rows = laid_out(
        a_query(1, raw="=HYPERLINK(1)"), a_query(2, record="P-2"), links={"PR-000001": "https://x.example.org/a?b=1"}
    )
    (path,) = files.write(tmp_path, "here", rows, formats=("xlsx",), language="en", title="Open", now=NOW)
    book = CalamineWorkbook.from_path(str(path))
    head, first, second = book.get_sheet_by_name("Queries").to_python()
    cells = dict(zip(head, first, strict=True))
    assert cells["As entered"] == "=HYPERLINK(1)"
    assert cells["Open in REDCap"] == "Open in REDCap"
    assert (cells["Answer"], cells["Comment"]) == ("", "")
    assert dict(zip(head, second, strict=True))["Patient"] == "P-2"
    answers = [line[0] for line in book.get_sheet_by_name("Answers").to_python()]
    assert [answer.partition(":")[0] for answer in answers] == list(lists.ANSWERS["en"])


def test_files_are_for_their_owner_and_an_empty_list_is_written_too(tmp_path):
    written = files.write(tmp_path, "here", (), formats=("csv", "xlsx"), language="en", title="Open", now=NOW)
    assert [path.name for path in written] == ["here.csv", "here.xlsx"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert (tmp_path / "here.csv").read_text("utf-8-sig").splitlines()[0].startswith("Query,Patient")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_instance_is_shown_only_where_something_repeats():
    assert "instance" not in lists.columns(laid_out(a_query(1)))
    assert "instance" in lists.columns(laid_out(a_query(1, instance=2)))
