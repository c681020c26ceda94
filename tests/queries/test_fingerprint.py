"""Bind confirmations to values: what changes a fingerprint and what does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.queries import fingerprint
from tests.queries import samples
from validators.findings import Evidence

SECRET = samples.SECRET


def read(field="creat", raw="81", value="81", event="month_1", instance=1, instrument="labs"):
    return Evidence(event=event, instrument=instrument, instance=instance, field=field, raw=raw, value=value)


def of(*evidence, version="1.0", key=SECRET):
    return fingerprint.of_evidence(evidence, check_version=version, key=key)


def test_it_is_keyed_and_looks_like_a_hash():
    assert len(of(read())) == 64
    assert of(read()) != of(read(), key=b"another key")


@pytest.mark.parametrize(
    "other",
    [
        read(raw="82"),
        read(value="81.0"),
        read(field="alb"),
        read(event="month_3"),
        read(instance=2),
        read(instrument="labs_2"),
        read(raw=None),
    ],
)
def test_raw_value_and_place_count(other):
    assert of(other) != of(read())


def test_values_that_swap_places_are_other_values():
    a, b = read("sbp", "120", "120"), read("dbp", "80", "80")
    assert of(a, b) != of(read("sbp", "80", "80"), read("dbp", "120", "120"))


def test_blank_and_missing_are_the_same_and_outer_blanks_do_not_count():
    assert of(read(raw="", value=None)) == of(read(raw=None, value=""))
    assert of(read(raw=" 81 ")) == of(read(raw="81"))
    assert of(read(raw="e\u0301")) == of(read(raw="\u00e9"))


def test_only_the_major_version_counts():
    assert of(read(), version="1.0") == of(read(), version="1.7")
    assert of(read(), version="1.0") != of(read(), version="2.0")
    assert fingerprint.major_of("12.3") == "12"


def test_a_finding_without_inputs_is_known_by_its_own_cell():
    bare = samples.finding(evidence=())
    assert fingerprint.of_finding(bare, key=SECRET) == fingerprint.of_finding(samples.finding(), key=SECRET)
    other = samples.finding(evidence=(), raw="1")
    assert fingerprint.of_finding(bare, key=SECRET) != fingerprint.of_finding(other, key=SECRET)


def test_a_renamed_record_keeps_its_fingerprint():
    renamed = samples.finding(record="ZJJU-900")
    assert fingerprint.of_finding(renamed, key=SECRET) == fingerprint.of_finding(samples.finding(), key=SECRET)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.builds(read, field=st.sampled_from("abc"), raw=st.none() | st.text(max_size=4)), max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_evidence_does_not_count(evidence, chance):
    shuffled = list(evidence)
    chance.shuffle(shuffled)
    assert of(*shuffled) == of(*evidence)
