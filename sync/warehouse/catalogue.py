"""Keep the register of where each column of each form stands (``form_column``)."""

from collections.abc import Sequence

import sqlalchemy as sa

from schemas.study import Kind
from sync.warehouse import tables
from sync.warehouse.layout import Slot


def read(connection: sa.Connection) -> tuple[Slot, ...]:
    """Read all slots, by form and position."""
    columns = tables.form_column.c
    found = connection.execute(sa.select(tables.form_column).order_by(columns.form, columns.position))
    return tuple(
        Slot(
            form=row.form,
            frame_column=row.frame_column,
            field=row.field,
            kind=Kind(row.kind),
            part=row.part,
            position=row.position,
            table_name=row.table_name,
            column_name=row.column_name,
            study=row.study,
        )
        for row in found
    )


def write(connection: sa.Connection, slots: Sequence[Slot]) -> None:
    """Add slots that are new."""
    if slots:
        connection.execute(sa.insert(tables.form_column), [_row(slot) for slot in slots])


def renew(connection: sa.Connection, slot: Slot) -> None:
    """Note that a slot holds another kind now, or belongs to several studies."""
    columns = tables.form_column.c
    connection.execute(
        sa.update(tables.form_column)
        .where(columns.form == slot.form, columns.frame_column == slot.frame_column)
        .values(kind=slot.kind.value, study=slot.study)
    )


def _row(slot: Slot) -> dict[str, object]:
    return {
        "form": slot.form,
        "frame_column": slot.frame_column,
        "field": slot.field,
        "kind": slot.kind.value,
        "part": slot.part,
        "position": slot.position,
        "table_name": slot.table_name,
        "column_name": slot.column_name,
        "study": slot.study,
    }
