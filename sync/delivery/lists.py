"""Lay out the query list that a site's coordinator works through. Pure: queries in, rows out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas import study as study_types
from schemas.labels import natural, word
from sync.queries.model import Query, State

ANSWERS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "corrected": "corrected in REDCap",
        "confirmed": "confirmed: correct as entered",
        "data_unavailable": "data unavailable",
        "deviation_recorded": "protocol deviation recorded",
        "other": "other (see comment)",
    },
    "zh": {
        "corrected": "已在REDCap中更正",
        "confirmed": "已核实，数据无误",
        "data_unavailable": "数据无法获得",
        "deviation_recorded": "已记录方案偏离",
        "other": "其他（见备注）",
    },
}
"""Answer code -> what the list shows, by language. The code in front of the text is what comes back."""

HEADINGS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "number": "Query",
        "record": "Patient",
        "visit": "Visit",
        "form": "Form",
        "instance": "No.",
        "field_label": "Item",
        "site_field": "Field in REDCap",
        "raw": "As entered",
        "read_as": "Read as",
        "message": "Question",
        "severity": "Severity",
        "opened": "Asked on",
        "age_days": "Days open",
        "round": "Round",
        "link": "Open in REDCap",
        "answer": "Answer",
        "comment": "Comment",
        "site_form": "Form in REDCap",
        "check": "Check",
    },
    "zh": {
        "number": "质疑编号",
        "record": "受试者",
        "visit": "访视",
        "form": "表单",
        "instance": "序号",
        "field_label": "项目",
        "site_field": "REDCap字段",
        "raw": "录入值",
        "read_as": "读取为",
        "message": "问题",
        "severity": "级别",
        "opened": "提出日期",
        "age_days": "未答天数",
        "round": "轮次",
        "link": "在REDCap中打开",
        "answer": "答复",
        "comment": "备注",
        "site_form": "REDCap表单",
        "check": "核查",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """Show one open query. Holds values: goes to the site that entered them and nowhere else."""

    number: str
    record: str
    visit: str
    form: str
    instance: int
    field_label: str
    site_field: str
    raw: str
    read_as: str
    message: str
    severity: str
    #: local date on which the site was asked last
    opened: str
    age_days: int
    round: int
    link: str
    #: left blank for the site
    answer: str
    comment: str
    site_form: str
    check: str


def lay_out(
    queries: Iterable[Query],
    study: study_types.Study,
    *,
    links: Mapping[str, str],
    language: str,
    now: datetime,
) -> tuple[ListRow, ...]:
    """Lay out the open queries of one site, sorted by patient and visit, then form and field in study order.

    ``links`` maps query numbers to deep links; ``now`` is aware, in the study's time zone.
    """
    order, labels = _Order(study), _Labels(study, language)
    waiting = [query for query in queries if query.state is State.OPEN]
    return tuple(
        _row(query, labels, link=links.get(query.number, ""), language=language, now=now)
        for query in sorted(waiting, key=order.of)
    )


class _Order:
    """Sort queries the way a coordinator leafs through a patient's file."""

    def __init__(self, study: study_types.Study) -> None:
        self._visits = {visit.id: place for place, visit in enumerate(study.visits)}
        self._forms = {form.name: place for place, form in enumerate(study.forms)}
        self._fields = {(form.name, each.name): place for form in study.forms for place, each in enumerate(form.fields)}

    def of(self, query: Query) -> tuple[object, ...]:
        key = query.key
        return (
            natural(key.record),
            self._visits.get(key.event, len(self._visits)),
            self._forms.get(key.instrument, len(self._forms)),
            key.instance,
            self._fields.get((key.instrument, key.field), 10_000),
            query.number,
        )


class _Labels:
    """Know what a study calls its visits, forms and fields in one language; the first of a name counts."""

    def __init__(self, study: study_types.Study, language: str) -> None:
        self.visits = {visit.id: word(visit.label, language, visit.id) for visit in reversed(study.visits)}
        self.forms = {form.name: word(form.label, language, form.name) for form in reversed(study.forms)}
        self.fields = {
            (form.name, name): word(each.label, language, name)
            for form in reversed(study.forms)
            for each in reversed(form.fields)
            for name in (each.name, *each.columns)
        }


def _row(query: Query, labels: _Labels, *, link: str, language: str, now: datetime) -> ListRow:
    key = query.key
    opened = query.opened_at or query.raised_at
    unit = f" {query.unit}" if query.unit and query.value is not None else ""
    return ListRow(
        number=query.number,
        record=key.record,
        visit=labels.visits.get(key.event, key.event),
        form=labels.forms.get(key.instrument, key.instrument),
        instance=key.instance,
        field_label=labels.fields.get((key.instrument, key.field), key.field),
        site_field=query.site_field,
        raw=query.raw or "",
        read_as=f"{query.value}{unit}" if query.value is not None else "",
        message=word(query.message, language, query.key.check),
        severity=query.severity.value,
        opened=opened.astimezone(now.tzinfo).date().isoformat(),
        age_days=(now - opened).days,
        round=query.round,
        link=link,
        answer="",
        comment="",
        site_form=query.site_instrument or "",
        check=key.check,
    )


def columns(rows: Sequence[ListRow]) -> tuple[str, ...]:
    """Name the columns of a list: the instance only where something repeats."""
    names = tuple(HEADINGS["en"])
    return names if any(row.instance > 1 for row in rows) else tuple(name for name in names if name != "instance")


_LIKE_A_FORMULA = re.compile(r"\s*[=+\-@|\t\r]").match


def defuse(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would take for a formula; a number is left alone."""
    if not isinstance(value, str) or not _LIKE_A_FORMULA(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
