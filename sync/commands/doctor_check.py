"""Hold the outcome of one precondition (`sync doctor`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Say whether one precondition holds, and what to do where it does not."""

    name: str
    site: str | None = None
    #: ok, warn or fail
    status: str = "ok"
    detail: str = ""
    remedy: str = ""
    #: the exit code that a failure leads to
    exit_code: int = 2
