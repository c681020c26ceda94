"""A changed project goes on with a notice, leaves out what it touches, or stops the site; everything is invented."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schemas import dictionary, loading
from schemas.coordinates import Coordinate, RowKey
from schemas.drift import Gravity, compare
from schemas.project import ProjectStructure, RedcapField, Snapshot
from schemas.study import Anchor, CheckSpec, Choice, Kind, Measure, Severity, Study
from sync.errors import SourceMismatch
from sync.harmonise import mapping as mappings
from sync.harmonise import placement
from sync.harmonise.harmonise import harmonise
from sync.harmonise.mapping import SiteMapping
from sync.harmonise.plan import SitePlan
from sync.ports.stored import StoreCounts
from sync.warehouse.store import SqlWarehouse
from sync.workflows import drift
from sync.workflows.drift_held import Held, held
from sync.workflows.drift_impact import Impact, affected
from tests.harmonise import builders as b
from validators import engine
from validators.findings import Condition

AT = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
CODES = (Choice(code="M", label={"en": "Male"}), Choice(code="F", label={"en": "Female"}))
GRADES = (Choice(code="1", label={"en": "Mild"}), Choice(code="2", label={"en": "Severe"}))

# --- a study, the mapping of one site, and that site's project


def a_check(name: str, *, logic: str | None = None, **more) -> CheckSpec:
    return CheckSpec(
        id=name,
        version="1.0",
        title={"en": name},
        severity=Severity.HARD,
        category="range",
        form=more.pop("form", "labs"),
        targets=more.pop("targets", ("creat",)),
        message={"en": "Please look."},
        logic=logic,
        **more,
    )


STUDY: Study = replace(
    b.a_study(
        b.a_form(
            b.a_field("sex", Kind.CODED, form="people", choices=CODES),
            b.a_field("grade", Kind.CODED, form="people", choices=GRADES),
            b.a_field("born", Kind.DATE, form="people"),
            name="people",
            visits=("base",),
        ),
        b.a_form(
            b.a_field("drawn", Kind.DATE, form="labs"),
            b.a_field("creat", Kind.NUMBER, form="labs"),
            b.a_field("urea", Kind.NUMBER, form="labs"),
            b.a_field("organs", Kind.CHECKBOX, form="labs", choices=GRADES),
            name="labs",
        ),
        visits=("base", "month"),
    ),
    checks=(
        a_check("HIGH", logic="[creat] > 100"),
        a_check("UREA", logic="[urea] > 10", targets=("urea",)),
        a_check("SEVERE", logic="[base][grade] = '2' and [creat] > 1"),
        a_check("LATER", library="x.y", params={"pairs": [["people.born", "labs.drawn"]]}, targets=("drawn",)),
    ),
    visit_date=Anchor(form="labs", field="drawn"),
    measures=(Measure(name="urea", form="labs", field="urea"),),
)

MAPPING_TEXT = """
[mapping]
version = "1"
project = "longitudinal"
record = "id"
missing = ["ND"]
[visits]
base = "base_arm_1"
month = "month_arm_1"
[forms.people]
instrument = "personen"
[forms.people.fields]
sex = { field = "geschlecht", codes = { "1" = "M", "2" = "F" } }
grade = "grad"
born = "geboren"
[forms.labs]
instrument = "labor"
[forms.labs.fields]
drawn = "datum"
creat = "krea"
urea = "harnst"
organs = "organe"
"""
MAPPING: SiteMapping = mappings.parse(MAPPING_TEXT, STUDY)


def a_row(name: str, form: str, kind: str = "text", **more: str) -> RedcapField:
    return RedcapField(field_name=name, form_name=form, field_type=kind, field_label=more.pop("label", name), **more)


ROWS = (
    a_row("id", "personen"),
    a_row("geschlecht", "personen", "radio", select_choices_or_calculations="1, Male | 2, Female"),
    a_row("grad", "personen", "radio", select_choices_or_calculations="1, Mild | 2, Severe"),
    a_row("geboren", "personen", text_validation_type="date_ymd"),
    a_row("hobby", "personen"),
    a_row("datum", "labor", text_validation_type="date_ymd"),
    a_row("krea", "labor", label="Creatinine", text_validation_type="number"),
    a_row("harnst", "labor", label="Urea", text_validation_type="number"),
    a_row("organe", "labor", "checkbox", select_choices_or_calculations="1, Mild | 2, Severe"),
    a_row("extra", "labor", "checkbox", select_choices_or_calculations="1, A | 2, B"),
)
FORMS = {"personen": ["base_arm_1"], "labor": ["base_arm_1", "month_arm_1"]}


def a_project(*rows: RedcapField, **changes) -> ProjectStructure:
    rows = rows or ROWS
    plain = b.a_structure(
        {form: [] for form in FORMS}, events={"base_arm_1": ["personen", "labor"], "month_arm_1": ["labor"]}
    )
    columns = [name for row in rows for name in columns_of(row)]
    return replace(
        plain,
        **{
            "fields": rows,
            "export_fields": (*columns, *(f"{form}_complete" for form in FORMS)),
            "missing_codes": {"NA": "Not applicable", "ND": "Not done"},
            "repeating": frozenset({("month_arm_1", "labor")}),
        }
        | changes,
    )


def columns_of(row: RedcapField) -> list[str]:
    return [f"{row.field_name}___{code}" for code in "12"] if row.field_type == "checkbox" else [row.field_name]


PROJECT = a_project()


def changed(name: str, **changes: str) -> ProjectStructure:
    return a_project(*(replace(row, **changes) if row.field_name == name else row for row in ROWS))


def without(name: str) -> ProjectStructure:
    return a_project(*(row for row in ROWS if row.field_name != name))


def impact_of(now: ProjectStructure, *, study: Study = STUDY, text: str = MAPPING_TEXT, **more) -> Impact:
    return affected(compare(PROJECT, now), study, mappings.parse(text, study), **more)


NOTHING = Held(columns=frozenset(), places=frozenset(), repeats=frozenset(), words=frozenset())

# --- a study of its own: what stops, what is left out, what goes on


class TestWhatTheStudyDoesNotRead:
    @pytest.mark.parametrize(
        "now",
        [
            without("hobby"),
            changed("hobby", field_name="sport", field_label="hobbys"),
            changed("hobby", form_name="labor"),
            changed("hobby", field_type="radio", select_choices_or_calculations="1, A"),
            a_project(*ROWS, a_row("more", "labor", required_field=True)),
            replace(PROJECT, redcap_version="16.1.0", title="Other", groups={"a": "A"}),
        ],
    )
    def test_goes_on_with_a_notice(self, now):
        impact = impact_of(now)
        assert impact.notices
        assert not impact.stops
        assert not impact.absent
        assert not impact.checks


class TestStops:
    @pytest.mark.parametrize(
        ("now", "said"),
        [
            (without("krea"), "read by labs.creat"),
            (changed("krea", field_name="scr"), "perhaps renamed to 'scr'; read by labs.creat"),
            (changed("krea", form_name="personen"), "moved from form 'labor' to 'personen'"),
            (changed("geschlecht", select_choices_or_calculations="1, Female | 2, Male"), "code 1 means “Female”"),
            (changed("geschlecht", select_choices_or_calculations="1, Male | 3, Female"), "has the code 3"),
            (changed("organe", select_choices_or_calculations="1, Mild"), "choice 2 (“Severe”) was removed"),
            (changed("organe", field_type="radio"), "read by labs.organs"),
            # the efficacy table and the visits hang on these two
            (changed("harnst", text_validation_type=""), "read by labs.urea"),
            (changed("datum", text_validation_type=""), "read by labs.drawn"),
            (replace(PROJECT, project_id=2), "this is project 2"),
            (replace(PROJECT, is_longitudinal=False), "classic (without events)"),
            (a_project(ROWS[4], *ROWS[:4], *ROWS[5:]), "the record id field is 'hobby', it was 'id'"),
            (replace(PROJECT, events=PROJECT.events[:1]), "visit month is read from it"),
            (replace(PROJECT, event_forms=PROJECT.event_forms - {("month_arm_1", "labor")}), "rows of labs"),
            (replace(PROJECT, repeating=frozenset()), "further instances of labs"),
            (replace(PROJECT, instruments=PROJECT.instruments[:1]), "labs is read from it"),
            (replace(PROJECT, missing_codes={"ND": "Not done"}), "would be read as values"),
            (
                replace(PROJECT, export_fields=tuple(c for c in PROJECT.export_fields if c != "organe___2")),
                "no longer holds the column 'organe___2'; read by labs.organs",
            ),
        ],
    )
    def test_what_would_be_read_wrongly_stops_the_site_and_is_named(self, now, said):
        impact = impact_of(now)
        assert [sentence for sentence in impact.stops if said in sentence]
        assert impact.reread

    def test_all_reasons_are_named_at_once_with_the_ways_out(self):
        now = a_project(*(row for row in ROWS if row.field_name not in ("krea", "harnst")), project_id=9)
        text = drift.refusal("here", impact_of(now))
        for said in ("'krea'", "'harnst'", "project 9", "Correct the mapping", "sync sites drift --site here --accept"):
            assert said in text

    def test_nothing_stored_means_nothing_to_lose(self):
        for now in (
            replace(PROJECT, event_forms=PROJECT.event_forms - {("month_arm_1", "labor")}),
            replace(PROJECT, repeating=frozenset()),
            replace(PROJECT, missing_codes={"ND": "Not done"}),
        ):
            impact = impact_of(now, holds=NOTHING)
            assert not impact.stops
            assert impact.notices

    def test_a_missing_code_that_the_mapping_names_itself_may_go(self):
        assert not impact_of(replace(PROJECT, missing_codes={"NA": "Not applicable"})).stops

    @pytest.mark.parametrize(
        ("now", "old", "new"),
        [
            (changed("krea", field_name="scr"), '"krea"', '"scr"'),
            (without("krea"), 'creat = "krea"', ""),
            (changed("geschlecht", select_choices_or_calculations="1, Male | 3, Female"), ', "2" = "F"', ""),
        ],
    )
    def test_a_mapping_that_was_corrected_to_match_is_not_held_up(self, now, old, new):
        text = MAPPING_TEXT.replace(old, new)
        assert text != MAPPING_TEXT
        stops = impact_of(now, text=text).stops
        # a code that the mapping still names keeps its meaning; the one that went is no longer read
        assert not stops

    def test_a_renamed_event_is_followed_by_the_corrected_mapping(self):
        month = replace(PROJECT.events[1], unique_name="monat_arm_1")
        now = replace(
            PROJECT,
            events=(PROJECT.events[0], month),
            event_forms=frozenset({*PROJECT.event_forms, ("monat_arm_1", "labor")} - {("month_arm_1", "labor")}),
            repeating=frozenset({("monat_arm_1", "labor")}),
        )
        (stop,) = impact_of(now).stops
        assert "renamed to 'monat_arm_1': visit month is read from it" in stop
        assert not impact_of(now, text=MAPPING_TEXT.replace("month_arm_1", "monat_arm_1")).stops


class TestLeavesOut:
    @pytest.mark.parametrize(
        "now",
        [
            changed("krea", text_validation_type=""),
            changed("krea", field_type="radio", text_validation_type="", select_choices_or_calculations="1, Low"),
        ],
    )
    def test_a_column_that_can_stand_aside_stops_its_checks_only(self, now):
        impact = impact_of(now)
        assert not impact.stops
        assert set(impact.absent) == {("labs", "creat")}
        assert impact.checks == {"HIGH": ("labs.creat",), "SEVERE": ("labs.creat",)}

    def test_codes_without_a_mapping_that_mean_something_else_are_left_out(self):
        impact = impact_of(changed("grad", select_choices_or_calculations="1, Severe | 2, Mild"))
        assert not impact.stops
        assert set(impact.absent) == {("people", "grade")}
        assert impact.checks == {"SEVERE": ("people.grade",)}
        assert "“Severe”" in impact.absent["people", "grade"]

    def test_altering_changes_name_the_checks_and_leave_nothing_out(self):
        now = changed("geboren", branching_logic="[geschlecht] = 1")
        impact = impact_of(now)
        assert not impact.stops
        assert not impact.absent
        assert impact.checks == {"LATER": ("people.born",)}
        assert "read by people.born" in impact.notices[0]
        assert impact.warnings == impact.notices, "somebody should hear of it"

    def test_what_nobody_reads_is_heard_of_where_it_is_gone_and_not_where_it_was_added(self):
        assert impact_of(without("hobby")).warnings
        assert impact_of(changed("hobby", field_label="Pastime")).warnings == ()
        assert impact_of(a_project(*ROWS, a_row("more", "labor"))).warnings == ()


@pytest.mark.parametrize(
    ("field", "choices", "said"),
    [
        ("geschlecht", "1, Male | 2, Female | 3, Other", "people.sex cannot read it until the mapping names it"),
        ("grad", "1, Mild | 2, Severe | 3, Worst", "people.grade cannot read it until the mapping names it"),
    ],
)
def test_a_new_choice_is_told_with_what_becomes_of_it(field, choices, said):
    impact = impact_of(changed(field, select_choices_or_calculations=choices))
    assert said in impact.notices[0]
    assert not impact.stops


def test_a_new_choice_that_happens_to_be_a_code_of_the_study_is_told_with_its_meaning():
    before = changed("grad", select_choices_or_calculations="1, Mild")
    impact = affected(compare(before, PROJECT), STUDY, MAPPING)
    assert "reads it as the study's 2 (“Severe”)" in impact.notices[0]


# --- the site's own dictionary as the study


def derived(before: ProjectStructure, now: ProjectStructure, holds: Held | None) -> Impact:
    study = dictionary.study_from_project(before)
    return affected(compare(before, now), study, mappings.identity(study), derived=True, holds=holds)


def holding(*columns: tuple[str, str], places: tuple[tuple[str, str], ...] = ()) -> Held:
    return replace(NOTHING, columns=frozenset(columns), places=frozenset(places))


class TestADictionaryForAStudy:
    @pytest.mark.parametrize(
        ("now", "column"),
        [
            (without("krea"), ("labor", "krea")),
            (changed("krea", field_name="scr"), ("labor", "krea")),
            (changed("krea", form_name="personen"), ("labor", "krea")),
            (changed("krea", text_validation_type=""), ("labor", "krea")),
            (changed("grad", select_choices_or_calculations="1, Severe | 2, Mild"), ("personen", "grad")),
            (changed("extra", select_choices_or_calculations="1, A"), ("labor", "extra___2")),
        ],
    )
    def test_stops_for_what_takes_or_turns_stored_data_and_only_then(self, now, column):
        assert derived(PROJECT, now, holding(column)).stops
        assert derived(PROJECT, now, None).stops
        other = derived(PROJECT, now, holding(("labor", "harnst"), ("labor", "extra___1")))
        assert not other.stops
        assert other.notices

    def test_follows_everything_else(self):
        now = a_project(
            *(replace(row, branching_logic="[hobby] <> ''", required_field=True) for row in ROWS[:-1]),
            a_row("more", "labor"),
        )
        study = dictionary.study_from_project(PROJECT)
        full = [(form.name, column) for form in study.forms for each in form.fields for column in each.columns]
        impact = derived(PROJECT, now, holding(*(each for each in full if "extra" not in each[1])))
        assert not impact.stops
        assert not impact.absent

    def test_stops_where_rows_would_vanish(self):
        now = replace(PROJECT, event_forms=PROJECT.event_forms - {("month_arm_1", "labor")})
        assert derived(PROJECT, now, holding(places=(("labor", "month_arm_1"),))).stops
        assert not derived(PROJECT, now, holding(places=(("labor", "base_arm_1"),))).stops


# --- accepting


def a_plan(study: Study | None = STUDY, mapping: SiteMapping | None = MAPPING) -> SitePlan:
    return SitePlan(slug="here", name="Here", prefix="HE", language="en", study=study, mapping=mapping)


class TestAcceptance:
    def test_the_first_pull_has_nothing_to_drift_from_and_is_accepted(self):
        found = drift.examine(drift.baseline(None, None), PROJECT, a_plan())
        assert not found.drift
        assert found.impact == Impact()
        state = json.loads(json.dumps(drift.settle(None, found)))
        assert drift.baseline(state, None) == PROJECT
        assert drift.settle(state, found) is None

    def test_a_site_that_was_pulled_before_compares_with_what_was_remembered(self):
        remembered = json.loads(json.dumps({"structure": drift.accept(PROJECT, by="x", at=AT)["structure"]}))
        assert drift.baseline(None, remembered) == PROJECT

    def test_a_run_that_went_through_moves_the_line(self):
        found = drift.examine(PROJECT, a_project(*ROWS, a_row("more", "labor")), a_plan())
        state = drift.settle(drift.accept(PROJECT, by="x", at=AT), found)
        assert drift.baseline(state, None) == found.drift.now

    @pytest.mark.parametrize("now", [without("krea"), changed("krea", text_validation_type="")])
    def test_what_stops_or_leaves_out_holds_every_night_until_a_person_accepts(self, now):
        state = drift.accept(PROJECT, by="x", at=AT)
        for _ in range(3):
            found = drift.examine(drift.baseline(state, None), now, a_plan())
            assert found.impact.stops or found.impact.absent
            assert drift.settle(state, found) is None
        state = drift.accept(now, by="a data manager", at=AT)
        assert not drift.examine(drift.baseline(state, None), now, a_plan()).drift

    def test_what_is_stored_is_read_by_the_study_as_it_was_and_only_if_it_matters(self):
        asked: list[Study] = []

        def stored(study: Study):
            asked.append(study)
            return harmonise(a_pull(), study, mappings.identity(study)).frames

        plan = a_plan(None, None)
        assert not drift.examine(PROJECT, PROJECT, plan, stored=stored).drift
        assert not drift.examine(PROJECT, a_project(*ROWS, a_row("more", "labor")), plan, stored=stored).impact.stops
        assert not asked
        found = drift.examine(PROJECT, without("krea"), plan, stored=stored)
        assert [sentence for sentence in found.impact.stops if "'krea'" in sentence]
        assert asked == [dictionary.study_from_project(PROJECT)]
        with pytest.raises(SourceMismatch, match="sync sites drift --site here --accept"):
            drift.refuse("here", found.impact)
        # a field that never held anything may go
        harmless = drift.examine(PROJECT, without("hobby"), plan, stored=stored)
        drift.refuse("here", harmless.impact)
        assert harmless.impact.notices

    def test_a_field_that_left_an_accepted_dictionary_keeps_its_stored_values(self, tmp_path):
        now = without("krea")
        studies = [dictionary.study_from_project(each) for each in (PROJECT, now)]
        url = f"sqlite:///{tmp_path}/own.sqlite"
        for night, (study, project) in enumerate(zip(studies, (PROJECT, now), strict=True)):
            own = SqlWarehouse(url, study, secret=b"a secret of the tests")
            own.upgrade()
            pull = a_pull(project, grad=str(night + 1))
            store(own, night, harmonise(pull, study, mappings.identity(study)).frames)
            own.close()
        own = SqlWarehouse(url, studies[0], secret=b"a secret of the tests")
        (labs,) = (frame for frame in own.reader().frames("here") if frame.form.name == "labor")
        own.close()
        assert labs.rows["krea"].to_list() == [80.0, 120.0]

    def test_another_mapping_is_told_and_reads_every_row_anew(self):
        first = drift.examine(PROJECT, PROJECT, a_plan())
        assert not first.impact.reread
        other = mappings.parse(MAPPING_TEXT + "\n# corrected", STUDY)
        second = drift.examine(PROJECT, PROJECT, a_plan(mapping=other), last_marks=first.marks)
        assert second.impact.reread
        assert second.impact.notices == ("the mapping is not that of the last run: every row is read anew",)
        assert {name for name in first.marks if first.marks[name] != second.marks[name]} == {"mapping"}

    def test_the_document_is_json(self):
        document = drift.examine(PROJECT, without("krea"), a_plan()).document()
        assert json.loads(json.dumps(document)) == document
        assert document["changes"][0]["gravity"] == "breaking"


# --- withheld columns


def a_pull(structure: ProjectStructure = PROJECT, creat: str = "80", **cells: str) -> Snapshot:
    head = {"redcap_event_name": "base_arm_1"}
    boxes = {"organe___1": "1", "organe___2": "0"}
    one = {"id": "1", **head, "geschlecht": "1", "grad": "2", "datum": "2012-03-04", "krea": creat, **boxes}
    return b.a_pull(structure, one | cells, {"id": "2", **head, "krea": "120", "labor_complete": "2"})


def test_a_needed_column_that_is_not_there_is_missed_even_if_the_server_does_not_list_it():
    pull = a_pull()
    assert drift.withheld(pull, STUDY, MAPPING) == {}
    silent = replace(PROJECT, export_fields=tuple(c for c in PROJECT.export_fields if c not in ("krea", "organe___2")))
    pull = replace(pull, structure=silent, rows=pull.rows.drop("krea", "organe___2", "geboren", "hobby"))
    pull = replace(pull, withheld={"geboren": "no rights", "hobby": "no rights"})
    found = drift.withheld(pull, STUDY, MAPPING)
    assert set(found) == {"krea", "organe___2", "geboren"}
    assert found["geboren"] == "no rights"


# --- leaving columns out, from pull to warehouse


@pytest.fixture
def warehouse(tmp_path) -> Iterator[SqlWarehouse]:
    made = SqlWarehouse(f"sqlite:///{tmp_path}/warehouse.sqlite", STUDY, secret=b"a secret of the tests")
    made.upgrade()
    yield made
    made.close()


def store(warehouse: SqlWarehouse, night: int, frames) -> StoreCounts:
    at = AT + timedelta(days=night)
    with warehouse.site_lock("here"), warehouse.transaction("here", f"run-{night}", at) as tx:
        return tx.store(frames, mapping_version="1", complete=True)


ABSENT = {("labs", "creat"): "the site changed its project"}


class TestLeftOutColumns:
    def test_are_neither_failed_nor_passed(self):
        frames = drift.leave_out(harmonise(a_pull(creat="500"), STUDY, MAPPING).frames, ABSENT)
        judged = engine.judge(STUDY, frames, site="here", prefix="HE", as_of=AT)
        row = RowKey(site="here", record="1", event="base", instrument="labs", instance=1)
        assert judged.conditions.at(check="HIGH", row=row, field="creat") is Condition.NOT_EVALUATED
        assert not [finding for finding in judged.findings if finding.field == "creat"]
        assert [each for each in judged.not_evaluated if each.check == "HIGH" and "the site changed" in each.reason]

    def test_keep_what_is_stored_while_the_rest_is_taken_over(self, warehouse):
        before = harmonise(a_pull(creat="8O"), STUDY, MAPPING).frames
        store(warehouse, 0, before)
        stored = warehouse.reader().frames("here")
        pull = a_pull(creat="nonsense", harnst="5")
        rows = pull.rows.vstack(pull.rows[:1].with_columns(id=pull.rows["id"][:1] + "1"))  # a new record, too
        fresh = drift.leave_out(harmonise(replace(pull, rows=rows), STUDY, MAPPING).frames, ABSENT)
        counts = store(warehouse, 1, drift.carry(fresh, stored, ABSENT))
        assert (counts.deleted, counts.cells_changed) == (0, 1)
        cell = Coordinate(
            row=RowKey(site="here", record="1", event="base", instrument="labs", instance=1), field="creat"
        )
        assert [version.raw for version in warehouse.reader().history(cell)] == ["8O"]
        (labs,) = (frame for frame in warehouse.reader().frames("here") if frame.form.name == "labs")
        kept = dict(labs.rows.select("record", "creat").iter_rows())
        assert kept == {"1": None, "2": 120.0, "11": None}
        # what could not be read on the first night is still known as unreadable
        assert labs.problems.filter(labs.problems["column"] == "creat").height == 1
        assert labs.absent["creat"] == "the site changed its project"
        assert not warehouse.reader().verify().problems

    def test_come_back_once_they_are_accepted(self, warehouse):
        store(warehouse, 0, harmonise(a_pull(), STUDY, MAPPING).frames)
        stored = warehouse.reader().frames("here")
        fresh = harmonise(a_pull(creat="90"), STUDY, MAPPING).frames
        store(warehouse, 1, drift.carry(drift.leave_out(fresh, ABSENT), stored, ABSENT))
        assert store(warehouse, 2, fresh).cells_changed == 1

    def test_repeated_nights_change_nothing(self, warehouse):
        fresh = harmonise(a_pull(), STUDY, MAPPING).frames
        store(warehouse, 0, fresh)
        for night in (1, 2):
            stored = warehouse.reader().frames("here")
            carried = drift.carry(drift.leave_out(fresh, ABSENT), stored, ABSENT)
            assert store(warehouse, night, carried) == StoreCounts()

    def test_frames_without_a_left_out_column_are_untouched(self):
        frames = harmonise(a_pull(), STUDY, MAPPING).frames
        assert drift.leave_out(frames, {}) == frames
        (people, labs) = drift.leave_out(frames, {("labs", "organs___1"): "why"})
        assert people is frames[0]
        assert_frame_equal(labs.rows.drop("organs___1"), frames[1].rows.drop("organs___1"))
        assert labs.rows["organs___1"].null_count() == labs.rows.height


def test_held_tells_columns_places_instances_and_words_without_values():
    month = {"id": "1", "redcap_event_name": "month_arm_1", "redcap_repeat_instrument": "labor"}
    again = month | {"redcap_repeat_instance": "2", "krea": "ND"}
    pull = b.a_pull(
        PROJECT, {"id": "1", "redcap_event_name": "base_arm_1", "organe___1": "1", "organe___2": "0"}, again
    )
    found = held(harmonise(pull, STUDY, MAPPING).frames)
    assert found.columns == {("labs", "organs___1"), ("labs", "creat")}
    assert found.places == {("labs", "base"), ("labs", "month")}
    assert found.repeats == {("labs", "month")}
    assert found.words == {"ND"}


# --- what is additive never stops a site


@st.composite
def additions(draw) -> ProjectStructure:
    """Draw a project that only gained something."""
    rows = list(ROWS)
    for number in range(draw(st.integers(0, 3))):
        form = draw(st.sampled_from([*FORMS, "neu"]))
        kind = draw(st.sampled_from(["text", "notes", "radio", "checkbox", "calc"]))
        place = draw(st.integers(1, len(rows)))
        rows.insert(place, a_row(f"new_{number}", form, kind, select_choices_or_calculations="1, A | 2, B"))
    if draw(st.booleans()):
        place = draw(st.sampled_from([1, 2, 8, 9]))
        at = next(i for i, row in enumerate(rows) if row.field_name == ROWS[place].field_name)
        more = f"{rows[at].select_choices_or_calculations} | 3, Third"
        rows[at] = replace(rows[at], select_choices_or_calculations=more)
    project = a_project(*rows)
    if draw(st.booleans()):
        project = replace(project, event_forms=project.event_forms | {("month_arm_1", "personen")})
    if draw(st.booleans()):
        project = replace(project, missing_codes={**project.missing_codes, "-99": "Lost"})
    if draw(st.booleans()):
        event = replace(project.events[0], unique_name="late_arm_1", label="Late", event_id=None)
        project = replace(project, events=(*project.events, event))
    return replace(project, redcap_version=draw(st.sampled_from(["15.0.0", "16.0.0"])), groups={"a": "A"})


@given(additions(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_additive_drift_never_stops_a_site_and_leaves_nothing_out(now, is_derived):
    found = compare(PROJECT, now)
    assert {change.gravity for change in found.changes} <= {Gravity.ADDITIVE}
    impact = derived(PROJECT, now, None) if is_derived else affected(found, STUDY, MAPPING)
    assert not impact.stops
    assert not impact.absent
    assert len(impact.notices) == len(found.changes)
    assert all("choice" in warning for warning in impact.warnings), "only a code that the mapping does not read"


# --- the four centres of the shipped study


def shipped(site: str) -> tuple[Study, SiteMapping, ProjectStructure]:
    """Build the project that a shipped mapping speaks of: every field that it reads, as plain text."""
    study = loading.shipped_study("sle")
    path = loading.shipped_folder("sle") / "sites" / f"{site}.toml"
    mapping = mappings.parse(path.read_text(encoding="utf-8"), study)
    fields: dict[str, list[str]] = {"first": [mapping.record or "id"]}
    for form in study.forms:
        if form.name in mapping.forms:
            for part in placement.slices(form, mapping):
                names = [name for source in part.sources.values() for name in source.site_fields]
                fields.setdefault(part.instrument, []).extend(names)
    is_classic = mapping.layout is mappings.Layout.CLASSIC
    events = {} if is_classic else {event: list(fields) for event in mapping.visits.values()}
    return study, mapping, b.a_structure(fields, events=events)


@pytest.mark.parametrize("site", ["drumtower", "zhenjiang", "jiangsu", "yangzhou"])
def test_every_field_that_a_shipped_mapping_reads_stops_its_site_when_it_goes(site):
    study, mapping, project = shipped(site)
    assert not affected(compare(project, project), study, mapping).stops
    read = project.fields[1:]
    assert len(read) > 50
    bare = replace(project, fields=project.fields[:1])
    stops = affected(compare(project, bare), study, mapping, holds=NOTHING).stops
    assert len(stops) == len({row.field_name for row in read} - {project.record_field})


def test_fields_on_which_the_derived_response_hangs_are_never_left_out():
    study, mapping, project = shipped("zhenjiang")
    source = mapping.forms["bilag"].sources[study.parameters["bilag"]["total"]].field
    rows = tuple(replace(r, field_type="radio") if r.field_name == source else r for r in project.fields)
    impact = affected(compare(project, replace(project, fields=rows)), study, mapping)
    assert len(impact.stops) == 1
    assert not impact.absent
