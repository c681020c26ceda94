"""Find what does not fit together in a study: names that lead nowhere, double names, limits at odds."""

import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from schemas.builtin import BUILTIN_IDS
from schemas.coordinates import KEY_COLUMNS
from schemas.errors import Problem
from schemas.study import Anchor, CheckSpec, Field, Form, Kind, Measure, Study

RESERVED_FORMS = frozenset(
    {"site", "subject", "visit", "cell_change", "sync_run", "query", "query_event", "check_coverage"}
    | {"efficacy_by_visit", "response_summary"}
)
"""Relations of the warehouse that a form's table must not be named after."""

RESERVED_COLUMNS = frozenset({*KEY_COLUMNS, "is_quarantined", "run_id", "row_hash"})
"""Columns that every form table has beside its fields."""

NUMERIC = frozenset({Kind.NUMBER, Kind.INTEGER})
DATED = frozenset({Kind.DATE, Kind.DATETIME})

PLACEHOLDERS = frozenset({"value", "raw", "unit", "label", "visit", "record", "site", "form", "low", "high", "codes"})
"""Words that every message may use beside the names of fields and parameters."""

_REFERENCE = re.compile(r"^(?:\[(?P<visit>[^\]]+)\]\[(?P<at>[^\]]+)\]|(?:(?P<form>\w+)\.)?(?P<field>\w+))$")


def lint_study(study: Study, *, check_files: Mapping[str, str]) -> list[Problem]:
    """List all that does not fit together; ``check_files`` says in which file each check stands."""
    names = _Names.of(study)
    problems = [
        *_duplicates("visits.toml", "visit", (visit.id for visit in study.visits)),
        *_study_names(study, names),
        *_field_names(study),
    ]
    problems += _windows(study)
    for form in study.forms:
        problems += _form(form, names)
        for field in form.fields:
            problems += _field(form, field)
    for check in study.checks:
        problems += _check(check, names, check_files.get(check.id, "checks"))
    return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Hold what may be mentioned; ``columns`` is form -> field or checkbox column -> field."""

    visits: frozenset[str]
    columns: Mapping[str, Mapping[str, Field]]

    @classmethod
    def of(cls, study: Study) -> "_Names":
        columns = {
            form.name: {name: each for each in form.fields for name in (each.name, *each.columns)}
            for form in study.forms
        }
        return cls(visits=frozenset(visit.id for visit in study.visits), columns=columns)

    def find(self, form: str | None, name: str) -> Field | None:
        """Find a field in a form, or in any form where none is given."""
        if form is not None:
            return self.columns.get(form, {}).get(name)
        return next((fields[name] for fields in self.columns.values() if name in fields), None)

    def reference(self, text: str) -> str | None:
        """Say what is wrong with a mention of a field; None where it leads somewhere."""
        match = _REFERENCE.match(text)
        if match is None:
            return f"{text!r} is no mention of a field"
        if match["visit"] is not None and match["visit"] not in self.visits:
            return f"the study has no visit {match['visit']!r}"
        form, name = match["form"], match["field"] or match["at"]
        if form is not None and form not in self.columns:
            return f"the study has no form {form!r}"
        if self.find(form, name) is None and name.removesuffix("_complete") not in self.columns:
            return f"no field {name!r}" + (f" in form {form!r}" if form else " in the study")
        return None


def _duplicates(file: str, key: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(file=file, key=f"{key}[{name}]", wrong="the name is used twice", remedy="Give each its own.")


def _windows(study: Study) -> Iterator[Problem]:
    """Check that a visit's planned day lies in its window and the window in its hard limits."""
    for visit in study.visits:
        day = None if visit.day is None else (visit.day, visit.day)
        for key, inner, outer in (("window", day, visit.window), ("hard", visit.window or day, visit.hard)):
            if inner is not None and outer is not None and not outer[0] <= inner[0] <= inner[1] <= outer[1]:
                yield Problem(
                    file="visits.toml",
                    key=f"visit[{visit.id}].{key}",
                    wrong="the days leave out the planned day or a part of the window",
                    remedy="Let day lie in window, and window in hard.",
                )


def _study_names(study: Study, names: _Names) -> Iterator[Problem]:
    if names.find(None, study.record_field) is None:
        yield Problem(
            file="study.toml",
            key="study.record_field",
            wrong=f"no form has a field {study.record_field!r}",
            remedy="Name the field that holds the subject id.",
        )
    for key, anchor in (("anchor", study.anchor), ("visit_date", study.visit_date)):
        if anchor is not None:
            yield from _anchor(key, anchor, names)
    yield from _duplicates("study.toml", "measure", (measure.name for measure in study.measures))
    for measure in study.measures:
        yield from _measure(measure, names)


def _anchor(key: str, anchor: Anchor, names: _Names) -> Iterator[Problem]:
    field = names.find(anchor.form, anchor.field)
    if field is None or field.kind not in DATED:
        yield Problem(
            file="study.toml",
            key=key,
            wrong=f"form {anchor.form!r} has no date field {anchor.field!r}",
            remedy="Name a date or datetime field and its form.",
        )
    if anchor.visit is not None and anchor.visit not in names.visits:
        yield Problem(
            file="study.toml",
            key=f"{key}.visit",
            wrong=f"the study has no visit {anchor.visit!r}",
            remedy="Name a visit of visits.toml.",
        )


def _measure(measure: Measure, names: _Names) -> Iterator[Problem]:
    key = f"measure[{measure.name}]"
    field = names.find(measure.form, measure.field)
    if field is None or field.kind not in NUMERIC:
        yield Problem(
            file="study.toml",
            key=key,
            wrong=f"form {measure.form!r} has no numeric field {measure.field!r}",
            remedy="Name a number or integer field and its form.",
        )
    if measure.subset is not None:
        form, name, code = measure.subset
        field = names.find(form, name)
        yes_no = field is not None and field.kind is Kind.YESNO and code in ("0", "1")
        if field is None or not (yes_no or code in {choice.code for choice in field.choices}):
            yield Problem(
                file="study.toml",
                key=f"{key}.subset",
                wrong=f"form {form!r} has no field {name!r} with the code {code!r}",
                remedy="Name a coded or yesno field, its form and one of its codes.",
            )


def _field_names(study: Study) -> Iterator[Problem]:
    """Check that every column name is free for the warehouse and stands once in the study."""
    owner: dict[str, str] = {}
    forms = {form.name for form in study.forms}
    for form in study.forms:
        for field in form.fields:
            for column in dict.fromkeys((field.name, *field.columns)):
                place = {"file": f"forms/{form.name}.toml", "key": f"field[{field.name}]"}
                status = column.endswith("_complete") and column.removesuffix("_complete") in forms
                if column in RESERVED_COLUMNS or column.startswith("_") or status:
                    yield Problem(**place, wrong=f"the name {column!r} is reserved", remedy="Choose another name.")
                elif column in owner:
                    yield Problem(
                        **place,
                        wrong=f"the name {column!r} is used before, by {owner[column]}",
                        remedy="Give each field of the study its own name, each choice its own code.",
                    )
                owner.setdefault(column, f"{form.name}.{field.name}")


def _form(form: Form, names: _Names) -> Iterator[Problem]:
    file = f"forms/{form.name}.toml"
    if form.name in RESERVED_FORMS:
        yield Problem(
            file=file,
            key="form.name",
            wrong=f"{form.name!r} is a table of the warehouse",
            remedy=f"Choose another name, such as {form.name}_form.",
        )
    for visit in form.visits:
        if visit not in names.visits:
            yield Problem(
                file=file,
                key="form.visits",
                wrong=f"the study has no visit {visit!r}",
                remedy="Name visits of visits.toml.",
            )
    if form.date_field is not None:
        field = names.find(form.name, form.date_field)
        if field is None or field.kind not in DATED:
            yield Problem(
                file=file,
                key="form.date_field",
                wrong=f"the form has no date field {form.date_field!r}",
                remedy="Name one of the form's date or datetime fields.",
            )


def _field(form: Form, field: Field) -> Iterator[Problem]:
    for key, wrong, remedy in (*_limits(field), *_coding(form, field)):
        yield Problem(file=f"forms/{form.name}.toml", key=f"field[{field.name}].{key}", wrong=wrong, remedy=remedy)


def _limits(field: Field) -> Iterator[tuple[str, str, str]]:
    if field.kind not in NUMERIC:
        given: dict[str, object] = {
            "hard": field.hard,
            "soft": field.soft,
            "unit": field.unit,
            "decimals": field.decimals,
        }
        given |= {"units": field.units or None, "signatures": field.signatures or None}
        for key, value in given.items():
            if value is not None:
                yield key, f"a field of kind {field.kind} is no number", "Remove the key or change the kind."
        return
    if field.hard is not None and field.soft is not None:
        low, high = field.hard.low, field.hard.high
        below = low is not None and field.soft.low is not None and field.soft.low < low
        above = high is not None and field.soft.high is not None and field.soft.high > high
        if below or above:
            yield "soft", "the soft limits reach beyond the hard limits", "Set them inside the hard ones."
    if field.unit is None and (field.units or field.signatures):
        yield "unit", "the key is missing", "Name the canonical unit that the others convert to."
    if field.unit is not None and field.units.get(field.unit, 1) != 1:
        yield "units", "the canonical unit has a factor other than 1", "Leave it out of the table."


def _coding(form: Form, field: Field) -> Iterator[tuple[str, str, str]]:
    if field.choices and field.kind not in (Kind.CODED, Kind.CHECKBOX):
        yield "codes", f"a field of kind {field.kind} takes no codes", "Remove them or make the kind coded."
    for code, count in Counter(choice.code for choice in field.choices).items():
        if count > 1:
            yield "codes", f"the code {code!r} stands twice", "Give each choice its own code."
    if field.not_done is not None and field.not_done not in {each.name for each in form.fields}:
        yield "not_done", f"the form has no field {field.not_done!r}", "Name a field of the same form."
    if field.pattern is not None:
        if field.kind is not Kind.TEXT:
            yield "pattern", f"a field of kind {field.kind} takes no pattern", "Remove it or make the kind text."
        elif not is_pattern(field.pattern):
            yield "pattern", "this is not a regular expression", "Correct it; look-around is not available."


def is_pattern(pattern: str) -> bool:
    """Say whether polars' engine, which will run it, takes the pattern (``{prefix}`` filled in)."""
    try:
        pl.Series([""]).str.contains(pattern.replace("{prefix}", "X"))
    except pl.exceptions.PolarsError:
        return False
    return True


def _check(check: CheckSpec, names: _Names, file: str) -> Iterator[Problem]:
    for key, wrong, remedy in (*_mentions(check, names), *_messages(check, names)):
        yield Problem(file=file, key=f"check[{check.id}]{key}", wrong=wrong, remedy=remedy)


def _mentions(check: CheckSpec, names: _Names) -> Iterator[tuple[str, str, str]]:
    if check.id in BUILTIN_IDS:
        yield "", "the id belongs to a built-in check", "Give it another id; built-in checks need no entry."
    if check.form is not None and check.form not in names.columns:
        yield ".form", f"the study has no form {check.form!r}", "Name one of the study's forms."
    for target in check.targets:
        qualified = target if "." in target or check.form is None else f"{check.form}.{target}"
        if check.form in (None, *names.columns) and (wrong := names.reference(qualified)):
            yield ".targets", wrong, "Name fields of the form, or form.field."
    for mention in check.inputs:
        if wrong := names.reference(mention):
            yield ".inputs", wrong, "Write field, form.field or [visit][field]."
    for number, trial in enumerate(check.tests):
        for mention in trial.row:
            if wrong := names.reference(mention):
                yield f".tests[{number}].row", wrong, "Write field, form.field or [visit][field]."
        if trial.event and trial.event not in names.visits:
            yield f".tests[{number}].event", f"the study has no visit {trial.event!r}", "Name a visit."
        if trial.today is not None and not _is_date(trial.today):
            yield f".tests[{number}].today", "this is no date", 'Write it as "2012-03-05".'


def _messages(check: CheckSpec, names: _Names) -> Iterator[tuple[str, str, str]]:
    """Check the placeholders; a library check may bring its own, so only their spelling is judged."""
    for language, text in check.message.items():
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        except ValueError:
            yield f".message.{language}", "a brace stands alone", "Write {name}, or {{ for a brace."
            continue
        for name in fields:
            visit, _, field = name.partition(".")
            elsewhere = f"[{visit}][{field}]" if visit in names.visits else name
            known = name in PLACEHOLDERS or name in check.params or names.reference(elsewhere) is None
            if not re.fullmatch(r"\w+(\.\w+)?", name) or (check.logic is not None and not known):
                yield f".message.{language}", f"nothing is called {{{name}}}", "Name a field or a parameter."


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
