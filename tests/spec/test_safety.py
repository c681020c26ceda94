"""AE06, CM02: rows against each other. AE01 to AE03, CM01 and CM04 are logic: test_crossfield."""

from tests.spec import bench

STUDY = bench.sle("AE06", "CM02", "XV03")


def test_ae06_looks_for_an_event_within_a_day():
    found = bench.judged(
        STUDY,
        {
            "msc_infusion": """
            record event inf_date   inf_reaction
            1      day_0 2012-03-05 1
            2      day_0 2012-03-05 1
            3      day_0 2012-03-05 0
            4      day_0 2012-03-05 1
            5      day_0 ?x         1
            """,
            "adverse_event": """
            record event       instance ae_start
            1      unscheduled 1        2012-03-07
            2      unscheduled 1        2012-03-06
            4      unscheduled 1        ?soon
            """,
        },
    )
    assert bench.fired(found, "AE06") == ["1/day_0/inf_reaction"]
    assert bench.missed(found, "AE06") == {"msc_infusion.inf_reaction": 2}
    text = next(each for each in found.findings if each.check == "AE06").message["en"]
    assert text.startswith("Reaction at the infusion of 2012-03-05 without")


def test_cm02_finds_the_same_dose_twice_at_one_time():
    found = bench.judged(
        STUDY,
        {
            "conmed": """
            record event       instance cm_drug cm_dose cm_dose_unit cm_start   cm_end
            1      unscheduled 1        PRED    10      mg           2012-01-01 2012-03-01
            1      unscheduled 2        PRED    10      mg           2012-03-01 .
            2      unscheduled 1        PRED    10      mg           2012-01-01 2012-02-28
            2      unscheduled 2        PRED    10      mg           2012-03-01 .
            3      unscheduled 1        PRED    10      mg           2012-01-01 .
            3      unscheduled 2        PRED    20      mg           2012-01-01 .
            4      unscheduled 1        PRED    10      mg           ?soon      .
            """
        },
    )
    fired = [(each.row.record, each.row.instance) for each in found.findings if each.check == "CM02"]
    assert fired == [("1", 1), ("1", 2)]
    assert bench.missed(found, "CM02") == {"conmed.cm_drug": 1}


def test_xv03_tells_that_an_assay_changed():
    found = bench.judged(
        STUDY,
        {"immunology": "record event dsdna_method\n1 day_0 ELISA\n1 month_3 ELISA\n1 month_6 Farr\n2 day_0 ?x"},
    )
    assert bench.fired(found, "XV03") == ["1/month_6/dsdna_method"]
    assert bench.missed(found, "XV03") == {"immunology.dsdna_method": 1}
