"""When a run must stop before harm."""

from dataclasses import replace

import pytest

from sync.changes import brakes
from sync.config import BrakesConfig
from sync.volume import CheckChange, ColumnChange, Volume

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
        ({"records_gone": 1, "records_untraced": 1}, "1 record is gone without a trace in the server's log"),
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


def column(changed, known, **more):
    return ColumnChange(form="labs", column="creat", changed=changed, known=known, **more)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (column(11, 21), "labs.creat: 11 of 21 known values would change"),
        (
            column(76, 76, factor=0.01131),
            "labs.creat: 76 of 76 known values would change, as if the unit had changed (factor 0.0113)",
        ),
    ],
)
def test_a_column_that_changes_as_a_whole_brakes_however_large_the_site_is(change, says):
    assert brakes(replace(QUIET, cells_known=1_000_000, columns=(change,)), BrakesConfig()) == (says,)


def test_fewer_values_are_enough_where_one_factor_tells_of_another_unit():
    """Ten patients at one visit are all that some centres have."""
    for change, stops in [
        (column(5, 10, factor=0.0113), True),
        (column(30, 60, factor=0.0113), True),
        (column(4, 4, factor=0.0113), False),
        (column(5, 20, factor=10.0), False),  # a handful that was entered in another unit, and corrected
        (column(5, 10), False),
    ]:
        assert bool(brakes(replace(QUIET, columns=(change,)), BrakesConfig())) == stops, change
    switched_off = BrakesConfig(changed_column_percent=100)
    assert brakes(replace(QUIET, columns=(column(90, 90, factor=0.0113),)), switched_off) == ()


@pytest.mark.parametrize("change", [column(10, 10), column(11, 22), column(11, None)])
def test_a_handful_or_half_of_a_column_goes_through(change):
    assert brakes(replace(QUIET, columns=(change,)), BrakesConfig()) == ()


def check(**more):
    return CheckChange(check="L01", form="labs", field="creat", **more)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"checks": (check(opened=21, records=6),)},
            "check L01 at labs.creat: 21 queries would open, at 6 of 10 known records",
        ),
        (
            {"checks": (check(waiting=12, closed=12, closed_unchanged=11),)},
            "check L01 at labs.creat: 11 of 12 open queries would close though nothing changed in their records",
        ),
        (
            {"queries_open": 12, "queries_closed": 11, "queries_closed_unchanged": 11},
            "11 of 12 open queries would close though nothing changed in their records",
        ),
        ({"queries_open": 60, "queries_closed": 51}, "51 of 60 open queries would close"),
        ({"queries_opened": 101}, "101 queries would open about 10 known records"),
    ],
)
def test_queries_brake_by_the_size_of_the_site(change, says):
    assert brakes(replace(QUIET, records_before=10, records_now=10, **change), BrakesConfig()) == (says,)


@pytest.mark.parametrize(
    "change",
    [
        {"checks": (check(opened=20, records=10),)},
        {"checks": (check(opened=50, records=5),)},
        {"checks": (check(waiting=30, closed=30),)},
        {"queries_open": 31, "queries_closed": 31},
        {"queries_opened": 400, "queries_opened_new": 300},
    ],
)
def test_a_site_that_works_hard_goes_through(change):
    assert brakes(replace(QUIET, records_before=10, records_now=10, **change), BrakesConfig()) == ()


def test_of_many_columns_some_are_named_and_the_rest_is_counted():
    many = tuple(ColumnChange(form="labs", column=f"c{n}", changed=20, known=20) for n in range(9))
    found = brakes(replace(QUIET, columns=many), BrakesConfig())
    assert len(found) == 6
    assert found[-1] == "and so in 4 more columns"
