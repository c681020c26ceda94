"""Decide which table and column each column of a study's forms stands in.

A form becomes a table by its name, a sibling ``<form>__txt`` with texts that the site entered, and a view
``<form>__raw`` that shows all of them (``sync.warehouse.texts``). Names that the warehouse keeps for itself get a
suffix (the study's ``visit`` becomes ``visit_form``), names that PostgreSQL cannot hold (63 bytes) are cut and told
apart by a digest.

Columns once given stay where they are: the catalogue (``form_column``) is read first, and only what is new is added
at the end. Hence a field that leaves the study keeps its column and its values, and a form that grows never moves.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from schemas import coordinates, frames, study
from schemas.study import Kind

SHARED = "*"
"""Stands for the study of a column that several studies have."""

WIDTH = 300
"""Columns of one table. SQLite takes 2000 and PostgreSQL 1600, but a PostgreSQL row has to fit a page of 8 kB after
its long values were moved out, and what stays of each column may be 24 bytes. Both databases split alike."""

RESERVED = frozenset(
    word
    for line in (
        "site subject visit derived_outcome cell_change row_end record_end sync_run parked_run check_coverage lease",
        "mapping_version form_mapping site_state site_memory raw_payload form_column query query_event",
        "query_event_value chain_head alembic_version efficacy_by_visit response_summary",
    )
    for word in line.split()
)
"""Relations of the warehouse itself; no form gets one of these names."""

PLACE_COLUMNS = (
    *("status", "site_event", "site_instrument", "site_instance", "mapping_version", "remarks"),
    *("first_run_id", "first_at"),
)
"""Columns that say where a row stands at the site, how it was read, and what brought it."""

OWN_COLUMNS = frozenset({*coordinates.KEY_COLUMNS, "is_quarantined", "run_id", "row_hash", *PLACE_COLUMNS})

_LONGEST = 63
_ROOM = len("__raw__99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Say where one frame column of a form is stored."""

    form: str
    #: name in ``FormFrame.rows`` and ``FormFrame.raw``
    frame_column: str
    field: str
    kind: Kind
    part: int
    #: order of arrival within the form; never changes
    position: int
    table_name: str
    column_name: str
    #: name of the study that brought it; SHARED once another study has it too
    study: str

    @property
    def raw_table_name(self) -> str:
        """Name the view of the texts as entered."""
        return raw_of(self.table_name)

    @property
    def texts_table_name(self) -> str:
        """Name the table of the texts that the values do not tell."""
        return texts_of(self.table_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Hold the whole plan: every column's place, and what is new against the catalogue."""

    slots: tuple[Slot, ...]
    added: tuple[Slot, ...]
    #: (slot as it stood, slot as it is to be): the field changed what it holds
    changed: tuple[tuple[Slot, Slot], ...]
    #: slots that another study brought and this one has as well
    shared: tuple[Slot, ...]
    #: slots as the study wants them, of columns that hold text until no value of another kind stands in them
    waiting: tuple[Slot, ...] = ()


def raw_of(table_name: str) -> str:
    """Name the view that shows the entered texts beside ``table_name`` (``labs__2`` -> ``labs__raw__2``)."""
    return _sibling(table_name, "raw")


def texts_of(table_name: str) -> str:
    """Name the table that keeps the entered texts beside ``table_name`` (``labs__2`` -> ``labs__txt__2``)."""
    return _sibling(table_name, "txt")


def _sibling(table_name: str, word: str) -> str:
    base, sign, part = table_name.rpartition("__")
    return f"{base}__{word}__{part}" if sign and part.isdigit() else f"{table_name}__{word}"


def base_of(form: str, others: Collection[str] = ()) -> str:
    """Name a form's first table, clear of reserved names and of ``others`` (forms, and tables of other forms)."""
    plain = form not in RESERVED and "__" not in form and not form.startswith(("sqlite_", "pg_"))
    if plain and form not in others and len(form.encode()) <= _LONGEST - _ROOM:
        return form
    name = fit(form if plain else f"{re.sub('_+', '_', form).strip('_')}_form", room=_ROOM)
    return _marked(name, form, room=_ROOM) if name in others or "__" in form else name


def column_name_of(frame_column: str) -> str:
    """Name the column that a frame column is stored in, the same in both tables."""
    return fit(f"{frame_column}_field" if frame_column in OWN_COLUMNS else frame_column)


def first_table(table_name: str) -> str:
    """Name the first part of a form's table (``labs__2`` -> ``labs``)."""
    base, sign, part = table_name.rpartition("__")
    return base if sign and part.isdigit() else table_name


def fit(name: str, *, room: int = 0) -> str:
    """Cut a name that PostgreSQL cannot hold, with ``room`` bytes left for what is appended."""
    return name if len(name.encode()) <= _LONGEST - room else _marked(name, name, room=room)


def _marked(name: str, source: str, *, room: int) -> str:
    """Cut a name and append a digest of what it stands for."""
    digest = hashlib.blake2b(source.encode(), digest_size=4).hexdigest()
    return name.encode()[: _LONGEST - room - 9].decode(errors="ignore") + "_" + digest


def tables_of(slots: Iterable[Slot], form: str) -> dict[str, tuple[Slot, ...]]:
    """Group one form's slots by table, in order of part and position."""
    mine = sorted((slot for slot in slots if slot.form == form), key=lambda slot: (slot.part, slot.position))
    grouped: dict[str, list[Slot]] = {}
    for slot in mine:
        grouped.setdefault(slot.table_name, []).append(slot)
    return {table: tuple(each) for table, each in grouped.items()}


def place(what: study.Study, catalogue: Iterable[Slot]) -> Placing:
    """Plan the columns of a study on top of those that stand already.

    Sites that each follow their own dictionary share tables. Where one study alone has a field, it may change what
    the field holds; where two disagree, the column holds text from then on, for both.
    """
    standing: dict[str, dict[str, Slot]] = {}
    for slot in catalogue:
        standing.setdefault(slot.form, {})[slot.frame_column] = slot
    slots: list[Slot] = []
    added: list[Slot] = []
    changed: list[tuple[Slot, Slot]] = []
    shared: list[Slot] = []
    bases = {form: _base(known) for form, known in standing.items()}
    for form in what.forms:
        known = standing.pop(form.name, {})
        columns = frames.columns_of(form)
        names = {each.name for each in what.forms} - {form.name}
        base = bases.setdefault(form.name, base_of(form.name, names | set(bases.values())))
        for slot in known.values():
            wanted = _agreed(slot, columns.get(slot.frame_column), what.name)
            if wanted.kind is not slot.kind:
                changed.append((slot, wanted))
            elif wanted != slot:
                shared.append(wanted)
            slots.append(wanted)
        fresh = _fresh_slots(form.name, base, columns, known, what.name)
        added += fresh
        slots += fresh
    for gone in standing.values():
        slots += gone.values()
    return Placing(slots=tuple(slots), added=tuple(added), changed=tuple(changed), shared=tuple(shared))


def _base(known: Mapping[str, Slot]) -> str:
    return min(known.values(), key=lambda slot: slot.position).table_name


def _agreed(slot: Slot, field: study.Field | None, owner: str) -> Slot:
    """Say what a standing column is to hold, now that a study has it as ``field``."""
    if field is None:
        return slot
    if slot.study == owner:
        return replace(slot, kind=field.kind)
    alike = frames.POLARS_TYPES[slot.kind] == frames.POLARS_TYPES[field.kind]
    # Text takes any value; the kind of a shared text column says no more than that.
    return replace(slot, study=SHARED, kind=slot.kind if alike else Kind.TEXT)


def _fresh_slots(
    form: str, base: str, columns: Mapping[str, study.Field], known: Mapping[str, Slot], owner: str
) -> list[Slot]:
    """Give places to the columns that have none, filling the last part first."""
    position = max((slot.position for slot in known.values()), default=-1)
    taken = {slot.column_name for slot in known.values()} | {name for name in columns if column_name_of(name) == name}
    fresh: list[Slot] = []
    for name, field in columns.items():
        if name in known:
            continue
        position += 1
        part = position // WIDTH + 1
        column = column_name_of(name)
        if column != name and column in taken:
            column = _marked(column, name, room=0)
        fresh.append(
            Slot(
                form=form,
                frame_column=name,
                field=field.name,
                kind=field.kind,
                part=part,
                position=position,
                table_name=base if part == 1 else f"{base}__{part}",
                column_name=column,
                study=owner,
            )
        )
    return fresh
