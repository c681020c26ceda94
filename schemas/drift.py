"""Compare a site's project with what it was, and name every difference. Pure.

A centre changes its project while the study runs: a code more, a form more, and now and then a code that means
something else from one day to the next. Each difference is one :class:`Change` with its own gravity; the order of
fields, forms and events is no difference, unless another field becomes the record id.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas import drift_fields
from schemas.drift_change import GRAVEST_FIRST, Change, Gravity, Part, What, keyed, shown
from schemas.project import ProjectStructure, RedcapEvent
from schemas.study import column_of

__all__ = ["Change", "Drift", "Gravity", "Part", "What", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Hold two structures of one project and what lies between them, gravest first."""

    before: ProjectStructure
    now: ProjectStructure
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return bool(self.changes)

    def of(self, gravity: Gravity) -> tuple[Change, ...]:
        """Give the changes of one gravity."""
        return tuple(change for change in self.changes if change.gravity is gravity)

    @property
    def gravity(self) -> Gravity | None:
        """Give the gravest change's gravity; None where nothing changed."""
        return self.changes[0].gravity if self.changes else None

    def counts(self) -> dict[str, int]:
        """Count the changes by gravity, for the run's row."""
        found = Counter(change.gravity.value for change in self.changes)
        return {gravity.value: found[gravity.value] for gravity in GRAVEST_FIRST}


def compare(before: ProjectStructure, now: ProjectStructure) -> Drift:
    """Find every change from one structure to the next; empty where they are equal but for order."""
    changes = [*_project(before, now), *_forms_and_fields(before, now), *_events(before, now)]
    changes += [*_missing_codes(before, now), *_groups(before, now)]
    changes += _export(before, now, changes)
    parts = list(Part)
    changes.sort(
        key=lambda c: (GRAVEST_FIRST.index(c.gravity), parts.index(c.part), c.subject, c.event or "", c.sentence)
    )
    return Drift(before=before, now=now, changes=tuple(changes))


# --- the project as a whole


def _project(before: ProjectStructure, now: ProjectStructure) -> Iterator[Change]:
    def changed(aspect: str, gravity: Gravity, sentence: str) -> Change:
        return Change(
            part=Part.PROJECT, what=What.CHANGED, subject=aspect, gravity=gravity, sentence=sentence, aspect=aspect
        )

    if before.project_id != now.project_id:
        sentence = f"this is project {now.project_id}, it was project {before.project_id}"
        yield changed("project_id", Gravity.BREAKING, sentence)
    if before.is_longitudinal != now.is_longitudinal:
        words = ("longitudinal (with events)", "classic (without events)")
        is_, was = words if now.is_longitudinal else words[::-1]
        yield changed("is_longitudinal", Gravity.BREAKING, f"the project is {is_}, it was {was}")
    if before.record_field != now.record_field:
        sentence = f"the record id field is '{now.record_field}', it was '{before.record_field}'"
        yield changed("record_field", Gravity.BREAKING, sentence)
    if before.redcap_version != now.redcap_version:
        sentence = f"REDCap is {now.redcap_version}, it was {before.redcap_version}"
        yield changed("redcap_version", Gravity.ADDITIVE, sentence)
    if before.title != now.title:
        sentence = f"the project is called {shown(now.title)}, it was {shown(before.title)}"
        yield changed("title", Gravity.ADDITIVE, sentence)


# --- forms and their fields


def _forms_and_fields(before: ProjectStructure, now: ProjectStructure) -> Iterator[Change]:
    old = {each.name: each.label for each in before.instruments}
    new = {each.name: each.label for each in now.instruments}
    renamed = _renamed_forms(before, now)
    stay = {name: label for name, label in old.items() if name not in renamed}
    come = {name: label for name, label in new.items() if name not in renamed.values()}
    for name, becomes in renamed.items():
        sentence = f"form '{name}' was removed, perhaps renamed to '{becomes}', which has all its fields"
        yield Change(
            part=Part.FORM,
            what=What.RENAMED,
            subject=name,
            gravity=Gravity.BREAKING,
            sentence=sentence,
            becomes=becomes,
        )
    yield from keyed(Part.FORM, stay, come, word="form", removed=Gravity.BREAKING, relabelled=Gravity.ADDITIVE)
    yield from drift_fields.compare(before.fields, now.fields, renamed_forms=renamed)


def _renamed_forms(before: ProjectStructure, now: ProjectStructure) -> dict[str, str]:
    """Find removed forms all of whose fields stand in one added form."""
    gone = {each.name for each in before.instruments} - {each.name for each in now.instruments}
    come = {each.name for each in now.instruments} - {each.name for each in before.instruments}
    if not gone or not come:
        return {}
    places = {name: row.form_name for name, row in drift_fields.by_name(now.fields).items()}
    found: dict[str, str] = {}
    for name in sorted(gone):
        homes = {places.get(row.field_name) for row in before.fields if row.form_name == name}
        home = homes.pop() if len(homes) == 1 else None
        if home is not None and home in come and home not in found.values():
            found[name] = home
    return found


# --- events, designations, repetition


def _events(before: ProjectStructure, now: ProjectStructure) -> Iterator[Change]:
    old = {event.unique_name: event for event in before.events}
    new = {event.unique_name: event for event in now.events}
    renamed = _renamed_events(old, new)
    for name, becomes in renamed.items():
        certain = old[name].event_id is not None and old[name].event_id == new[becomes].event_id
        sentence = f"event '{name}' was {'' if certain else 'removed, perhaps '}renamed to '{becomes}'"
        yield Change(
            part=Part.EVENT,
            what=What.RENAMED,
            subject=name,
            gravity=Gravity.BREAKING,
            sentence=sentence,
            becomes=becomes,
        )
    stay = {name: event.label for name, event in old.items() if name not in renamed}
    come = {name: event.label for name, event in new.items() if name not in renamed.values()}
    yield from keyed(Part.EVENT, stay, come, word="event", removed=Gravity.BREAKING, relabelled=Gravity.ALTERING)
    for name in old.keys() & new.keys():
        yield from _event(old[name], new[name])
    yield from _places(before, now, renamed)


def _renamed_events(old: Mapping[str, RedcapEvent], new: Mapping[str, RedcapEvent]) -> dict[str, str]:
    """Pair removed events with added ones: by REDCap's own number, else by the label within the arm."""
    come = [event for name, event in new.items() if name not in old]
    found: dict[str, str] = {}
    for name, event in old.items():
        if name in new:
            continue
        free = [each for each in come if each.unique_name not in found.values()]
        same = [each for each in free if event.event_id is not None and each.event_id == event.event_id]
        alike = [each for each in free if event.label and (each.label, each.arm) == (event.label, event.arm)]
        if same or len(alike) == 1:
            found[name] = (same or alike)[0].unique_name
    return found


def _event(old: RedcapEvent, new: RedcapEvent) -> Iterator[Change]:
    for aspect, gravity in (("arm", Gravity.ALTERING), ("event_id", Gravity.ADDITIVE)):
        was, is_ = getattr(old, aspect), getattr(new, aspect)
        if was != is_:
            yield Change(
                part=Part.EVENT,
                what=What.CHANGED,
                subject=old.unique_name,
                gravity=gravity,
                sentence=f"event '{old.unique_name}': {aspect.replace('_', ' ')} is {is_}, it was {was}",
                aspect=aspect,
            )


def _places(before: ProjectStructure, now: ProjectStructure, renamed: Mapping[str, str]) -> Iterator[Change]:
    """Compare which forms stand and repeat at which events; what goes with its event or form is told there."""
    came_or_went = {event.unique_name for event in before.events} ^ {event.unique_name for event in now.events}
    forms = {each.name for each in before.instruments} ^ {each.name for each in now.instruments}
    for part, was, is_, gain in (
        (Part.DESIGNATION, before.event_forms, now.event_forms, Gravity.ADDITIVE),
        (Part.REPEATING, before.repeating, now.repeating, Gravity.ALTERING),
    ):
        was = frozenset((renamed.get(event, event), form) for event, form in was)
        for event, form in was ^ is_:
            if (event in came_or_went and event not in renamed.values()) or form in forms:
                continue
            is_gone = (event, form) in was
            yield Change(
                part=part,
                what=What.REMOVED if is_gone else What.ADDED,
                subject=form or event,
                gravity=Gravity.BREAKING if is_gone else gain,
                sentence=_place_sentence(part, event, form, is_gone=is_gone),
                event=event,
            )


def _place_sentence(part: Part, event: str, form: str, *, is_gone: bool) -> str:
    if part is Part.DESIGNATION:
        return f"form '{form}' is {'no longer' if is_gone else 'now'} filled in at event '{event}'"
    what = f"form '{form}'" if form else f"the whole event '{event}'"
    where = f" at event '{event}'" if form and event else ""
    return f"{what} {'no longer repeats' if is_gone else 'repeats now'}{where}"


# --- what holds for the whole project


def _missing_codes(before: ProjectStructure, now: ProjectStructure) -> Iterator[Change]:
    """Compare the missing-data codes; one that is a choice somewhere takes values away from that field."""
    clashing = {code for row in now.fields for code in drift_fields.choices_of(row)}
    for change in keyed(
        Part.MISSING_CODE,
        before.missing_codes,
        now.missing_codes,
        word="missing-data code",
        removed=Gravity.BREAKING,
        relabelled=Gravity.ALTERING,
    ):
        if change.what is What.ADDED and change.subject in clashing:
            yield Change(
                part=change.part,
                what=change.what,
                subject=change.subject,
                gravity=Gravity.ALTERING,
                sentence=f"{change.sentence}, which is also a choice of some field",
            )
        else:
            yield change


def _groups(before: ProjectStructure, now: ProjectStructure) -> Iterator[Change]:
    yield from keyed(
        Part.GROUP,
        before.groups,
        now.groups,
        word="data access group",
        removed=Gravity.ALTERING,
        relabelled=Gravity.ADDITIVE,
    )


def _export(before: ProjectStructure, now: ProjectStructure, changes: list[Change]) -> list[Change]:
    """Name export columns that came or went without any other change that explains it."""
    was, is_ = set(before.export_fields), set(now.export_fields)
    if was == is_:
        return []
    fields = {name for change in changes if change.part in (Part.FIELD, Part.CHOICE) for name in _names(change)}
    statuses = {f"{name}_complete" for change in changes if change.part is Part.FORM for name in _names(change)}
    codes = [change.subject for change in changes if change.part is Part.MISSING_CODE]
    found = []
    for column in was ^ is_:
        base = column.partition("___")[0]
        if base in fields or column in statuses or any(column == column_of(base, code) for code in codes):
            continue
        is_gone = column in was
        found.append(
            Change(
                part=Part.EXPORT,
                what=What.REMOVED if is_gone else What.ADDED,
                subject=column,
                gravity=Gravity.BREAKING if is_gone else Gravity.ADDITIVE,
                sentence=f"the export {'no longer holds' if is_gone else 'holds now'} the column '{column}'",
            )
        )
    return found


def _names(change: Change) -> tuple[str, ...]:
    return (change.subject, change.becomes) if change.becomes else (change.subject,)
