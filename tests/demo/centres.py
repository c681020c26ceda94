"""Serve demo projects in a sandbox and pull them, for the tests of this folder."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

from schemas.loading import shipped_study
from schemas.project import Snapshot
from schemas.study import Study
from sync.clock import SystemClock
from sync.config import SiteConfig, TransportConfig
from sync.demo.cohort import CENTRES
from sync.harmonise import mapping as mappings
from sync.harmonise.mapping import SiteMapping
from sync.redcap.source import open_source
from sync.sandbox.sandbox import Sandbox

TOKEN = "0123456789abcdef0123456789abcde"


@cache
def study() -> Study:
    return shipped_study("sle")


@cache
def mapping_of(site: str) -> SiteMapping:
    text = (resources.files("schemas") / "studies" / "sle" / "sites" / f"{site}.toml").read_text("utf-8")
    return mappings.parse(text, study())


def all_mappings() -> dict[str, SiteMapping]:
    return {site: mapping_of(site) for site in CENTRES}


def serve(sandbox: Sandbox, projects: Mapping[str, str]) -> str:
    for n, (site, xml) in enumerate(projects.items(), start=1):
        sandbox.add_project(xml, slug=site, token=f"{TOKEN}{n}", project_id=n)
    return sandbox.start()


def pull(url: str) -> dict[str, Snapshot]:
    found = {}
    for n, site in enumerate(CENTRES, start=1):
        config = SiteConfig(
            slug=site, name=site, subject_prefix=CENTRES[site][0], url=url, allow_http=True, project_id=n,
            token_env="UNUSED",
        )  # fmt: skip
        transport = TransportConfig(requests_per_minute=100_000)
        found[site] = open_source(config, f"{TOKEN}{n}", transport, SystemClock()).pull()
    return found
