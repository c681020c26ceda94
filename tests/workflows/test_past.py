"""What a run leaves for the next one comes back as it was, in the same bytes whatever nights it came by."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import pull
from sync.workflows import past

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
ROW = st.tuples(TEXT, *[st.none() | TEXT] * 4, st.integers(0, 2**64 - 1))


def frame(rows):
    return pl.DataFrame(rows, schema=pull.KNOWN_SCHEMA, orient="row")


@given(st.lists(ROW, max_size=20, unique_by=lambda row: row[:4]), st.randoms())
def test_known_rows_are_the_same_bytes_in_any_order_and_come_back(rows, chance):
    shuffled = list(rows)
    chance.shuffle(shuffled)
    half = len(rows) // 2
    pieces = pl.concat([frame(shuffled[:half]), frame(shuffled[half:])])
    body = past.packed(frame(rows))
    assert past.packed(pieces) == body
    back = past.unpacked(body)
    assert sorted(back.iter_rows(), key=repr) == sorted(rows, key=repr)
    assert past.packed(back) == body


MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def a_past(last_full):
    known = frame([("1", None, None, None, None, 5)])
    mark = pull.Watermark(at=datetime(2026, 3, 1), basis=pull.Basis.LOG, design="d", columns="c")  # noqa: DTZ001
    return past.Past(
        remembered=None,
        accepted=None,
        marks=None,
        mapped=None,
        watermark=mark,
        known=known,
        last_full=last_full,
        cells=1,
        rows=1,
    )


@pytest.mark.parametrize(
    ("last_full", "now", "weekly", "due"),
    [
        (None, MONDAY, "sun", True),
        (MONDAY, MONDAY + timedelta(days=1), "sun", False),
        (MONDAY, MONDAY + timedelta(days=5), "sun", False),
        (MONDAY, MONDAY + timedelta(days=6), "sun", True),
        (MONDAY, MONDAY + timedelta(hours=3), "mon", False),
        (MONDAY, MONDAY + timedelta(days=7), "mon", True),
        (MONDAY, MONDAY + timedelta(days=9), "wed", True),
        (MONDAY, MONDAY + timedelta(hours=1), "always", True),
    ],
)
def test_everything_is_pulled_when_the_weekly_night_has_come(last_full, now, weekly, due):
    assert past.full_is_due(a_past(last_full), now, weekly) is due
