"""DT01 to DT09: dates against the clock, the consent and each other."""

from datetime import datetime

import pytest

from tests.spec import bench

STUDY = bench.sle("DT02", "DT03", "DT04", "DT05", "DT06", "DT07", "DT08", "DT09")


CONSENT = "record event consent_date screen_date\n1 screening 2012-03-05 2012-03-06\n2 screening . 2012-03-06"


def test_dt01_names_an_unreadable_date_and_nothing_else_is_said_of_it():
    found = bench.judged(STUDY, {"labs": "record event lab_date\n1 month_3 ?2012/13/45"})
    assert bench.fired(found, "DT01") == ["1/month_3/lab_date"]
    (finding,) = (each for each in found.findings if each.check == "DT01")
    assert (finding.raw, finding.value) == ("2012/13/45", None)
    assert '"2012/13/45"' in finding.message["en"]
    assert bench.missed(found, "DT02")["labs.lab_date"] == 1


@pytest.mark.parametrize(
    ("now", "fires"),
    [
        (datetime(2013, 6, 1, 0, 1, tzinfo=bench.SHANGHAI), ["2/month_3/lab_date"]),
        (datetime(2013, 6, 2, 0, 1, tzinfo=bench.SHANGHAI), []),
    ],
)
def test_dt02_counts_days_in_the_studys_time_zone(now, fires):
    table = "record event lab_date\n1 month_3 2013-06-01\n2 month_3 2013-06-02"
    assert bench.fired(bench.judged(STUDY, {"labs": table}, as_of=now), "DT02") == fires


def test_dt02_counts_minutes_where_a_field_has_them():
    table = "record event inf_date inf_start\n1 day_0 2013-06-01 2013-06-01T12:01\n2 day_0 2013-06-01 2013-06-01T12:00"
    assert bench.fired(bench.judged(STUDY, {"msc_infusion": table}), "DT02") == ["1/day_0/inf_start"]


def test_dt03_fires_before_consent_and_cannot_tell_without_one():
    found = bench.judged(
        STUDY,
        {
            "screening_consent": CONSENT,
            "labs": """
            record event     lab_date
            1      screening 2012-03-04
            1      month_3   2012-06-04
            2      screening 2012-03-04
            """,
            "demographics": "record event sle_dx_date\n1 screening 2001-01-01",
            "conmed": "record event instance cm_start\n1 unscheduled 1 2010-01-01",
        },
    )
    assert bench.fired(found, "DT03") == ["1/screening/lab_date"]
    assert bench.missed(found, "DT03") == {"labs.lab_date": 1, "screening_consent.screen_date": 1}
    text = next(each for each in found.findings if each.check == "DT03").message["en"]
    assert text.startswith("Date of the blood sample 2012-03-04 precedes informed consent 2012-03-05.")


def test_dt04_points_at_a_consent_that_is_too_late_and_holds_its_many_symptoms():
    found = bench.judged(
        STUDY,
        {
            "screening_consent": "record event consent_date screen_date\n1 screening 2012-09-05 2012-03-06",
            "labs": """
            record event     lab_date
            1      screening 2012-03-06
            1      month_3   2012-06-04
            1      month_6   2012-09-10
            """,
            "msc_infusion": "record event inf_date\n1 day_0 2012-03-20",
        },
    )
    assert bench.fired(found, "DT04") == ["1/screening/consent_date"]
    (late,) = (each for each in found.findings if each.check == "DT04")
    assert late.held_by is None
    assert "Date of screening 2012-03-06" in late.message["en"]
    held = [each.held_by for each in found.findings if each.check == "DT03"]
    assert held == ["DT04"] * 4


def test_dt04_passes_a_consent_on_the_day_itself():
    found = bench.judged(
        STUDY,
        {"screening_consent": "record event consent_date screen_date\n1 screening 2012-03-05 2012-03-05"},
    )
    assert bench.fired(found, "DT04") == []


def test_dt05_suggests_the_year_or_the_swapped_day_that_fits():
    found = bench.judged(
        STUDY,
        {
            "msc_infusion": "record event inf_date\n1 day_0 2012-03-05\n2 day_0 2012-03-05\n3 day_0 2012-03-05",
            "visit_form": """
            record event   visit_date
            1      month_3 2011-06-04
            2      month_3 2012-04-06
            3      month_3 2012-07-25
            """,
            "labs": """
            record event   lab_date
            1      month_3 2012-06-04
            2      month_3 2012-04-08
            3      month_3 2013-07-25
            """,
        },
    )
    assert bench.fired(found, "DT05") == [
        "1/month_3/lab_date",
        "1/month_3/visit_date",
        "2/month_3/visit_date",
        "3/month_3/lab_date",
    ]
    said = {(each.row.record, each.field): each.message["en"] for each in found.findings if each.check == "DT05"}
    assert said["1", "visit_date"].endswith("did you mean 2012-06-04?")
    assert said["2", "visit_date"].endswith("did you mean 2012-06-04?")
    assert said["3", "lab_date"].endswith("did you mean 2012-07-25?")


def test_dt06_to_dt09_are_not_evaluated_when_the_consent_cannot_be_read():
    found = bench.judged(
        STUDY,
        {
            "screening_consent": "record event consent_date\n1 screening ?soon",
            "demographics": "record event birth_ym sle_dx_date\n1 screening 1999-01 2008-01-01",
        },
    )
    for check in ("DT06", "DT07", "DT08", "DT09"):
        assert bench.fired(found, check) == []
        assert sum(bench.missed(found, check).values()) == 1, check


def test_no_text_shows_the_year_and_month_of_birth():
    found = bench.judged(
        STUDY,
        {
            "screening_consent": "record event consent_date\n1 screening 2012-03-05",
            "demographics": "record event birth_ym\n1 screening 1999-01",
        },
    )
    assert bench.fired(found, "DT06") == ["1/screening/birth_ym"]
    assert bench.fired(found, "DT08") == ["1/screening/guardian_consent_date"]
    assert not any("1999-01" in str(each.message) for each in found.findings)
