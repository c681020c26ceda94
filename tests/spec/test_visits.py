"""VW01 to VW05, IN01 to IN05: windows, order, what is overdue, the two infusions."""

from datetime import datetime

from schemas.coordinates import RowKey
from tests.spec import bench
from validators.findings import Condition

STUDY = bench.sle("VW01", "VW02", "VW03", "VW04", "VW05", "IN01", "IN02")


INFUSED = "record event inf_date inf_done inf_reaction lot_no cells_total_e6\n" + "\n".join(
    f"{record} day_0 2012-03-05 1 0 L1 60" for record in (1, 2, 3, 4)
)


def visits(table: str, **more):
    return bench.judged(STUDY, {"msc_infusion": INFUSED, "visit_form": table}, **more)


def test_vw01_and_vw02_share_the_days_outside_the_window():
    found = visits("""
        record event   visit_date
        1      month_3 2012-05-21
        1      month_6 2012-09-18
        2      month_3 2012-05-20
        3      month_3 2012-05-04
        4      month_3 ?soon
        5      month_3 2012-05-20
        """)
    assert bench.fired(found, "VW01") == ["1/month_6/visit_date", "2/month_3/visit_date"]
    assert bench.fired(found, "VW02") == ["3/month_3/visit_date"]
    assert bench.missed(found, "VW01") == {"visit_form.visit_date": 2}
    texts = {each.check: each.message for each in found.findings}
    assert texts["VW01"]["en"] == (
        "Month 3 was on study day 76, window 77 to 105. Please confirm the date or give the reason."
    )
    assert texts["VW01"]["zh"].startswith("第3月日期为第76天")
    assert "nearest to Month 3" in texts["VW02"]["en"] or "nearest to Month 1" in texts["VW02"]["en"]


def test_vw02_names_the_visit_that_it_probably_is():
    found = visits("record event visit_date\n1 month_3 2012-09-05")
    (finding,) = (each for each in found.findings if each.check == "VW02")
    assert "Day 184" in finding.message["en"]
    assert "nearest to Month 6" in finding.message["en"]
    assert [each.field for each in finding.evidence] == ["visit_date", "inf_date"]


def test_without_an_anchor_nothing_is_said_of_windows():
    found = bench.judged(STUDY, {"visit_form": "record event visit_date\n1 month_3 2012-05-20"})
    assert bench.fired(found, "VW01") + bench.fired(found, "VW02") == []
    assert sum(bench.missed(found, "VW01").values()) == 1
    assert "count" in next(each.reason for each in found.not_evaluated if each.check == "VW01")


def test_vw03_and_vw04_compare_with_the_last_dated_visit():
    found = visits("""
        record event       visit_date
        1      month_3     2012-06-04
        1      month_6     2012-06-01
        2      month_3     2012-06-04
        2      month_6     2012-06-04
        3      month_3     2012-06-04
        3      month_6     .
        3      month_9     2012-06-03
        3      unscheduled 2012-01-01
        """)
    assert bench.fired(found, "VW03") == ["1/month_6/visit_date", "3/month_9/visit_date"]
    assert bench.fired(found, "VW04") == ["2/month_6/visit_date"]
    text = next(each for each in found.findings if each.check == "VW04").message["en"]
    assert text == "Month 6 and Month 3 are both dated 2012-06-04. Please correct."


def at(found, record, event):
    row = RowKey(site="zj", record=record, event=event, instrument="visit_form", instance=1)
    return found.conditions.at(check="VW05", row=row, field="visit_date")


def test_vw05_speaks_of_visits_that_do_not_exist():
    now = datetime(2012, 7, 4, 12, tzinfo=bench.SHANGHAI)  # day 121: month_3 closed on day 105
    found = bench.judged(
        STUDY,
        {
            "msc_infusion": INFUSED,
            "visit_form": """
            record event   visit_date visit_done
            1      day_0   2012-03-05 1
            2      month_3 .          0
            3      month_3 2012-06-04 1
            """,
            "disposition": "record event eos_date eos_status\n4 eos 2012-05-01 withdrawn",
        },
        as_of=now,
    )
    overdue = [each for each in bench.fired(found, "VW05") if "month_3" in each]
    assert overdue == ["1/month_3/visit_date"]
    (finding,) = (each for each in found.findings if each.check == "VW05" and each.row.event == "month_3")
    assert finding.message["en"].startswith("Month 3 is overdue by 16 days.")
    assert finding.site_event == "month_3_arm_1"
    assert at(found, "1", "month_3") is Condition.FAILING
    assert at(found, "2", "month_3") is Condition.PASSING
    assert at(found, "3", "month_3") is Condition.PASSING
    assert at(found, "4", "month_3") is Condition.NOT_APPLICABLE
    assert at(found, "1", "month_6") is Condition.NOT_APPLICABLE
    assert at(found, "9", "month_3") is None


def test_vw05_cannot_tell_without_a_first_infusion():
    found = bench.judged(STUDY, {"visit_form": "record event visit_date\n1 screening 2012-03-01"})
    assert bench.fired(found, "VW05") == []
    assert sum(bench.missed(found, "VW05").values()) == 6


def test_in01_explains_the_windows_that_it_moves():
    found = bench.judged(
        STUDY,
        {
            "msc_infusion": "record event inf_date\n1 day_0 2012-01-05\n1 day_7 2012-03-12",
            "visit_form": """
            record event   visit_date
            1      day_0   2012-03-05
            1      day_7   2012-03-12
            1      month_3 2012-06-04
            1      month_6 2012-09-03
            """,
        },
    )
    assert bench.fired(found, "IN01") == ["1/day_7/inf_date"]
    assert {each.held_by for each in found.findings if each.check == "VW02"} == {"IN01"}


def test_in02_is_not_evaluated_with_an_unreadable_weight():
    found = bench.judged(
        STUDY, {"msc_infusion": "record event inf_date inf_weight_kg cells_total_e6\n1 day_0 2012-03-05 ?x 60"}
    )
    assert bench.fired(found, "IN02") == []
    assert sum(bench.missed(found, "IN02").values()) == 1
