"""The seeded errors: each that a rule can notice is noticed, nothing else is, and all can be put right."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from schemas.project import Snapshot
from sync.demo.cohort import CENTRES
from sync.demo.encode import SiteEncoder
from sync.demo.errors import score, seed_errors
from sync.demo.numbers import half_up, moments
from sync.demo.published import published
from sync.demo.reactions import Action, react
from sync.demo.recipes import Kind
from sync.demo.trial import Trial, prepare
from sync.harmonise.harmonise import harmonise
from sync.sandbox.sandbox import Sandbox
from tests.demo import centres
from validators.engine import judge
from validators.findings import Finding

PUBLISHED_FORMS = ("sledai", "bilag", "outcome")
NIGHT = datetime(2012, 7, 15, 2, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture(scope="module")
def trial() -> Trial:
    return prepare(centres.study(), centres.all_mappings(), nights=4)


@pytest.fixture(scope="module")
def nights(trial: Trial) -> Iterator[list[dict[str, Snapshot]]]:
    """Pull after each night's reactions, as the centres' staff would have typed them."""
    with Sandbox() as sandbox:
        url = centres.serve(sandbox, trial.projects)
        pulled = []
        for night in range(1, 5):
            for each in trial.before_night(night):
                row = each.error.row
                if each.texts:
                    sandbox.project(each.error.place.site).set(
                        row.record, each.texts, event=row.event, instrument=row.repeat_instrument,
                        instance=row.repeat_instance or 0,
                    )  # fmt: skip
            pulled.append(centres.pull(url))
        yield pulled


def findings(snapshots: dict[str, Snapshot]) -> list[Finding]:
    found: list[Finding] = []
    for site, snapshot in snapshots.items():
        read = harmonise(snapshot, centres.study(), centres.mapping_of(site))
        prefix = CENTRES[site][0]
        found += judge(centres.study(), read.frames, site=site, prefix=prefix, as_of=NIGHT).findings
    return found


@pytest.fixture(scope="module")
def first(nights: list[dict[str, Snapshot]]) -> list[Finding]:
    return findings(nights[0])


def test_every_error_that_a_rule_can_notice_is_noticed(trial: Trial, first: list[Finding]) -> None:
    missed = [
        (each.kind, each.place, each.field, dict(each.wrong))
        for each in trial.errors
        if each.detectable and not any(each.found_by(finding) for finding in first)
    ]
    assert missed == []


def test_no_finding_is_without_its_error(trial: Trial, first: list[Finding]) -> None:
    unexplained = [
        (each.check, each.row, each.field, each.value)
        for each in first
        if not any(error.explains(each) for error in trial.errors)
    ]
    assert unexplained == []
    counted = score(trial.errors, first)
    assert counted.false_findings == 0
    assert (counted.found, counted.undetectable) == (
        counted.detectable,
        sum(error.kind is Kind.PLAUSIBLE for error in trial.errors),
    )


def test_plausible_errors_stay_unnoticed_and_away_from_the_published_figures(
    trial: Trial, first: list[Finding]
) -> None:
    plausible = [each for each in trial.errors if each.kind is Kind.PLAUSIBLE]
    assert len(plausible) >= 0.3 * len([each for each in trial.errors if not each.is_true])
    for each in plausible:
        assert not each.detectable
        assert each.place.form not in PUBLISHED_FORMS and each.field not in ("utp24", "uvol24_ml", "ln_flag")
        reading = [finding for finding in first if each.explains(finding)]
        # a finding may read a plausible error beside the error that it is about
        assert all(any(e.detectable and e.explains(finding) for e in trial.errors) for finding in reading)


def test_unusual_values_are_asked_about_and_are_no_errors(trial: Trial, first: list[Finding]) -> None:
    unusual = [each for each in trial.errors if each.is_true]
    assert unusual
    for each in unusual:
        assert not each.detectable and any(each.found_by(finding) for finding in first)


def test_errors_cluster_and_no_two_share_a_row(trial: Trial) -> None:
    assert len({each.place for each in trial.errors}) == len(trial.errors)
    runs = Counter(each.cluster for each in trial.errors if each.kind is Kind.UNIT)
    assert runs.most_common(1)[0][1] >= 4
    assert {each.place.site for each in trial.errors} == set(CENTRES)
    assert all(each.wrong.keys() == each.correct.keys() and each.wrong != each.correct for each in trial.errors)


def test_the_same_seed_gives_the_same_errors(trial: Trial) -> None:
    again = seed_errors(centres.study(), centres.all_mappings(), trial.truth)
    assert again == trial.errors


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_in_the_end_every_error_is_corrected_and_nothing_else_is_touched(trial: Trial, count: int) -> None:
    planned = react(trial.errors, nights=count)
    assert all(2 <= each.before_night <= count for each in planned)
    last = {each.error.number: each for each in planned}
    for error in trial.errors:
        if count == 1 or not (error.detectable or error.is_true):
            assert error.number not in last
        elif error.is_true:
            assert last[error.number].action is Action.CONFIRM and not last[error.number].texts
        else:
            assert last[error.number].action is Action.CORRECT
            assert last[error.number].texts == error.correct


def test_the_centres_do_all_that_centres_do(trial: Trial) -> None:
    assert set(Counter(each.action for each in trial.reactions)) == set(Action)
    before_two = [each for each in trial.reactions if each.before_night == 2]
    assert len(before_two) > len(trial.reactions) / 2


def test_corrections_bring_back_the_truth_and_the_published_figures(
    trial: Trial, nights: list[dict[str, Snapshot]]
) -> None:
    left = {(each.place, column) for each in trial.errors for column in each.columns if not each.detectable}
    totals: list[tuple[str, str, pl.DataFrame]] = []
    for site, snapshot in nights[-1].items():
        mapping = centres.mapping_of(site)
        encoder = SiteEncoder(study=centres.study(), mapping=mapping)
        subjects = {encoder.record(each.id): each.id for each in trial.truth.subjects if each.site == site}
        rows = {(p.subject, p.visit, p.form, p.instance): (p, row) for p, row in trial.truth.of(site)}
        for frame in harmonise(snapshot, centres.study(), mapping).frames:
            assert frame.problems.is_empty()
            totals.append((site, frame.form.name, frame.rows))
            for row in frame.rows.iter_rows(named=True):
                place, wanted = rows[subjects[row["record"]], row["event"], frame.form.name, row["instance"]]
                for column, value in wanted.items():
                    if (place, column) not in left and column not in frame.absent:
                        assert row[column] == value, (place, column)
    sledai = pl.concat(rows for _, form, rows in totals if form == "sledai")
    for printed in published().means:
        if printed.measure == "sledai_total":
            found = sledai.filter(pl.col("event") == printed.visit)["sledai_total"].to_list()
            mean, sd = moments([Decimal(value) for value in found])
            assert (half_up(mean, 2), half_up(sd, 2)) == (printed.mean, printed.sd)


def test_at_the_end_only_the_unusual_values_are_asked_about(trial: Trial, nights: list[dict[str, Snapshot]]) -> None:
    left = findings(nights[-1])
    assert left
    assert all(any(error.is_true and error.explains(each) for error in trial.errors) for each in left)
