"""Compare the fields of two structures of one project: which came, went, moved, and what is asked otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import SequenceMatcher

from schemas.choices import parse_choices
from schemas.drift_change import Change, Gravity, Part, What, folded, same_words, shown
from schemas.project import RedcapField
from schemas.study import Kind
from schemas.validation_types import Shape, shape_of

ALIKE = 0.6
"""Least likeness of two labels (0 to 1) for a removed and an added field to be taken for one renamed field."""

MOST_PAIRS = 2_500
"""Beyond so many candidate pairs of one form and type, only equal labels count: a rebuilt form is no rename."""

_OWN = frozenset({"field_name", "form_name", "field_type", "text_validation_type", "select_choices_or_calculations"})
"""Attributes that are compared in a way of their own; every other one is compared as it stands."""

_PLAIN = frozenset({"section_header", "matrix_group_name", "identifier"})
"""Attributes that change nothing of what a value means."""

_CODED = frozenset({Kind.CODED, Kind.YESNO})
_CHOOSING = _CODED | {Kind.CHECKBOX}


def by_name(rows: Sequence[RedcapField]) -> dict[str, RedcapField]:
    """Index dictionary rows; of a name that stands twice the first row counts, as in ``schemas.dictionary``."""
    found: dict[str, RedcapField] = {}
    for row in rows:
        found.setdefault(row.field_name, row)
    return found


def compare(
    before: Sequence[RedcapField], now: Sequence[RedcapField], *, renamed_forms: Mapping[str, str]
) -> Iterator[Change]:
    """Yield every difference; the order of fields within the dictionary is none."""
    old, new = by_name(before), by_name(now)
    gone = [row for name, row in old.items() if name not in new]
    come = [row for name, row in new.items() if name not in old]
    renamed = _renamed(gone, come, renamed_forms)
    for row in gone:
        becomes = renamed.get(row.field_name)
        yield _lost(row, becomes)
    for row in come:
        if row.field_name not in renamed.values():
            sentence = f"field '{row.field_name}' ({shown(row.field_label)}) was added to form '{row.form_name}'"
            yield _field(row, What.ADDED, Gravity.ADDITIVE, sentence)
    for name, row in old.items():
        if name in new and row != new[name]:
            yield from _altered(row, new[name], renamed_forms)


def choices_of(row: RedcapField) -> dict[str, str]:
    """Map the codes that a field takes to their labels; none for a field without choices."""
    shape = shape_of(row)
    if shape is None or shape.kind not in _CHOOSING:
        return {}
    if row.field_type == "yesno":
        return {"1": "Yes", "0": "No"}
    if row.field_type == "truefalse":
        return {"1": "True", "0": "False"}
    codes: dict[str, str] = {}
    for code, label in parse_choices(row.select_choices_or_calculations):
        codes.setdefault(code, label)
    return codes


def _field(
    row: RedcapField, what: What, gravity: Gravity, sentence: str, *, aspect: str = "", becomes: str | None = None
) -> Change:
    return Change(
        part=Part.FIELD,
        what=what,
        subject=row.field_name,
        gravity=gravity,
        sentence=sentence,
        aspect=aspect,
        becomes=becomes,
    )


def _lost(row: RedcapField, becomes: str | None) -> Change:
    sentence = f"field '{row.field_name}' ({shown(row.field_label)}) of form '{row.form_name}' was removed"
    gravity = Gravity.ADDITIVE if row.field_type == "descriptive" else Gravity.BREAKING
    if becomes is None:
        return _field(row, What.REMOVED, gravity, sentence)
    return _field(row, What.RENAMED, gravity, f"{sentence}, perhaps renamed to '{becomes}'", becomes=becomes)


# --- renames


def _renamed(
    gone: Sequence[RedcapField], come: Sequence[RedcapField], renamed_forms: Mapping[str, str]
) -> dict[str, str]:
    """Guess which removed field is which added one: same form, type and choices, and a label that is alike."""
    arrived: dict[tuple[object, ...], list[RedcapField]] = {}
    for row in come:
        arrived.setdefault(_build(row, row.form_name), []).append(row)
    left: dict[tuple[object, ...], list[RedcapField]] = {}
    for row in gone:
        left.setdefault(_build(row, renamed_forms.get(row.form_name, row.form_name)), []).append(row)
    scored: list[tuple[float, str, str]] = []
    for key, olds in left.items():
        news = [(row.field_name, *_names(row)) for row in arrived.get(key, [])]
        is_rebuilt = len(olds) * len(news) > MOST_PAIRS
        for old in olds:
            label, plain = _names(old)
            for name, new_label, new_plain in news:
                if plain == new_plain:
                    scored.append((-1.0, old.field_name, name))
                elif not is_rebuilt and (likeness := _like(label, new_label)):
                    scored.append((-likeness, old.field_name, name))
    found: dict[str, str] = {}
    for _, old_name, new_name in sorted(scored):
        if old_name not in found and new_name not in found.values():
            found[old_name] = new_name
    return found


def _build(row: RedcapField, form: str) -> tuple[object, ...]:
    return form, row.field_type, row.text_validation_type, tuple(sorted(choices_of(row).items()))


def _names(row: RedcapField) -> tuple[str, str]:
    """Give what a person knows a field by, the label or else the name: in lower case, and as bare words."""
    known_as = row.field_label if row.field_label.strip() else row.field_name
    return known_as.casefold(), folded(known_as)


def _like(first: str, second: str) -> float:
    """Rate the likeness of two labels; 0 where it does not suffice."""
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= ALIKE else 0.0


# --- one field


def _altered(old: RedcapField, new: RedcapField, renamed_forms: Mapping[str, str]) -> Iterator[Change]:
    name = f"field '{old.field_name}'"
    # a field that follows its renamed form is told with the form, unless nothing else is there to tell
    if old.form_name != new.form_name and renamed_forms.get(old.form_name) != new.form_name:
        sentence = f"{name} moved from form '{old.form_name}' to '{new.form_name}'"
        yield _field(old, What.MOVED, Gravity.BREAKING, sentence, aspect="form_name", becomes=new.form_name)
    yield from _type(old, new, name)
    yield from _choices(old, new, name)
    for each in fields(RedcapField):
        if each.name in _OWN:
            continue
        was, is_ = getattr(old, each.name), getattr(new, each.name)
        if was != is_:
            words = each.name.replace("_", " ").replace("field ", "")
            sentence = f"{name}: {words} is {shown(_text(is_))}, it was {shown(_text(was))}"
            gravity = Gravity.ADDITIVE if each.name in _PLAIN else Gravity.ALTERING
            if each.name == "field_label" and same_words(was, is_):
                gravity = Gravity.ADDITIVE
            yield _field(old, What.CHANGED, gravity, sentence, aspect=each.name)


def _text(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, "?") if isinstance(value, bool) else str(value)


def _type(old: RedcapField, new: RedcapField, name: str) -> Iterator[Change]:
    if (old.field_type, old.text_validation_type) == (new.field_type, new.text_validation_type):
        return
    sentence = f"{name} is of type {_typed(new)}, it was {_typed(old)}"
    yield _field(old, What.CHANGED, _type_gravity(shape_of(old), shape_of(new)), sentence, aspect="type")


def _typed(row: RedcapField) -> str:
    return f"{row.field_type} ({row.text_validation_type})" if row.text_validation_type else row.field_type


def _type_gravity(old: Shape | None, new: Shape | None) -> Gravity:
    """Rate a change of type by what it does to the reading of values that stand already."""
    if old is None:  # a descriptive text holds nothing that could be misread
        return Gravity.ADDITIVE
    if new is None or old.decimal_comma != new.decimal_comma:
        return Gravity.BREAKING
    same = old.kind is new.kind or {old.kind, new.kind} <= _CODED or (old.kind, new.kind) == (Kind.INTEGER, Kind.NUMBER)
    return Gravity.ALTERING if same else Gravity.BREAKING


def _choices(old: RedcapField, new: RedcapField, name: str) -> Iterator[Change]:
    """Compare the codes; where the type went over to something without codes, the type alone is told."""
    was, is_ = choices_of(old), choices_of(new)
    if was and is_:
        found = list(_codes(old, was, is_, name, is_box=shape_of(old) == Shape(kind=Kind.CHECKBOX)))
        yield from found
        if found:
            return
    text_was, text_is = old.select_choices_or_calculations, new.select_choices_or_calculations
    if text_was == text_is:
        return
    if was and is_ and was == is_:
        sentence = f"{name}: the choices are ordered or written otherwise; codes and labels are the same"
        yield _field(old, What.CHANGED, Gravity.ADDITIVE, sentence, aspect="select_choices_or_calculations")
        return
    what = "calculation" if old.field_type == new.field_type == "calc" else "choices or calculation"
    sentence = f"{name}: {what} is {shown(text_is)}, it was {shown(text_was)}"
    yield _field(old, What.CHANGED, Gravity.ALTERING, sentence, aspect="select_choices_or_calculations")


def _codes(
    row: RedcapField, was: Mapping[str, str], is_: Mapping[str, str], name: str, *, is_box: bool
) -> Iterator[Change]:
    def choice(what: What, gravity: Gravity, sentence: str, *codes: str) -> Change:
        return Change(
            part=Part.CHOICE, what=what, subject=row.field_name, gravity=gravity, sentence=sentence, codes=codes
        )

    come = [code for code in is_ if code not in was]
    taken: set[str] = set()
    for code, label in was.items():
        if code in is_:
            if is_[code] != label:
                spelling = same_words(label, is_[code])
                sentence = f"{name}: code {code} means {shown(is_[code])}, it meant {shown(label)}"
                gravity = Gravity.ALTERING if spelling else Gravity.BREAKING
                yield choice(What.RELABELLED, gravity, sentence, code)
            continue
        again = next((each for each in come if each not in taken and same_words(is_[each], label)), None)
        if again is not None:
            taken.add(again)
            sentence = f"{name}: {shown(label)} has the code {again}, it had {code}"
            yield choice(What.RECODED, Gravity.BREAKING, sentence, code, again)
            continue
        # an unticked box vanishes from the export; a stored radio value stays and is reported as an unknown code
        gravity = Gravity.BREAKING if is_box else Gravity.ALTERING
        yield choice(What.REMOVED, gravity, f"{name}: choice {code} ({shown(label)}) was removed", code)
    for code in come:
        if code not in taken:
            sentence = f"{name}: choice {code} ({shown(is_[code])}) was added"
            yield choice(What.ADDED, Gravity.ADDITIVE, sentence, code)
