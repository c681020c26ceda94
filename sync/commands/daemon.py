"""Stay up and run each site at its time (`sync daemon`)."""

import sys
from datetime import UTC, datetime

import click

from sync.commands import stopping
from sync.commands.context import Invocation, pass_invocation


@click.command("daemon")
@click.option("--once", is_flag=True, help="Run the sites that are due now, then end (for a timer of your own).")
@click.option("--test-alert", is_flag=True, help="Send a test alert by every configured way, then end.")
@pass_invocation
def command(invocation: Invocation, once: bool, test_alert: bool) -> int:
    """Run each site at its cron time in the study's time zone, until SIGTERM.

    Missed nights are made up once; a failing site is tried again after growing pauses. At SIGTERM or SIGINT
    pulls are left, what is being stored is finished, and no site is begun; a second signal ends the program at once,
    which harms nothing.
    """
    from sync import errors
    from sync.alerts import sending
    from sync.daemon import service
    from sync.daemon.systemd import Notifier

    app = invocation.app
    if test_alert:
        return _test_alert(sending.test(app))
    if not app.sites():
        raise errors.ConfigError([f"{app.config.path.name}: no site is enabled; set enabled = true at one"])
    # a wrong study concerns every site and is refused here; a wrong mapping or token is its site's own trouble
    _ = app.study
    if refused := service.refused(app):
        sending.after_run(app, refused)
    daemon = service.Daemon(
        app=app,
        stop=app.stop,
        supervisor=Notifier(invocation.environ),
        after_pass=lambda results: sending.after_run(app, *results),
        after_failure=lambda error: sending.after_failure(app, error),
        # a single pass never was up before, so that no night may be let go for having come earlier
        since=datetime.fromtimestamp(0, UTC) if once else app.clock.now(),
        greet=_greet if _looks_on(invocation) else lambda _: None,
    )
    with stopping.on_signals(app.stop):
        return service.run_once(daemon) if once else service.run_forever(daemon)


def _looks_on(invocation: Invocation) -> bool:
    """Tell whether somebody sits before it who would see nothing: the log says the same with -v, or as JSON."""
    return sys.stderr.isatty() and not invocation.verbose and invocation.log_format != "json"


def _greet(words: str) -> None:
    click.echo(words, err=True)


def _test_alert(outcome: dict[str, str | None]) -> int:
    if not outcome:
        click.echo("No way for alerts is configured; see [alerts] in config.example.toml.", err=True)
        return 2
    for way, problem in outcome.items():
        click.echo(f"{way}: {problem or 'accepted'}")
    return 3 if any(outcome.values()) else 0
