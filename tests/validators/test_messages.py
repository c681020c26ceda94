"""Values as text, and texts with values in them."""

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec import bench
from validators import messages


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (85.0, "85"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (-0.0, "0"),
        (123456789.25, "123456789.25"),
        (1e20, "1e+20"),
        (float("nan"), "nan"),
        (7, "7"),
        (True, "1"),
        (date(2012, 3, 5), "2012-03-05"),
        (datetime(2012, 3, 5, 8, 30), "2012-03-05 08:30"),  # noqa: DTZ001
        (datetime(2012, 3, 5, 8, 30, 9), "2012-03-05 08:30:09"),  # noqa: DTZ001
        (time(8, 5), "08:05"),
        (["a", None, 2.0], "a, 2"),
        ("x", "x"),
    ],
)
def test_text_of(value, text):
    assert messages.text_of(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_the_same(value):
    assert float(messages.text_of(value)) == value


def test_a_message_takes_plain_names_only():
    template = "{a} {v1.a} {nosuch} {a.__class__.x} {a!r} {0}"
    assert messages.placeholders(template) == {"a", "v1.a", "nosuch"}
    filled = messages.fill(template, {"a": "1", "v1.a": "2"}, language="en")
    assert filled == "1 2 (blank) {a.__class__.x} {a!r} {0}"
    assert messages.fill("{a}", {}, language="zh") == "（空）"
    assert messages.fill("{a}", {"a": "{b}", "b": "x"}, language="en") == "{b}"


def test_a_language_falls_back_to_english_and_then_to_any():
    assert messages.in_language({"en": "e", "zh": "z"}, "zh") == "z"
    assert messages.in_language({"en": "e", "zh": "z"}, "fr") == "e"
    assert messages.in_language({"zh": "z"}, "en") == "z"
    assert messages.in_language({}, "en") == ""


def test_identifying_values_stay_out_of_texts_but_not_out_of_findings():
    form = bench.form(
        "f",
        bench.field("id", kind=bench.Kind.TEXT, identifier=True),
        bench.field("who", kind=bench.Kind.TEXT, identifier=True, pattern="[a-z]+"),
    )
    checks = [
        bench.spec("Q", logic="[id] <> ''", targets=("who",), message={"en": "{who} {value} {id}"}),
        bench.spec("C", library="identity.changed", targets=("who",), message={"en": "from {before} to {value}"}),
    ]
    found = bench.judged(bench.study(form, checks=checks), {"f": "record instance id who\n1 1 A-1 Zhang3\n1 2 A-1 Li4"})
    texts = {each.check: each.message["en"] for each in found.findings}
    assert texts["Q"] == "(identifier) (identifier) A-1"
    assert texts["C"] == "from (identifier) to (identifier)"
    assert "Zhang3" not in texts["PT01"]
    assert {each.raw for each in found.findings if each.check == "PT01"} == {"Zhang3", "Li4"}
