"""Say how trouble is told to people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLine:
    """Say how one site fared in the runs that an alert is about; holds counts, never values."""

    site: str
    #: empty where no run could be begun
    run_id: str
    outcome: str
    exit_code: int
    #: filtered: without tokens, dates and anything that looks like an identifier
    reason: str | None = None
    #: told before, and not changed since
    repeated: bool = False
    #: filtered: what somebody should look at though the site need not have failed; those not told before
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_trouble(self) -> bool:
        """Tell whether somebody should hear of it; a site at which another run works is none."""
        return self.exit_code not in QUIET


QUIET = (0, 75)
"""Exit codes that nobody is told of: done, and another run holds the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Hold one alert: what failed, where, and why, without any value of a patient."""

    at: datetime
    exit_code: int
    sites: tuple[SiteLine, ...] = ()
    #: what concerns no single site: the configuration, the warehouse
    reason: str | None = None
    link: str | None = None
    #: sent to see whether it arrives
    is_test: bool = False

    @property
    def troubles(self) -> tuple[SiteLine, ...]:
        """Give the lines of the sites in trouble."""
        return tuple(line for line in self.sites if line.is_trouble)

    @property
    def warned(self) -> tuple[SiteLine, ...]:
        """Give the lines of the sites, in trouble or not, with something to look at."""
        return tuple(line for line in self.sites if line.warnings)


class AlertFailed(Exception):
    """Say why an alert did not leave; the text holds neither an address nor a password."""


class AlertChannel(Protocol):
    """Take an alert to people, by one way.

    Returns when the alert was accepted there, and raises AlertFailed where it was not; it does so within about
    its time-out. Sending twice tells twice.
    """

    #: word for logs: command, webhook, e-mail
    name: str

    def send(self, alert: Alert) -> None:
        """Hand the alert over; AlertFailed where that did not work."""
        ...
