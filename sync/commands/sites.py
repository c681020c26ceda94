"""List sites and check their projects against their mappings (`sync sites …`)."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sync import errors
from sync.commands import output
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation
from sync.plural import counted

if TYPE_CHECKING:
    from sync.bootstrap import App
    from sync.config import SiteConfig


@click.group("sites")
def command() -> None:
    """Look at the configured sites."""


@command.command("list")
@output.listing_options
@pass_invocation
def list_sites(invocation: Invocation, as_json: bool, csv_path: Path | None) -> None:
    """List the configured sites."""
    rows = [
        {
            "site": site.slug,
            "name": site.name,
            "prefix": site.subject_prefix,
            "project_id": site.project_id,
            "url": site.url,
            "mapping": str(site.mapping) if site.mapping else None,
            "language": site.language or invocation.app.config.study.language,
            "enabled": "yes" if site.enabled else "no",
        }
        for site in invocation.app.config.sites
    ]
    columns = [
        Column(key="site", title="Site", style="bold", whole=True),
        Column(key="name", title="Name"),
        Column(key="prefix", title="Prefix", gives_way=2),
        Column(key="project_id", title="Project", right=True),
        Column(key="url", title="API", least=24),
        Column(key="language", title="Lang.", gives_way=1),
        Column(key="enabled", title="Enabled"),
        Column(key="mapping", title="mapping", optional=True),
    ]
    output.show(name="sites", title="Sites", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path)


@command.command("check")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several. Without it: all.")
@output.listing_options
@pass_invocation
def check(invocation: Invocation, sites: tuple[str, ...], as_json: bool, csv_path: Path | None) -> int:
    """Compare each site's project with its mapping: missing events, instruments, fields."""
    app = invocation.app
    rows: list[dict[str, Any]] = []
    code = 0
    for site in app.sites(sites):
        found, its_code = _checked(app, site)
        rows += [{"site": site.slug, "status": status, "detail": detail} for status, detail in found]
        code = errors.gravest([code, its_code])
    columns = [Column(key="site", title="Site"), Column(key="status", title=""), Column(key="detail", title="Detail")]
    output.show(
        name="sites", title="Sites against mappings", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path
    )
    return code


def _checked(app: "App", site: "SiteConfig") -> tuple[list[tuple[str, str]], int]:
    """Compare one site's project with its mapping: lines of status and detail, and the exit code."""
    from sync.harmonise import harmonise

    try:
        plan = app.plan(site)
        structure = app.source(site).structure()
        study, mapping = plan.resolve(structure)
    except errors.SyncError as error:
        return [("fail", problem) for problem in _own(error)], error.exit_code
    problems = harmonise.mismatches(structure, study, mapping)
    fields = counted(len(structure.fields), "field")
    title = f"project {structure.project_id}, REDCap {structure.redcap_version}, {fields}"
    head = ("fail" if problems else "ok", title)
    return [head, *(("fail", problem) for problem in problems)], 4 if problems else 0


def _own(error: errors.SyncError) -> tuple[str, ...]:
    """Give the problems of one site, so that the others go on; raises what concerns them all."""
    if error.concerns_all:
        raise error
    return error.problems if isinstance(error, errors.ConfigError) else (str(error),)


@command.command("drift")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several. Without it: all.")
@click.option("--accept", is_flag=True, help="Take the project as it is now; needs exactly one --site.")
@output.listing_options
@pass_invocation
def drift(invocation: Invocation, sites: tuple[str, ...], accept: bool, as_json: bool, csv_path: Path | None) -> int:
    """Show how each site's project changed since it was last accepted, and what that stops or leaves out.

    Exit 4 where a site's next run would stop. Accept a change only when the mapping reads the project rightly.
    """
    app = invocation.app
    if accept and len(sites) != 1:
        raise errors.ConfigError(["--accept: name exactly one site with --site, after looking at its drift"])
    rows: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    code = 0
    for site in app.sites(sites):
        found, document, its_code = _drifted(app, site, accept=accept)
        documents.append({"site": site.slug, **document})
        rows += [{"site": site.slug, "gravity": gravity, "what": what} for gravity, what in found]
        code = errors.gravest([code, its_code])
    columns = [
        Column(key="site", title="Site"),
        Column(key="gravity", title="Gravity"),
        Column(key="what", title="What"),
    ]
    if as_json:
        output.emit_json({"sites": documents})
    else:
        output.show(
            name="changes",
            title="Changes since acceptance",
            columns=columns,
            rows=rows,
            as_json=False,
            csv_path=csv_path,
        )
        if accept and not code:
            click.echo(f"{sites[0]}: accepted as it is now")
    return code


def _drifted(app: "App", site: "SiteConfig", *, accept: bool) -> tuple[list[tuple[str, str]], dict[str, Any], int]:
    """Look at one site's drift: lines of gravity and what changed, the document, and the exit code."""
    from sync.workflows import acceptance
    from sync.workflows.drift_impact import Impact

    try:
        found = acceptance.look(app, site, accept_as=getpass.getuser() if accept else None)
    except errors.SyncError as error:
        told = {"error": str(error), "outcome": error.outcome}
        document = {"accepted": False, "changes": [], **Impact().document(), "marks": {}, **told}
        return [("unknown", problem) for problem in _own(error)], document, error.exit_code
    lines = [(change.gravity.value, change.sentence) for change in found.drift.changes]
    lines += [("STOPS", reason) for reason in found.impact.stops]
    code = 4 if found.impact.stops and not accept else 0
    return lines, {"accepted": accept, **found.document()}, code
