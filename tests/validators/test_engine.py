"""What the engine promises whatever the study: order, containment, absence, joins, and pandera's own answers."""

import random
from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import forms
from schemas.coordinates import RowKey
from schemas.study import CheckSpec
from tests.spec import bench
from validators import dataset, engine, shape
from validators.findings import Condition
from validators.library import catalogue, registry
from validators.sheet import Sheet

LIMITS = bench.form(
    "f",
    bench.field("a", hard=bench.Interval(low=0, high=10), soft=bench.Interval(low=2, high=5)),
    bench.field("b", kind=bench.Kind.INTEGER, soft=bench.Interval(high=3)),
    bench.field("c", kind=bench.Kind.CODED, choices=(bench.Choice(code="x", label={"en": "X"}),)),
    bench.field("d", kind=bench.Kind.TEXT, pattern=r"{prefix}-\d"),
    bench.field("e", kind=bench.Kind.YESNO),
    bench.field("g", kind=bench.Kind.CHECKBOX, choices=(bench.Choice(code="1", label={"en": "1"}),)),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.one_of(st.none(), st.floats(-5, 20, width=32)),
            "b": st.one_of(st.none(), st.integers(-5, 9)),
            "c": st.sampled_from([None, "x", "y"]),
            "d": st.sampled_from([None, "ZJJU-1", "ZJJU-12", "NJDT-1", "ZJJU-1\n"]),
            "e": st.sampled_from([None, "0", "1", "2"]),
            "g___1": st.sampled_from([None, 0, 1, 7]),
        }
    ),
    max_size=12,
)


def framed(rows):
    frame = bench.frame(LIMITS, [{"record": str(nth)} for nth in range(len(rows))])
    if not rows:
        return frame
    typed = frame.rows.with_columns(
        pl.Series(name, [row[name] for row in rows], dtype=frame.rows.schema[name]) for name in rows[0]
    )
    return replace(frame, rows=typed, raw=typed.select(pl.col(list(rows[0])).cast(pl.String)))


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_one_select_finds_what_pandera_finds(rows):
    frame = framed(rows)
    report = shape.validate(forms.compile_form(LIMITS, site_prefix="ZJJU"), frame.rows)
    assert report.shape_errors == ()
    theirs = {(str(row), column, check) for row, column, check in report.failures.iter_rows()}
    found = engine.judge(bench.study(LIMITS), [frame], site="zj", prefix="ZJJU", as_of=bench.NOW)
    assert {(each.row.record, each.field, each.check) for each in found.findings} == theirs


def test_the_order_of_rows_and_forms_changes_nothing():
    tables = {
        "labs": "record event lab_date creat\n"
        + "\n".join(
            f"{n} {visit} 2012-0{(n + k) % 8 + 1}-05 {(n * 37 + k * 61) % 400}"
            for n in range(7)
            for k, visit in enumerate(("day_0", "month_3", "month_6", "month_9"))
        ),
        "msc_infusion": "record event inf_date\n" + "\n".join(f"{n} day_0 2012-03-0{n + 1}" for n in range(7)),
        "visit_form": "record event visit_date\n" + "\n".join(f"{n} month_3 2012-0{n + 1}-20" for n in range(7)),
    }
    study = bench.sle()
    frames = [bench.frame(form, tables.get(form.name, [])) for form in study.forms]
    one = engine.judge(study, frames, site="zj", prefix="ZJJU", as_of=bench.NOW)
    shuffled = []
    for nth, frame in enumerate(frames):
        order = pl.Series(random.Random(nth).sample(range(frame.rows.height), frame.rows.height), dtype=pl.UInt32)
        shuffled.append(
            replace(frame, rows=frame.rows[order.to_list()], raw=frame.raw[order.to_list()])
            if frame.rows.height
            else frame
        )
    random.Random(9).shuffle(shuffled)
    two = engine.judge(study, shuffled, site="zj", prefix="ZJJU", as_of=bench.NOW)
    assert len(one.findings) > 20
    assert one.findings == two.findings
    assert one.not_evaluated == two.not_evaluated
    assert one.coverage == two.coverage


PAIR = bench.form("f", bench.field("a"), bench.field("b"), bench.field("c", kind=bench.Kind.DATE))


def test_a_check_that_cannot_be_read_or_run_harms_no_other():
    checks = [
        bench.spec("GOOD", logic="[a] > [b]"),
        bench.spec("BAD1", logic="[a] > > [b]"),
        bench.spec("BAD2", logic="[nosuch] = 1"),
        bench.spec("BAD3", logic="nonsense([a])"),
        bench.spec("BAD4", logic="[a] > 1", when="[b]["),
        bench.spec("BAD5", library="no.such"),
        bench.spec("BAD6", library="values.delta"),
        bench.spec("BAD7", library="values.delta", params={"fields": [], "nosuch": 1}),
        bench.spec("BAD8", logic="[a] > 1", form="g"),
    ]
    found = bench.judged(bench.study(PAIR, checks=checks), {"f": "record a b\n1 5 3\n2 1 3"})
    assert bench.fired(found, "GOOD") == ["1//a"]
    for check in checks[1:]:
        assert bench.fired(found, check.id) == []
        assert sum(bench.missed(found, check.id).values()) == 2, check.id
        row = RowKey(site="zj", record="1", event="", instrument="f", instance=1)
        assert found.conditions.at(check=check.id, row=row, field="a") is Condition.NOT_EVALUATED


def test_a_check_that_raises_says_what_kind_of_error_and_no_value(monkeypatch):
    def broken(data, spec, params):
        raise RuntimeError(f"saw {data.table('f')['a'][0]}")
        yield

    known = registry.LibraryCheck(name="test.broken", run=broken, sentence="It breaks.")
    monkeypatch.setattr(catalogue, "CHECKS", {**catalogue.CHECKS, "test.broken": known})
    checks = [bench.spec("BROKEN", library="test.broken"), bench.spec("GOOD", logic="[a] > [b]")]
    found = bench.judged(bench.study(PAIR, checks=checks), {"f": "record a b\n1 54321 3"})
    assert [(each.check, each.scope, each.reason, each.count) for each in found.not_evaluated] == [
        ("BROKEN", "f", "check errored: RuntimeError", 1)
    ]
    assert bench.fired(found, "GOOD") == ["1//a"]


def test_a_form_that_is_not_delivered_never_passes():
    study = bench.study(PAIR, bench.form("g", bench.field("x", "g")), checks=[bench.spec("Q", logic="[x] > [a]")])
    frame = bench.frame(PAIR, "record a b\n1 5 3")
    found = engine.judge(study, [frame], site="zj", prefix="ZJJU", as_of=bench.NOW)
    told = [(each.check, each.scope, each.count) for each in found.not_evaluated]
    assert ("Q", "f.a", 1) in told
    assert ("TY01", "g.x", 1) in told


def test_a_field_of_unknown_type_is_named():
    form = bench.form("f", bench.field("a", kind=bench.Kind.UNKNOWN), bench.field("b"))
    study = bench.study(form, checks=[bench.spec("Q", logic="[a] = '1'", targets=("b",))])
    found = bench.judged(study, {"f": "record a b\n1 5 3"})
    assert bench.missed(found, "TY01") == {"f.a": 1}
    assert sum(bench.missed(found, "Q").values()) == 1


LONG = [
    bench.form("base", bench.field("sex", "base", kind=bench.Kind.YESNO)),
    bench.form("f", bench.field("a"), bench.field("b", branching="[v1][sex] = '1'", required=True)),
    bench.form("rep", bench.field("n", "rep"), repeating=True),
]
VISITS = [
    bench.Visit(id=f"v{nth}", label={"en": f"V{nth}"}, day=None, window=None, hard=None, required=False)
    for nth in (1, 2, 3)
]


def long(*checks: CheckSpec):
    return bench.study(*LONG, checks=checks, visits=VISITS)


TABLES = {
    "base": "record event sex\n1 v1 1\n2 v1 0",
    "f": "record event a b\n1 v1 1 .\n1 v2 5 .\n2 v2 7 .\n3 v2 7 .",
    "rep": "record event instance n\n1 v1 1 10\n1 v1 2 20\n1 v2 1 5",
}


def test_logic_reads_other_forms_and_visits_of_the_same_record():
    found = bench.judged(
        long(
            bench.spec("SAME", logic="[sex] = '1'"),
            bench.spec("OTHER", logic="[v1][sex] = '1'"),
            bench.spec("BEFORE", logic="[previous-event-name][a] < [a]", when="[event-name] <> 'v1'"),
        ),
        TABLES,
    )
    assert bench.fired(found, "SAME") == ["1/v1/a"]
    assert bench.fired(found, "OTHER") == ["1/v1/a", "1/v2/a"]
    assert bench.fired(found, "BEFORE") == ["1/v2/a"]
    (same,) = (each for each in found.findings if each.check == "SAME")
    assert [(each.instrument, each.event, each.field, each.value) for each in same.evidence] == [
        ("f", "v1", "a", "1"),
        ("base", "v1", "sex", "1"),
    ]
    assert bench.fired(found, "CP01") == ["1/v1/b", "1/v2/b"]


def test_a_repeating_form_needs_its_instance():
    found = bench.judged(
        long(
            bench.spec("WHICH", logic="[n] > 1"),
            bench.spec("FIRST", logic="[n][1] = 10"),
            bench.spec("LAST", logic="[n][last-instance] = 20"),
            bench.spec("OWN", logic="[n] > 15", form="rep", targets=("n",)),
            bench.spec("STEP", logic="[n][previous-instance] = 10", form="rep", targets=("n",)),
        ),
        TABLES,
    )
    assert "repeats" in next(each.reason for each in found.not_evaluated if each.check == "WHICH")
    assert bench.fired(found, "FIRST") == ["1/v1/a"]
    assert bench.fired(found, "LAST") == ["1/v1/a"]
    (own,) = (each for each in found.findings if each.check == "OWN")
    assert own.row.instance == 2
    (step,) = (each for each in found.findings if each.check == "STEP")
    assert step.row.instance == 2


def test_within_a_repeating_visit_forms_belong_together_by_instance():
    visits = [replace(VISITS[0], repeating=True)]
    study = bench.study(*LONG[:2], checks=[bench.spec("Q", logic="[sex] = '1'")], visits=visits)
    tables = {
        "base": "record event instance sex\n1 v1 1 0\n1 v1 2 1",
        "f": "record event instance a\n1 v1 1 5\n1 v1 2 5",
    }
    found = bench.judged(study, tables)
    assert [each.row.instance for each in found.findings if each.check == "Q"] == [2]


def test_a_target_on_another_form_points_at_that_forms_row():
    found = bench.judged(long(bench.spec("Q", logic="[a] = 1 and [sex] = '1'", targets=("base.sex",))), TABLES)
    (finding,) = (each for each in found.findings if each.check == "Q")
    assert (finding.row.instrument, finding.row.record, finding.field) == ("base", "1", "sex")
    row = replace(finding.row)
    assert found.conditions.at(check="Q", row=row, field="sex") is Condition.FAILING
    other = replace(row, record="2")
    assert found.conditions.at(check="Q", row=other, field="sex") is not Condition.FAILING


def test_population_completeness_and_flags_reach_the_finding():
    spec = bench.spec(
        "Q",
        logic="[a] > 1",
        when="[b] = 1",
        complete_only=True,
        raises_query=False,
        review_before_release=True,
        auto_close=False,
    )
    found = bench.judged(
        bench.study(PAIR, checks=[spec]),
        {"f": "record status a b\n1 2 5 1\n2 1 5 1\n3 2 5 0\n4 2 5 ?x\n5 2 ?x 0\n6 2 0 1"},
    )
    (finding,) = (each for each in found.findings if each.check == "Q")
    assert (finding.row.record, finding.raises_query) == ("1", False)
    assert (finding.review_before_release, finding.auto_close) == (True, False)
    states = {
        nth: found.conditions.at(
            check="Q", row=RowKey(site="zj", record=str(nth), event="", instrument="f", instance=1), field="a"
        )
        for nth in range(1, 8)
    }
    assert states == {
        1: Condition.FAILING,
        2: Condition.NOT_APPLICABLE,
        3: Condition.NOT_APPLICABLE,
        4: Condition.NOT_EVALUATED,
        5: Condition.NOT_APPLICABLE,
        6: Condition.PASSING,
        7: None,
    }
    (told,) = (each for each in found.coverage if each.check == "Q")
    assert (told.evaluated, told.failing, told.not_evaluated) == (2, 1, 1)


def test_an_unknown_check_is_never_passed():
    found = bench.judged(bench.study(PAIR), {"f": "record a b\n1 5 3"})
    row = RowKey(site="zj", record="1", event="", instrument="f", instance=1)
    assert found.conditions.at(check="RETIRED", row=row, field="a") is Condition.NOT_EVALUATED
    assert found.conditions.at(check="RETIRED", row=replace(row, record="9"), field="a") is None


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("check", ["RG01", "RETIRED"])
def test_nobody_looked_at_a_form_that_was_not_delivered(check, known):
    """It left the project (and a derived study with it), or the mapping says that the site does not report it."""
    other = bench.form("other", bench.field("a", hard=bench.Interval(low=0, high=10)))
    study = bench.study(LIMITS, other) if known else bench.study(LIMITS)
    found = engine.judge(study, [framed([])], site="zj", prefix="ZJJU", as_of=bench.NOW)
    row = RowKey(site="zj", record="1", event="day_0", instrument="other", instance=1)
    assert found.conditions.at(check=check, row=row, field="a") is Condition.NOT_EVALUATED
    assert found.conditions.at(check=check, row=replace(row, instrument="f"), field="a") is None


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_conditions_agree_with_findings_at_every_cell(rows):
    found = engine.judge(bench.study(LIMITS), [framed(rows)], site="zj", prefix="ZJJU", as_of=bench.NOW)
    failing = {(each.row, each.field, each.check) for each in found.findings}
    for nth in range(len(rows)):
        row = RowKey(site="zj", record=str(nth), event="", instrument="f", instance=1)
        for check in ("RG01", "RG02", "CD01", "PT01"):
            for field in rows[nth]:
                seen = found.conditions.at(check=check, row=row, field=field)
                assert (seen is Condition.FAILING) is ((row, field, check) in failing)


def test_a_wide_form_costs_one_pass():
    import time

    fields = [
        bench.field(f"x{n}", hard=bench.Interval(low=0, high=10), branching=f"[x{n - 1}] > 1" if n else None)
        for n in range(1500)
    ]
    form = bench.form("f", *fields)
    frame = bench.frame(form, [{"record": str(n)} for n in range(500)])
    rows = frame.rows.with_columns(pl.lit(float(n % 9)).alias(f"x{n}") for n in range(1500))
    frame = replace(frame, rows=rows, raw=rows.select(pl.col(f"x{n}").cast(pl.String) for n in range(1500)))
    began = time.perf_counter()
    found = engine.judge(bench.study(form), [frame], site="zj", prefix="ZJJU", as_of=bench.NOW)
    assert time.perf_counter() - began < 20
    assert found.findings == ()
    assert next(each for each in found.coverage if each.check == "RG01").evaluated == 500 * 1500


def test_pandera_reports_its_shape_errors_without_values():
    frame = bench.frame(LIMITS, "record a b c\n1 3 2 x")
    schema = forms.compile_form(LIMITS)
    report = shape.validate(schema, frame.rows.drop("b").with_columns(pl.lit("secret").alias("a")))
    assert "a column of the schema is missing" in report.shape_errors
    assert "a: the column is not of the type that the schema says" in report.shape_errors
    assert not any("secret" in text for text in report.shape_errors)
    assert report.failures.height == 0
    with pytest.raises(TypeError):
        shape.validate(schema, frame.rows.lazy())


def test_dates_in_messages_are_iso_and_numbers_short():
    form = bench.form("f", bench.field("a"), bench.field("c", kind=bench.Kind.DATE))
    spec = bench.spec("Q", logic="[a] > 1", message={"en": "{label}={value} {raw} {c} {b}"}, inputs=("a", "c"))
    frame = bench.frame(form, "record a c\n1 2.50 2012-03-05")
    found = engine.judge(bench.study(form, checks=[spec]), [frame], site="zj", prefix="", as_of=bench.NOW)
    assert found.findings[0].message["en"] == "A=2.5 2.50 2012-03-05 (blank)"
    assert [each.value for each in found.findings[0].evidence] == ["2.5", date(2012, 3, 5).isoformat()]


def test_logic_that_breaks_while_running_takes_nothing_else_along():
    frame = bench.frame(PAIR, "record a b\n1 5 3")
    data = dataset.Dataset(bench.study(PAIR), [frame], site="zj", prefix="", as_of=bench.NOW)
    sheet = Sheet(data, "f")
    good = sheet.rule("[a] > [b]")
    broken = replace(good, logic="[nosuch] > 1", compiled=replace(good.compiled, truth=pl.col("nosuch") > 1))
    first, second = sheet.run([good, broken])
    assert first.truth.to_list() == [True]
    assert second.truth.to_list() == [None]
    assert second.refused == "check errored: ColumnNotFoundError"


def test_every_finding_of_the_shipped_study_is_failing_where_it_stands():
    tables = {
        "screening_consent": "record event subject_id consent_date\n1 screening NJDT-1 2012-09-01\n2 screening Z-2 .",
        "msc_infusion": "record event inf_date inf_reaction\n1 day_0 2012-03-05 1\n1 day_7 2012-03-30 0\n2 day_0 ?x 1",
        "visit_form": "record event visit_date\n1 day_0 2012-03-05\n1 month_3 2012-03-05\n1 month_6 2011-09-03",
        "labs": "record event lab_date creat hgb\n1 day_0 2012-03-05 80 120\n1 month_3 2012-06-04 999 12",
        "vitals": "record event sbp dbp weight_kg\n1 day_0 120 130 60\n1 month_3 ?x 80 90\n2 day_0 . . .",
        "sledai": "record event sledai_total sledai_01\n1 month_3 5 3\n1 month_6 . 1",
        "bilag": "record event bilag_version bilag_total bilag_renal\n1 day_0 2004 3 A\n1 month_3 2004 3 E",
        "outcome": "record event resp_site\n1 month_6 RELAPSE\n1 month_9 MCR",
        "disposition": "record event instance eos_date eos_status\n1 eos 1 2013-01-01 death\n1 eos 2 2013-02-01 death",
    }
    found = bench.judged(bench.sle(), tables)
    assert len({each.check for each in found.findings}) > 15
    wrong = [
        (each.check, each.row, each.field)
        for each in found.findings
        if found.conditions.at(check=each.check, row=each.row, field=each.field) is not Condition.FAILING
    ]
    assert wrong == []
    counted = {each.check: each.failing for each in found.coverage if each.failing}
    assert counted == {
        check: sum(each.check == check for each in found.findings) for check in {one.check for one in found.findings}
    }
