"""CP01 and CP03: what is missing, and what only looks so."""

from schemas.coordinates import RowKey
from tests.spec import bench
from validators.findings import Condition

STUDY = bench.sle("CP02", "CP03", "CP04", "CP05", "VW05")


def at(found, check, record, field, event="month_3", form="vitals"):
    row = RowKey(site="zj", record=record, event=event, instrument=form, instance=1)
    return found.conditions.at(check=check, row=row, field=field)


VITALS = """
record event     status height_cm weight_kg
1      month_3   2      .         .
2      month_3   1      .         .
3      month_3   .      .         .
4      month_3   2      .         ~ND
5      month_3   2      .         ?x
6      screening 2      .         60
"""


def test_cp01_asks_only_where_the_field_applies_and_the_form_is_complete():
    found = bench.judged(STUDY, {"vitals": VITALS})
    weights = [each for each in bench.fired(found, "CP01") if each.endswith("weight_kg")]
    heights = [each for each in bench.fired(found, "CP01") if each.endswith("height_cm")]
    assert weights == ["1/month_3/weight_kg"]
    assert heights == ["6/screening/height_cm"]


def test_a_hidden_field_is_not_missing_and_a_declared_one_neither():
    found = bench.judged(STUDY, {"vitals": VITALS})
    assert at(found, "CP01", "1", "weight_kg") is Condition.FAILING
    assert at(found, "CP01", "1", "height_cm") is Condition.NOT_APPLICABLE
    assert at(found, "CP01", "2", "weight_kg") is Condition.NOT_APPLICABLE
    assert at(found, "CP01", "3", "weight_kg") is Condition.NOT_APPLICABLE
    assert at(found, "CP01", "4", "weight_kg") is Condition.PASSING
    assert at(found, "CP01", "5", "weight_kg") is Condition.PASSING
    assert at(found, "CP01", "6", "height_cm", event="screening") is Condition.FAILING
    assert at(found, "RG01", "1", "height_cm") is Condition.NOT_APPLICABLE
    assert at(found, "RG01", "5", "weight_kg") is Condition.NOT_EVALUATED


def test_cp01_cannot_tell_where_the_branching_cannot_be_told():
    found = bench.judged(STUDY, {"visit_form": "record event visit_date visit_done\n1 month_3 2012-06-04 ?x"})
    assert bench.fired(found, "CP01") == []
    study = bench.study(
        bench.form("f", bench.field("a"), bench.field("b", required=True, branching="[a] > 1")),
    )
    found = bench.judged(study, {"f": "record a b\n1 ?x .\n2 2 .\n3 0 ."})
    assert bench.fired(found, "CP01") == ["2//b"]
    assert bench.missed(found, "CP01") == {"f.b": 1}


def test_cp01_takes_a_checkbox_field_as_one_question():
    boxes = (bench.Choice(code="a", label={"en": "a"}), bench.Choice(code="b", label={"en": "b"}))
    study = bench.study(
        bench.form("f", bench.field("c", kind=bench.Kind.CHECKBOX, choices=boxes, required=True)),
    )
    found = bench.judged(study, {"f": "record c___a c___b\n1 0 0\n2 1 0\n3 . ."})
    assert bench.fired(found, "CP01") == ["1//c", "3//c"]
    (first, _) = (each for each in found.findings if each.check == "CP01")
    assert (first.site_field, [each.field for each in first.evidence]) == ("c", ["c___a", "c___b"])


def test_cp01_waits_for_a_visit_that_is_missing_altogether():
    found = bench.judged(
        STUDY,
        {
            "msc_infusion": "record event inf_date\n1 day_0 2012-03-05",
            "vitals": "record event weight_kg\n1 month_3 .",
        },
    )
    assert "1/month_3/visit_date" in bench.fired(found, "VW05")
    (missing,) = (each for each in found.findings if each.check == "CP01" and each.field == "weight_kg")
    assert missing.held_by == "VW05"


def test_cp03_wants_either_a_value_or_a_reason():
    found = bench.judged(
        STUDY,
        {
            "labs": """
            record event   status creat creat_nd
            1      month_3 2      .     .
            2      month_3 2      80    .
            3      month_3 2      .     not_done
            4      month_3 2      80    lost
            5      month_3 1      .     .
            6      day_7   2      .     .
            7      month_3 2      ~ND   .
            8      month_3 2      ?x    .
            9      month_3 2      .     ?x
            """
        },
    )
    fired = [each for each in bench.fired(found, "CP03") if each.endswith("/creat")]
    assert fired == ["1/month_3/creat", "4/month_3/creat"]
    assert bench.missed(found, "CP03")["labs.creat"] == 2


def test_cp02_finds_what_does_not_apply_and_shows_what_says_so():
    found = bench.judged(
        STUDY,
        {
            "visit_form": """
            record event   visit_done not_done_reason
            1      month_3 1          missed
            2      month_3 0          missed
            3      month_3 ?x         missed
            """
        },
    )
    assert bench.fired(found, "CP02") == ["1/month_3/not_done_reason"]
    assert bench.missed(found, "CP02") == {"visit_form.not_done_reason": 1}
    (finding,) = (each for each in found.findings if each.check == "CP02")
    assert [(each.field, each.value) for each in finding.evidence] == [
        ("not_done_reason", "missed"),
        ("visit_done", "1"),
    ]


def test_cp04_counts_from_the_forms_date_or_its_visit():
    found = bench.judged(
        STUDY,
        {
            "visit_form": "record event visit_date status\n1 month_3 2013-05-01 2\n2 month_3 2013-05-25 2",
            "vitals": "record event weight_kg status\n1 month_3 60 0\n2 month_3 60 0\n3 month_3 60 0",
            "labs": "record event lab_date status\n1 month_3 2013-05-01 1\n1 month_6 2013-05-01 0\n2 month_3 ?x 0",
        },
    )
    assert bench.fired(found, "CP04") == ["1/month_3/height_cm", "1/month_6/lab_date"]
    texts = [each.message["en"] for each in found.findings if each.check == "CP04"]
    assert texts[1].startswith("Form Laboratory: blood at Month 6 is still incomplete 31 days after the visit.")


def test_cp05_tells_the_monitor_only():
    found = bench.judged(
        STUDY,
        {
            "visit_form": "record event visit_date\n1 month_3 2012-06-04\n2 month_3 2012-06-04",
            "labs": "record event creat\n1 month_3 80\n2 month_3 .",
            "urine": "record event utp24\n1 month_3 1.0\n2 month_3 1.0",
            "immunology": "record event c3\n1 month_3 0.8\n2 month_3 0.8",
        },
    )
    assert bench.fired(found, "CP05") == ["2/month_3/visit_date"]
    (finding,) = (each for each in found.findings if each.check == "CP05")
    assert not finding.raises_query
    assert finding.message["en"] == "Panel Laboratory: blood is missing at Month 3."
    assert "实验室检查：血" in finding.message["zh"]
    withheld = bench.judged(
        STUDY,
        {"visit_form": "record event visit_date\n1 month_3 2012-06-04"},
        absent={"visit_form": {"visit_date": "withheld"}},
    )
    assert bench.fired(withheld, "CP05") == []
    assert sum(bench.missed(withheld, "CP05").values()) == 1
