"""The two result views: whom they count, what they call baseline, and that both databases agree with Python."""

import sqlite3
import statistics
from datetime import date, timedelta
from pathlib import Path

import pytest

from schemas.study import Anchor, Kind, Measure
from sync.ports.stored import EfficacyRow, OutcomeRow, ResponseRow, SubjectRow, VisitRow
from tests.warehouse import building as b

LABS = b.form("labs", b.field("lab_date", Kind.DATE), b.field("creat", Kind.NUMBER), date_field="lab_date")
SLEDAI = b.form("sledai", b.field("sledai_total", Kind.INTEGER, "sledai"))
BASE = b.form(
    "base",
    b.field("ln_flag", Kind.YESNO, "base"),
    b.field("organs", Kind.CHECKBOX, "base", codes=("renal", "skin")),
)
STUDY = b.study(
    LABS,
    SLEDAI,
    BASE,
    anchor=Anchor(form="labs", field="lab_date"),
    measures=[
        Measure(name="sledai_total", form="sledai", field="sledai_total"),
        Measure(name="creat", form="labs", field="creat"),
        Measure(name="creat_nephritis", form="labs", field="creat", subset=("base", "ln_flag", "1")),
        Measure(name="creat_skin", form="labs", field="creat", subset=("base", "organs", "skin")),
    ],
)
DAY0 = date(2012, 5, 1)
MADE_UP = [f"ZJ-{n:02d}" for n in range(1, 6)]


def fill(warehouse, labs, *, visits=(), sledai=None, base=None, treated=MADE_UP, quarantined=()):
    frames = [b.frame(LABS, labs), b.frame(SLEDAI, sledai or {}), b.frame(BASE, base or {})]
    with warehouse.transaction(b.SITE, "run-0", b.moment(0)) as transaction:
        transaction.store(frames, mapping_version="1", complete=True)
        transaction.put_subjects(
            [SubjectRow(record=r, first_infusion=DAY0 if r in treated else None) for r in [*MADE_UP, "ZJ-99"]]
        )
        transaction.put_visits(visits)
        transaction.quarantine(quarantined)


def on(days, value):
    return {"lab_date": DAY0 + timedelta(days=days), "creat": value}


def rows(warehouse, measure):
    return {row.visit: row for row in warehouse.reader().efficacy() if row.measure == measure}


@pytest.fixture
def results(opened):
    return opened(STUDY)


class TestEfficacyByVisit:
    def test_gives_mean_and_sample_deviation_like_python(self, results):
        values = [2.24, 1.43, 1e-9, 3.33333, 1024.0]
        labs = {(r, "month_3", 1): on(91, v) for r, v in zip(MADE_UP, values, strict=True)}
        fill(results, labs)
        row = rows(results, "creat")["month_3"]
        assert row.n == 5
        assert row.mean == pytest.approx(statistics.mean(values), rel=1e-14)
        assert row.sd == pytest.approx(statistics.stdev(values), rel=1e-14)

    def test_has_no_deviation_of_one_and_none_but_zero_of_equals(self, results):
        fill(results, {("ZJ-01", "month_3", 1): on(91, 7.0), **{(r, "month_6", 1): on(182, 7.1) for r in MADE_UP}})
        found = rows(results, "creat")
        assert found["month_3"] == EfficacyRow(measure="creat", visit="month_3", n=1, mean=7.0, sd=None)
        assert found["month_6"].sd == pytest.approx(0, abs=1e-12)

    def test_takes_the_last_assessment_up_to_the_infusion_for_baseline(self, results):
        fill(
            results,
            {
                ("ZJ-01", "screening", 1): on(-10, 1.0),
                ("ZJ-01", "day_0", 1): on(0, 2.0),  # the later one
                ("ZJ-02", "screening", 1): on(-10, 3.0),  # the only one
                ("ZJ-03", "screening", 1): on(-1, 5.0),
                ("ZJ-03", "day_0", 1): on(0, None),  # no assessment
                ("ZJ-04", "day_0", 1): on(1, 100.0),  # after the infusion: neither baseline nor another visit
                ("ZJ-05", "unscheduled", 1): on(-3, 6.0),
                ("ZJ-05", "unscheduled", 2): on(50, 60.0),  # no common day
            },
        )
        found = rows(results, "creat")
        assert set(found) == {"day_0"}
        assert (found["day_0"].n, found["day_0"].mean) == (4, 4.0)

    def test_leaves_quarantined_rows_out_of_values_and_of_subsets(self, results):
        labs = {(r, "month_3", 1): on(91, float(n)) for n, r in enumerate(MADE_UP)}
        base = {(r, "screening", 1): {"ln_flag": "1", "organs___skin": 1} for r in MADE_UP[:3]}
        base |= {(r, "screening", 1): {"ln_flag": "0", "organs___skin": 0} for r in MADE_UP[3:]}
        out = [
            b.key("ZJ-01", "month_3"),
            b.key("ZJ-02", "screening", instrument="base"),
        ]
        fill(results, labs, base=base, quarantined=out)
        assert (rows(results, "creat")["month_3"].n, rows(results, "creat")["month_3"].mean) == (4, 2.5)
        assert (rows(results, "creat_nephritis")["month_3"].n, rows(results, "creat_skin")["month_3"].n) == (1, 1)

    def test_dates_an_assessment_without_a_date_of_its_own_by_its_visit(self, results):
        visit = VisitRow(
            record="ZJ-01", visit="screening", actual_date=DAY0 - timedelta(days=9), study_day=-9, window_status="in"
        )
        sledai = {
            ("ZJ-01", "screening", 1): {"sledai_total": 12},
            ("ZJ-02", "day_0", 1): {"sledai_total": 8},  # no date at all: the planned day counts
            ("ZJ-02", "month_6", 1): {"sledai_total": 3},
        }
        fill(results, {}, visits=[visit], sledai=sledai)
        found = rows(results, "sledai_total")
        assert (found["day_0"].n, found["day_0"].mean, found["month_6"].mean) == (2, 10.0, 3.0)

    def test_counts_nobody_who_was_never_treated(self, results):
        fill(results, {("ZJ-99", "screening", 1): on(-1, 5.0), ("ZJ-01", "month_3", 1): on(91, 1.0)})
        assert set(rows(results, "creat")) == {"month_3"}

    def test_comes_in_the_order_of_the_study(self, results):
        fill(
            results,
            {("ZJ-01", v, 1): on(d, 1.0) for v, d in (("month_6", 182), ("day_0", 0), ("month_3", 91))},
            sledai={("ZJ-01", "month_6", 1): {"sledai_total": 3}},
        )
        found = [(row.measure, row.visit) for row in results.reader().efficacy()]
        assert found[:4] == [("sledai_total", "month_6"), *(("creat", v) for v in ("day_0", "month_3", "month_6"))]

    def test_of_a_form_in_several_tables_is_the_same(self, opened):
        many = (b.field(f"f{i}", Kind.TEXT, "wide") for i in range(700))
        wide = b.form("wide", *many, b.field("score", Kind.NUMBER, "wide"), b.field("dated", Kind.DATE, "wide"))
        wide = b.form("wide", *wide.fields, date_field="dated")
        warehouse = opened(
            b.study(wide, anchor=STUDY.anchor, measures=[Measure(name="score", form="wide", field="score")])
        )
        with warehouse.transaction(b.SITE, "run-0", b.moment(0)) as transaction:
            cells = {"score": 4.5, "dated": DAY0 - timedelta(days=2)}
            other = {"score": 9.0, "dated": DAY0 + timedelta(days=200)}
            frame = b.frame(wide, {("ZJ-01", "screening", 1): cells, ("ZJ-01", "month_6", 1): other})
            transaction.store([frame], mapping_version="1", complete=True)
            transaction.put_subjects([SubjectRow(record="ZJ-01", first_infusion=DAY0)])
        assert [(row.visit, row.mean) for row in warehouse.reader().efficacy()] == [("day_0", 4.5), ("month_6", 9.0)]


class TestResponseSummary:
    def test_counts_outcomes_of_all_who_were_treated(self, results):
        fill(results, {})
        outcomes = [("ZJ-01", "MCR"), ("ZJ-02", "MCR"), ("ZJ-03", "PCR"), ("ZJ-99", "NE")]
        with results.transaction(b.SITE, "run-1", b.moment(1)) as transaction:
            transaction.put_outcomes(
                OutcomeRow(record=r, visit="month_6", outcome=word, rule_set="point_in_time") for r, word in outcomes
            )
        assert results.reader().responses() == (
            ResponseRow(visit="month_6", category="MCR", n=2, denominator=5, percent=40.0),
            ResponseRow(visit="month_6", category="PCR", n=1, denominator=5, percent=20.0),
        )

    def test_is_empty_of_nobody(self, results):
        assert results.reader().responses() == ()
        assert results.reader().efficacy() == ()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_plain_readers_of_sqlite_need_no_square_root_of_their_own(opened, url):
    """A reader's SQLite may lack the mathematical functions: the view must not name any."""
    warehouse = opened(STUDY)
    fill(warehouse, {("ZJ-01", "month_3", 1): on(91, 1.0), ("ZJ-02", "month_3", 1): on(91, 4.0)})
    plain = sqlite3.connect(Path(url.removeprefix("sqlite:///")))
    (text,) = plain.execute("SELECT sql FROM sqlite_master WHERE name = 'efficacy_by_visit'").fetchone()
    assert "sqrt" not in text.lower()
    (sd,) = plain.execute("SELECT sd FROM efficacy_by_visit WHERE measure = 'creat'").fetchone()
    assert sd == pytest.approx(statistics.stdev([1.0, 4.0]), rel=1e-15)
    plain.close()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("spread", [1e-12, 1e-3, 1.0, 37.0, 1e6, 1e12])
def test_newton_s_root_is_right_at_any_size(opened, spread):
    warehouse = opened(STUDY)
    fill(warehouse, {("ZJ-01", "month_3", 1): on(91, 0.0), ("ZJ-02", "month_3", 1): on(91, spread)})
    assert rows(warehouse, "creat")["month_3"].sd == pytest.approx(statistics.stdev([0.0, spread]), rel=1e-14)
