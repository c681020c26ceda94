"""Runs, parked runs, coverage, subjects and the small values that one run leaves for the next."""

from dataclasses import replace
from datetime import date

import sqlalchemy as sa

from sync.ports.stored import OutcomeRow, ParkedRun, SiteRow, SubjectRow, VisitRow
from tests.queries import samples
from tests.warehouse import building as b
from tests.warehouse.test_queries import put, raised
from tests.warehouse.test_storing import dump
from validators.findings import Coverage

SITE_ROW = SiteRow(site=b.SITE, name="A hospital, made up", subject_prefix="ZJJU", project_id=17, language="zh")


def work(warehouse, number, *steps):
    with warehouse.transaction(b.SITE, f"run-{number}", b.moment(number)) as transaction:
        for step in steps:
            step(transaction)


class TestRuns:
    def test_are_listed_newest_first(self, warehouse):
        for number in (0, 2, 1):
            warehouse.record_run(b.run_row(number))
        warehouse.record_run(b.run_row(1, site="yangzhou", outcome="unreachable"))
        reader = warehouse.reader()
        assert [(run.run_id, run.site) for run in reader.runs()] == [
            ("run-2", b.SITE),
            ("run-1", "yangzhou"),
            ("run-1", b.SITE),
            ("run-0", b.SITE),
        ]
        assert [run.run_id for run in reader.runs(site=b.SITE, limit=2)] == ["run-2", "run-1"]
        assert reader.run("run-1") == (b.run_row(1, site="yangzhou", outcome="unreachable"), b.run_row(1))

    def test_are_written_with_what_they_did_or_not_at_all(self, warehouse):
        work(warehouse, 0, lambda tx: tx.finish_run(b.run_row(0)))
        work(warehouse, 0, lambda tx: tx.finish_run(replace(b.run_row(0), reason="again")))
        assert [run.reason for run in warehouse.reader().runs()] == ["again"]

    def test_give_each_site_its_status(self, warehouse):
        work(warehouse, 0, lambda tx: tx.put_site(SITE_ROW), lambda tx: tx.finish_run(b.run_row(0)))
        warehouse.record_run(b.run_row(1, outcome="unreachable"))
        put(warehouse, raised(), raised(2, record="ZJJU-002"))
        (status,) = warehouse.reader().status(aged_before=samples.START.replace(year=2027))
        assert status.name == "A hospital, made up"
        assert status.last_success == b.run_row(0).finished
        assert status.last_run == b.run_row(1, outcome="unreachable")
        assert (status.queries, status.aged, status.parked) == ({"OPEN": 2}, 2, 0)
        assert warehouse.reader().status(aged_before=samples.START)[0].aged == 0
        assert warehouse.reader().sites() == (SITE_ROW,)


def parked(number):
    return ParkedRun(
        site=b.SITE,
        run_id=f"run-{number}",
        parked_at=b.moment(number),
        reason="40 records vanished",
        difference={"deleted": 40, "gone": ["ZJ-01"]},
    )


def decide(warehouse, number, decision, by="dm.zhou"):
    return warehouse.decide(b.SITE, f"run-{number}", decision=decision, by=by, at=b.moment(number + 1))


class TestParkedRuns:
    def test_wait_for_a_decision_and_its_approval_is_used_once(self, warehouse):
        warehouse.park(parked(0))
        assert warehouse.reader().parked(undecided=True) == (parked(0),)
        assert not parked(0).is_approved
        assert decide(warehouse, 0, "approved")
        assert warehouse.reader().parked(site=b.SITE, undecided=True) == ()
        assert warehouse.reader().parked()[0].is_approved
        work(warehouse, 1, lambda tx: tx.settle_parked(["run-0"]))
        work(warehouse, 2, lambda tx: tx.settle_parked(["run-0"]))
        (found,) = warehouse.reader().parked()
        assert (found.decision, found.decided_by, found.used_by_run_id) == ("approved", "dm.zhou", "run-1")
        assert found.superseded_by_run_id is None
        assert not found.is_approved
        assert not decide(warehouse, 0, "discarded")

    def test_whose_approval_is_unused_can_be_withdrawn_for_good(self, warehouse):
        warehouse.park(parked(0))
        assert decide(warehouse, 0, "approved")
        assert decide(warehouse, 0, "approved", by="dm.li")
        assert decide(warehouse, 0, "discarded")
        assert not decide(warehouse, 0, "approved")
        work(warehouse, 1, lambda tx: tx.settle_parked([]))
        (found,) = warehouse.reader().parked()
        assert (found.decision, found.superseded_by_run_id) == ("discarded", None)

    def test_are_superseded_by_a_run_of_their_site_that_goes_through(self, warehouse):
        elsewhere = replace(parked(0), site="yangzhou")
        for each in (parked(0), parked(1), elsewhere):
            warehouse.park(each)
        decide(warehouse, 1, "approved")
        work(warehouse, 2, lambda tx: tx.settle_parked([]))
        newer, older = warehouse.reader().parked(site=b.SITE)
        assert (newer.decision, newer.superseded_by_run_id, newer.is_approved) == ("approved", "run-2", False)
        assert (older.decision, older.superseded_by_run_id, older.decided_at) == ("superseded", "run-2", b.moment(2))
        assert not decide(warehouse, 0, "approved")
        assert not decide(warehouse, 1, "approved")
        assert warehouse.reader().parked(site="yangzhou") == (elsewhere,)


class TestWhatARunFinds:
    def test_is_kept_as_it_is_now(self, warehouse):
        subjects = [
            SubjectRow(record="ZJ-01", first_infusion=date(2012, 5, 1)),
            SubjectRow(record="ZJ-02", first_infusion=None),
        ]
        visits = [
            VisitRow(record="ZJ-01", visit="day_0", actual_date=date(2012, 5, 1), study_day=0, window_status="in"),
            VisitRow(
                record="ZJ-01", visit="unscheduled", instance=2, actual_date=None, study_day=None, window_status=None
            ),
        ]
        outcomes = [OutcomeRow(record="ZJ-01", visit="month_6", outcome="MCR", rule_set="point_in_time")]
        work(
            warehouse,
            0,
            lambda tx: tx.put_subjects(subjects),
            lambda tx: tx.put_visits(visits),
            lambda tx: tx.put_outcomes(outcomes),
        )
        reader = warehouse.reader()
        assert reader.subjects() == {b.SITE: tuple(subjects)}
        assert reader.visits(b.SITE) == {b.SITE: tuple(visits)}
        assert reader.outcomes("nowhere") == {}
        before = dump(warehouse, "subject", "visit", "derived_outcome")
        work(
            warehouse,
            1,
            lambda tx: tx.put_subjects(reversed(subjects)),
            lambda tx: tx.put_visits(visits),
            lambda tx: tx.put_outcomes(outcomes),
        )
        assert dump(warehouse, "subject", "visit", "derived_outcome") == before
        late = replace(visits[0], actual_date=date(2012, 5, 9), window_status="late")
        assert warehouse.reader().records(b.SITE) == {row.record for row in subjects}
        work(warehouse, 2, lambda tx: tx.put_subjects(subjects[:1]), lambda tx: tx.put_visits([late]))
        assert reader.subjects() == {b.SITE: tuple(subjects[:1])}
        assert reader.visits() == {b.SITE: (late,)}
        with warehouse._engine.connect() as connection:
            runs = connection.execute(sa.text("SELECT s.run_id, v.run_id FROM subject s, visit v")).all()
        assert [tuple(run) for run in runs] == [("run-0", "run-2")]

    def test_says_how_far_each_check_reached(self, warehouse):
        rows = [
            Coverage(check="DT01", evaluated=40, failing=2, not_evaluated=1, reasons={"no anchor": 1}),
            Coverage(check="LAB01", evaluated=0, failing=0, not_evaluated=40, reasons={"column withheld": 40}),
        ]
        work(warehouse, 0, lambda tx: tx.coverage(rows), lambda tx: tx.finish_run(b.run_row(0)))
        work(warehouse, 1, lambda tx: tx.coverage(rows[:1]), lambda tx: tx.finish_run(b.run_row(1)))
        warehouse.record_run(b.run_row(2, outcome="unreachable"))
        reader = warehouse.reader()
        assert reader.coverage(b.SITE) == tuple(rows[:1])
        assert reader.coverage(b.SITE, "run-0") == tuple(rows)
        assert reader.coverage("nowhere") == ()

    def test_leaves_small_values_for_the_next_run(self, warehouse):
        value = {"cursor": "2026-01-05T02:00:00+00:00", "fields": ["a", "b"], "text": "é"}
        work(warehouse, 0, lambda tx: tx.put_state("cursor", value))
        seen = []
        work(warehouse, 1, lambda tx: seen.append((tx.state("cursor"), tx.state("other"))))
        assert seen == [(value, None)]
        assert warehouse.reader().state(b.SITE, "cursor") == value
        assert warehouse.reader().state("nowhere", "cursor") is None

    def test_keeps_raw_replies(self, warehouse):
        work(warehouse, 0, lambda tx: tx.put_payload("records", b"\x00\xffcsv", pulled_at=b.moment(0)))
        with warehouse._engine.connect() as connection:
            body = connection.exec_driver_sql("SELECT body FROM raw_payload").scalar_one()
        assert bytes(body) == b"\x00\xffcsv"


def test_a_run_that_was_stored_is_not_noted_as_failed(warehouse):
    with warehouse.transaction(b.SITE, "run-1", b.moment(1)) as transaction:
        transaction.finish_run(b.run_row(1))
    warehouse.record_run(b.run_row(1, outcome="failed"))
    assert warehouse.reader().run("run-1") == (b.run_row(1),)
