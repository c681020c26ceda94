"""Derive a study from a site's own REDCap dictionary, so that any project can be judged with no study at all.

One form an instrument, one field a dictionary row that holds data, one visit an event. What REDCap itself only
warns of (the minimum and maximum of a number) is a soft limit here. A field named as a part of the key (``site``,
``event`` …) gets another name, because it could not stand beside the key in one frame: its ``origin`` then tells
REDCap's name, and logic is rewritten to match.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from schemas.choices import missing_codes_from_text, parse_choices, plain_label
from schemas.coordinates import KEY_COLUMNS
from schemas.errors import Problem
from schemas.fingerprint import structure_fingerprint
from schemas.metadata import metadata_from_rows
from schemas.project import ProjectStructure, RedcapField
from schemas.study import Choice, Field, Form, Interval, Kind, Study, Visit, column_of
from schemas.validation_types import Shape, shape_of

__all__ = [
    "dictionary_problems",
    "metadata_from_rows",
    "missing_codes_from_text",
    "structure_fingerprint",
    "study_from_project",
]

_CALCULATED = ("@CALCTEXT", "@CALCDATE")


def study_from_project(structure: ProjectStructure, *, languages: tuple[str, ...] = ("en",)) -> Study:
    """Derive the study; every text serves all ``languages``. Its version is the structure's fingerprint.

    Rows and codes that cannot stand beside each other are left out: see ``dictionary_problems``.
    """
    return _Derivation(structure, languages).study()


def study_name(project_id: int) -> str:
    """Name the study that is made of a project's own dictionary."""
    return f"project_{project_id}"


def dictionary_problems(structure: ProjectStructure) -> tuple[Problem, ...]:
    """List what in a dictionary cannot be told apart: double fields, double codes, colliding choice columns.

    Two choices collide where REDCap's rule for column names makes them one (``-1`` and ``_1``): their data cannot
    be separated in any export.
    """
    return tuple(_problems(structure))


def _problems(structure: ProjectStructure) -> Iterator[Problem]:
    fields = Counter(field.field_name for field in structure.fields)
    for name in (name for name, count in fields.items() if count > 1):
        yield Problem(file="", key=name, wrong="the field stands twice", remedy="Remove one from the dictionary.")
    for field in structure.fields:
        shape = shape_of(field)
        if shape is None or shape.kind not in (Kind.CODED, Kind.CHECKBOX):
            continue
        codes = [code for code, _ in parse_choices(field.select_choices_or_calculations)]
        for code in (code for code, count in Counter(codes).items() if count > 1):
            wrong = f"the code {code!r} stands twice"
            yield Problem(file="", key=field.field_name, wrong=wrong, remedy="Give each choice its own code.")
        if shape.kind is not Kind.CHECKBOX:
            continue
        by_column: dict[str, list[str]] = {}
        for code in dict.fromkeys(codes):
            by_column.setdefault(column_of(field.field_name, code), []).append(code)
        for column, same in by_column.items():
            if len(same) > 1:
                wrong = f"the codes {', '.join(map(repr, same))} share the column {column}"
                yield Problem(file="", key=field.field_name, wrong=wrong, remedy="Re-code one of the choices.")


class _Derivation:
    """Derive one study from one structure."""

    def __init__(self, structure: ProjectStructure, languages: tuple[str, ...]) -> None:
        self.structure = structure
        self.languages = languages
        # every instrument that the dictionary mentions, in the project's order
        labels = {instrument.name: instrument.label for instrument in structure.instruments}
        self.labels = labels | {
            each.form_name: each.form_name for each in structure.fields if each.form_name not in labels
        }
        fields = tuple(dict.fromkeys(each.field_name for each in structure.fields))
        self.field_names = _free_names(fields)
        renamed = [name for name, free in self.field_names.items() if name != free]
        self.renamed = re.compile(rf"\[({'|'.join(map(re.escape, renamed))})(?=[\](:])") if renamed else None

    def study(self) -> Study:
        structure = self.structure
        marks = "".join(structure_fingerprint(structure).values()).encode()
        return Study(
            name=study_name(structure.project_id),
            version=f"1.0+{hashlib.sha256(marks).hexdigest()[:12]}",
            title=self._text(structure.title),
            languages=self.languages,
            record_field=self.field_names[structure.record_field],
            forms=tuple(self._forms()),
            visits=tuple(
                Visit(
                    id=event.unique_name,
                    label=self._text(event.label or event.unique_name),
                    day=None,
                    window=None,
                    hard=None,
                    required=False,
                    repeating=(event.unique_name, "") in structure.repeating,
                )
                for event in structure.events
            ),
            checks=(),
            missing_codes=structure.missing_codes,
        )

    def _text(self, text: str) -> dict[str, str]:
        return dict.fromkeys(self.languages, text)

    def _forms(self) -> Iterator[Form]:
        """Build a form an instrument that holds data; a column name is given once in the whole project."""
        structure = self.structure
        taken: set[str] = set()
        by_form: dict[str, list[Field]] = {name: [] for name in self.labels}
        for row in structure.fields:
            field = self._field(row)
            if field is not None and taken.isdisjoint((field.name, *field.columns)):
                taken.update((field.name, *field.columns))
                by_form[row.form_name].append(field)
        for name, fields in by_form.items():
            if not fields:
                continue
            yield Form(
                name=name,
                label=self._text(plain_label(self.labels[name]) or name),
                fields=tuple(fields),
                visits=tuple(
                    event.unique_name
                    for event in structure.events
                    if (event.unique_name, name) in structure.event_forms
                ),
                repeating=any(form == name for _, form in structure.repeating),
            )

    def _field(self, row: RedcapField) -> Field | None:
        """Build the field of one dictionary row; None where the row holds no data."""
        shape = shape_of(row)
        if shape is None:
            return None
        is_record = row.field_name == self.structure.record_field
        if is_record:
            # Ids are names: with groups they look like "331-1" whatever the validation says.
            shape = Shape(kind=Kind.TEXT)
        calculated = row.field_type == "calc" or any(word in row.field_annotation for word in _CALCULATED)
        name = self.field_names[row.field_name]
        return Field(
            name=name,
            form=row.form_name,
            kind=shape.kind,
            label=self._text(plain_label(row.field_label) or row.field_name),
            choices=self._choices(row, shape.kind),
            soft=None if is_record else _soft(row, shape),
            # what REDCap computes or the record id itself is never for a person to fill in
            required=row.required_field and not calculated and not is_record,
            branching=self._logic(row.branching_logic) if not is_record else None,
            pattern=shape.pattern,
            calculation=self._logic(row.select_choices_or_calculations) if row.field_type == "calc" else None,
            identifier=row.identifier,
            extra={} if is_record else _extra(row, shape),
            origin=row.field_name if name != row.field_name else None,
        )

    def _logic(self, text: str) -> str | None:
        """Mention renamed fields by their new names; None for blank logic."""
        if not text.strip():
            return None
        if self.renamed is None:
            return text
        return self.renamed.sub(lambda found: f"[{self.field_names[found[1]]}", text)

    def _choices(self, row: RedcapField, kind: Kind) -> tuple[Choice, ...]:
        """Read the choices; for a checkbox one a column, with those of missing-data codes that it exports."""
        if kind not in (Kind.CODED, Kind.CHECKBOX):
            return ()
        if row.field_type == "truefalse":
            pairs: tuple[tuple[str, str], ...] = (("1", "True"), ("0", "False"))
        else:
            pairs = parse_choices(row.select_choices_or_calculations)
        if kind is Kind.CHECKBOX:
            exported = set(self.structure.export_fields)
            missing = self.structure.missing_codes.items()
            pairs += tuple(pair for pair in missing if column_of(row.field_name, pair[0]) in exported)
        told_apart: dict[str, tuple[str, str]] = {}
        for code, label in pairs:
            key = column_of(row.field_name, code) if kind is Kind.CHECKBOX else code
            told_apart.setdefault(key, (code, label))
        return tuple(Choice(code=code, label=self._text(label)) for code, label in told_apart.values())


def _free_names(names: tuple[str, ...]) -> dict[str, str]:
    """Map each field name to itself, or to a free one where it is a part of the key."""
    taken = {*names, *KEY_COLUMNS}
    free: dict[str, str] = {}
    for name in names:
        chosen = name
        while chosen in KEY_COLUMNS or (chosen != name and chosen in taken):
            chosen = f"{chosen}_field"
        free[name] = chosen
        taken.add(chosen)
    return free


def _soft(row: RedcapField, shape: Shape) -> Interval | None:
    """Read minimum and maximum of a number; a bound that is no number (piped, ``today``) is left open."""
    if shape.kind not in (Kind.NUMBER, Kind.INTEGER) or row.field_type == "calc":
        return None
    low, high = _bound(row.text_validation_min), _bound(row.text_validation_max)
    if row.field_type == "slider":
        low, high = 0.0 if low is None else low, 100.0 if high is None else high
    if low is None and high is None:
        return None
    # a dictionary with its bounds the wrong way round would fail every value
    return Interval(low=low, high=high) if low is None or high is None or low <= high else None


def _bound(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _extra(row: RedcapField, shape: Shape) -> dict[str, Any]:
    """Keep what the check library may want of a row: validation, matrix, annotation, decimal mark, other bounds."""
    extra: dict[str, Any] = {
        "validation": row.text_validation_type if row.field_type == "text" else "",
        "matrix": row.matrix_group_name,
        "annotation": row.field_annotation,
        "decimal_comma": shape.decimal_comma,
        "field_type": row.field_type if shape.kind in (Kind.UNKNOWN, Kind.FILE) else "",
    }
    if row.field_type == "text":
        for end, text in (("min", row.text_validation_min), ("max", row.text_validation_max)):
            numeric = shape.kind in (Kind.NUMBER, Kind.INTEGER) and _bound(text) is not None
            extra[end] = "" if numeric else text.strip()
    return {key: value for key, value in extra.items() if value}
