"""Turn a project into plain JSON values and back, for the store on disk."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sync.sandbox import quality
from sync.sandbox.auditlog import LogEntry
from sync.sandbox.dictionary import Arm, Dag, Event, Field, Form, Structure
from sync.sandbox.people import Role, User
from sync.sandbox.project import Allocation, Project, Randomization, Report, Settings
from sync.sandbox.records import Record

Plain = dict[str, Any]


def structure_to_plain(structure: Structure) -> Plain:
    """Write a structure as JSON values."""
    return {
        "fields": [asdict(field) for field in structure.fields],
        "forms": [asdict(form) for form in structure.forms],
        "longitudinal": structure.longitudinal,
        "arms": [asdict(arm) for arm in structure.arms],
        "events": [asdict(event) for event in structure.events],
        "mapping": {event: list(forms) for event, forms in structure.mapping.items()},
        "repeats": {event: None if forms is None else dict(forms) for event, forms in structure.repeats.items()},
        "dags": [asdict(dag) for dag in structure.dags],
        "missing_codes": [list(pair) for pair in structure.missing_codes],
    }


def structure_from_plain(plain: Mapping[str, Any]) -> Structure:
    """Read what `structure_to_plain` wrote."""
    return Structure(
        fields=tuple(Field(**row) for row in plain["fields"]),
        forms=tuple(Form(**row) for row in plain["forms"]),
        longitudinal=plain["longitudinal"],
        arms=tuple(Arm(**row) for row in plain["arms"]),
        events=tuple(Event(**row) for row in plain["events"]),
        mapping={event: tuple(forms) for event, forms in plain["mapping"].items()},
        repeats=plain["repeats"],
        dags=tuple(Dag(**row) for row in plain["dags"]),
        missing_codes=tuple((code, label) for code, label in plain["missing_codes"]),
    )


def project_to_plain(project: Project) -> Plain:
    """Write everything of a project but records, documents and log."""
    plain = {
        "slug": project.slug,
        "settings": asdict(project.settings),
        "structure": structure_to_plain(project.structure),
        "users": [asdict(user) for user in project.users.values()],
        "roles": [asdict(role) for role in project.roles.values()],
        "folders": {str(number): name for number, name in project.folders.items()},
        "reports": [asdict(report) for report in project.reports.values()],
        "locks": [list(lock) for lock in sorted(project.locks)],
        "queries": project.queries.plain(),
    }
    # tuples become lists now and not only on disk
    return dict(json.loads(json.dumps(plain)))


def project_from_plain(plain: Mapping[str, Any]) -> Project:
    """Read what `project_to_plain` wrote; records, documents and log are added by the store."""
    project = Project(
        slug=plain["slug"],
        settings=_settings(plain["settings"]),
        structure=structure_from_plain(plain["structure"]),
    )
    project.users = {row["username"]: User(**row) for row in plain["users"]}
    project.roles = {row["unique_name"]: Role(**row) for row in plain["roles"]}
    project.folders = {int(number): name for number, name in plain["folders"].items()}
    for row in plain["reports"]:
        report = Report(**{**row, "fields": tuple(row["fields"]), "events": tuple(row["events"])})
        project.reports[report.report_id] = report
    project.queries = quality.from_plain(plain.get("queries", ()), first=project.settings.project_id * 1000 + 1)
    project.locks = {(record, event, form, instance) for record, event, form, instance in plain["locks"]}
    return project


def _settings(plain: Mapping[str, Any]) -> Settings:
    groups = tuple((group, name, values) for group, name, values in plain.get("carried_groups", ()))
    tables = tuple(_randomization(row) for row in plain.get("randomizations", ()))
    order = tuple(plain.get("globals_order", ()))
    return Settings(**{**plain, "carried_groups": groups, "randomizations": tables, "globals_order": order})


def _randomization(plain: Mapping[str, Any]) -> Randomization:
    rows = tuple(Allocation(**{**row, "strata": tuple(row["strata"])}) for row in plain["allocations"])
    return Randomization(**{**plain, "strata": tuple(plain["strata"]), "allocations": rows})


def record_to_plain(record: Record) -> Plain:
    """Write one record."""
    return {
        "dag": record.dag,
        "rows": [[*key, cells] for key, cells in record.rows.items()],
        "changed_at": [moment.isoformat() for moment in record.changed_at],
    }


def record_from_plain(name: str, plain: Mapping[str, Any]) -> Record:
    """Read what `record_to_plain` wrote."""
    return Record(
        name=name,
        dag=plain["dag"],
        rows={(event, form, instance): cells for event, form, instance, cells in plain["rows"]},
        changed_at=[datetime.fromisoformat(text) for text in plain["changed_at"]],
    )


def entry_to_plain(entry: LogEntry) -> Plain:
    """Write one log entry."""
    return asdict(entry) | {"at": entry.at.isoformat()}


def entry_from_plain(plain: Mapping[str, Any]) -> LogEntry:
    """Read what `entry_to_plain` wrote."""
    return LogEntry(**{**plain, "at": datetime.fromisoformat(plain["at"])})
