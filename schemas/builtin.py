"""Name the checks that every field has of itself, without any study saying so."""

from collections.abc import Mapping

from schemas.labels import word
from schemas.study import CheckSpec, Choice, Field, Kind, Severity

# English, Chinese: title, then message. {low} and {high} are texts of the limits, {codes} the list of codes.
_TEXTS: Mapping[str, tuple[str, str, str, str]] = {
    "TY01": (
        "Unreadable number or time",
        "数值或时间无法识别",
        'The entry "{raw}" for {label} cannot be read. Please check the source document and correct it.',
        "“{label}”的录入内容“{raw}”无法识别，请核对原始资料并更正。",
    ),
    "DT01": (
        "Unreadable date",
        "日期无法识别",
        'The date "{raw}" for {label} cannot be read. Please enter it like {example}.',
        "“{label}”的日期“{raw}”无法识别，请按{example}的格式填写。",
    ),
    "CD01": (
        "Code outside the list",
        "编码不在选项内",
        'The entry "{raw}" for {label} is none of the listed options ({codes}). Please choose one of them.',
        "“{label}”的录入内容“{raw}”不在选项（{codes}）内，请选择其中一项。",
    ),
    "UN01": (
        "Unit missing or unknown",
        "单位缺失或无法识别",
        'The unit for {label} is missing or unknown: "{raw}". Please give the unit printed on the report.',
        "“{label}”的单位缺失或无法识别：“{raw}”，请按检验报告填写单位。",
    ),
    "RG01": (
        "Outside possible limits",
        "超出可能范围",
        "{label} = {value} {unit} is outside the possible limits ({low} to {high}). "
        "Please check the source document and correct or confirm it.",
        "{label}={value} {unit}，超出可能范围（{low}至{high}），请核对原始资料后更正或确认。",
    ),
    "RG02": (
        "Outside usual limits",
        "超出常见范围",
        "{label} = {value} {unit} is outside the usual limits ({low} to {high}). "
        "Please check the source document and correct or confirm it.",
        "{label}={value} {unit}，超出常见范围（{low}至{high}），请核对原始资料后更正或确认。",
    ),
    "PT01": (
        "Not of the expected form",
        "格式不符",
        'The entry "{raw}" for {label} is not of the expected form. Please check and correct it.',
        "“{label}”的录入内容“{raw}”不符合规定格式，请核对并更正。",
    ),
    "CP01": (
        "Required entry is blank",
        "必填项为空",
        "{label} is required and blank. Please enter the value, or state why it was not done.",
        "“{label}”为必填项但未填写，请补录或注明未做原因。",
    ),
}

_KIND: Mapping[str, tuple[Severity, str]] = {
    "TY01": (Severity.HARD, "format"),
    "DT01": (Severity.HARD, "format"),
    "CD01": (Severity.HARD, "format"),
    "UN01": (Severity.HARD, "unit"),
    "RG01": (Severity.HARD, "range"),
    "RG02": (Severity.SOFT, "range"),
    "PT01": (Severity.HARD, "format"),
    "CP01": (Severity.SOFT, "missing"),
}

BUILTIN_IDS = frozenset(_KIND)
"""Ids that no check of a study may take."""


def builtin_checks() -> tuple[CheckSpec, ...]:
    """Give the built-in checks, in the order in which a cell meets them.

    Their ``library`` is ``"builtin"`` and they have neither form nor targets: each speaks about every field that
    it fits. CP01 counts only where the form's status is Complete. Messages use {label}, {value}, {raw}, {unit},
    {low}, {high} and {codes}.
    """
    return tuple(_spec(each) for each in _KIND)


def codes_text(field: Field, *, language: str, site_codes: Mapping[str, str] | None = None) -> str:
    """List what may stand in a coded field, in the words of who enters it: ``1 = Male, 2 = Female``.

    ``site_codes`` (the site's code -> the study's) replaces the study's codes by the site's own.
    """
    own: dict[str, list[str]] = {}
    for site, code in (site_codes or {}).items():
        own.setdefault(code, []).append(site)
    separator = "、" if language == "zh" else ", "
    return separator.join(
        _option(choice, site, language) for choice in options(field) for site in own.get(choice.code, [choice.code])
    )


def options(field: Field) -> tuple[Choice, ...]:
    """List what may stand in a coded field; yes/no and checkbox cells have the two that they always have."""
    if field.kind is Kind.YESNO:
        return field.choices or (
            Choice(code="1", label={"en": "Yes", "zh": "是"}),
            Choice(code="0", label={"en": "No", "zh": "否"}),
        )
    if field.kind is Kind.CHECKBOX:
        return (
            Choice(code="1", label={"en": "ticked", "zh": "勾选"}),
            Choice(code="0", label={"en": "not ticked", "zh": "未勾选"}),
        )
    return field.choices


def _option(choice: Choice, code: str, language: str) -> str:
    label = word(choice.label, language, choice.code)
    return code if label == code else f"{code} = {label}"


def _spec(check: str) -> CheckSpec:
    severity, category = _KIND[check]
    title_en, title_zh, message_en, message_zh = _TEXTS[check]
    return CheckSpec(
        id=check,
        version="1.0",
        title={"en": title_en, "zh": title_zh},
        severity=severity,
        category=category,
        form=None,
        targets=(),
        message={"en": message_en, "zh": message_zh},
        library="builtin",
        complete_only=check == "CP01",
    )
