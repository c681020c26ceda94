"""Send one alert after runs that went wrong, and none after those that went right.

Nothing here raises and nothing here changes an exit code: an alert that does not leave is a warning in the log.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from sync import errors
from sync.alerts import memory, wording
from sync.alerts.command import CommandHook
from sync.alerts.mail import Mail, MailServer
from sync.alerts.memory import Memory, Told
from sync.alerts.webhook import Webhook
from sync.config import Config
from sync.config_alerts import webhook_problem
from sync.config_transport import with_proxy
from sync.ports.alerts import Alert, AlertChannel, AlertFailed, SiteLine
from sync.ports.clock import Clock
from sync.workflows.run import RunResult

log = structlog.get_logger()

_REMINDER = timedelta(days=7) - timedelta(hours=4)
"""Time after which a warning that still stands is told again; less than a week, as nights are not equally long."""

_GRACE = 5.0
"""Seconds beyond its time-out after which a way is given up: a server that drips bytes resets its own time-out."""


class Alerting(Protocol):
    """Give what alerts need of the program around them."""

    @property
    def config(self) -> Config:
        """Give the configuration."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """Give the environment, in which secrets may stand."""
        ...

    @property
    def clock(self) -> Clock:
        """Give the clock."""
        ...


def after_run(app: Alerting, *results: RunResult) -> bool:
    """Tell of what went wrong in a run (or in several of one pass), once; True where an alert left.

    Nobody hears of success, of a dry run, of a site at which another run works, or again of the same trouble
    within ``alerts.repeat_hours``. A warning is told once for as long as the site goes on giving it, with a reminder
    a week. The alert names every site of the pass, also those that are well.
    """
    prefixes = [site.subject_prefix for site in app.config.sites]
    lines = [
        SiteLine(
            site=site.site,
            run_id=result.run_id,
            outcome=site.outcome,
            exit_code=site.exit_code,
            reason=wording.safe(site.reason, prefixes) if site.reason else None,
            counts=site.counts(),
            warnings=tuple(wording.safe(warning, prefixes) for warning in site.warnings),
        )
        for result in results
        if not result.dry_run
        for site in result.sites
    ]
    return _guarded(app, lines, None) if lines else False


def after_failure(app: Alerting, error: Exception) -> bool:
    """Tell of what kept every site from being worked on: a mapping, the study, the warehouse; True where it left."""
    prefixes = [site.subject_prefix for site in app.config.sites]
    if isinstance(error, errors.SyncError):
        return _guarded(app, (), (error.exit_code, wording.safe(str(error), prefixes)))
    place = f"a fault of the program itself ({type(error).__name__} at {errors.place_of(error)})"
    return _guarded(app, (), (70, place))


def test(app: Alerting) -> dict[str, str | None]:
    """Send a test by every configured way; way -> None where it was accepted, else why not."""
    alert = Alert(at=app.clock.now(), exit_code=0, link=app.config.alerts.link, is_test=True)
    return _send(_channels(app), alert, app.config.alerts.timeout)


def _guarded(app: Alerting, lines: Sequence[SiteLine], whole: tuple[int, str] | None) -> bool:
    """Keep every fault of telling away from the run that is told of."""
    try:
        return _tell(app, lines, whole)
    except Exception as error:
        log.warning("alerts.failed", fault=type(error).__name__, place=errors.place_of(error))
        return False


def _tell(app: Alerting, lines: Sequence[SiteLine], whole: tuple[int, str] | None) -> bool:
    settings = app.config.alerts
    channels = _channels(app)
    if not channels:
        return False
    now = app.clock.now().astimezone(app.config.study.zone)
    before = memory.read(settings.state_file)
    known = memory.recovered(before, lines)
    repeat = timedelta(hours=settings.repeat_hours)
    troubles = {
        line.site: memory.digest(line.outcome, line.exit_code, line.reason) for line in lines if line.is_trouble
    }
    if whole:
        troubles[memory.WHOLE] = memory.digest("", *whole)
    news = {site for site, trouble in troubles.items() if memory.is_news(known, site, trouble, now=now, repeat=repeat)}
    lines = [_with_new_warnings(line, known, now) for line in lines]
    told = [memory.warning_key(line.site, warning) for line in lines for warning in line.warnings]
    accepted = False
    if news or told:
        alert = Alert(
            at=now,
            exit_code=whole[0] if whole else errors.gravest([line.exit_code for line in lines]),
            sites=tuple(_marked(line, line.site in news) for line in lines),
            reason=whole[1] if whole else None,
            link=settings.link,
        )
        accepted = None in _send(channels, alert, settings.timeout).values()
        if accepted:
            known = {**known, **{key: Told(trouble=trouble, at=now) for key, trouble in troubles.items()}}
            known |= {key: Told(trouble="", at=now) for key in told}
    if known != before:
        _remember(settings.state_file, known)
    return accepted


def _with_new_warnings(line: SiteLine, known: Memory, now: datetime) -> SiteLine:
    """Leave out the warnings that were told before."""
    keys = {warning: memory.warning_key(line.site, warning) for warning in line.warnings}
    new = [each for each, key in keys.items() if memory.is_news(known, key, "", now=now, repeat=_REMINDER)]
    return replace(line, warnings=tuple(new))


def _marked(line: SiteLine, is_news: bool) -> SiteLine:
    return replace(line, repeated=line.is_trouble and not is_news)


def _remember(path: Path, known: Memory) -> None:
    try:
        memory.write(path, known)
    except OSError as error:
        log.warning("alerts.state.unwritable", path=str(path), reason=error.strerror)


def _send(channels: Sequence[AlertChannel], alert: Alert, timeout: float) -> dict[str, str | None]:
    """Send by all ways at once; a way that hangs is left behind, so that it cannot hold up the next run."""
    outcome: dict[str, str | None] = {each.name: "it took too long and was given up" for each in channels}

    def send(channel: AlertChannel) -> None:
        try:
            channel.send(alert)
        except AlertFailed as error:
            outcome[channel.name] = str(error)
        except Exception as error:
            outcome[channel.name] = f"a fault of the program itself ({type(error).__name__})"
        else:
            outcome[channel.name] = None

    threads = [threading.Thread(target=send, args=(each,), daemon=True) for each in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout + _GRACE)
    told = dict(outcome)
    for name, problem in told.items():
        if problem is None:
            log.info("alerts.sent", way=name)
        else:
            log.warning("alerts.failed", way=name, reason=problem)
    return told


# --- building the ways


def _channels(app: Alerting) -> list[AlertChannel]:
    """Build the ways that are configured; one that lacks its secret is a warning, the others go on."""
    settings, transport = app.config.alerts, app.config.transport
    channels: list[AlertChannel] = []
    if settings.command:
        folder = app.config.path.resolve().parent
        environ = _without_secrets(app.environ, app.config)
        channels.append(CommandHook(settings.command, folder=folder, environ=environ, timeout=settings.timeout))
    if webhook := _webhook(app):
        channels.append(webhook)
    if settings.email_to and settings.email_from:
        server = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=_password(app),
            ca_bundle=transport.ca_bundle,
        )
        sender, recipients = settings.email_from, settings.email_to
        channels.append(Mail(server, sender=sender, recipients=recipients, timeout=settings.timeout))
    return channels


def _webhook(app: Alerting) -> Webhook | None:
    """Build the way to the web address; a secret of it that is missing, or is none, is a warning."""
    settings, transport = app.config.alerts, app.config.transport
    url = settings.webhook or (app.environ.get(settings.webhook_env, "") if settings.webhook_env else "")
    if settings.webhook_env and (problem := webhook_problem(url)):
        log.warning("alerts.failed", way="webhook", reason=f"the variable {settings.webhook_env} {problem}")
        return None
    if not url:
        return None
    try:
        proxy = with_proxy(transport, app.environ).proxy
    except errors.ConfigError as error:
        log.warning("alerts.failed", way="webhook", reason=str(error))
        return None
    return Webhook(url, proxy=proxy, ca_bundle=transport.ca_bundle, timeout=settings.timeout)


def _password(app: Alerting) -> str | None:
    """Fetch the mail server's password; without it the letter is tried all the same, and its refusal is told."""
    settings = app.config.alerts
    if settings.smtp_password_env:
        return app.environ.get(settings.smtp_password_env)
    folder = app.environ.get("CREDENTIALS_DIRECTORY")
    if settings.smtp_password_credential and folder:
        try:
            return (Path(folder) / settings.smtp_password_credential).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            log.warning("alerts.password.unreadable", fault=type(error).__name__)
    return None


def _without_secrets(environ: Mapping[str, str], config: Config) -> dict[str, str]:
    """Give the environment without the variables that the configuration takes secrets from."""
    settings = config.alerts
    secret = {site.token_env for site in config.sites} | {
        config.warehouse.url_env,
        config.transport.proxy_env,
        settings.webhook_env,
        settings.smtp_password_env,
        "CREDENTIALS_DIRECTORY",
        "NOTIFY_SOCKET",
    }
    return {name: value for name, value in environ.items() if name not in secret}
