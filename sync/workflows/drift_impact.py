"""Say what a drift does to one site: what goes on, what is left out, and what stops the whole site. Pure.

A change is held against what the study reads of the project. What nobody reads is a notice. What is read and reads
otherwise is either a column that can be left out by itself (``absent``: its checks are not evaluated, its stored
values stay) or, where leaving it out would not be enough, a reason to stop the site (``stops``).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.drift import Change, Drift, Gravity, Part, What
from schemas.study import Anchor, CheckSpec, Field, Form, Kind, Study, column_of
from sync.harmonise import placement
from sync.harmonise.mapping import Layout, SiteMapping, Source
from sync.workflows.drift_held import Column, Held

_OF_FIELDS = (Part.FIELD, Part.CHOICE, Part.EXPORT)
_MENTION = re.compile(r"\[(\w+)(?=[\](:])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """Say what a drift does to one site; sentences hold names and labels, never a value of a record."""

    #: what changed and does no harm here
    notices: tuple[str, ...] = ()
    #: those of ``notices`` that somebody should hear of: what is read changed, or something went that nobody reads
    warnings: tuple[str, ...] = ()
    #: why the site cannot be worked on; empty where it can
    stops: tuple[str, ...] = ()
    #: study columns to leave out, with the reason: never judged, never stored
    absent: Mapping[Column, str] = field(default_factory=dict)
    #: check id -> the fields, as ``form.field``, that it reads and that changed; of these checks the ones that
    #: read an absent column are not evaluated
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: rows that did not change at the site may read otherwise: an incremental pull will not do
    reread: bool = False
    #: the study follows the site's own dictionary: there is no mapping
    derived: bool = False

    def document(self) -> dict[str, Any]:
        """Show the impact as JSON holds it."""
        return {
            "notices": list(self.notices),
            "warnings": list(self.warnings),
            "stops": list(self.stops),
            "absent": [{"form": f, "column": c, "reason": why} for (f, c), why in sorted(self.absent.items())],
            "checks": {check: list(names) for check, names in sorted(self.checks.items())},
            "reread": self.reread,
        }


def affected(
    drift: Drift, study: Study, mapping: SiteMapping, *, derived: bool = False, holds: Held | None = None
) -> Impact:
    """Judge each change by what the study reads.

    ``derived``: the study follows the site's own dictionary, and ``study`` and ``mapping`` are those of
    ``drift.before``; then only what takes or turns data that the warehouse holds is breaking. ``holds``: what the
    warehouse holds; None where that is not known, and then everything counts as held.
    """
    return _Judging(drift, study, mapping, derived=derived, holds=holds).impact()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """Say that a study field reads a site's field."""

    form: str
    field: Field
    #: frame columns that read it
    columns: frozenset[str]
    source: Source
    instrument: str

    @property
    def name(self) -> str:
        return f"{self.form}.{self.field.name}"


class _Judging:
    """Judge the changes one by one, and collect."""

    def __init__(self, drift: Drift, study: Study, mapping: SiteMapping, *, derived: bool, holds: Held | None) -> None:
        self.drift = drift
        self.study = study
        self.mapping = mapping
        self.derived = derived
        self.holds = holds
        self.notices: list[str] = []
        #: sentence, and the study columns that it is about where it is about any
        self.warnings: list[tuple[str, frozenset[Column]]] = []
        self.stops: list[str] = []
        self.absent: dict[Column, str] = {}
        #: (form, field) of the study that changed in what it reads
        self.touched: set[tuple[str, str]] = set()
        self.uses, self.instruments = _index(study, mapping)
        self.structural = _structural(study)

    def impact(self) -> Impact:
        for change in self.drift.changes:
            self._judge(change)
        return Impact(
            notices=tuple(self.notices),
            # of a column that is left out one hears enough
            warnings=tuple(text for text, columns in self.warnings if not columns or columns - self.absent.keys()),
            stops=tuple(self.stops),
            absent=self.absent,
            checks=_checks_reading(self.study, self.touched) if self.touched else {},
            reread=any(map(self._rereads, self.drift.changes)),
            derived=self.derived,
        )

    def _rereads(self, change: Change) -> bool:
        """Tell whether rows that nobody touched at the site may read otherwise now."""
        if change.gravity is Gravity.BREAKING or change.aspect == "type":
            return True
        if change.part is Part.CHOICE:  # a derived study takes every code of the dictionary
            return self.derived or change.what is not What.ADDED
        return change.part in (Part.MISSING_CODE, Part.REPEATING, Part.DESIGNATION)

    def _judge(self, change: Change) -> None:
        if change.gravity is Gravity.ADDITIVE:
            self._go_on(change.sentence + self._hint(change), is_heard=bool(self._hint(change)))
            return
        uses = self._uses(change)
        if change.gravity is Gravity.ALTERING:
            self._touch(uses)
            columns = frozenset((use.form, column) for use in uses for column in use.columns)
            is_heard = bool(uses) or change.part not in _OF_FIELDS
            self._go_on(change.sentence + _read_by(uses), is_heard=is_heard, columns=columns)
            return
        match change.part:
            case Part.PROJECT:
                self.stops.append(change.sentence)
            case Part.FIELD | Part.CHOICE | Part.EXPORT:
                self._break(change, uses)
            case _:
                if reasons := list(self._reach(change)):
                    self.stops.append(f"{change.sentence}: {_listed(reasons)}")
                else:
                    self._go_on(change.sentence + _UNREAD)

    def _go_on(self, sentence: str, *, is_heard: bool = True, columns: frozenset[Column] = frozenset()) -> None:
        self.notices.append(sentence)
        if is_heard:
            self.warnings.append((sentence, columns))

    # --- fields

    def _uses(self, change: Change) -> list[_Use]:
        if change.part not in _OF_FIELDS:
            return []
        if change.part is Part.EXPORT:
            return [use for use in self._of(change.subject.partition("___")[0]) if _reads(use, change.subject)]
        return self._of(change.subject)

    def _of(self, site_field: str) -> list[_Use]:
        return self.uses.get(site_field, [])

    def _break(self, change: Change, uses: list[_Use]) -> None:
        """Stop the site, leave columns out, or go on, for a field that can't be read as before."""
        if change.subject == self.drift.now.record_field and change.part is Part.FIELD:
            # the id comes with every form and is always read as a name, whatever the dictionary calls it
            self._go_on(change.sentence)
            return
        uses = [use for use in uses if self._harms(change, use)]
        self._touch(uses)
        if not uses:
            self._go_on(change.sentence + _UNREAD)
        elif self.derived or any(self._beyond_repair(change, use) for use in uses):
            self.stops.append(change.sentence + _read_by(uses))
        else:
            reason = f"the site changed its project: {change.sentence}"
            for use in uses:
                self.absent |= {(use.form, column): reason for column in use.columns}
            self.notices.append(f"{change.sentence}{_read_by(uses)}, which is left out until this is accepted")

    def _harms(self, change: Change, use: _Use) -> bool:
        """Tell whether a breaking change reaches this use of the field."""
        if self.derived:
            columns = self._columns(change, use)
            return self.holds is None or any((use.form, column) in self.holds.columns for column in columns)
        if change.what is What.MOVED:
            return use.instrument != change.becomes
        if change.part is Part.CHOICE and change.what is What.REMOVED:  # of a checkbox: its column is gone
            return any(_reads(use, column_of(change.subject, code)) for code in change.codes)
        if change.part is Part.CHOICE and use.source.codes:
            return any(code in use.source.codes for code in change.codes)
        return True

    def _columns(self, change: Change, use: _Use) -> Collection[str]:
        """Name the columns that a change is about: of a checkbox's choices only theirs."""
        if change.part is Part.CHOICE and use.field.kind is Kind.CHECKBOX:
            return {column_of(use.field.name, code) for code in change.codes}
        return use.columns

    def _beyond_repair(self, change: Change, use: _Use) -> bool:
        """Tell whether leaving the columns out would not do: the mapping is wrong, or the study hangs on them."""
        if (use.form, use.field.name) in self.structural:
            return True
        if change.what in (What.REMOVED, What.RENAMED, What.MOVED):
            return True
        if use.field.kind is Kind.CHECKBOX and change.aspect == "type":
            return True
        return change.part is Part.CHOICE and bool(use.source.codes)

    def _touch(self, uses: Iterable[_Use]) -> None:
        self.touched |= {(use.form, use.field.name) for use in uses}

    def _hint(self, change: Change) -> str:
        """Say how a new choice is read, where the study reads the field."""
        if change.part is not Part.CHOICE or change.what is not What.ADDED or self.derived:
            return ""
        (code,) = change.codes
        for use in self._of(change.subject):
            if use.field.kind is Kind.CHECKBOX:
                return f"; {use.name} does not read it: the study has no such choice or the mapping does not name it"
            if use.field.kind not in (Kind.CODED, Kind.YESNO):
                continue
            if code in use.source.codes:
                return f"; the mapping reads it as {use.name} = {use.source.codes[code]}"
            known = {choice.code: choice for choice in use.field.choices}
            if not use.source.codes and code in known:
                label = next(iter(known[code].label.values()))
                return f"; the mapping names no codes, so {use.name} reads it as the study's {code} (“{label}”)"
            return f"; {use.name} cannot read it until the mapping names it"
        return ""

    # --- forms, events, repetition, missing codes

    def _reach(self, change: Change) -> Iterable[str]:
        """Name what of the study a breaking change beyond single fields reaches; nothing where it does no harm."""
        match change.part:
            case Part.FORM:
                return self._reach_of_form(change)
            case Part.EVENT:
                return self._reach_of_event(change)
            case Part.DESIGNATION:
                return self._reach_of_designation(change)
            case Part.REPEATING:
                return self._reach_of_repetition(change)
            case _:  # of a missing-data code
                is_used = self.holds is None or change.subject in self.holds.words
                is_lost = is_used and change.subject not in self.mapping.missing
                return ["cells hold it, and would be read as values"] if is_lost else []

    def _reach_of_form(self, change: Change) -> Iterator[str]:
        for form in self._forms_at(change.subject):
            if not self.derived or self._holds_place(form, None):
                yield f"{form.name} is read from it"

    def _reach_of_event(self, change: Change) -> Iterator[str]:
        for visit in self._visits(change.subject):
            if not self.derived or self._holds_place(None, visit):
                yield f"visit {visit} is read from it" if visit else "visits are read from it"

    def _reach_of_designation(self, change: Change) -> Iterator[str]:
        for visit in self._visits(change.event or ""):
            for form in self._forms_at(change.subject):
                if self._holds_place(form, visit):
                    yield f"rows of {form.name} stored there would vanish"

    def _reach_of_repetition(self, change: Change) -> Iterator[str]:
        """Look for further instances; REDCap exports only the first of what does not repeat."""
        whole_event = change.subject == change.event
        for form in self._forms_at(None if whole_event else change.subject):
            for visit in self._visits(change.event or ""):
                if self.holds is None or self._repeats(form, visit):
                    yield f"further instances of {form.name} stored there would vanish"

    def _forms_at(self, instrument: str | None) -> list[Form]:
        """Find the study forms read from an instrument; None: from any."""
        return [
            form
            for form in self.study.forms
            if form.name in self.instruments and (instrument is None or instrument in self.instruments[form.name])
        ]

    def _visits(self, event: str) -> list[str | None]:
        """Find the visits read from an event; None stands for all of them, where one row holds them all."""
        if self.mapping.layout is Layout.CLASSIC:
            return [None]
        if not event:
            return [""] if not self.drift.before.is_longitudinal else []
        # after an event was renamed, its designations go by the new name: both names lead to the visit
        names = {event} | {
            change.subject
            for change in self.drift.changes
            if change.part is Part.EVENT and change.what is What.RENAMED and change.becomes == event
        }
        return [visit for visit, site_event in self.mapping.visits.items() if site_event in names]

    def _holds_place(self, form: Form | None, visit: str | None) -> bool:
        return self.holds is None or any(
            (form is None or name == form.name) and visit in (None, at) for name, at in self.holds.places
        )

    def _repeats(self, form: Form, visit: str | None) -> bool:
        found = self.holds.repeats if self.holds else frozenset()
        return any(name == form.name and visit in (None, at) for name, at in found)


_RESPONSE = ("response", "bilag")
"""Parameters of a study that name the fields from which ``validators.library.response`` derives the outcomes."""

_UNREAD = " (nothing that is stored is read from it)"


def _index(study: Study, mapping: SiteMapping) -> tuple[dict[str, list[_Use]], dict[str, frozenset[str]]]:
    """Map the site's fields to what reads them, and study forms to the instruments they are read from."""
    uses: dict[str, list[_Use]] = {}
    instruments: dict[str, frozenset[str]] = {}
    for form in study.forms:
        if form.name not in mapping.forms:
            continue
        fields = {each.name: each for each in form.fields}
        parts = list(placement.slices(form, mapping))
        instruments[form.name] = frozenset(part.instrument for part in parts)
        for part in parts:
            for name, source in part.sources.items():
                use = _Use(
                    form=form.name,
                    field=fields[name],
                    columns=frozenset(fields[name].columns),
                    source=source,
                    instrument=part.instrument,
                )
                for site in dict.fromkeys(source.site_fields):
                    uses.setdefault(site, []).append(use)
    return uses, instruments


def _reads(use: _Use, export_column: str) -> bool:
    return export_column in placement.text_columns(use.field, use.source).values()


def _structural(study: Study) -> frozenset[tuple[str, str]]:
    """Name the fields on which visits, study days, derived responses and the efficacy table hang."""
    anchors = [anchor for anchor in (study.anchor, study.visit_date) if isinstance(anchor, Anchor)]
    found = {(anchor.form, anchor.field) for anchor in anchors}
    for measure in study.measures:
        found.add((measure.form, measure.field))
        if measure.subset:
            found.add(measure.subset[:2])
    named = {text for key in _RESPONSE for text in _texts(study.parameters.get(key, {}))}
    found |= {(form.name, each.name) for form in study.forms for each in form.fields if each.name in named}
    return frozenset(found)


def _read_by(uses: Iterable[_Use]) -> str:
    names = list(dict.fromkeys(use.name for use in uses))
    return f"; read by {_listed(names)}" if names else ""


def _listed(names: Collection[str]) -> str:
    shown = list(names)[:6]
    return ", ".join(shown) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


# --- checks


def _checks_reading(study: Study, touched: Collection[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Name the study's checks that read any of some fields: as target, input, in their logic or by a parameter."""
    found: dict[str, tuple[str, ...]] = {}
    for spec in study.checks:
        words = set(_words(spec))
        names = [f"{form}.{name}" for form, name in sorted(touched) if {name, f"{form}.{name}"} & words]
        if spec.form is not None:  # a bare name means the check's own form where that has such a field
            own = {each.name for form in study.forms if form.name == spec.form for each in form.fields}
            names = [each for each in names if each.partition(".")[2] not in own or each.startswith(f"{spec.form}.")]
        if names:
            found[spec.id] = tuple(names)
    return found


def _words(spec: CheckSpec) -> Iterator[str]:
    yield from spec.targets
    yield from spec.inputs
    for logic in (spec.logic, spec.when):
        yield from _MENTION.findall(logic or "")
    yield from _texts(spec.params)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text within a parameter, keys included."""
    match value:
        case str():
            yield value
            yield from _MENTION.findall(value)
        case Mapping():
            for key, inner in value.items():
                yield str(key)
                yield from _texts(inner)
        case list() | tuple() | set() | frozenset():
            for inner in value:
                yield from _texts(inner)
