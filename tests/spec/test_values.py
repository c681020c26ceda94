"""RG01 to RG03, UN01, UN02, DL01, DL02: single values against limits, other units and the subject's history."""

from dataclasses import replace

import polars as pl
import pytest

from tests.spec import bench

STUDY = bench.sle("RG03", "UN02", "DL01", "DL02")


def labs(table: str, **more):
    return bench.judged(STUDY, {"labs": table}, **more)


def test_hard_and_soft_limits_share_the_values():
    found = labs("""
        record event   creat
        1      month_3 9
        2      month_3 10
        3      month_3 29
        4      month_3 30
        5      month_3 2501
        6      month_3 .
        7      month_3 ?x
        """)
    assert bench.fired(found, "RG01") == ["1/month_3/creat", "5/month_3/creat"]
    assert bench.fired(found, "RG02") == ["2/month_3/creat", "3/month_3/creat"]
    assert bench.missed(found, "RG01") == {"labs.creat": 1}
    text = next(each for each in found.findings if each.check == "RG01").message
    assert text["en"].startswith("Creatinine = 9 umol/L is outside the possible limits (10 to 2500).")
    assert text["zh"].startswith("肌酐=9 umol/L，超出可能范围（10至2500）")


def test_un01_is_told_by_reading_and_nothing_else_is_said_of_the_value():
    frame = bench.frame(STUDY.form("labs"), "record event creat\n1 month_3 ?80_stone")
    problems = frame.problems.with_columns(check=pl.lit("UN01"))
    found = bench.engine.judge(
        STUDY,
        [replace(frame, problems=problems)],
        site="zj",
        prefix="ZJJU",
        as_of=bench.NOW,
    )
    assert bench.fired(found, "UN01") == ["1/month_3/creat"]
    assert bench.fired(found, "RG01") == []


@pytest.mark.parametrize(
    ("column", "value", "fires"),
    [
        ("creat", "999", True),
        ("creat", "99", False),
        ("wbc", "9", False),
        ("wbc", "99", True),
        ("alb", "0", True),
        ("alb", "-9", True),
        ("creat", "?x", None),
        ("creat", ".", False),
    ],
)
def test_rg03_fires_on_implausible_codes_only(column, value, fires):
    found = labs(f"record event {column}\n1 month_3 {value}")
    assert bool(bench.fired(found, "RG03")) is bool(fires)
    assert bool(bench.missed(found, "RG03")) is (fires is None)


@pytest.mark.parametrize(
    ("column", "value", "unit"),
    [("creat", "0.9", "mg/dL"), ("hgb", "12.5", "g/dL"), ("alb", "3.8", "g/dL"), ("creat", "80", None)],
)
def test_un02_knows_units_by_their_signature(column, value, unit):
    found = labs(f"record event {column}\n1 month_3 {value}")
    texts = [each.message["en"] for each in found.findings if each.check == "UN02"]
    assert [f"looks like {unit}." in text for text in texts] == ([True] if unit else [])


def test_un02_knows_units_by_a_steady_history():
    found = labs("""
        record event    urea
        1      day_0    5.0
        1      month_3  5.2
        1      month_6  14.3
        1      month_9  4.9
        2      day_0    5.0
        2      month_3  14.0
        3      day_0    2.0
        3      month_3  9.0
        3      month_6  14.3
        3      month_9  5.0
        """)
    assert bench.fired(found, "UN02") == ["1/month_6/urea"]
    (finding,) = (each for each in found.findings if each.check == "UN02")
    assert "mg/dL{BUN}" in finding.message["en"]


def test_un02_knows_jin_by_weight():
    found = bench.judged(
        STUDY, {"vitals": "record event weight_kg\n1 day_0 55\n1 month_3 55.5\n1 month_6 110\n1 month_9 54.8"}
    )
    assert bench.fired(found, "UN02") == ["1/month_6/weight_kg"]


def test_dl01_compares_with_the_last_value_within_a_hundred_days():
    found = labs("""
        record event    lab_date   creat hgb plt  alb
        1      day_0    2012-03-05 60    120 200  35
        1      month_3  2012-06-04 91    161 601  51
        1      month_6  2012-09-03 .     120 .    .
        1      month_9  2012-12-03 60    .   .    .
        2      day_0    2012-03-05 60    120 200  35
        2      month_3  2012-06-04 90    160 600  50
        3      day_0    2012-03-05 60    120 600  35
        3      month_3  .          20    .   199  .
        4      day_0    2012-03-05 60    .   .    .
        4      month_3  2012-06-04 ?x    .   .    .
        """)
    assert bench.fired(found, "DL01") == [
        "1/month_3/alb",
        "1/month_3/creat",
        "1/month_3/hgb",
        "1/month_3/plt",
        "1/month_6/hgb",
        "3/month_3/creat",
        "3/month_3/plt",
    ]
    assert bench.missed(found, "DL01") == {"labs.creat": 1}
    text = next(each for each in found.findings if each.check == "DL01" and each.field == "creat").message["en"]
    assert text == "Creatinine changed 60 to 91 umol/L in 91 days. Please confirm."


def test_dl01_is_held_where_one_of_its_two_values_is_impossible():
    found = labs("record event lab_date hgb\n1 day_0 2012-03-05 12.5\n1 month_3 2012-06-04 130")
    (finding,) = (each for each in found.findings if each.check == "DL01")
    assert finding.held_by == "RG01"
    assert [each.value for each in finding.evidence] == ["130", "12.5"]


def test_dl02_asks_hard_above_twenty_percent_and_softly_above_ten():
    found = bench.judged(
        STUDY,
        {
            "vitals": """
            record event   weight_kg
            1      day_0   50
            1      month_3 55
            2      day_0   50
            2      month_3 56
            3      day_0   50
            3      month_3 61
            """
        },
    )
    assert bench.fired(found, "DL02") == ["3/month_3/weight_kg"]
    assert bench.fired(found, "DL02.S") == ["2/month_3/weight_kg"]


def test_a_withheld_analyte_passes_no_check():
    found = labs("record event creat\n1 month_3 .", absent={"labs": {"creat": "withheld by export rights"}})
    for check in ("TY01", "RG01", "RG02", "RG03", "UN01", "UN02", "DL01"):
        assert bench.missed(found, check)["labs.creat"] == 1, check
        assert not [each for each in found.findings if each.field == "creat"]
