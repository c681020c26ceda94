"""What a run leaves for the next one comes back as it was, in the same bytes whatever nights it came by."""

import struct
from datetime import UTC, datetime, timedelta
from unittest import mock

import polars as pl
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import known, pull
from schemas.known import Known
from sync.workflows import past

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
ROW = st.tuples(TEXT, *[st.none() | TEXT] * 4, st.integers(0, 2**64 - 1))


def frame(rows):
    return pl.DataFrame(rows, schema=known.KNOWN_SCHEMA, orient="row")


ROWS = st.lists(ROW, max_size=20, unique_by=lambda row: row[:4])


@pytest.mark.parametrize("large", [2, known.LARGE])
@settings(max_examples=40)
@given(rows=ROWS, chance=st.randoms())
def test_known_rows_are_the_same_bytes_in_any_order_and_come_back(large, rows, chance):
    shuffled = list(rows)
    chance.shuffle(shuffled)
    half = len(rows) // 2
    with mock.patch.multiple(known, LARGE=large, BUCKETS=3):
        gathering = known.Gathering()
        gathering.add(frame(shuffled[:half]))
        gathering.add(frame(shuffled[half:]))
        body = past.packed(Known.of_frame(frame(rows)))
        assert past.packed(gathering.done()) == body
        back = past.unpacked(body)
        assert back.rows == len(rows)
        assert sorted(back.frame().iter_rows(), key=repr) == sorted(rows, key=repr)
        assert past.packed(back) == body
        groups = {record: {row[4] for row in rows if row[0] == record} for record, *_ in rows}
        assert all(group in groups[record] for record, group in past.unpacked(body).owners().items())
        assert past.unpacked(body).owners().keys() == groups.keys()


def test_a_record_stands_in_the_same_bucket_on_every_machine():
    rows = [(str(number), None, None, None, None, number) for number in range(9)]
    with mock.patch.object(known, "LARGE", 2):
        held = [bucket["record"].to_list() for bucket in Known.of_frame(frame(rows)).buckets()]
    assert {record: number for number, records in enumerate(held) for record in records} == {
        record: xxhash.xxh3_64_intdigest(record) % known.BUCKETS for record, *_ in rows
    }
    assert xxhash.xxh3_64_intdigest("1") == 7335560060985733464


@settings(max_examples=40)
@given(before=ROWS, now=ROWS, split=st.randoms())
def test_packed_in_buckets_says_what_one_frame_says(before, now, split):
    """What changes: some rows of before stand now as well."""
    now = [*now, *(row for row in before if split.random() < 0.5 and row[:4] not in {each[:4] for each in now})]
    plain = known.differing_rows(frame(before), frame(now))
    some = {row[0] for row in now[::2]}
    with mock.patch.multiple(known, LARGE=2, BUCKETS=3):
        gathering = known.Gathering()
        gathering.add(frame(now))
        packed = gathering.done()
        assert known.differing(Known.of_frame(frame(before)), packed) == plain
        assert packed.records() == {row[0] for row in now}
        assert packed.owners().keys() == packed.records()
        held, kept = packed.of(some), packed.without(some)
    assert set(held["record"]) == some
    assert kept.records() == packed.records() - some
    assert held.height + kept.rows == packed.rows == len(now)


@pytest.mark.parametrize("body", [b"", b"PAR1 of another kind", b"KNOWN"])
def test_what_is_not_known_rows_is_refused(body):
    with pytest.raises(ValueError, match="not what is known"):
        past.unpacked(body)


def test_known_rows_that_were_damaged_are_refused():
    body = past.packed(Known.of_frame(frame([("1", None, None, None, None, 5)])))
    with pytest.raises(ValueError, match="is damaged"):
        past.unpacked(body[:-40] + bytes(40))


@pytest.mark.parametrize("large", [2, known.LARGE])
def test_what_the_first_versions_kept_is_read_as_well(large):
    rows = [(f"R{number}", None, None, None, "north", number) for number in range(6)]
    with mock.patch.multiple(known, LARGE=large, BUCKETS=3):
        bodies = [known._packed(each) for each in Known.of_frame(frame(rows)).buckets()]
        head = struct.pack("<8sQI", b"KNOWN\0\0\1", len(rows), len(bodies))
        body = b"".join([head, struct.pack(f"<{len(bodies)}Q", *map(len, bodies)), *bodies])
        back = past.unpacked(body)
        assert sorted(back.frame().iter_rows()) == rows
        assert back.owners() == {f"R{number}": "north" for number in range(6)}
        with pytest.raises(ValueError, match="cannot be read"):
            past.unpacked(body[:-60] + bytes(60))
        with pytest.raises(ValueError, match="cannot be read"):
            past.unpacked(head)


MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def a_past(last_full):
    rows = Known.of_frame(frame([("1", None, None, None, None, 5)]))
    mark = pull.Watermark(at=datetime(2026, 3, 1), basis=pull.Basis.LOG, design="d", columns="c")  # noqa: DTZ001
    return past.Past(
        remembered=None,
        accepted=None,
        marks=None,
        mapped=None,
        watermark=mark,
        known=rows,
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
