"""Turn failing rows into findings: place, values as text, evidence and finished messages.

Only rows that fail come here, so this is plain Python over few rows; everything before is whole columns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from schemas import builtin, forms
from schemas.coordinates import KEY_COLUMNS, RowKey
from schemas.study import CheckSpec, Field
from validators import messages
from validators.cells import Cells, Hit
from validators.dataset import Dataset
from validators.findings import Evidence, Finding
from validators.verdict import FAILING, Read, Verdict


class Reporter:
    """Write findings for one site. Holds values: never log it."""

    def __init__(self, data: Dataset) -> None:
        """Take the site's data; languages are the study's."""
        self.data = data
        self.languages = data.study.languages or ("en",)
        self._visits = {visit.id: visit.label for visit in data.study.visits}
        self._labels = {name: several[0].label for name, several in data.fields.items()}
        self._places: dict[tuple[str, str, str], str | None] = {}

    def of_cells(self, spec: CheckSpec, cells: Cells, hits: Iterable[Hit]) -> Iterator[Finding]:
        """Write the findings of one built-in check on one form."""
        rows = self.data.keys(cells.form)
        for hit in hits:
            place = Read(form=cells.form, column=hit.column)
            reads = tuple(Read(form=cells.form, column=column) for column in self._columns(cells.form, hit.column)) or (
                place,
            )
            rule = cells.rules.get((hit.check, hit.column))
            facts = self._rule_facts(cells.form, rule, cells.fields.get(hit.column))
            key = rows.row(hit.row, named=True)
            evidence = [self._evidence(each, key, hit.row) for each in reads]
            yield self._finding(spec, cells.form, hit.column, key, hit.row, evidence, facts)

    def of_verdict(self, spec: CheckSpec, one: Verdict) -> Iterator[Finding]:
        """Write the findings of one verdict, a row each."""
        failing = (one.states == FAILING).arg_true()
        if not failing.len():
            return
        keys = one.keys if one.keys is not None else self.data.keys(one.form)
        facts = {name: values[failing].to_list() for name, values in one.facts.items()}
        pointers = [None if each.rows is None else each.rows[failing].to_list() for each in one.reads]
        for nth, row in enumerate(failing.to_list()):
            key = keys.row(row, named=True)
            here = None if one.keys is not None else row
            places = [here if rows is None else rows[nth] for rows in pointers]
            evidence = [self._evidence(each, key, at) for each, at in zip(one.reads, places, strict=True)]
            own = self._translated(one, {name: values[nth] for name, values in facts.items()})
            yield self._finding(spec, one.form, one.target, key, here, evidence, own, verdict=one)

    def _finding(
        self,
        spec: CheckSpec,
        form: str,
        target: str,
        key: Mapping[str, Any],
        row: int | None,
        evidence: Sequence[Evidence],
        facts: Mapping[str, Any],
        *,
        verdict: Verdict | None = None,
    ) -> Finding:
        each = self._field(form, target)
        value, raw = self._texts(form, target, row)
        event, instance = str(key["event"]), int(key["instance"])
        return Finding(
            row=RowKey(**{name: key[name] for name in KEY_COLUMNS}),
            field=target,
            site_field=self._site_field(form, target, event, instance),
            check=spec.id,
            check_version=spec.version,
            severity=(verdict and verdict.severity) or spec.severity,
            raw=raw,
            value=value,
            unit=each.unit if each is not None else None,
            message=self._message(spec, form, target, key, facts, value, raw),
            evidence=tuple(dict.fromkeys(evidence)),
            site_event=key["_site_event"] if "_site_event" in key else self._usual(form, "_site_event", event),
            site_instrument=key.get("_site_instrument") or self._usual(form, "_site_instrument", event),
            site_instance=key.get("_site_instance"),
            raises_query=spec.raises_query,
            review_before_release=spec.review_before_release,
            auto_close=spec.auto_close,
            is_gap="_site_event" not in key,
        )

    def _message(
        self,
        spec: CheckSpec,
        form: str,
        target: str,
        key: Mapping[str, Any],
        facts: Mapping[str, Any],
        value: str | None,
        raw: str | None,
    ) -> dict[str, str]:
        each = self._field(form, target)
        shown = {name: values for name, values in facts.items() if not isinstance(values, Mapping)}
        texts: dict[str, str | None] = {name: messages.text_of(one) for name, one in shown.items()}
        texts |= {"value": value, "raw": raw, "unit": each.unit if each is not None else "", "field": target}
        texts |= {"record": str(key["record"]), "instance": str(key["instance"]), "site": self.data.site}
        finished = {}
        for language in self.languages:
            local = texts | {
                name: messages.in_language(labels, language)
                for name, labels in facts.items()
                if isinstance(labels, Mapping)
            }
            local["label"] = messages.in_language(each.label, language) if each is not None else target
            local["event"] = messages.in_language(self._visits.get(str(key["event"]), {}), language) or key["event"]
            local["visit"] = local["event"]
            local["form"] = messages.in_language(self.data.form(form).label, language)
            for name in self._identifying(local, each, facts if spec.library is not None else ()):
                local[name] = messages.in_language(messages.HIDDEN, language)
            template = messages.in_language(spec.message, language)
            local["unit"] = local["unit"] or _NOTHING
            finished[language] = messages.fill(template, local, language=language).replace(_NOTHING, "")
            finished[language] = " ".join(finished[language].split())
        return finished

    def _identifying(self, local: Mapping[str, Any], each: Field | None, facts: Iterable[str]) -> list[str]:
        """Name the placeholders whose text would identify a person; the record's own number may be shown.

        What a library check says of an identifying field (``facts``) may hold that field's values as well.
        """
        record = self.data.study.record_field
        hidden = [name for name in local if any(one.identifier and one.name != record for one in self._bearers(name))]
        if each is not None and each.identifier and each.name != record:
            hidden += ["value", "raw", *(name for name in facts if name not in _LABELS)]
        return hidden

    def _bearers(self, name: str) -> tuple[Field, ...]:
        return self.data.fields.get(name.rpartition(".")[2], ())

    def _translated(self, one: Verdict, facts: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in facts.items():
            if name in one.visit_facts:
                found[name] = self._visits.get(value, value) if value is not None else None
            elif name in one.field_facts:
                found[name] = self._labels.get(value, value) if value is not None else None
            elif name in one.form_facts:
                labels = [self.data.form(form).label for form in value or ()]
                found[name] = {
                    language: ", ".join(messages.in_language(label, language) for label in labels)
                    for language in self.languages
                }
            else:
                found[name] = value
        return found

    def _rule_facts(self, form: str, rule: forms.Rule | None, each: Field | None) -> dict[str, Any]:
        """Give the placeholders of a built-in message: limits, and codes in the site's own words."""
        facts: dict[str, Any] = {}
        if isinstance(rule, forms.RangeRule):
            facts = {"low": _end(rule.inside.low), "high": _end(rule.inside.high)}
        if each is not None:
            facts["example"] = self.data.frames[form].examples.get(each.name, "2012-03-05")
            site_codes = self.data.frames[form].site_codes.get(each.name)
            facts["codes"] = {
                language: builtin.codes_text(each, language=language, site_codes=site_codes)
                for language in self.languages
            }
        return facts

    def _columns(self, form: str, target: str) -> tuple[str, ...]:
        """Name the frame columns of a target: itself, or a checkbox field's boxes."""
        if target in self.data.columns(form):
            return (target,)
        return tuple(each for one in self._bearers(target) if one.form == form for each in one.columns)

    def _field(self, form: str, target: str) -> Field | None:
        found = self.data.field_of(form, target)
        return found or next((one for one in self._bearers(target) if one.form == form), None)

    def _site_field(self, form: str, target: str, event: str, instance: int) -> str:
        columns = self._columns(form, target)
        frame = self.data.frames[form]
        if columns and columns[0] != target:
            return frame.site_field(columns[0], event=event, instance=instance).partition("___")[0]
        return frame.site_field(target, event=event, instance=instance)

    def _texts(self, form: str, column: str, row: int | None) -> tuple[str | None, str | None]:
        frame = self.data.frames[form]
        if row is None or column not in self.data.columns(form):
            return None, None
        return messages.text_of(frame.rows[column][row]), frame.raw[column][row]

    def _evidence(self, read: Read, key: Mapping[str, Any], row: int | None) -> Evidence:
        value, raw = self._texts(read.form, read.column, row)
        if row is None:
            event = read.visit or str(key["event"])
            return Evidence(event=event, instrument=read.form, instance=1, field=read.column, raw=None, value=None)
        _, _, event, instrument, instance = self.data.keys(read.form).row(row)[: len(KEY_COLUMNS)]
        return Evidence(
            event=event,
            instrument=instrument,
            instance=instance,
            field=read.column,
            raw=raw,
            value=value,
        )

    def _usual(self, form: str, column: str, event: str) -> str | None:
        """Guess where a row that does not exist yet would stand: where other subjects' rows of that visit do."""
        if (form, column, event) not in self._places:
            values = self.data.keys(form).filter(pl.col("event") == event)[column].drop_nulls()
            self._places[form, column, event] = str(values.mode().sort()[0]) if values.len() else None
        return self._places[form, column, event]


_NOTHING = "\x00"

_LABELS = frozenset({"event_before", "other_event", "other", "prefix", "codes", "low", "high", "example"})
"""Facts that never hold a cell's value."""


def _end(limit: float | None) -> str:
    return "…" if limit is None else messages.text_of(float(limit)) or ""
