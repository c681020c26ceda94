"""Check every precondition, one line each with its remedy (`sync doctor`)."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sync import errors
from sync.commands import output
from sync.commands.context import Invocation, pass_invocation
from sync.commands.output import Column

if TYPE_CHECKING:
    from sync.bootstrap import App
    from sync.config import SiteConfig
    from sync.ports.source import Source

OURS = ("sync", "schemas", "validators", "cli")
FREE_BYTES = 1 << 30
"""Less free disk than this is worth a warning: a night's lists and history need room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Say whether one precondition holds, and what to do where it does not."""

    name: str
    site: str | None = None
    status: str = "ok"
    detail: str = ""
    remedy: str = ""
    #: the exit code that a failure leads to
    exit_code: int = 2


@click.command("doctor")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several. Without it: all.")
@output.listing_options
@pass_invocation
def command(invocation: Invocation, sites: tuple[str, ...], as_json: bool, csv_path: Path | None) -> int:
    """Check every precondition, one line each with its remedy. Changes nothing."""
    checks = list(_checks(invocation, sites))
    rows = [{name: value for name, value in asdict(check).items() if name != "exit_code"} for check in checks]
    columns = [
        Column(key="status", title=""),
        Column(key="site", title="Site"),
        Column(key="name", title="What"),
        Column(key="detail", title="Detail"),
        Column(key="remedy", title="Remedy"),
    ]
    output.show(name="checks", title="Doctor", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path)
    return errors.gravest([check.exit_code for check in checks if check.status == "fail"])


def _checks(invocation: Invocation, slugs: tuple[str, ...]) -> Iterator[Check]:
    yield from _installation(invocation)
    try:
        app = invocation.app
    except errors.ConfigError as error:
        for problem in error.problems:
            yield Check(name="configuration", status="fail", detail=problem, remedy="correct the file, then look again")
        return
    yield Check(name="configuration", detail=str(app.config.path))
    yield from _study(app)
    yield from _warehouse(app)
    yield _disk(app)
    for site in app.sites(slugs):
        yield from _site(app, site)


def _installation(invocation: Invocation) -> Iterator[Check]:
    yield Check(name="version", detail=f"syncline {metadata.version('syncline')}")
    owners = metadata.packages_distributions()
    for name in OURS:
        others = sorted({owner for owner in owners.get(name, ()) if owner != "syncline"})
        if others:
            remedy = f"install Syncline into an environment of its own, without {', '.join(others)}"
            yield Check(
                name="package names", status="fail", detail=f"'{name}' also belongs to {others[0]}", remedy=remedy
            )
    first = shutil.which("sync", path=invocation.environ.get("PATH"))
    if first and Path(first).resolve() == Path("/usr/bin/sync").resolve():
        detail = f"{first} (coreutils) comes first on the PATH"
        yield Check(name="command", status="warn", detail=detail, remedy="call `syncline`, or `python -m sync`")
    else:
        yield Check(name="command", detail=first or "called as python -m sync")


def _study(app: "App") -> Iterator[Check]:
    from validators import lint

    try:
        study = app.study
    except errors.ConfigError as error:
        for wrong in error.problems:
            yield Check(name="study", status="fail", detail=wrong, remedy="correct the study's files")
        return
    if study is None:
        yield Check(name="study", detail="REDCap's own dictionary, per project")
        return
    problems = lint.lint(study)
    for problem in problems:
        yield Check(name="study", status="warn", detail=str(problem), remedy="`sync checks lint` shows all")
    if not problems:
        yield Check(
            name="study", detail=f"{study.name} {study.version}: {len(study.forms)} forms, {len(study.checks)} checks"
        )


def _warehouse(app: "App") -> Iterator[Check]:
    try:
        pending = app.warehouse().pending()
    except errors.SyncError as error:
        yield Check(name="warehouse", status="fail", detail=str(error), remedy="see warehouse.url in the configuration")
        return
    if pending:
        detail = f"{len(pending)} steps are due"
        yield Check(
            name="warehouse", status="warn", detail=detail, remedy="`sync warehouse upgrade` (a run does it too)"
        )
    else:
        yield Check(name="warehouse", detail="reachable and up to date")


def _disk(app: "App") -> Check:
    folder = app.config.path.resolve().parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / (1 << 30):.1f} GiB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Check(
            name="disk", status="fail", detail=f"{folder} cannot be written", remedy="give this user the right to"
        )
    status, remedy = ("ok", "") if free >= FREE_BYTES else ("warn", "make room: a night writes history and lists")
    return Check(name="disk", status=status, detail=detail, remedy=remedy)


def _site(app: "App", site: "SiteConfig") -> Iterator[Check]:
    from schemas import dictionary
    from sync.harmonise import harmonise

    try:
        plan = app.plan(site)
        source = app.source(site)
    except errors.ConfigError as error:
        for problem in error.problems:
            yield Check(
                name="settings", site=site.slug, status="fail", detail=problem, remedy="correct it, then look again"
            )
        return
    yield Check(name="token", site=site.slug, detail="found, 32 hexadecimal characters")
    try:
        structure = source.structure()
    except errors.SyncError as error:
        detail = str(error).splitlines()[0]
        yield Check(
            name="project",
            site=site.slug,
            status="fail",
            detail=detail,
            remedy="see the detail",
            exit_code=error.exit_code,
        )
        return
    shape = "longitudinal" if structure.is_longitudinal else "classic"
    detail = f"{structure.project_id}, REDCap {structure.redcap_version}, {shape}, {len(structure.fields)} fields"
    yield Check(name="project", site=site.slug, detail=detail)
    yield _withheld(source, site)
    for clash in dictionary.dictionary_problems(structure):
        remedy = "tell the site's REDCap designer; until then one of the two is not read"
        yield Check(name="dictionary", site=site.slug, status="warn", detail=str(clash), remedy=remedy)
    study, mapping = plan.resolve(structure)
    problems = harmonise.mismatches(structure, study, mapping)
    for problem in problems:
        remedy = "correct the mapping, or ask the site what was renamed"
        yield Check(name="mapping", site=site.slug, status="fail", detail=problem, remedy=remedy, exit_code=4)
    if not problems:
        covered = len(harmonise.site_fields(study, mapping) & set(structure.export_fields))
        detail = f"reads {covered} of {len(structure.export_fields)} columns"
        yield Check(name="mapping", site=site.slug, detail=detail)


def _withheld(source: "Source", site: "SiteConfig") -> Check:
    """Ask for one batch of records and see whether every column of the dictionary comes."""
    try:
        stream = source.batches()
        next(iter(stream.frames), None)
    except errors.SyncError as error:
        detail = str(error).splitlines()[0]
        remedy = "see the detail"
        return Check(
            name="export", site=site.slug, status="fail", detail=detail, remedy=remedy, exit_code=error.exit_code
        )
    if stream.withheld:
        names = sorted(stream.withheld)
        detail = f"{len(names)} columns are withheld: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
        remedy = "ask the site's REDCap administrator for full data export rights for the token's user"
        return Check(name="export", site=site.slug, status="fail", detail=detail, remedy=remedy, exit_code=4)
    return Check(name="export", site=site.slug, detail=f"{stream.records} records, no column withheld")
