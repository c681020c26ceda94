"""The built-in checks speak both languages and say what to do."""

import string

import pytest

from schemas.builtin import BUILTIN_IDS, builtin_checks, builtin_words, plain_number
from schemas.study import Choice, Field, Interval, Kind, Severity

WORDS = {"label", "value", "raw", "unit", "low", "high", "codes"}
CREATININE = Field(
    name="creat",
    form="labs",
    kind=Kind.NUMBER,
    label={"en": "Creatinine", "zh": "肌酐"},
    unit="umol/L",
    hard=Interval(low=10, high=2500),
    soft=Interval(low=30),
)
SEX = Field(
    name="sex",
    form="dm",
    kind=Kind.CODED,
    label={"en": "Sex"},
    choices=(Choice(code="F", label={"en": "Female", "zh": "女"}), Choice(code="M", label={"en": "M"})),
)


def test_every_builtin_check_has_both_languages_and_only_known_placeholders() -> None:
    checks = builtin_checks()

    assert {check.id for check in checks} == BUILTIN_IDS
    assert len(checks) == len(BUILTIN_IDS)
    for check in checks:
        assert set(check.title) == set(check.message) == {"en", "zh"}
        for message in check.message.values():
            used = {name for _, name, _, _ in string.Formatter().parse(message) if name}
            assert used <= WORDS
            assert "label" in used
        assert (check.form, check.logic, check.targets) == (None, None, ())


def test_severity_and_completeness_rules() -> None:
    by_id = {check.id: check for check in builtin_checks()}

    assert by_id["RG01"].severity is Severity.HARD
    assert by_id["RG02"].severity is Severity.SOFT
    assert by_id["CP01"].severity is Severity.SOFT
    assert [check.id for check in builtin_checks() if check.complete_only] == ["CP01"]


def test_a_message_says_field_value_limit_and_what_to_do() -> None:
    range_check = next(check for check in builtin_checks() if check.id == "RG01")
    words = builtin_words(CREATININE, "RG01", language="en")
    text = range_check.message["en"].format(**words, value="9.5", raw="9.5")

    assert "Creatinine = 9.5 umol/L" in text
    assert "10 to 2500" in text
    assert "check the source" in text


def test_words_follow_the_check_and_the_language() -> None:
    soft = builtin_words(CREATININE, "RG02", language="zh")
    assert (soft["label"], soft["low"], soft["high"]) == ("肌酐", "30", "∞")
    assert builtin_words(SEX, "CD01", language="zh")["codes"] == "F = 女、M"
    assert builtin_words(SEX, "CD01", language="zh")["label"] == "Sex"


@pytest.mark.parametrize(
    ("value", "text"), [(10.0, "10"), (0.005, "0.005"), (409600.0, "409600"), (1e-7, "0.0000001"), (-1.5, "-1.5")]
)
def test_numbers_are_written_plainly(value: float, text: str) -> None:
    assert plain_number(value) == text
