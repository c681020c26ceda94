"""The built-in checks speak both languages and say what to do."""

import string

from schemas.builtin import BUILTIN_IDS, builtin_checks, codes_text
from schemas.study import Choice, Field, Interval, Kind, Severity

WORDS = {"label", "value", "raw", "unit", "low", "high", "codes", "example"}
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


def test_codes_are_listed_with_their_labels_in_each_language() -> None:
    assert codes_text(SEX, language="zh") == "F = 女、M"
    assert codes_text(SEX, language="en").startswith("F = ")


def test_codes_are_listed_as_the_site_enters_them() -> None:
    assert codes_text(SEX, language="zh", site_codes={"2": "F", "1": "M", "女": "F"}) == "2 = 女、女、1 = M"
