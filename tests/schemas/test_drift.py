"""Every change of a project's structure is named once, with its gravity; everything here is invented."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.drift import Change, Drift, Gravity, Part, What, compare
from schemas.drift_change import same_words
from schemas.project import Instrument, ProjectStructure, RedcapEvent, RedcapField

ADDITIVE, ALTERING, BREAKING = Gravity.ADDITIVE, Gravity.ALTERING, Gravity.BREAKING


def a_row(name: str, kind: str = "text", *, form: str = "main", **more: Any) -> RedcapField:
    return RedcapField(field_name=name, form_name=form, field_type=kind, field_label=more.pop("label", name), **more)


ROWS = (
    a_row("record_id"),
    a_row("sex", "radio", label="Sex", select_choices_or_calculations="1, Male | 2, Female"),
    a_row("organs", "checkbox", label="Organs", select_choices_or_calculations="1, Kidney | 2, Lung"),
    a_row("weight", label="Weight (kg)", text_validation_type="number", text_validation_min="20"),
    a_row("bmi", "calc", label="BMI", select_choices_or_calculations="[weight]/2"),
    a_row("lab_date", form="labs", label="Date drawn", text_validation_type="date_ymd"),
    a_row("creat", form="labs", label="Creatinine", text_validation_type="number_1dp"),
    a_row("fasting", "yesno", form="labs", label="Fasting?"),
    a_row("pain", "slider", form="diary", label="Pain", select_choices_or_calculations="none | some | much"),
)

PROJECT = ProjectStructure(
    project_id=17,
    title="Made up",
    redcap_version="15.0.1",
    is_longitudinal=True,
    fields=ROWS,
    instruments=tuple(Instrument(name=name, label=name.title()) for name in ("main", "labs", "diary")),
    events=(
        RedcapEvent(unique_name="base_arm_1", label="Base", arm=1, event_id=71),
        RedcapEvent(unique_name="month_1_arm_1", label="Month 1", arm=1, event_id=72),
    ),
    event_forms=frozenset({("base_arm_1", "main"), ("base_arm_1", "labs"), ("month_1_arm_1", "labs")}),
    repeating=frozenset({("base_arm_1", "diary"), ("month_1_arm_1", "")}),
    missing_codes={"NA": "Not applicable", "UNK": "Unknown"},
    groups={"ward_a": "Ward A"},
    export_fields=(
        *("record_id", "sex", "organs___1", "organs___2", "weight", "bmi", "main_complete"),
        *("lab_date", "creat", "fasting", "labs_complete", "pain", "diary_complete"),
    ),
)


def with_row(name: str, **changes: Any) -> ProjectStructure:
    rows = tuple(replace(row, **changes) if row.field_name == name else row for row in ROWS)
    return replace(PROJECT, fields=rows)


def only(drift: Drift) -> Change:
    (change,) = drift.changes
    return change


def facts(change: Change) -> tuple[Part, What, str, Gravity]:
    return change.part, change.what, change.subject, change.gravity


# --- each kind of change


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        (replace(PROJECT, redcap_version="16.0.0"), (Part.PROJECT, What.CHANGED, "redcap_version", ADDITIVE)),
        (replace(PROJECT, title="Other"), (Part.PROJECT, What.CHANGED, "title", ADDITIVE)),
        (replace(PROJECT, project_id=18), (Part.PROJECT, What.CHANGED, "project_id", BREAKING)),
        (replace(PROJECT, is_longitudinal=False), (Part.PROJECT, What.CHANGED, "is_longitudinal", BREAKING)),
        (
            replace(PROJECT, fields=(ROWS[1], ROWS[0], *ROWS[2:])),
            (Part.PROJECT, What.CHANGED, "record_field", BREAKING),
        ),
        (replace(PROJECT, fields=(*ROWS, a_row("note"))), (Part.FIELD, What.ADDED, "note", ADDITIVE)),
        (replace(PROJECT, fields=ROWS[:-1]), (Part.FIELD, What.REMOVED, "pain", BREAKING)),
        (with_row("creat", form_name="main"), (Part.FIELD, What.MOVED, "creat", BREAKING)),
        (with_row("creat", required_field=True), (Part.FIELD, What.CHANGED, "creat", ALTERING)),
        (with_row("creat", branching_logic="[sex] = 1"), (Part.FIELD, What.CHANGED, "creat", ALTERING)),
        (with_row("creat", text_validation_max="900"), (Part.FIELD, What.CHANGED, "creat", ALTERING)),
        (with_row("creat", text_validation_type="number_2dp"), (Part.FIELD, What.CHANGED, "creat", ALTERING)),
        (with_row("creat", text_validation_type=""), (Part.FIELD, What.CHANGED, "creat", BREAKING)),
        (
            with_row("creat", text_validation_type="number_1dp_comma_decimal"),
            (Part.FIELD, What.CHANGED, "creat", BREAKING),
        ),
        (with_row("lab_date", text_validation_type="date_dmy"), (Part.FIELD, What.CHANGED, "lab_date", ALTERING)),
        (with_row("creat", field_label="Creatinine (mg/dL)"), (Part.FIELD, What.CHANGED, "creat", ALTERING)),
        (with_row("creat", field_label="<b>creatinine</b>:"), (Part.FIELD, What.CHANGED, "creat", ADDITIVE)),
        (with_row("creat", section_header="Blood"), (Part.FIELD, What.CHANGED, "creat", ADDITIVE)),
        (with_row("creat", identifier=True), (Part.FIELD, What.CHANGED, "creat", ADDITIVE)),
        (with_row("sex", field_type="dropdown"), (Part.FIELD, What.CHANGED, "sex", ALTERING)),
        (
            with_row("bmi", select_choices_or_calculations="[weight]/3"),
            (Part.FIELD, What.CHANGED, "bmi", ALTERING),
        ),
        (
            with_row("sex", select_choices_or_calculations="2, Female | 1, Male"),
            (Part.FIELD, What.CHANGED, "sex", ADDITIVE),
        ),
        (
            with_row("sex", select_choices_or_calculations="1, Male | 2, Female | 3, Unknown"),
            (Part.CHOICE, What.ADDED, "sex", ADDITIVE),
        ),
        (with_row("sex", select_choices_or_calculations="1, Male"), (Part.CHOICE, What.REMOVED, "sex", ALTERING)),
        (
            with_row("organs", select_choices_or_calculations="1, Kidney"),
            (Part.CHOICE, What.REMOVED, "organs", BREAKING),
        ),
        (
            with_row("sex", select_choices_or_calculations="1, Female now | 2, Female"),
            (Part.CHOICE, What.RELABELLED, "sex", BREAKING),
        ),
        (
            with_row("sex", select_choices_or_calculations="1, male. | 2, Female"),
            (Part.CHOICE, What.RELABELLED, "sex", ALTERING),
        ),
        (
            with_row("sex", select_choices_or_calculations="1, Male | 3, Female"),
            (Part.CHOICE, What.RECODED, "sex", BREAKING),
        ),
        (
            replace(PROJECT, instruments=(*PROJECT.instruments, Instrument(name="x", label="X"))),
            (Part.FORM, What.ADDED, "x", ADDITIVE),
        ),
        (
            replace(PROJECT, instruments=PROJECT.instruments[:-1]),
            (Part.FORM, What.REMOVED, "diary", BREAKING),
        ),
        (
            replace(PROJECT, event_forms=PROJECT.event_forms - {("month_1_arm_1", "labs")}),
            (Part.DESIGNATION, What.REMOVED, "labs", BREAKING),
        ),
        (
            replace(PROJECT, event_forms=PROJECT.event_forms | {("month_1_arm_1", "main")}),
            (Part.DESIGNATION, What.ADDED, "main", ADDITIVE),
        ),
        (
            replace(PROJECT, repeating=PROJECT.repeating - {("month_1_arm_1", "")}),
            (Part.REPEATING, What.REMOVED, "month_1_arm_1", BREAKING),
        ),
        (
            replace(PROJECT, repeating=PROJECT.repeating | {("base_arm_1", "labs")}),
            (Part.REPEATING, What.ADDED, "labs", ALTERING),
        ),
        (replace(PROJECT, missing_codes={"NA": "Not applicable"}), (Part.MISSING_CODE, What.REMOVED, "UNK", BREAKING)),
        (
            replace(PROJECT, missing_codes={**PROJECT.missing_codes, "-9": "Not done"}),
            (Part.MISSING_CODE, What.ADDED, "-9", ADDITIVE),
        ),
        (
            replace(PROJECT, missing_codes={**PROJECT.missing_codes, "2": "Not done"}),
            (Part.MISSING_CODE, What.ADDED, "2", ALTERING),
        ),
        (replace(PROJECT, groups={}), (Part.GROUP, What.REMOVED, "ward_a", ALTERING)),
        (
            replace(PROJECT, export_fields=PROJECT.export_fields[:-2]),
            (Part.EXPORT, What.REMOVED, "diary_complete", BREAKING),
        ),
    ],
)
def test_a_change_is_named_with_its_gravity(now, wanted):
    drift = compare(PROJECT, now)
    assert wanted in [facts(change) for change in drift.changes]
    assert all(change.sentence for change in drift.changes)
    if wanted[0] is not Part.EXPORT:
        assert len(drift.changes) == 1


def test_a_swap_of_two_codes_tells_both():
    drift = compare(PROJECT, with_row("sex", select_choices_or_calculations="1, Female | 2, Male"))
    assert [(change.what, change.codes) for change in drift.changes] == [
        (What.RELABELLED, ("1",)),
        (What.RELABELLED, ("2",)),
    ]
    assert drift.gravity is BREAKING
    assert "“Female”" in drift.changes[0].sentence
    assert "“Male”" in drift.changes[0].sentence


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Male", " male. ", True),
        ("男（本人）", "男(本人)", True),
        ("<5", ">5", False),
        ("1.0", "10", False),
        ("A+", "A-", False),
    ],
)
def test_signs_and_digits_count_where_labels_are_compared(first, second, same):
    assert same_words(first, second) is same


class TestRenames:
    def test_a_field_that_went_as_a_like_one_came_is_perhaps_renamed(self):
        change = only(compare(PROJECT, with_row("creat", field_name="scr", field_label="Serum creatinine")))
        assert (change.what, change.subject, change.becomes, change.gravity) == (What.RENAMED, "creat", "scr", BREAKING)
        assert "perhaps renamed to 'scr'" in change.sentence

    @pytest.mark.parametrize(
        "otherwise",
        [
            {"field_label": "Haemoglobin"},
            {"text_validation_type": "integer"},
            {"field_type": "notes"},
            {"form_name": "main"},
        ],
    )
    def test_no_rename_is_guessed_between_different_fields(self, otherwise):
        drift = compare(PROJECT, with_row("creat", field_name="scr", **otherwise))
        assert {(change.what, change.subject) for change in drift.changes} == {
            (What.REMOVED, "creat"),
            (What.ADDED, "scr"),
        }

    def test_each_field_takes_part_in_one_rename_only(self):
        now = replace(
            PROJECT,
            fields=(
                *ROWS[:6],
                *ROWS[7:],
                a_row("scr", form="labs", label="Creatinine", text_validation_type="number_1dp"),
                a_row("scr2", form="labs", label="Creatinine 2", text_validation_type="number_1dp"),
            ),
        )
        drift = compare(PROJECT, now)
        assert [(c.what, c.subject, c.becomes) for c in drift.changes] == [
            (What.RENAMED, "creat", "scr"),
            (What.ADDED, "scr2", None),
        ]

    def test_an_event_that_keeps_its_number_was_renamed_and_takes_its_forms_along(self):
        month = replace(PROJECT.events[1], unique_name="month_one_arm_1", label="Month one")
        now = replace(
            PROJECT,
            events=(PROJECT.events[0], month),
            event_forms=frozenset({("base_arm_1", "main"), ("base_arm_1", "labs"), ("month_one_arm_1", "labs")}),
            repeating=frozenset({("base_arm_1", "diary"), ("month_one_arm_1", "")}),
        )
        change = only(compare(PROJECT, now))
        assert (change.part, change.what, change.becomes) == (Part.EVENT, What.RENAMED, "month_one_arm_1")
        assert "perhaps" not in change.sentence

    def test_an_event_of_the_same_label_is_perhaps_renamed(self):
        month = replace(PROJECT.events[1], unique_name="m1_arm_1", event_id=None)
        drift = compare(PROJECT, replace(PROJECT, events=(PROJECT.events[0], month)))
        assert [c.sentence for c in drift.changes if c.part is Part.EVENT] == [
            "event 'month_1_arm_1' was removed, perhaps renamed to 'm1_arm_1'"
        ]

    def test_a_form_whose_fields_all_went_to_a_new_one_is_one_change(self):
        rows = tuple(replace(row, form_name="bloods") if row.form_name == "labs" else row for row in ROWS)
        forms = tuple(Instrument(name=n, label=n.title()) for n in ("main", "bloods", "diary"))
        columns = tuple("bloods_complete" if c == "labs_complete" else c for c in PROJECT.export_fields)
        change = only(compare(PROJECT, replace(PROJECT, fields=rows, instruments=forms, export_fields=columns)))
        assert (change.part, change.what, change.subject, change.becomes) == (Part.FORM, What.RENAMED, "labs", "bloods")

    def test_a_rebuilt_form_of_many_fields_is_compared_in_no_time(self):
        old = tuple(a_row(f"old_{i}", label=f"Item {i}") for i in range(400))
        new = tuple(a_row(f"new_{i}", label=f"Item {i}") for i in range(400))
        drift = compare(replace(PROJECT, fields=(ROWS[0], *old)), replace(PROJECT, fields=(ROWS[0], *new)))
        renamed = [change for change in drift.changes if change.what is What.RENAMED]
        assert len(renamed) == 400
        assert all(change.subject[4:] == change.becomes[4:] for change in renamed)


# --- properties


def test_the_comparison_knows_every_part_of_a_structure():
    """A part that is added to these types later has to be compared too, and mutated below."""
    assert {each.name for each in fields(ProjectStructure)} == {
        *("project_id", "title", "redcap_version", "is_longitudinal", "fields", "instruments", "events"),
        *("event_forms", "repeating", "missing_codes", "groups", "export_fields"),
    }
    assert {each.name for each in fields(RedcapEvent)} == {"unique_name", "label", "arm", "event_id"}
    assert {each.name for each in fields(Instrument)} == {"name", "label"}


TYPES = (
    "text",
    "notes",
    "radio",
    "dropdown",
    "checkbox",
    "yesno",
    "truefalse",
    "calc",
    "slider",
    "file",
    "descriptive",
)
VALIDATIONS = ("", "integer", "number", "number_1dp_comma_decimal", "date_ymd", "datetime_dmy", "time", "email")
CHOICES = ("", "1, Yes | 0, No", "0, No | 1, Yes", "1, Yes | 2, No", "[a]+[b]", "1, Yes", "0, Yes | 1, No")
words = st.text(alphabet="abcdef <", min_size=0, max_size=6)


@st.composite
def rows(draw, name: str, forms: list[str]) -> RedcapField:
    return RedcapField(
        field_name=name,
        form_name=draw(st.sampled_from(forms)),
        field_type=draw(st.sampled_from(TYPES)),
        field_label=draw(words),
        select_choices_or_calculations=draw(st.sampled_from(CHOICES)),
        text_validation_type=draw(st.sampled_from(VALIDATIONS)),
        required_field=draw(st.booleans()),
        branching_logic=draw(words),
    )


@st.composite
def structures(draw) -> ProjectStructure:
    forms = draw(st.lists(st.sampled_from("mno"), min_size=1, max_size=3, unique=True))
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True))
    events = draw(st.lists(st.sampled_from(["e1", "e2", "e3"]), max_size=3, unique=True))
    places = st.frozensets(st.tuples(st.sampled_from([*events, ""]), st.sampled_from([*forms, ""])), max_size=4)
    labelled = st.dictionaries(st.sampled_from(["NA", "-9", "1"]), words, max_size=3)
    return ProjectStructure(
        project_id=draw(st.integers(1, 5)),
        title=draw(words),
        redcap_version="15.0.0",
        is_longitudinal=bool(events),
        fields=tuple(draw(rows(name, forms)) for name in names),
        instruments=tuple(Instrument(name=form, label=draw(words)) for form in forms),
        events=tuple(
            RedcapEvent(unique_name=name, label=draw(words), arm=1, event_id=draw(st.sampled_from([None, 7 + i])))
            for i, name in enumerate(events)
        ),
        event_forms=draw(places),
        repeating=draw(places),
        missing_codes=draw(labelled),
        groups=draw(labelled),
        export_fields=(*names, *(f"{form}_complete" for form in forms)),
    )


def _another(draw: Callable[..., Any], value: Any) -> Any:
    """Draw a value of the same type that differs."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value is None:
        return 99
    return draw(words.filter(lambda text: text != value))


def _attribute(draw, structure: ProjectStructure, part: str) -> ProjectStructure:
    """Change one attribute of one field, form or event."""
    members = getattr(structure, part)
    place = draw(st.integers(0, len(members) - 1))
    member = members[place]
    name = draw(st.sampled_from([each.name for each in fields(member)]))
    known = {"field_type": TYPES, "text_validation_type": VALIDATIONS, "select_choices_or_calculations": CHOICES}
    value = getattr(member, name)
    if name in ("field_name", "unique_name", "name"):
        other = "zz"
    elif name in known:
        other = draw(st.sampled_from([each for each in known[name] if each != value]))
    else:
        other = _another(draw, value)
    return replace(structure, **{part: (*members[:place], replace(member, **{name: other}), *members[place + 1 :])})


@st.composite
def mutated(draw) -> tuple[ProjectStructure, ProjectStructure]:
    structure = draw(structures())
    # most of a structure is its fields
    part = draw(st.sampled_from([*["fields"] * 6, *(each.name for each in fields(ProjectStructure))]))
    value = getattr(structure, part)
    if part in ("fields", "instruments", "events") and value:
        if len(value) > 1 and draw(st.booleans()):
            gone = draw(st.integers(0, len(value) - 1))
            return structure, replace(structure, **{part: (*value[:gone], *value[gone + 1 :])})
        return structure, _attribute(draw, structure, part)
    if part == "events":
        event = RedcapEvent(unique_name="e9", label="", arm=1, event_id=None)
        return structure, replace(structure, events=(event,))
    if part in ("event_forms", "repeating"):
        return structure, replace(structure, **{part: value ^ {draw(st.sampled_from([("e1", "m"), ("", "n")]))}})
    if part in ("missing_codes", "groups"):
        key = draw(st.sampled_from(["NA", "1", "new"]))
        other = _another(draw, value[key]) if key in value else "x"
        gone = key in value and draw(st.booleans())
        now = {k: v for k, v in value.items() if k != key} if gone else {**value, key: other}
        return structure, replace(structure, **{part: now})
    if part == "export_fields":
        return structure, replace(structure, export_fields=draw(st.sampled_from([value[:-1], (*value, "more")])))
    return structure, replace(structure, **{part: _another(draw, value)})


def test_no_attribute_of_any_kind_of_field_changes_unseen():
    known = {"field_type": TYPES, "text_validation_type": VALIDATIONS, "select_choices_or_calculations": CHOICES}
    for row in ROWS[1:]:
        for each in fields(RedcapField):
            value = getattr(row, each.name)
            others = known.get(each.name, (not value,) if isinstance(value, bool) else (f"{value}x", "quite another"))
            for other in others:
                if other != value:
                    drift = compare(PROJECT, with_row(row.field_name, **{each.name: other}))
                    assert row.field_name in {change.subject for change in drift.changes}, (row, each.name, other)


@given(structures())
@settings(max_examples=40, deadline=None)
def test_a_structure_does_not_drift_from_itself(structure):
    assert not compare(structure, structure)
    assert compare(structure, structure).gravity is None


@given(mutated())
@settings(max_examples=200, deadline=None)
def test_no_single_mutation_goes_unreported_in_either_direction(pair):
    before, now = pair
    assert compare(before, now)
    assert compare(now, before)


@given(structures(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_is_no_change_as_long_as_the_record_id_stays_first(structure, random):
    first, *rest = structure.fields
    random.shuffle(rest)
    now = replace(
        structure,
        fields=(first, *rest),
        instruments=structure.instruments[::-1],
        events=structure.events[::-1],
        export_fields=structure.export_fields[::-1],
    )
    assert not compare(structure, now)


@given(structures(), st.data())
@settings(max_examples=40, deadline=None)
def test_what_was_added_is_what_is_removed_on_the_way_back(structure, data):
    new = data.draw(rows("new", [structure.instruments[0].name]))
    now = replace(structure, fields=(*structure.fields, new), export_fields=(*structure.export_fields, "new"))
    there, back = only(compare(structure, now)), only(compare(now, structure))
    assert (there.what, there.subject, there.gravity) == (What.ADDED, "new", ADDITIVE)
    assert (back.what, back.subject) == (What.REMOVED, "new")


@given(mutated(), mutated())
@settings(max_examples=60, deadline=None)
def test_the_gravest_change_comes_first_and_the_counts_add_up(first, second):
    drift = compare(first[0], second[1])
    order = [BREAKING, ALTERING, ADDITIVE]
    places = [order.index(change.gravity) for change in drift.changes]
    assert places == sorted(places)
    assert drift.counts() == {gravity.value: len(drift.of(gravity)) for gravity in order}
