"""OC01 to OC06, XV01 and the derivation of the response: the eleven rows of the reference, word by word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec import bench
from tests.spec.test_indices import bilag
from validators.library import outcomes, response

STUDY = bench.sle("OC01", "OC02", "OC03", "OC04", "XV01")


SYSTEMS = ("const", "mucoc", "neuro", "msk", "cardio", "gi", "ophth", "renal", "haem")
RULES = response.rule_set(STUDY)
ANY = response.rule_set(STUDY, relapse_on="any")


def grades(text: str | None):
    return None if text is None else dict(zip(SYSTEMS, (each.replace("N", "ND") for each in text), strict=True))


CASES = [
    # case, D0, M3, M6, M9, expected M6, expected M9
    ("all C or better", "CEEBEEEAC", "CEEDEEECC", "CEEDEEECC", "CEEDEEECC", "MCR", "MCR"),
    ("one B", "CEEBEEEAC", "CEEDEEEBC", "CEEDEEEBC", "CEEDEEEBC", "PCR", "PCR"),
    ("two B, light baseline", "CEEBEEEBC", "CEEBEEEBC", "CEEBEEEBC", "CEEBEEEBC", "NR", "NR"),
    ("two B, heavy baseline", "AEEBEEEAC", "CEEBEEEBC", "CEEBEEEBC", "CEEBEEEBC", "PCR", "PCR"),
    ("new A", "CEEBEEEAC", "CEEDEEECC", "CEEDEEECC", "CEEDEEEAC", "MCR", "RELAPSE"),
    ("two new B", "CEEBEEEAC", "CEEDEEECC", "CEEDEEECC", "BEEDEEEBC", "MCR", "RELAPSE"),
    ("one new B", "CEEBEEEAC", "CEEDEEECC", "CEEDEEECC", "CEEDEEEBC", "MCR", "PCR"),
    ("ND renal", "CEEBEEEAC", "CEEDEEECC", "CEEDEEENC", None, "NE", "NE"),
    ("dead", "CEEBEEEAC", "CEEDEEECC", None, None, "DEATH", "DEATH"),
    ("new A at month 6", "CEEBEEEAC", "CEEDEEECC", "CEEAEEECC", None, "NR", "NE"),
    ("flare at month 3", "CEEBEEEAC", "CEEAEEEAC", "CEEDEEECC", "CEEDEEECC", "NR", "NR"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_the_eleven_rows_of_the_reference(case):
    name, d0, m3, m6, m9, at_6, at_9 = case
    visits = {"day_0": d0, "month_3": m3, "month_6": m6, "month_9": m9}
    dead = ("month_6", "month_9", "month_12") if name == "dead" else ()
    found = response.judge_course(RULES, {visit: grades(text) for visit, text in visits.items()}, dead=dead)
    assert (found["month_6"], found["month_9"]) == (at_6, at_9)


def test_one_new_b_is_a_relapse_only_in_the_sensitivity_set():
    visits = {"day_0": "CEEBEEEAC", "month_6": "CEEDEEECC", "month_9": "CEEDEEEBC", "month_12": "CEEDEEEBC"}
    course = {visit: grades(text) for visit, text in visits.items()}
    assert list(response.judge_course(RULES, course).values()) == ["MCR", "PCR", "PCR"]
    assert list(response.judge_course(ANY, course).values()) == ["MCR", "RELAPSE", "RELAPSED"]
    assert ANY.label == "point_in_time/1.0+relapse_any"


def test_a_missed_visit_widens_the_interval():
    visits = {"day_0": "CEEBEEEAC", "month_6": "CEEDEEECC", "month_12": "CEEDEEEAC"}
    course = {visit: grades(text) for visit, text in visits.items()}
    assert list(response.judge_course(RULES, course).values()) == ["MCR", "NE", "RELAPSE"]


@given(st.lists(st.text("ABCDE", min_size=9, max_size=9), min_size=5, max_size=5))
def test_whatever_the_grades_a_course_keeps_to_its_rules(texts):
    visits = dict(zip(RULES.visits, texts, strict=True))
    found = list(response.judge_course(RULES, {visit: grades(text) for visit, text in visits.items()}).values())
    assert set(found) <= {"MCR", "PCR", "NR", "RELAPSE", "RELAPSED"}
    assert found.count("RELAPSE") <= 1
    if "RELAPSE" in found:
        place = found.index("RELAPSE")
        assert {"MCR", "PCR"} & set(found[:place])
        assert set(found[place + 1 :]) <= {"RELAPSED"}
    else:
        assert "RELAPSED" not in found
    for visit, outcome in zip(("month_6", "month_9", "month_12"), found, strict=True):
        if outcome == "MCR":
            assert not {"A", "B"} & set(visits[visit])


COURSE = bilag(
    ("1", "day_0", "CEEBEEEAC", "."),
    ("1", "month_6", "CEEDEEECC", "."),
    ("1", "month_9", "CEEDEEEAC", "."),
    ("1", "month_12", "CEEDEEEAC", "."),
    ("2", "screening", "CEEBEEEAC", "."),
    ("2", "month_6", "CEEDEEEBC", "."),
    ("3", "day_0", "CEEBEEEAC", "."),
    ("3", "month_6", "CEEDEEENC", "."),
    ("4", "day_0", "CEEBEEEAC", "."),
).replace(" N", " ND")
TABLES = {
    "bilag": COURSE,
    "msc_infusion": "record event inf_date\n4 day_0 2012-03-05",
    "disposition": "record event eos_date eos_status death_date\n4 eos 2012-09-01 death 2012-08-20",
}


def test_derive_gives_one_row_a_subject_and_known_visit():
    study = STUDY
    frames = [bench.frame(form, TABLES.get(form.name, [])) for form in study.forms]
    found = outcomes.derive(frames, study)
    assert found.schema == response.SCHEMA
    assert found.select("record", "visit", "outcome").rows() == [
        ("1", "month_6", "MCR"),
        ("1", "month_9", "RELAPSE"),
        ("1", "month_12", "RELAPSED"),
        ("2", "month_6", "PCR"),
        ("3", "month_6", "NE"),
        ("4", "month_6", "DEATH"),
        ("4", "month_9", "DEATH"),
        ("4", "month_12", "DEATH"),
    ]
    assert set(found["rule_set"]) == {"point_in_time/1.0"}


def test_derive_gives_nothing_in_a_study_without_the_index():
    form = bench.form("f", bench.field("a"))
    found = outcomes.derive([bench.frame(form, "record a\n1 2")], bench.study(form))
    assert found.height == 0
    assert found.schema == response.SCHEMA


def test_oc01_compares_where_both_exist():
    found = bench.judged(
        STUDY,
        TABLES
        | {
            "outcome": """
            record event    resp_site resp_date
            1      month_6  PCR       2012-09-05
            1      month_9  RELAPSE   2012-12-05
            1      month_12 RELAPSE   2013-03-05
            2      month_6  PCR       2012-09-05
            3      month_6  MCR       2012-09-05
            4      month_6  NR        2012-09-05
            """
        },
    )
    assert bench.fired(found, "OC01") == ["1/month_6/resp_site"]
    assert bench.missed(found, "OC01") == {"outcome.resp_site": 1}
    text = next(each for each in found.findings if each.check == "OC01").message["en"]
    assert text == "Site says PCR; BILAG grades give MCR (point_in_time/1.0). Please review."


def test_oc02_to_oc04_read_the_sites_own_story():
    found = bench.judged(
        STUDY,
        {
            "visit_form": "record event visit_date\n1 month_6 2012-09-03\n2 month_6 2012-09-03",
            "outcome": """
            record event    resp_site resp_date  relapse_date
            1      month_6  MCR       2012-09-05 .
            1      month_9  RELAPSE   2012-12-05 2012-09-01
            2      month_6  NR        2012-09-05 .
            2      month_9  RELAPSE   2012-12-05 2012-12-01
            3      month_9  ?x        2012-12-05 ?x
            """,
            "bilag": bilag(("1", "month_6", "CEEBEEEAC", ".")),
        },
    )
    assert bench.fired(found, "OC02") == ["2/month_9/resp_site"]
    assert bench.fired(found, "OC03") == ["1/month_9/relapse_date"]
    assert bench.fired(found, "OC04") == ["1/month_6/resp_site"]
    for check in ("OC02", "OC03", "OC04"):
        assert sum(bench.missed(found, check).values()) == 1, check


def test_oc04_cannot_tell_without_grades_or_scores():
    found = bench.judged(STUDY, {"outcome": "record event resp_site\n1 month_6 MCR"})
    assert bench.fired(found, "OC04") == []
    assert sum(bench.missed(found, "OC04").values()) == 1


def test_oc04_sees_a_score_that_rose():
    found = bench.judged(
        STUDY,
        {
            "outcome": "record event resp_site\n1 month_6 MCR\n2 month_6 MCR",
            "sledai": "record event sledai_total\n1 month_3 4\n1 month_6 8\n2 month_3 4\n2 month_6 7",
        },
    )
    assert bench.fired(found, "OC04") == ["1/month_6/resp_site"]


def test_xv01_finds_life_after_death_and_a_second_end():
    found = bench.judged(
        STUDY,
        {
            "disposition": """
            record event instance eos_date   eos_status death_date
            1      eos   1        2012-09-02 death      2012-08-20
            2      eos   1        2012-09-02 completed  .
            2      eos   2        2012-10-02 withdrawn  .
            3      eos   1        2012-09-02 death      ?soon
            """,
            "labs": """
            record event   lab_date
            1      month_6 2012-08-21
            1      month_3 2012-08-20
            2      month_6 2012-12-01
            3      month_6 2012-09-01
            """,
        },
    )
    assert bench.fired(found, "XV01") == ["1/month_6/lab_date", "2/eos/eos_date"]
    assert bench.missed(found, "XV01") == {"labs.lab_date": 1}
