"""Write a record export as EAV: one row for each point that is not blank."""

from collections.abc import Iterator

from sync.sandbox.dictionary import Column, Structure
from sync.sandbox.export import DAG, EVENT, INSTANCE, INSTRUMENT, Plan, RowChoice, Templates, hashed_id, records_of
from sync.sandbox.people import Access
from sync.sandbox.project import Project


def eav_header(structure: Structure) -> list[str]:
    """List the columns of an EAV export."""
    names = ["record"]
    if structure.longitudinal:
        names.append(EVENT)
    if structure.has_repeats:
        names += [INSTRUMENT, INSTANCE]
    return [*names, "field_name", "value"]


def eav_rows(project: Project, access: Access, made: Plan) -> Iterator[dict[str, object]]:
    """Yield one row for each point that is not blank; files as document numbers, boxes as checked codes."""
    structure = made.structure
    templates, choice = Templates(made), RowChoice(made)
    for record in records_of(project, access, made.asked):
        shown = hashed_id(project.settings.project_id, record.name) if made.hash_ids else record.name
        for key in choice.of(record):
            _, allowed = templates.of(key[0], key[1])
            cells = record.cells(key)
            head: dict[str, object] = {"record": shown}
            if structure.longitudinal:
                event = structure.event_by_name[key[0]]
                head[EVENT] = structure.label_of_event(event) if made.asked.label else key[0]
            if structure.has_repeats:
                head[INSTRUMENT] = key[1]
                head[INSTANCE] = key[2] or ""
            points: list[tuple[str, str]] = []
            if made.with_id and not key[1]:  # guess: eav-id-rows
                points.append((structure.record_id, shown))
            if DAG in made.lead and record.dag and not key[1]:  # guess: eav-groups
                points.append((DAG, record.dag))
            points += [
                (column.field, _value(made, column, value))
                for column_name, column in allowed.items()
                if (value := cells.get(column_name, "")) != ""
            ]
            # recorded twice: the database's order, by field name
            points.sort(key=lambda point: point[0])
            for name, value in points:
                yield head | {"field_name": name, "value": value}


def _value(made: Plan, column: Column, value: str) -> str:
    if column.kind == "checkbox":
        field = made.structure.field_by_name[column.field]
        return dict(field.choices).get(column.code, column.code) if made.asked.label else column.code
    if column.kind == "file":
        return value
    show = made.show.get(column.name)
    return show(value) if show else value
