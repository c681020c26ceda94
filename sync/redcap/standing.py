"""Look at a server's log and clocks, and at nothing else (``sync.ports.standing``)."""

from sync.ports.clock import Clock
from sync.ports.standing import Standing
from sync.redcap.client import Client
from sync.redcap.logbook import NO_RIGHT, read_log
from sync.redcap.replies import http_time


def standing_of(client: Client, clock: Clock) -> Standing:
    """Ask for the project's settings, which leaves a line in the log, then for the log."""
    asked = clock.now()
    client.project_info()
    answered = clock.now()
    date = client.server_date
    book = read_log(client, record_field="", since=None, now=answered)
    return Standing(
        is_log_refused=book.problem == NO_RIGHT,
        log_problem=book.problem,
        log_time=book.newest,
        is_log_current=book.is_current,
        http_time=http_time(date),
        asked=asked,
        answered=answered,
    )
