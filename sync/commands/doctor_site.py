"""Check one site: its token and rights, its project, its server's clock, and what the mapping makes of it."""

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import TYPE_CHECKING

from sync import errors
from sync.commands import doctor_clock
from sync.commands.doctor_check import Check
from sync.plural import counted

if TYPE_CHECKING:
    from schemas.project import ProjectStructure
    from sync.bootstrap import App
    from sync.config import SiteConfig
    from sync.harmonise.plan import SitePlan
    from sync.ports.source import Source
    from sync.ports.standing import Standing

LOG_SINCE = (10, 8, 0)
"""REDCap's API hands out the log from this version on."""

_LOG_BUYS = (
    "nights then list one row a record in place of every row, deleted events and instances cost nothing extra, a"
    " deletion is told from rows that the server held back, and a renamed record keeps its queries"
)
_TICK = "in REDCap, open User Rights, the token's user (or role), and tick Logging"


def checks(app: "App", site: "SiteConfig") -> Iterator[Check]:
    """Check one site, in the order in which one thing needs another."""
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
        yield _failed("project", site, error)
        return
    yield _project(structure, site)
    yield _version(structure, site)
    yield _export(source, site)
    try:
        standing = source.standing()
    except errors.SyncError as error:
        yield _failed("clock", site, error)
    else:
        yield _logging(standing, site)
        yield _clock(standing, site, app.config.study.zone)
    yield from _dictionary(structure, plan, site)


def _failed(name: str, site: "SiteConfig", error: errors.SyncError) -> Check:
    """Tell an error whose message says what to do."""
    detail, exit_code = str(error).splitlines()[0], error.exit_code
    return Check(name=name, site=site.slug, status="fail", detail=detail, remedy="see the detail", exit_code=exit_code)


def _project(structure: "ProjectStructure", site: "SiteConfig") -> Check:
    shape = "longitudinal" if structure.is_longitudinal else "classic"
    fields = counted(len(structure.fields), "field")
    detail = f"the token belongs to project {structure.project_id}, as configured: {shape}, {fields}"
    return Check(name="project", site=site.slug, detail=detail)


def _version(structure: "ProjectStructure", site: "SiteConfig") -> Check:
    version = structure.redcap_version
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) < LOG_SINCE:
        needed = ".".join(map(str, LOG_SINCE))
        detail = f"REDCap {version}, which is older than {needed}: its API has no log"
        remedy = f"nothing is wrong, but nights are dearer; after an upgrade {_LOG_BUYS}"
        return Check(name="API version", site=site.slug, status="warn", detail=detail, remedy=remedy)
    return Check(name="API version", site=site.slug, detail=f"REDCap {version}")


def _export(source: "Source", site: "SiteConfig") -> Check:
    """Ask for one batch of records and see whether every column of the dictionary comes."""
    try:
        stream = source.batches()
        next(iter(stream.frames), None)
    except errors.SyncError as error:
        return _failed("export", site, error)
    if stream.withheld:
        names = sorted(stream.withheld)
        shown = f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
        detail = f"{counted(len(names), 'column is', 'columns are')} withheld: {shown}"
        remedy = "ask the site's REDCap administrator for full data export rights for the token's user"
        return Check(name="export", site=site.slug, status="fail", detail=detail, remedy=remedy, exit_code=4)
    return Check(name="export", site=site.slug, detail=f"{counted(stream.records, 'record')}, no column withheld")


def _logging(standing: "Standing", site: "SiteConfig") -> Check:
    """Say whether the token's user may see the log, and what that is worth."""
    if standing.is_log_refused:
        detail = "the token's user may not see the project's log"
        return Check(name="logging", site=site.slug, status="warn", detail=detail, remedy=f"{_TICK}: {_LOG_BUYS}")
    if standing.log_problem:
        remedy = "try again later; if it stays, ask the site's REDCap administrator why the log takes so long"
        detail = "the server could not hand out the project's log"
        return Check(name="logging", site=site.slug, status="warn", detail=detail, remedy=remedy)
    return Check(name="logging", site=site.slug, detail="the token's user may see the project's log")


def _clock(standing: "Standing", site: "SiteConfig", zone: tzinfo) -> Check:
    status, detail, remedy = doctor_clock.judge(standing, zone)
    return Check(name="clock", site=site.slug, status=status, detail=detail, remedy=remedy)


def _dictionary(structure: "ProjectStructure", plan: "SitePlan", site: "SiteConfig") -> Iterator[Check]:
    """Hold the project's dictionary against itself and against the mapping."""
    from schemas import dictionary
    from sync.harmonise import harmonise

    for clash in dictionary.dictionary_problems(structure):
        remedy = "tell the site's REDCap designer; until then one of the two is not read"
        yield Check(name="dictionary", site=site.slug, status="warn", detail=str(clash), remedy=remedy)
    try:
        study, mapping = plan.resolve(structure)
    except errors.SyncError as error:
        yield _failed("mapping", site, error)
        return
    problems = harmonise.mismatches(structure, study, mapping)
    for problem in problems:
        remedy = "correct the mapping, or ask the site what was renamed"
        yield Check(name="mapping", site=site.slug, status="fail", detail=problem, remedy=remedy, exit_code=4)
    if not problems:
        covered = len(harmonise.site_fields(study, mapping) & set(structure.export_fields))
        detail = f"reads {covered} of {counted(len(structure.export_fields), 'column')}"
        yield Check(name="mapping", site=site.slug, detail=detail)
