"""Build small invented studies, projects and pulls for the harmoniser's tests."""

from datetime import UTC, datetime

import polars as pl

from schemas import project, study


def a_field(name: str, kind: study.Kind = study.Kind.TEXT, **more) -> study.Field:
    return study.Field(name=name, form=more.pop("form", "f"), kind=kind, label={"en": name}, **more)


def a_form(*fields: study.Field, name: str = "f", visits: tuple[str, ...] = (), repeating: bool = False) -> study.Form:
    return study.Form(name=name, label={"en": name}, fields=fields, visits=visits, repeating=repeating)


def a_study(*forms: study.Form, visits: tuple[str, ...] = ("v1",), record_field: str = "id") -> study.Study:
    return study.Study(
        name="invented",
        version="1",
        title={"en": "Invented"},
        languages=("en",),
        record_field=record_field,
        forms=forms,
        visits=tuple(
            study.Visit(id=v, label={"en": v}, day=None, window=None, hard=None, required=False) for v in visits
        ),
        checks=(),
    )


def a_structure(
    fields: dict[str, list[str]], *, events: dict[str, list[str]] | None = None, repeating: tuple = ()
) -> project.ProjectStructure:
    """``fields``: instrument -> field names (the first is the record id); ``events``: event -> instruments."""
    events = events or {}
    names = [
        project.RedcapField(field_name=name, form_name=form, field_type="text", field_label=name)
        for form, listed in fields.items()
        for name in listed
    ]
    return project.ProjectStructure(
        project_id=1,
        title="Invented",
        redcap_version="15.0.0",
        is_longitudinal=bool(events),
        fields=tuple(names),
        instruments=tuple(project.Instrument(name=form, label=form) for form in fields),
        events=tuple(
            project.RedcapEvent(unique_name=event, label=event, arm=1, event_id=10 + place)
            for place, event in enumerate(events)
        ),
        event_forms=frozenset((event, form) for event, forms in events.items() for form in forms),
        repeating=frozenset(repeating),
        missing_codes={},
        groups={},
        export_fields=tuple([each.field_name for each in names] + [f"{form}_complete" for form in fields]),
    )


def a_pull(structure: project.ProjectStructure, *rows: dict[str, str | None]) -> project.Snapshot:
    columns = [structure.record_field, *project.RECORD_COLUMNS]
    columns += [name for name in structure.export_fields if name not in columns]
    table = {name: [row.get(name) for row in rows] for name in columns}
    return project.Snapshot(
        site="here",
        structure=structure,
        pulled_at=datetime(2026, 1, 1, tzinfo=UTC),
        rows=pl.DataFrame(table, schema=dict.fromkeys(columns, pl.String())),
        withheld={},
        base_url="http://127.0.0.1/redcap/",
    )
