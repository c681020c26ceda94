"""A dictionary becomes a study that says of each field what it holds, and nothing that it does not."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.choices import parse_choices, plain_label
from schemas.dictionary import (
    dictionary_problems,
    metadata_from_rows,
    missing_codes_from_text,
    structure_fingerprint,
    study_from_project,
)
from schemas.forms import column_checks, compile_form
from schemas.frames import empty_rows
from schemas.project import Instrument, ProjectStructure, RedcapEvent, RedcapField
from schemas.study import Field, Interval, Kind, column_of
from schemas.validation_types import is_text_calculation

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real projects is not at hand")


def row(name: str, kind: str = "text", **given: Any) -> RedcapField:
    given.setdefault("form_name", "main")
    given.setdefault("field_label", name)
    return RedcapField(field_name=name, field_type=kind, **given)


def project(*fields: RedcapField, **given: Any) -> ProjectStructure:
    rows = (row("record_id"), *fields)
    facts: dict[str, Any] = {
        "project_id": 17,
        "title": "Made up",
        "redcap_version": "14.5.5",
        "is_longitudinal": False,
        "fields": rows,
        "instruments": tuple(Instrument(name=each, label=each) for each in dict.fromkeys(r.form_name for r in rows)),
        "events": (),
        "event_forms": frozenset(),
        "repeating": frozenset(),
        "missing_codes": {},
        "groups": {},
        "export_fields": (),
    }
    return ProjectStructure(**(facts | given))


def derived(given: RedcapField, **facts: Any) -> Field:
    study = study_from_project(project(given, **facts))
    return next(each for form in study.forms for each in form.fields if (each.origin or each.name) == given.field_name)


@pytest.mark.parametrize(
    ("validation", "kind"),
    [
        ("", Kind.TEXT),
        ("integer", Kind.INTEGER),
        ("number", Kind.NUMBER),
        ("number_2dp", Kind.NUMBER),
        ("number_1dp_comma_decimal", Kind.NUMBER),
        ("date_dmy", Kind.DATE),
        ("date_ymd", Kind.DATE),
        ("datetime_mdy", Kind.DATETIME),
        ("datetime_seconds_ymd", Kind.DATETIME),
        ("time", Kind.TIME),
        ("time_hh_mm_ss", Kind.TIME),
        ("time_mm_ss", Kind.TEXT),
        ("email", Kind.TEXT),
        ("a_validation_of_this_hospital", Kind.TEXT),
    ],
)
def test_a_validation_says_what_a_text_field_holds(validation: str, kind: Kind) -> None:
    assert derived(row("x", text_validation_type=validation)).kind is kind


@pytest.mark.parametrize(
    ("field_type", "kind"),
    [
        ("notes", Kind.TEXT),
        ("radio", Kind.CODED),
        ("dropdown", Kind.CODED),
        ("yesno", Kind.YESNO),
        ("truefalse", Kind.CODED),
        ("checkbox", Kind.CHECKBOX),
        ("slider", Kind.NUMBER),
        ("file", Kind.FILE),
        ("sql", Kind.TEXT),
        ("hologram", Kind.UNKNOWN),
    ],
)
def test_a_field_type_says_what_a_field_holds(field_type: str, kind: Kind) -> None:
    assert derived(row("x", field_type, select_choices_or_calculations="1, A")).kind is kind


def test_descriptive_text_is_no_field_and_a_form_of_nothing_else_is_no_form() -> None:
    study = study_from_project(project(row("hello", "descriptive", form_name="welcome"), row("x")))

    assert [form.name for form in study.forms] == ["main"]
    assert [each.name for each in study.forms[0].fields] == ["record_id", "x"]


def test_true_and_false_are_codes() -> None:
    assert [each.code for each in derived(row("x", "truefalse")).choices] == ["1", "0"]


@pytest.mark.parametrize(
    ("validation", "low", "high", "soft"),
    [
        ("number", "130", "215", Interval(low=130, high=215)),
        ("integer", "0", "", Interval(low=0)),
        ("number_comma_decimal", "1,5", "", Interval(low=1.5)),
        ("number", "[weight]", "today", None),
        ("number", "10", "1", None),
        ("number", "nan", "inf", None),
        ("", "1", "2", None),
    ],
)
def test_limits_of_numbers_are_soft(validation: str, low: str, high: str, soft: Interval | None) -> None:
    field = derived(row("x", text_validation_type=validation, text_validation_min=low, text_validation_max=high))

    assert (field.soft, field.hard) == (soft, None)


def test_limits_that_are_no_numbers_are_kept_for_the_library() -> None:
    visit = row("v", text_validation_type="date_dmy", text_validation_min="2010-01-01", text_validation_max="today")

    assert derived(visit).soft is None
    assert derived(visit).extra == {"validation": "date_dmy", "min": "2010-01-01", "max": "today"}


def test_a_slider_runs_from_0_to_100_unless_it_says_otherwise() -> None:
    assert derived(row("x", "slider")).soft == Interval(low=0, high=100)
    bent = row("x", "slider", text_validation_min="-1", text_validation_max="101")
    assert derived(bent).soft == Interval(low=-1, high=101)
    assert derived(row("x", "slider", select_choices_or_calculations="low | mid | high")).choices == ()


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("round(([weight]*10000)/(([height])^(2)),1)", False),
        ("rounddown(datediff([dob],'today','y'))", False),
        ("if([sex] = 'F', 1, 2)", False),
        ("if([sex] = 'F', '1', '')", False),
        ("if(datediff([a], [b], 'd', 'ymd') > 3, 1, 0)", False),
        ("3+4", False),
        ("if([x] > 3, 'high', 'low')", True),
        ('if([x]>3,1,if([x]>1,"mid",0))', True),
        ("concat([a], ' ', [b])", True),
    ],
)
def test_a_calculation_that_gives_text_is_no_number(formula: str, text: bool) -> None:
    assert is_text_calculation(formula) is text
    field = derived(row("x", "calc", select_choices_or_calculations=formula, required_field=True))
    assert field.kind is (Kind.TEXT if text else Kind.NUMBER)
    assert (field.calculation, field.required) == (formula, False)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("1, Yes | 0, No", [("1", "Yes"), ("0", "No")]),
        ("1,Yes|0,No", [("1", "Yes"), ("0", "No")]),
        ("1, A, B, and C | 2, D", [("1", "A, B, and C"), ("2", "D")]),
        ("-9, Unknown | a1, Other", [("-9", "Unknown"), ("a1", "Other")]),
        ("1, | 2, Two", [("1", "1"), ("2", "Two")]),
        ("1, One | | 2, Two |", [("1", "One"), ("2", "Two")]),
        ("1, <b>Bold</b> &amp; plain | 2, a&nbsp;b", [("1", "Bold & plain"), ("2", "a b")]),
        ("F, 女 | M, 男", [("F", "女"), ("M", "男")]),
        ("1, One\n2, Two", [("1", "One"), ("2", "Two")]),
        (r"1, One \n 2, Two", [("1", "One"), ("2", "Two")]),
        ("1, One\ntwo lines", [("1", "One two lines")]),
        ("1, < 5 mg | 2, > 5 mg", [("1", "< 5 mg"), ("2", "> 5 mg")]),
        ("lonely", [("lonely", "lonely")]),
        ("", []),
    ],
)
def test_choices_are_read_as_real_dictionaries_write_them(text: str, pairs: list[tuple[str, str]]) -> None:
    assert list(parse_choices(text)) == pairs


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.from_regex(r"-?[A-Za-z0-9_]{1,6}", fullmatch=True),
        st.from_regex(r"[A-Za-z0-9 ,.()-]{0,20}", fullmatch=True),
        max_size=6,
    )
)
def test_choices_written_by_redcap_come_back(choices: dict[str, str]) -> None:
    text = " | ".join(f"{code}, {label}" for code, label in choices.items())

    assert list(parse_choices(text)) == [(code, plain_label(label) or code) for code, label in choices.items()]


def test_missing_data_codes_are_read_from_their_text() -> None:
    assert missing_codes_from_text("NA,Not applicable|UNK,Unknown") == {"NA": "Not applicable", "UNK": "Unknown"}
    assert missing_codes_from_text("") == {}


def test_colliding_choice_columns_are_told_and_kept_apart() -> None:
    structure = project(
        row("signs", "checkbox", select_choices_or_calculations="-1, A | _1, B | 1, C"),
        row("sex", "radio", select_choices_or_calculations="1, F | 1, M"),
        row("twice"),
        row("twice"),
    )
    told = [str(problem) for problem in dictionary_problems(structure)]

    assert len(told) == 3
    assert any("'-1', '_1' share the column signs____1" in each for each in told)
    assert any(each.startswith("sex: the code '1'") for each in told)
    assert any(each.startswith("twice: the field stands twice") for each in told)
    form = study_from_project(structure).form("main")
    assert [each.name for each in form.fields] == ["record_id", "signs", "sex", "twice"]
    assert form.fields[1].columns == ("signs____1", "signs___1")
    assert empty_rows(form).height == 0


def test_a_sound_dictionary_has_no_problems() -> None:
    assert dictionary_problems(project(row("x"), row("y", "radio", select_choices_or_calculations="1, A"))) == ()


def test_missing_data_codes_of_a_checkbox_have_their_column() -> None:
    signs = row("signs", "checkbox", select_choices_or_calculations="1, A")
    facts = {"missing_codes": {"NA": "Not applicable"}, "export_fields": ("signs___1", "signs___na")}

    assert derived(signs, **facts).columns == ("signs___1", "signs___na")
    assert derived(signs, missing_codes={"NA": "Not applicable"}).columns == ("signs___1",)


def test_a_field_named_as_a_part_of_the_key_gives_way_and_logic_follows() -> None:
    structure = project(
        row("site", "radio", form_name="visit", select_choices_or_calculations="1, A"),
        row("site_field", form_name="visit"),
        row("why", form_name="visit", branching_logic="[site] = '1' and [site_field] <> '' and [event][site] = '2'"),
    )
    study = study_from_project(structure)

    form = study.form("visit")
    assert [(each.name, each.origin) for each in form.fields] == [
        ("site_field_field", "site"),
        ("site_field", None),
        ("why", None),
    ]
    assert form.fields[2].branching == (
        "[site_field_field] = '1' and [site_field] <> '' and [event][site_field_field] = '2'"
    )
    assert empty_rows(form).height == 0


def test_the_record_id_is_a_name_whatever_its_validation() -> None:
    coded = RedcapField(
        field_name="pid", form_name="main", field_type="text", field_label="Id", text_validation_type="integer"
    )
    study = study_from_project(project(fields=(coded, row("x"))))

    assert study.record_field == "pid"
    first = study.forms[0].fields[0]
    assert (first.name, first.kind, first.required, first.soft) == ("pid", Kind.TEXT, False, None)


def test_events_become_visits_and_say_where_forms_are_collected() -> None:
    events = tuple(
        RedcapEvent(unique_name=f"{name}_arm_1", label=name, arm=1, event_id=None) for name in ("base", "month_1", "ae")
    )
    study = study_from_project(
        project(
            row("x", form_name="labs"),
            events=events,
            is_longitudinal=True,
            event_forms=frozenset({("month_1_arm_1", "labs"), ("base_arm_1", "labs"), ("base_arm_1", "main")}),
            repeating=frozenset({("base_arm_1", "labs"), ("ae_arm_1", "")}),
        )
    )

    assert [(visit.id, visit.repeating) for visit in study.visits] == [
        ("base_arm_1", False),
        ("month_1_arm_1", False),
        ("ae_arm_1", True),
    ]
    assert study.form("labs").visits == ("base_arm_1", "month_1_arm_1")
    assert (study.form("labs").repeating, study.form("main").repeating) == (True, False)


def test_metadata_rows_are_read_as_the_api_names_them() -> None:
    fields = metadata_from_rows(
        [
            {"field_name": "pid", "form_name": "main", "field_type": "text", "identifier": "y", "required_field": ""},
            {
                "field_name": "age",
                "form_name": "main",
                "field_type": "text",
                "text_validation_type_or_show_slider_number": "integer",
                "text_validation_min": "16",
                "required_field": "y",
            },
        ]
    )

    assert (fields[0].identifier, fields[0].required_field) == (True, False)
    assert (fields[1].text_validation_type, fields[1].text_validation_min) == ("integer", "16")
    assert fields[1].required_field
    with pytest.raises(ValueError, match="row 1 "):
        metadata_from_rows([{"field_name": "pid"}])


def test_a_fingerprint_changes_in_the_part_that_changed() -> None:
    before = structure_fingerprint(project(row("x")))

    assert before == structure_fingerprint(project(row("x"), redcap_version="15.0.0", title="Renamed"))
    changes = {
        "fields": project(row("x", field_label="other")),
        "missing_codes": project(row("x"), missing_codes={"NA": "n"}),
        "repeating": project(row("x"), repeating=frozenset({("", "main")})),
        "event_forms": project(row("x"), event_forms=frozenset({("a", "main")})),
        "events": project(row("x"), events=(RedcapEvent(unique_name="a_arm_1", label="a", arm=1, event_id=5),)),
    }
    for part, changed in changes.items():
        after = structure_fingerprint(changed)
        assert [name for name in before if before[name] != after[name]] == [part]


API_KEYS = {
    "Variable / Field Name": "field_name",
    "Form Name": "form_name",
    "Field Type": "field_type",
    "Field Label": "field_label",
    "Choices, Calculations, OR Slider Labels": "select_choices_or_calculations",
    "Text Validation Type OR Show Slider Number": "text_validation_type_or_show_slider_number",
    "Text Validation Min": "text_validation_min",
    "Text Validation Max": "text_validation_max",
    "Identifier?": "identifier",
    "Branching Logic (Show field only if...)": "branching_logic",
    "Required Field?": "required_field",
    "Matrix Group Name": "matrix_group_name",
    "Field Annotation": "field_annotation",
}


def corpus_project(name: str) -> ProjectStructure:
    with (CORPUS / name / "dictionary.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [
            {API_KEYS[key]: value for key, value in each.items() if key in API_KEYS} for each in csv.DictReader(file)
        ]
    fields = metadata_from_rows(rows)
    return project(fields=fields, instruments=())


def corpus_columns(name: str) -> Iterator[tuple[str, Field, pl.Series]]:
    study = study_from_project(corpus_project(name))
    data = pl.read_csv(CORPUS / name / "data.csv", infer_schema=False)
    for form in study.forms:
        for field in form.fields:
            for column in field.columns:
                assert column in data.columns, f"{column} is not in the export"
                yield column, field, data[column].replace("", None)


PROJECTS = ["simple", "longitudinal", "repeating-instruments", "validation-types-1", "survey", "dag"]


@needs_corpus
@pytest.mark.parametrize("name", PROJECTS)
def test_real_projects_have_every_column_and_no_problem(name: str) -> None:
    assert dictionary_problems(corpus_project(name)) == ()
    seen = [column for column, _, _ in corpus_columns(name)]
    data = pl.read_csv(CORPUS / name / "data.csv", infer_schema=False)
    extra = {each for each in data.columns if each not in seen}

    assert all(each.startswith("redcap_") or each.endswith(("_complete", "_timestamp")) for each in extra), extra


@needs_corpus
@pytest.mark.parametrize("name", PROJECTS)
def test_real_texts_and_codes_are_in_order(name: str) -> None:
    """No pattern and no code list may cry wolf over what REDCap itself let in."""
    study = study_from_project(corpus_project(name))
    columns = {column: cells for column, _, cells in corpus_columns(name)}
    failing = []
    for form in study.forms:
        for check in column_checks(compile_form(form)):
            if check.check not in ("CD01", "PT01"):
                continue
            cells = columns[check.column]
            if cells.dtype != pl.String or check.column.count("___"):
                continue
            frame = pl.DataFrame({check.column: cells})
            if not frame.select(check.passes().fill_null(True).all()).item():
                failing.append((check.check, check.column))
    # This project's data.csv was written by a program that turned codes into TRUE and FALSE (corpus README).
    assert failing == ([("CD01", "sex")] if name == "simple" else [])


@needs_corpus
def test_every_validation_type_of_redcap_is_placed() -> None:
    study = study_from_project(corpus_project("validation-types-1"))
    kinds = {each.name: each.kind for each in study.forms[0].fields}

    assert Kind.UNKNOWN not in kinds.values()
    assert kinds["v_number_4dp_comma_decimal"] is Kind.NUMBER
    assert kinds["v_time_mm_ss"] is Kind.TEXT
    assert "f_descriptive" not in kinds
    patterns = {each.name for each in study.forms[0].fields if each.pattern}
    assert {"v_zipcode", "v_ssn", "v_email", "v_phone_australia", "v_vmrn", "v_alpha_only"} <= patterns


def test_choice_columns_are_named_as_redcap_names_them() -> None:
    assert column_of("field", "-2") == "field____2"
    assert column_of("field", "A") == "field___a"
