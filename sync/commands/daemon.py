"""Stay up and run each site at its time (`sync daemon`)."""

import signal
import threading
from datetime import UTC, datetime
from types import FrameType

import click

from sync.commands.context import Invocation, pass_invocation


@click.command("daemon")
@click.option("--once", is_flag=True, help="Run the sites that are due now, then end (for a timer of your own).")
@click.option("--test-alert", is_flag=True, help="Send a test alert by every configured way, then end.")
@pass_invocation
def command(invocation: Invocation, once: bool, test_alert: bool) -> int:
    """Run each site at its cron time in the study's time zone, until SIGTERM.

    Missed nights are made up once; a failing site is tried again after growing pauses. At SIGTERM or SIGINT a site
    at work is finished and no other is begun; a second signal ends the program at once, which harms nothing.
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
    stop = threading.Event()
    _stop_on_signals(stop)
    daemon = service.Daemon(
        app=app,
        stop=stop,
        supervisor=Notifier(invocation.environ),
        after_pass=lambda results: sending.after_run(app, *results),
        after_failure=lambda error: sending.after_failure(app, error),
        # a single pass never was up before, so that no night may be let go for having come earlier
        since=datetime.fromtimestamp(0, UTC) if once else app.clock.now(),
    )
    return service.run_once(daemon) if once else service.run_forever(daemon)


def _stop_on_signals(stop: threading.Event) -> None:
    """Set ``stop`` at the first SIGTERM or SIGINT; let the second one end the program."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        # From a thread: the handler may have interrupted the main thread inside stop.wait(), whose lock set() takes.
        threading.Thread(target=stop.set, daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _test_alert(outcome: dict[str, str | None]) -> int:
    if not outcome:
        click.echo("No way for alerts is configured; see [alerts] in config.example.toml.", err=True)
        return 2
    for way, problem in outcome.items():
        click.echo(f"{way}: {problem or 'accepted'}")
    return 3 if any(outcome.values()) else 0
