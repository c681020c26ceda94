"""When a run must stop before harm."""

from dataclasses import replace

import pytest

from sync.changes import Volume, brakes
from sync.config import BrakesConfig

LIMITS = BrakesConfig(
    deleted_records_percent=10,
    deleted_records_allowed=2,
    changed_cells_percent=30,
    changed_cells_allowed=200,
    closed_queries_percent=80,
    closed_queries_allowed=20,
    opened_queries_allowed=500,
)
QUIET = Volume(
    records_before=100,
    records_now=100,
    records_gone=0,
    cells_known=10_000,
    cells_changed=0,
    queries_open=50,
    queries_closed=0,
    queries_opened=0,
)


def test_an_ordinary_night_goes_through():
    assert (
        brakes(replace(QUIET, records_gone=2, cells_changed=200, queries_closed=20, queries_opened=500), LIMITS) == ()
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"records_now": 0, "records_gone": 100}, "the project is empty, the warehouse holds 100 records"),
        ({"records_gone": 11}, "11 of 100 records are gone"),
        ({"records_gone": 1, "records_untraced": 1}, "1 records are gone without a trace in the server's log"),
        ({"cells_changed": 3001}, "3001 of 10000 known cells would change"),
        ({"queries_closed": 41}, "41 of 50 open queries would close"),
        ({"queries_opened": 501}, "501 queries would open"),
    ],
)
def test_a_mass_change_is_named_with_its_figures(change, says):
    (reason,) = brakes(replace(QUIET, **change), LIMITS)
    assert says in reason


def test_all_reasons_are_given_at_once():
    assert len(brakes(replace(QUIET, records_gone=50, cells_changed=9_000, queries_opened=900), LIMITS)) == 3


def test_the_first_run_of_a_site_never_brakes():
    first = replace(QUIET, records_before=0, cells_changed=10_000, queries_opened=5_000)
    assert brakes(first, LIMITS) == ()


@pytest.mark.parametrize("share", [0.10, 0.05])
def test_a_share_up_to_the_limit_goes_through(share):
    assert brakes(replace(QUIET, records_before=1000, records_gone=int(1000 * share)), LIMITS) == ()


def test_who_knows_why_records_vanish_may_allow_some():
    change = replace(QUIET, records_gone=2, records_untraced=2)
    assert brakes(change, LIMITS.model_copy(update={"unexplained_deletions_allowed": 2})) == ()
    assert len(brakes(change, LIMITS.model_copy(update={"unexplained_deletions_allowed": 1}))) == 1
