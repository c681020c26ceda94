"""List sites and check their projects against their mappings (`sync sites …`)."""

import getpass
from pathlib import Path
from typing import Any

import click

from sync import errors
from sync.commands import output
from sync.commands.column import Column
from sync.commands.context import Invocation, pass_invocation


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
    from sync.harmonise import harmonise

    app = invocation.app
    rows: list[dict[str, Any]] = []
    code = 0
    for site in app.sites(sites):
        plan = app.plan(site)
        try:
            structure = app.source(site).structure()
            study, mapping = plan.resolve(structure)
            problems = harmonise.mismatches(structure, study, mapping)
        except errors.ConfigError:
            raise
        except errors.SyncError as error:
            rows.append({"site": site.slug, "status": "fail", "detail": str(error)})
            code = errors.gravest([code, error.exit_code])
            continue
        title = f"project {structure.project_id}, REDCap {structure.redcap_version}, {len(structure.fields)} fields"
        rows.append({"site": site.slug, "status": "fail" if problems else "ok", "detail": title})
        rows += [{"site": site.slug, "status": "fail", "detail": problem} for problem in problems]
        code = errors.gravest([code, 4]) if problems else code
    columns = [Column(key="site", title="Site"), Column(key="status", title=""), Column(key="detail", title="Detail")]
    output.show(
        name="sites", title="Sites against mappings", columns=columns, rows=rows, as_json=as_json, csv_path=csv_path
    )
    return code


@command.command("drift")
@click.option("--site", "sites", multiple=True, help="Site; repeat for several. Without it: all.")
@click.option("--accept", is_flag=True, help="Take the project as it is now; needs exactly one --site.")
@output.listing_options
@pass_invocation
def drift(invocation: Invocation, sites: tuple[str, ...], accept: bool, as_json: bool, csv_path: Path | None) -> int:
    """Show how each site's project changed since it was last accepted, and what that stops or leaves out.

    Exit 4 where a site's next run would stop. Accept a change only when the mapping reads the project rightly.
    """
    from sync.workflows import acceptance

    app = invocation.app
    if accept and len(sites) != 1:
        raise errors.ConfigError(["--accept: name exactly one site with --site, after looking at its drift"])
    rows: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    code = 0
    for site in app.sites(sites):
        try:
            found = acceptance.look(app, site, accept_as=getpass.getuser() if accept else None)
        except errors.ConfigError:
            raise
        except errors.SyncError as error:
            rows.append({"site": site.slug, "gravity": "unknown", "what": str(error)})
            code = errors.gravest([code, error.exit_code])
            continue
        documents.append({"site": site.slug, "accepted": accept, **found.document()})
        rows += [
            {"site": site.slug, "gravity": change.gravity.value, "what": change.sentence}
            for change in found.drift.changes
        ]
        rows += [{"site": site.slug, "gravity": "STOPS", "what": reason} for reason in found.impact.stops]
        code = errors.gravest([code, 4]) if found.impact.stops and not accept else code
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
        if accept:
            click.echo(f"{sites[0]}: accepted as it is now")
    return code
