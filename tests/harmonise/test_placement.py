"""Where rows come from: events, repeating instruments and events, one wide row, shared instruments."""

import pytest

from schemas.study import Choice, Kind
from sync.harmonise import harmonise, mapping
from tests.harmonise.builders import a_field, a_form, a_pull, a_structure, a_study

LONG = '[mapping]\nversion = "1"\nproject = "longitudinal"\nrecord = "id"\n[defaults]\nnames = "{name}"\n'
WIDE = LONG.replace("longitudinal", "classic").replace('"{name}"', '"{visit}_{name}"')


def keys(frame):
    return frame.rows.select("record", "event", "instance").rows()


def test_events_become_visits_and_unfilled_events_no_rows():
    given = a_study(a_form(a_field("x"), visits=("v1", "v2")), visits=("v1", "v2"))
    site = mapping.parse(LONG + '[visits]\nv1 = "one_arm_1"\nv2 = "two_arm_1"\n', given)
    structure = a_structure({"first": ["id"], "f": ["x"]}, events={"one_arm_1": ["first", "f"], "two_arm_1": ["f"]})
    pull = a_pull(
        structure,
        {"id": "1", "redcap_event_name": "one_arm_1", "x": "a", "f_complete": "2"},
        {"id": "1", "redcap_event_name": "two_arm_1", "f_complete": "0"},
        {"id": "2", "redcap_event_name": "one_arm_1"},
    )
    (frame,) = harmonise.harmonise(pull, given, site).frames
    assert keys(frame) == [("1", "v1", 1), ("1", "v2", 1)]
    assert frame.rows["_status"].to_list() == [2, 0]
    assert frame.rows["_site_event"].to_list() == ["one_arm_1", "two_arm_1"]


def test_repeating_instruments_and_events_keep_their_instances_gaps_and_all():
    given = a_study(a_form(a_field("x"), repeating=True), a_form(a_field("y"), name="g"), visits=("v1",))
    site = mapping.parse(LONG + '[visits]\nv1 = "e_arm_1"\n', given)
    structure = a_structure(
        {"first": ["id"], "f": ["x"], "g": ["y"]},
        events={"e_arm_1": ["first", "f", "g"]},
        repeating=[("e_arm_1", "f")],
    )
    event = {"redcap_event_name": "e_arm_1"}
    pull = a_pull(
        structure,
        {"id": "1", **event, "y": "base"},
        {"id": "1", **event, "redcap_repeat_instrument": "f", "redcap_repeat_instance": "1", "x": "a"},
        {"id": "1", **event, "redcap_repeat_instrument": "f", "redcap_repeat_instance": "3", "x": "b"},
        {"id": "2", **event, "redcap_repeat_instance": "2", "y": "whole event repeats"},
    )
    f, g = harmonise.harmonise(pull, given, site).frames
    assert keys(f) == [("1", "v1", 1), ("1", "v1", 3)]
    assert keys(g) == [("1", "v1", 1), ("2", "v1", 2)]


def test_one_wide_row_becomes_a_row_a_visit_with_the_sites_own_names():
    given = a_study(a_form(a_field("x", Kind.NUMBER), visits=("v1", "v2")), visits=("v1", "v2"))
    site = mapping.parse(WIDE + 'instrument = "{visit}_{form}"\n[visits]\nv1 = "d0"\nv2 = "m3"\n', given)
    structure = a_structure({"first": ["id"], "d0_f": ["d0_x"], "m3_f": ["m3_x"]})
    pull = a_pull(structure, {"id": "1", "d0_x": "1", "m3_x": "2", "m3_f_complete": "2"}, {"id": "2", "d0_x": "3"})
    (frame,) = harmonise.harmonise(pull, given, site).frames
    assert keys(frame) == [("1", "v1", 1), ("1", "v2", 1), ("2", "v1", 1)]
    assert frame.rows["x"].to_list() == [1.0, 2.0, 3.0]
    assert frame.site_field("x", event="v2", instance=1) == "m3_x"
    assert frame.rows["_site_instrument"].to_list() == ["d0_f", "m3_f", "d0_f"]


def test_numbered_slots_become_instances_and_empty_slots_none():
    given = a_study(a_form(a_field("x"), visits=("v1",), repeating=True), visits=("v1",))
    slots = '[visits]\nv1 = "d0"\n[forms.f]\ninstrument = "many"\nnames = "{name}_{n}"\nslots = ["1", "2", "3"]\n'
    site = mapping.parse(WIDE + slots, given)
    structure = a_structure({"first": ["id"], "many": ["x_1", "x_2", "x_3"]})
    pull = a_pull(
        structure, {"id": "1", "x_1": "a", "x_3": "c", "many_complete": "2"}, {"id": "2", "many_complete": "2"}
    )
    (frame,) = harmonise.harmonise(pull, given, site).frames
    assert keys(frame) == [("1", "v1", 1), ("1", "v1", 3)]
    assert frame.site_field("x", event="v1", instance=3) == "x_3"


def test_two_study_forms_may_stand_on_one_site_instrument():
    given = a_study(a_form(a_field("x"), visits=("v1",)), a_form(a_field("y"), name="g", visits=("v1",)))
    site = mapping.parse(
        LONG + '[visits]\nv1 = "e"\n[forms.f]\ninstrument = "both"\n[forms.g]\ninstrument = "both"\n', given
    )
    structure = a_structure({"both": ["id", "x", "y"]}, events={"e": ["both"]})
    pull = a_pull(structure, {"id": "1", "redcap_event_name": "e", "x": "a", "y": "b", "both_complete": "2"})
    f, g = harmonise.harmonise(pull, given, site).frames
    assert f.rows["x"].to_list() == ["a"]
    assert g.rows["y"].to_list() == ["b"]


def test_a_shared_instruments_status_vouches_only_where_the_study_form_is_due():
    given = a_study(
        a_form(a_field("x"), visits=("v1",)), a_form(a_field("y"), name="g", visits=("v1", "v2")), visits=("v1", "v2")
    )
    shared = '[visits]\nv1 = "e1"\nv2 = "e2"\n[forms.f]\ninstrument = "both"\n[forms.g]\ninstrument = "both"\n'
    structure = a_structure({"both": ["id", "x", "y"]}, events={"e1": ["both"], "e2": ["both"]})
    filled = {"id": "1", "both_complete": "2"}
    pull = a_pull(structure, {**filled, "redcap_event_name": "e1"}, {**filled, "redcap_event_name": "e2", "y": "b"})
    f, g = harmonise.harmonise(pull, given, mapping.parse(LONG + shared, given)).frames
    assert keys(f) == [("1", "v1", 1)]
    assert keys(g) == [("1", "v1", 1), ("1", "v2", 1)]


def test_an_unticked_box_on_an_unopened_form_is_no_datum():
    choices = tuple(Choice(code=code, label={"en": code}) for code in "ab")
    given = a_study(a_form(a_field("box", Kind.CHECKBOX, choices=choices), a_field("x"), visits=("v1",)))
    site = mapping.parse(LONG + '[visits]\nv1 = "e"\n', given)
    structure = a_structure({"first": ["id"], "f": ["box___a", "box___b", "x"]}, events={"e": ["first", "f"]})
    zeros = {"redcap_event_name": "e", "box___a": "0", "box___b": "0"}
    pull = a_pull(
        structure,
        {"id": "1", **zeros},
        {"id": "2", **zeros, "box___b": "1"},
        {"id": "3", **zeros, "f_complete": "0"},
    )
    (frame,) = harmonise.harmonise(pull, given, site).frames
    assert keys(frame) == [("2", "v1", 1), ("3", "v1", 1)]
    assert frame.rows.select("box___a", "box___b").rows() == [(None, 1), (0, 0)]
    assert frame.raw["box___a"].to_list() == ["0", "0"]


def test_a_field_that_the_site_does_not_report_is_absent_and_never_blank():
    given = a_study(a_form(a_field("x"), a_field("y")))
    site = mapping.parse(LONG + '[visits]\nv1 = "e"\n[forms.f]\nabsent = { y = "no such assay" }\n', given)
    structure = a_structure({"f": ["id", "x"]}, events={"e": ["f"]})
    (frame,) = harmonise.harmonise(
        a_pull(structure, {"id": "1", "redcap_event_name": "e", "x": "a"}), given, site
    ).frames
    assert frame.absent == {"y": "no such assay"}
    assert harmonise.mismatches(structure, given, site) == ()


def test_rows_of_an_event_that_no_visit_names_are_counted_aloud():
    given = a_study(a_form(a_field("x")))
    site = mapping.parse(LONG + '[visits]\nv1 = "e"\n', given)
    structure = a_structure({"f": ["id", "x"]}, events={"e": ["f"], "old": ["f"]})
    pull = a_pull(structure, {"id": "1", "redcap_event_name": "old", "x": "a"})
    assert harmonise.harmonise(pull, given, site).notices == (
        "1 row of event 'old' is not read: the mapping's [visits] does not name it",
    )


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[visits]\nv1 = "a"\nv9 = "e"\n', "visits.v9: the study has no such visit; did you mean 'v1'?"),
        ('[forms.ff]\ninstrument = "x"\n', "forms.ff: the study has no such form"),
        ('[forms.f.fields]\nxx = "x"\n', "forms.f.fields.xx: the study form has no such field; did you mean 'x'?"),
        ('[forms.f.fields]\nx = { field = "x", unit = "mg" }\n', "unit 'mg' cannot be turned into anything"),
        ("[forms.f.fields]\nx = { extract = '(a)(b)' }\n", "needs exactly one (group)"),
        ('[forms.f.fields]\nx = { feld = "x" }\n', "unknown key"),
        ("[visits", "not valid TOML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_place_and_remedy(toml, says):
    given = a_study(a_form(a_field("x")))
    with pytest.raises(mapping.MappingError) as refusal:
        mapping.parse(LONG + toml, given)
    assert says in str(refusal.value)


def test_what_the_project_lacks_is_said_with_the_nearest_name():
    given = a_study(a_form(a_field("x"), a_field("creat")))
    site = mapping.parse(LONG + '[visits]\nv1 = "enrol"\n', given)
    structure = a_structure({"f": ["id", "x", "creatinine"]}, events={"enroll": ["f"]})
    assert harmonise.mismatches(structure, given, site) == (
        "visits.v1: the project has no event 'enrol'; did you mean 'enroll'?",
        "forms.f.fields.creat: the project has no field 'creat'; did you mean 'creatinine'?",
    )
