"""Decide which table and column each column of a study's forms stands in.

A form becomes a table by its name and a sibling ``<form>__raw`` with the texts as the site entered them. Names that
the warehouse keeps for itself get a suffix (the study's ``visit`` becomes ``visit_form``), names that PostgreSQL
cannot hold (63 bytes) are cut and told apart by a digest.

Columns once given stay where they are: the catalogue (``form_column``) is read first, and only what is new is added
at the end. Hence a field that leaves the study keeps its column and its values, and a form that grows never moves.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from schemas import coordinates, frames, study
from schemas.study import Kind

WIDTH = 300
"""Columns of one table. SQLite takes 2000 and PostgreSQL 1600, but a PostgreSQL row has to fit a page of 8 kB after
its long values were moved out, and what stays of each column may be 24 bytes. Both databases split alike."""

RESERVED = frozenset(
    word
    for line in (
        "site subject visit derived_outcome cell_change row_end sync_run parked_run check_coverage lease",
        "mapping_version form_mapping site_state raw_payload form_column query query_event query_event_value",
        "chain_head alembic_version efficacy_by_visit response_summary",
    )
    for word in line.split()
)
"""Relations of the warehouse itself; no form gets one of these names."""

OWN_COLUMNS = frozenset({*coordinates.KEY_COLUMNS, "is_quarantined", "run_id", "row_hash"})
RAW_OWN_COLUMNS = frozenset(
    {
        *coordinates.KEY_COLUMNS,
        *("status", "site_event", "site_instrument", "site_instance", "mapping_version", "remarks"),
        *("first_run_id", "first_at"),
    }
)

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

    @property
    def raw_table_name(self) -> str:
        """Name the table of the texts as entered."""
        return raw_of(self.table_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Hold the whole plan: every column's place, and what is new against the catalogue."""

    slots: tuple[Slot, ...]
    added: tuple[Slot, ...]
    #: (slot as it stood, slot as it is to be): the field changed what it holds
    changed: tuple[tuple[Slot, Slot], ...]
    #: (form, frame column) that the study no longer has
    left: tuple[tuple[str, str], ...]


def raw_of(table_name: str) -> str:
    """Name the table that keeps the entered texts beside ``table_name`` (``labs__2`` -> ``labs__raw__2``)."""
    base, sign, part = table_name.rpartition("__")
    return f"{base}__raw__{part}" if sign and part.isdigit() else f"{table_name}__raw"


def base_of(form: str, others: Collection[str] = ()) -> str:
    """Name a form's first table, clear of reserved names, of other forms' tables and of their parts."""
    plain = form not in RESERVED and "__" not in form and not form.startswith(("sqlite_", "pg_"))
    if plain and len(form.encode()) <= _LONGEST - _ROOM:
        return form
    name = fit(form if plain else f"{re.sub('_+', '_', form).strip('_')}_form", room=_ROOM)
    return _marked(name, form, room=_ROOM) if name in others or "__" in form else name


def column_name_of(frame_column: str) -> str:
    """Name the column that a frame column is stored in, the same in both tables."""
    taken = frame_column in OWN_COLUMNS or frame_column in RAW_OWN_COLUMNS
    return fit(f"{frame_column}_field" if taken else frame_column)


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
    """Plan the columns of a study on top of those that stand already."""
    standing: dict[str, dict[str, Slot]] = {}
    for slot in catalogue:
        standing.setdefault(slot.form, {})[slot.frame_column] = slot
    names = {form.name for form in what.forms} | set(standing)
    slots: list[Slot] = []
    added: list[Slot] = []
    changed: list[tuple[Slot, Slot]] = []
    left: list[tuple[str, str]] = []
    for form in what.forms:
        known = standing.pop(form.name, {})
        columns = frames.columns_of(form)
        base = _base(form.name, known, names)
        fresh = _fresh_slots(form.name, base, columns, known)
        added += fresh
        left += [(form.name, name) for name in known if name not in columns]
        for slot in known.values():
            wanted = _with_kind(slot, columns.get(slot.frame_column))
            if wanted.kind is not slot.kind:
                changed.append((slot, wanted))
            slots.append(wanted)
        slots += fresh
    for gone in standing.values():
        slots += gone.values()
        left += [(slot.form, slot.frame_column) for slot in gone.values()]
    return Placing(slots=tuple(slots), added=tuple(added), changed=tuple(changed), left=tuple(left))


def _with_kind(slot: Slot, field: study.Field | None) -> Slot:
    if field is None or field.kind is slot.kind:
        return slot
    return Slot(
        form=slot.form,
        frame_column=slot.frame_column,
        field=field.name,
        kind=field.kind,
        part=slot.part,
        position=slot.position,
        table_name=slot.table_name,
        column_name=slot.column_name,
    )


def _base(form: str, known: Mapping[str, Slot], names: set[str]) -> str:
    standing = min(known.values(), key=lambda slot: slot.position, default=None)
    return standing.table_name if standing else base_of(form, names - {form})


def _fresh_slots(form: str, base: str, columns: Mapping[str, study.Field], known: Mapping[str, Slot]) -> list[Slot]:
    """Give places to the columns that have none, filling the last part first."""
    position = max((slot.position for slot in known.values()), default=-1)
    fresh: list[Slot] = []
    for name, field in columns.items():
        if name in known:
            continue
        position += 1
        part = position // WIDTH + 1
        fresh.append(
            Slot(
                form=form,
                frame_column=name,
                field=field.name,
                kind=field.kind,
                part=part,
                position=position,
                table_name=base if part == 1 else f"{base}__{part}",
                column_name=column_name_of(name),
            )
        )
    return fresh
