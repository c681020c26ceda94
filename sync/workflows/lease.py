"""Show that a run works on a site, for as long as it does. It informs people; the lock alone decides.

The lease is written beside the run, by a thread of its own: a warehouse that is busy or down costs a sign of life and
never the run.
"""

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from sync import errors
from sync.config import SiteConfig
from sync.ports.application import Application
from sync.ports.stored import LeaseRow, RunRow
from sync.ports.warehouse import Warehouse
from sync.workflows.results import SiteResult

log = structlog.get_logger()

INTERVAL = 30.0
"""Seconds between two signs of life."""

OLD = timedelta(minutes=15)
"""A run without a sign of life for so long hangs, was killed, or writes a very large night to SQLite."""

_DROP_TRIES = 10
_LONGEST_END = 5.0


@contextmanager
def shown(app: Application, warehouse: Warehouse, site: str, run_id: str) -> Iterator[None]:
    """Show the run while the block lasts; nothing that happens to the lease reaches the block."""
    ended = threading.Event()
    heart = threading.Thread(
        target=_beat, args=(app, warehouse, site, run_id, ended), daemon=True, name=f"lease-{site}"
    )
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join(_LONGEST_END)


def _beat(app: Application, warehouse: Warehouse, site: str, run_id: str, ended: threading.Event) -> None:
    """Take the lease, keep it alive, give it back; what the warehouse does not take now is tried at the next beat."""
    holder, taken_at = f"{platform.node()}:{os.getpid()}", app.clock.now()
    is_taken = False
    while True:
        now = app.clock.now()
        try:
            if is_taken:
                warehouse.beat(site, run_id, at=now)
            else:
                _note_killed(warehouse, site, run_id)
                warehouse.take_lease(
                    LeaseRow(site=site, run_id=run_id, holder=holder, taken_at=taken_at, heartbeat_at=now)
                )
                is_taken = True
        except Exception as error:
            log.debug("site.lease.skipped", site=site, fault=type(error).__name__)
        if ended.wait(INTERVAL):
            break
    for _ in range(_DROP_TRIES if is_taken else 0):
        with suppress(Exception):
            warehouse.drop_lease(site, run_id)
            return
        threading.Event().wait(_LONGEST_END / _DROP_TRIES / 2)


def _note_killed(warehouse: Warehouse, site: str, run_id: str) -> None:
    """Note the run that left its lease: under the site's lock it is known to be no more, and to have stored nothing."""
    left = warehouse.reader().lease(site)
    if left is None or left.run_id == run_id:
        return
    reason = (
        "the run ended without a word while it worked here (killed, or the machine went down; finished: its last sign"
        " of life); nothing of this site was changed, and the next run makes up for it"
    )
    warehouse.record_run(
        RunRow(
            site=site,
            run_id=left.run_id,
            kind="",
            started=left.taken_at,
            finished=left.heartbeat_at,
            outcome="killed",
            exit_code=errors.Stopped.exit_code,
            reason=reason,
        )
    )


def locked_out(app: Application, site: SiteConfig, error: errors.SiteLocked) -> SiteResult:
    """Say who holds a site's lock and since when, and warn where that is longer than configured."""
    lease = None
    with suppress(errors.SyncError):
        lease = app.warehouse().reader().lease(site.slug)
    result = SiteResult(site=site.slug, outcome=error.outcome, exit_code=error.exit_code, reason=str(error))
    if lease is None:
        return result
    now, zone = app.clock.now(), app.config.study.zone
    reason = f"{error} (run {lease.run_id}, {lease.holder}, {since(lease, zone=zone)})"
    hours = (now - lease.taken_at) / timedelta(hours=1)
    warnings: tuple[str, ...] = ()
    if hours >= app.config.run.locked_alert_hours:
        warnings = (
            f"another run has held this site for {hours:.0f} hours; see `sync status`, and end that process where it"
            " hangs: its lock goes with it",
        )
    return replace(result, reason=reason, warnings=warnings)


def since(lease: LeaseRow, *, zone: ZoneInfo) -> str:
    """Say since when a run works on a site."""
    return f"since {lease.taken_at.astimezone(zone):%Y-%m-%d %H:%M}"


def is_old(lease: LeaseRow, now: datetime) -> bool:
    """Tell whether a lease shows no sign of life."""
    return now - lease.heartbeat_at > OLD


def is_dead(lease: LeaseRow) -> bool:
    """Tell whether the process that took a lease is known to be gone: it was of this machine and is no more."""
    host, _, number = lease.holder.rpartition(":")
    if host != platform.node() or not number.isdecimal() or not int(number):
        return False
    try:
        os.kill(int(number), 0)  # signal 0 only asks
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
