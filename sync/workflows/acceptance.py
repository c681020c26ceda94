"""Look at how a site's project changed since it was accepted, and accept it."""

from sync.config import SiteConfig
from sync.ports.application import Application
from sync.workflows import drift, mapped, past
from sync.workflows.drift import Examined
from sync.workflows.stored import frames_of


def look(app: Application, site: SiteConfig, *, accept_as: str | None = None) -> Examined:
    """Compare a site's project with the accepted structure; with ``accept_as`` (a person) accept it as it is.

    Raises SourceUnavailable or SourceRefused where the site cannot be asked, SiteLocked while a run works on it.
    """
    warehouse = app.warehouse()
    before = past.read(warehouse.reader(), site.slug)
    plan = app.plan(site)
    structure = app.source(site).structure()
    found = drift.examine(
        before.structure,
        structure,
        plan,
        stored=lambda study: frames_of(app, site.slug, study),
        last_marks=before.marks,
    )
    if accept_as is not None:
        now = app.clock.now()
        name = f"accept-{now:%Y%m%dT%H%M%S%f}Z"
        with warehouse.site_lock(site.slug), warehouse.transaction(site.slug, name, now) as tx:
            tx.put_state(drift.STATE, drift.accept(structure, by=accept_as, at=now))
            if plan.study is not None and plan.mapping is not None:
                tx.put_state(mapped.STATE, mapped.reads(plan.study, plan.mapping))
    return found
