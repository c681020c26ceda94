"""Name what can go wrong by what the caller should do about it.

Bad data are never an exception (they are findings) and a failed fetch is never an empty frame. Messages say what
the person should do next and hold no value and no token.
"""

import traceback
from collections.abc import Sequence
from pathlib import Path


class SyncError(Exception):
    """Stop the work on one site, or the program, with a message for a person."""

    #: the process's exit code (docs/reference/exit-codes)
    exit_code = 70
    #: the word that `sync run --json` and `sync status` show
    outcome = "failed"
    #: the code of a site in a run over several
    site_exit_code: int | None = None
    #: no other site can be worked on either, so that a command over several sites ends at once
    concerns_all = False


class ConfigError(SyncError):
    """Refuse to start: the configuration or the study is wrong. Lists every problem at once."""

    exit_code = 2
    concerns_all = True

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep all problems, each one line: place, what is wrong, remedy."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class SiteMisconfigured(ConfigError):
    """Leave this site out and go on: its mapping, or where its token is, is wrong. Lists every problem at once."""

    outcome = "refused"
    site_exit_code = 4
    concerns_all = False


class SourceUnavailable(SyncError):
    """Try again later: the site did not answer, or not with data (time-out, 5xx, HTML, truncated reply)."""

    exit_code = 3
    outcome = "unreachable"


class SourceRefused(SyncError):
    """Call a person: the site refused (token, rights)."""

    exit_code = 4
    outcome = "refused"


class SourceMismatch(SourceRefused):
    """Call a person: the site answers, but is not what the configuration says (project id, fields, drift)."""


class BrakeEngaged(SyncError):
    """Change nothing of this site until a person has looked (emptied site, mass deletion, mass change)."""

    exit_code = 5
    outcome = "braked"


class IllegalTransition(SyncError):
    """Refuse a query command that the query's state does not allow."""

    exit_code = 6


class StaleQuery(SyncError):
    """Refuse a query command that lost a race: the query changed since it was read."""

    exit_code = 6


class SiteLocked(SyncError):
    """Come back later: another run works on this site."""

    exit_code = 75
    outcome = "locked"


class Stopped(SyncError):
    """Begin again: the program was told to stop before this site was through."""

    exit_code = 75
    outcome = "stopped"


GRAVITY = (70, 2, 4, 5, 3, 75, 6, 1, 0)
"""Exit codes, gravest first; a run over several sites gives 70, 2, 4, 5, 3, 75 or 0."""


def code_at_site(error: SyncError) -> int:
    """Give the exit code of one site in a run over several: 4 for what is wrong here about this site alone."""
    return error.exit_code if error.site_exit_code is None else error.site_exit_code


def gravest(codes: Sequence[int]) -> int:
    """Choose the exit code of a run from those of its sites; 0 where there are none."""
    return min(codes, key=GRAVITY.index, default=0)


def place_of(error: BaseException) -> str:
    """Name file and line where an error arose; its text may hold values and is not for a log."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
