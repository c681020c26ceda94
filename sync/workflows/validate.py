"""Judge one site and write nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.frames import FormFrame
from schemas.study import Severity, Study
from sync import errors
from sync.config import SiteConfig
from sync.harmonise.plan import SitePlan
from sync.ports.application import Application
from sync.ports.source import Progress
from sync.workflows import across, desk, judging
from sync.workflows.reading import Terms
from sync.workflows.stored import in_parts, stored_of
from validators.findings import Finding, Judgement, NotEvaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Hold what judging one site gave, or why it could not be judged. Holds values: never log it."""

    site: SiteConfig
    language: str
    #: when the pull began, or the judging of what is stored; study's zone
    at: datetime
    stored: bool
    study: Study | None = None
    judgement: Judgement | None = None
    records: int = 0
    rows: int = 0
    #: page of each finding's form in the site's REDCap, in the order of the findings
    links: tuple[str | None, ...] = ()
    #: sentences for a person, without values
    notices: tuple[str, ...] = ()
    error: errors.SyncError | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Give the findings; none where the site could not be judged."""
        return self.judgement.findings if self.judgement else ()

    @property
    def not_evaluated(self) -> tuple[NotEvaluated, ...]:
        """Give what could not be checked."""
        return self.judgement.not_evaluated if self.judgement else ()

    def exit_code(self, fail_on: str) -> int:
        """Choose the exit code: the error's, or 1 for findings at or above ``hard``, ``soft`` or ``never``."""
        if self.error is not None:
            return self.error.exit_code
        grave = {"hard": {Severity.HARD}, "soft": {Severity.HARD, Severity.SOFT}, "never": set()}[fail_on]
        return int(any(each.severity in grave for each in self.findings))


def validate_site(
    app: Application,
    site: SiteConfig,
    *,
    stored: bool = False,
    language: str | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Judge one site from a fresh pull, or from what the warehouse holds; a failed site is a result, not a crash.

    Messages are in ``language``, else in the study's: who validates sits at the coordinating centre. ConfigError is
    raised where no site can be judged before it is mended; what is wrong in the settings of this one is its result.
    """
    language = language or app.config.study.language
    now = app.clock.now().astimezone(app.config.study.zone)
    try:
        plan = app.plan(site)
        return _stored(app, site, plan, now, language) if stored else _pulled(app, site, plan, now, language, progress)
    except errors.SyncError as error:
        if error.concerns_all:
            raise
        return Validation(site=site, language=language, at=now, stored=stored, error=error)


def _pulled(
    app: Application, site: SiteConfig, plan: SitePlan, now: datetime, language: str, progress: Progress | None
) -> Validation:
    delta = app.source(site).changes(None, full=True, progress=progress)
    head = delta.head
    reading = judging.prepare(head, plan, as_of=now, has_rows=bool(delta.parts))
    judgement, unread = judging.look_at(delta, reading)
    empty = int(not delta.parts)
    links = tuple(
        app.link(
            head.structure,
            head.base_url,
            record=each.row.record,
            event=each.site_event,
            instrument=each.site_instrument,
            instance=each.site_instance,
        )
        for each in judgement.findings
    )
    return Validation(
        site=site,
        language=language,
        at=now,
        stored=False,
        study=reading.study,
        judgement=judgement,
        records=delta.parts.records,
        rows=delta.parts.rows,
        links=links,
        notices=(*delta.warnings, *unread, *(("the project holds no records",) * empty)),
    )


def _stored(app: Application, site: SiteConfig, plan: SitePlan, now: datetime, language: str) -> Validation:
    study = desk.study_of(app, site.slug)
    if study is None:
        missing = errors.ConfigError([f"nothing was stored yet; run `sync run --site {site.slug}` first"])
        return Validation(site=site, language=language, at=now, stored=True, error=missing)
    reader = app.warehouse(study).reader()
    stored = stored_of(app, site.slug)
    records, rows = sorted(stored.records()), 0

    def counted(part: tuple[Sequence[str], Sequence[FormFrame]]) -> Sequence[FormFrame]:
        nonlocal rows
        rows += sum(frame.rows.height for frame in part[1])
        return part[1]

    terms = Terms(plan=plan, study=study, as_of=now)
    judgement = across.judge(terms, map(counted, in_parts(study, stored, records)))
    last = reader.last_success(site.slug)
    return Validation(
        site=site,
        language=language,
        at=last.started.astimezone(app.config.study.zone) if last else now,
        stored=True,
        study=study,
        judgement=judgement,
        records=len(records),
        rows=rows,
    )
