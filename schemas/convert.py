"""Turn the read tables of a study folder into the frozen study types."""

import math
from collections.abc import Callable, Mapping

from schemas import tables
from schemas.study import (
    Anchor,
    CheckSpec,
    Choice,
    Field,
    Form,
    Interval,
    Kind,
    Measure,
    Signature,
    Study,
    Trial,
    Visit,
)

Say = Callable[[str, str, str, str], None]
"""Take one problem: file, key path, what is wrong, remedy."""


class Converter:
    """Build a study out of its tables; problems of texts and code lists go to ``say``."""

    def __init__(self, *, head: tables.StudyFile, codelists: Mapping[str, tables.Codes], say: Say) -> None:
        """Take ``study.toml`` as read, the code lists of ``codelists.toml`` and where problems go."""
        self.head = head
        self.languages = tuple(head.study.languages)
        self.say = say
        #: check id -> the file it stands in
        self.check_files: dict[str, str] = {}
        self.codelists = {name: self._choices("codelists.toml", name, codes) for name, codes in codelists.items()}

    def study(
        self,
        *,
        visits: list[tables.VisitTable],
        forms: Mapping[str, tables.FormFile],
        checks: Mapping[str, tables.CheckFile],
    ) -> Study:
        """Build the study; ``forms`` and ``checks`` are keyed by file."""
        head = self.head
        ordered = sorted(forms.items(), key=lambda item: (item[1].form.order, item[0]))
        return Study(
            name=head.study.name,
            version=head.study.version,
            title=self._text("study.toml", "study.title", head.study.title),
            languages=self.languages,
            record_field=head.study.record_field,
            forms=tuple(self._form(file, each) for file, each in ordered),
            visits=tuple(self._visit(each) for each in visits),
            checks=tuple(self._check(file, each) for file, table in checks.items() for each in table.check),
            anchor=_anchor(head.anchor),
            visit_date=_anchor(head.visit_date),
            measures=tuple(_measure(each) for each in head.measure),
            missing_codes=head.missing_codes,
            parameters=head.parameters,
        )

    def _text(self, file: str, key: str, text: tables.Text) -> dict[str, str]:
        if isinstance(text, str):
            text = dict.fromkeys(self.languages, text)
        for language in self.languages:
            if not text.get(language, "").strip():
                self.say(file, f"{key}.{language}", "the text is missing", "Add it: the study speaks this language.")
        for language in text.keys() - set(self.languages):
            self.say(file, f"{key}.{language}", "the study does not list this language", "Add it to study.languages.")
        return {language: text.get(language, "") for language in self.languages}

    def _visit(self, table: tables.VisitTable) -> Visit:
        return Visit(
            id=table.id,
            label=self._text("visits.toml", f"visit[{table.id}].label", table.label),
            day=table.day,
            window=_days(table.window),
            hard=_days(table.hard),
            required=table.required,
            repeating=table.repeating,
        )

    def _form(self, file: str, table: tables.FormFile) -> Form:
        form = table.form
        return Form(
            name=form.name,
            label=self._text(file, "form.label", form.label),
            fields=tuple(self._field(file, form.name, each) for each in table.field),
            visits=tuple(form.visits),
            repeating=form.repeating,
            date_field=form.date_field,
        )

    def _field(self, file: str, form: str, table: tables.FieldTable) -> Field:
        key = f"field[{table.name}]"
        return Field(
            name=table.name,
            form=form,
            kind=table.kind,
            label=self._text(file, f"{key}.label", table.label),
            choices=self._field_choices(file, key, table),
            unit=table.unit,
            units=table.units,
            decimals=table.decimals,
            hard=_interval(table.hard),
            soft=_interval(table.soft),
            signatures=tuple(
                Signature(unit=each.unit, low=each.range[0], high=each.range[1]) for each in table.signatures
            ),
            required=table.required,
            branching=table.branching,
            pattern=table.pattern,
            calculation=table.calculation,
            not_done=table.not_done,
            identifier=table.identifier,
            loinc=table.loinc,
            extra=table.extra,
        )

    def _field_choices(self, file: str, key: str, table: tables.FieldTable) -> tuple[Choice, ...]:
        """Resolve the name of a code list; a coded field without codes is a problem."""
        if table.codes is None:
            if table.kind in (Kind.CODED, Kind.CHECKBOX):
                self.say(file, f"{key}.codes", "the key is missing", "A coded field and a checkbox need codes.")
            return ()
        if isinstance(table.codes, str):
            if table.codes not in self.codelists:
                wrong = f"no code list is named {table.codes!r}"
                self.say(file, f"{key}.codes", wrong, "Add it to codelists.toml.")
            return self.codelists.get(table.codes, ())
        return self._choices(file, f"{key}.codes", table.codes)

    def _choices(self, file: str, key: str, codes: tables.Codes) -> tuple[Choice, ...]:
        if isinstance(codes, str):
            self.say(file, key, "a code list cannot name another", 'Write, for example, F = "Female".')
            return ()
        return tuple(Choice(code=code, label=self._text(file, f"{key}.{code}", label)) for code, label in codes)

    def _check(self, file: str, table: tables.CheckTable) -> CheckSpec:
        key = f"check[{table.id}]"
        if table.id in self.check_files:
            self.say(file, key, f"the id is used before, in {self.check_files[table.id]}", "Give it another id.")
        self.check_files.setdefault(table.id, file)
        return CheckSpec(
            id=table.id,
            version=table.version,
            title=self._text(file, f"{key}.title", table.title),
            severity=table.severity,
            category=table.category,
            form=table.form,
            targets=(table.target,) if table.target is not None else tuple(table.targets),
            message=self._text(file, f"{key}.message", table.message),
            when=table.when,
            inputs=tuple(table.inputs),
            logic=table.logic,
            library=table.library,
            params=table.params,
            auto_close=table.auto_close,
            review_before_release=table.review_before_release,
            complete_only=table.complete_only,
            raises_query=table.raises_query,
            tests=tuple(
                Trial(row=each.row, fires=each.fires, event=each.event, today=each.today, note=each.note)
                for each in table.tests
            ),
        )


def _anchor(table: tables.AnchorTable | None) -> Anchor | None:
    return Anchor(form=table.form, field=table.field, visit=table.visit) if table is not None else None


def _measure(table: tables.MeasureTable) -> Measure:
    subset = table.subset
    return Measure(
        name=table.name,
        form=table.form,
        field=table.field,
        subset=(subset.form, subset.field, subset.code) if subset is not None else None,
    )


def _interval(pair: list[float] | None) -> Interval | None:
    if pair is None:
        return None
    low, high = (None if math.isinf(end) else end for end in pair)
    return Interval(low=low, high=high)


def _days(pair: list[int] | None) -> tuple[int, int] | None:
    return (pair[0], pair[1]) if pair is not None else None
