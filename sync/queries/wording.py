"""Say in a query's message that the matter was settled before, and what has changed since (row 12)."""

from collections.abc import Mapping

from sync.queries.model import CloseReason, Reason

RECALLED: Mapping[Reason, tuple[str, str]] = {
    CloseReason.CONFIRMED: ("confirmed", "确认无误"),
    CloseReason.DATA_UNAVAILABLE: ("closed as not available", "以无法获得数据关闭"),
    CloseReason.DEVIATION_RECORDED: ("closed as a recorded deviation", "以已记录的方案偏离关闭"),
    CloseReason.OTHER: ("closed after an answer", "经答复后关闭"),
}
"""Decisions that a message recalls: English and Chinese words for each."""


def recalled(
    message: Mapping[str, str], *, lapsed: Reason | None, then: str | None, now: str | None
) -> Mapping[str, str]:
    """Add to each language's text what was decided before and which entry that was about.

    Chinese texts get a Chinese sentence, all others an English one. Without a lapsed decision the message stays as
    it is. Holds values, as messages do.
    """
    if lapsed is None or lapsed not in RECALLED:
        return message
    english, chinese = RECALLED[lapsed]
    if (then or "") == (now or ""):
        added = {
            "en": f"(This was {english} before; since then the check or another value that it reads has changed.)",
            "zh": f"（此前已{chinese}；此后核查规则或其读取的其他值已改变。）",
        }
    else:
        added = {
            "en": f"(This was {english} before, when the entry was “{then or 'empty'}”; it has changed since.)",
            "zh": f"（此前录入为“{then or '空'}”时已{chinese}；此后录入已改变。）",
        }
    return {
        language: f"{text}{added['zh']}" if language.startswith("zh") else f"{text} {added['en']}"
        for language, text in message.items()
    }
