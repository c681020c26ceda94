"""What changes of a column add up to, and the one factor between old and new numbers."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.volume import CheckChange, ColumnChange, ColumnTally, PlaceChange, Touched, Volume, ratios

NUMBERS = st.floats(min_value=0.1, max_value=900).map(lambda each: round(each, 2))


def tally(pairs):
    return ColumnTally(changed=len(pairs), ratios=ratios(pairs))


@given(olds=st.lists(NUMBERS, min_size=5, max_size=60), factor=st.sampled_from([0.0113, 88.42, 10, 0.1, 1000, 18.02]))
def test_one_factor_is_found_through_three_written_digits(olds, factor):
    found = tally([(old, float(f"{old * factor:.3g}")) for old in olds]).factor
    assert found is not None
    assert found == pytest.approx(factor, rel=0.02)


@given(olds=st.lists(NUMBERS, min_size=12, max_size=40), cut=st.integers(min_value=0, max_value=12))
def test_parts_add_up_to_the_whole(olds, cut):
    pairs = [(old, float(f"{old * 0.0113:.3g}")) for old in olds]
    whole, parts = tally(pairs), tally(pairs[:cut]) + tally(pairs[cut:])
    assert (parts.changed, parts.ratios.keys()) == (whole.changed, whole.ratios.keys())
    assert parts.factor == pytest.approx(whole.factor)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(1.0, 10.0)] * 4,
        [(60.0 + n, 61.0 + n) for n in range(20)],
        [(float(n), float(n * n)) for n in range(2, 30)],
        [(None, 1.0), (1.0, None), (0.0, 5.0), (5.0, 0.0), (1.0, -1.0)] * 5,
        [(1.0, 10.0)] * 7 + [(1.0, 3.0)] * 3,
    ],
)
def test_other_changes_have_no_factor(pairs):
    assert tally(pairs).factor is None


def test_what_other_forms_touched_adds_up():
    first = Touched(columns={("a", "x"): ColumnTally(changed=1)}, records=frozenset("1"), vanished={("a", "v", "1"): 2})
    other = Touched(columns={("a", "x"): ColumnTally(filled=1)}, records=frozenset("2"), vanished={("b", "v", "1"): 1})
    assert first + other == Touched(
        columns={("a", "x"): ColumnTally(changed=1, filled=1)},
        records=frozenset("12"),
        vanished={("a", "v", "1"): 2, ("b", "v", "1"): 1},
    )


def test_a_volume_comes_back_from_what_is_kept_of_it():
    whole = Volume(
        records_before=3,
        records_now=2,
        records_gone=1,
        cells_known=9,
        cells_changed=2,
        queries_open=1,
        queries_closed=0,
        queries_opened=1,
        columns=(ColumnChange(form="labs", column="creat", changed=2, known=3, factor=0.1),),
        checks=(CheckChange(check="X01", form="labs", field="creat", opened=1, records=1),),
        gone=("R1",),
        unexplained=("R1",),
        places=(PlaceChange(form="labs", event="day_0", gone=1, known=3),),
        thinned=("R2",),
    )
    assert Volume.from_plain(asdict(whole)) == whole
    assert Volume.from_plain({"records_before": 3}).gone == ()
