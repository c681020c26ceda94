"""Let several sites that share one project have one look at it together: the first fetches, the others wait.

Each site is served once by a look; who comes again (the next night) makes a new one. What each takes from it is its
own group's (``sync.redcap.delta``).
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from schemas.pull import Watermark
from sync.addresses import normal
from sync.config import SiteConfig
from sync.errors import SyncError
from sync.redcap.changes import Request, Sighting, columns_of, design_of

#: seconds after which a look is too old for a site that comes late, and a failure for one that did not wait for it
_OLDEST = 3600.0
_OLDEST_FAILURE = 60.0

Key = tuple[str, int, str]
"""Address, project and token: sites with the same three share."""


def key_of(site: SiteConfig, token: str) -> Key:
    """Give the key of a site's looks."""
    return (*_project_of(site), token)


def _project_of(site: SiteConfig) -> tuple[str, int]:
    """Name a site's project; by the normal form of its address, as two sites may spell it differently."""
    return normal(site.url), site.project_id


@dataclass(slots=True)
class _Look:
    """Hold one look at a project, or why it failed, and who was served by it."""

    request: Request
    at: float
    sighting: Sighting | None = None
    failure: SyncError | None = None
    served: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Project:
    lock: threading.Lock = field(default_factory=threading.Lock)
    last: _Look | None = None


class Shares:
    """Keep the latest look at each shared project, for as long as a site of it may still come."""

    def __init__(self, sites: Iterable[SiteConfig] = ()) -> None:
        """Name the sites that will come; a look is dropped when all of its project's have been served."""
        self._lock = threading.Lock()
        self._projects: dict[Key, _Project] = {}
        self._expected: dict[tuple[str, int], set[str]] = {}
        for site in sites:
            if site.enabled and site.group is not None:
                self._expected.setdefault(_project_of(site), set()).add(site.slug)

    def __repr__(self) -> str:
        """Name nothing: the keys hold tokens."""
        return "Shares()"

    def sighting(
        self, key: Key, site: str, request: Request, now: Callable[[], float], fetch: Callable[[], Sighting]
    ) -> tuple[Sighting, bool]:
        """Give a look at a project that answers ``request``, and whether it was made for this call.

        ``now``: seconds of a steady counter. A failed look fails all the sites that waited for it, each with an
        error of its own, and is repeated for none of them.
        """
        with self._lock:
            project = self._projects.setdefault(key, _Project())
        with project.lock:
            look = project.last
            if look is not None and site not in look.served and _answers(look, request, now()):
                look.served.add(site)
                self._drop_if_done(key, project, look)
                if look.failure is not None:
                    raise type(look.failure)(str(look.failure))
                if look.sighting is not None:
                    return look.sighting, False
            look = _Look(request=request, at=now(), served={site})
            project.last = look
            try:
                look.sighting = fetch()
            except SyncError as error:
                look.failure = type(error)(str(error))
                raise
            finally:
                look.at = now()
                self._drop_if_done(key, project, look)
            return look.sighting, True

    def _drop_if_done(self, key: Key, project: _Project, look: _Look) -> None:
        expected = self._expected.get(key[:2])
        if expected is not None and look.served >= expected:
            project.last = None


def _answers(look: _Look, request: Request, now: float) -> bool:
    """Say whether a look brought at least what is asked for."""
    if now - look.at > _OLDEST:
        return False
    if look.sighting is None:
        return look.failure is not None and now - look.at <= _OLDEST_FAILURE
    sighting, since = look.sighting, request.since
    if since is not None and sighting.watermark is not None and _moment(sighting.watermark) < _moment(since):
        return False  # the site was pulled since by another process: what it holds is newer than this look
    if sighting.complete:
        return True
    if since is None or request.full or look.request.begin is None or request.begin is None:
        return False
    if look.request.begin > request.begin or since.design != design_of(sighting.structure):
        return False
    return not sighting.rows.height or columns_of(sighting.rows, sighting.structure) == since.columns


def _moment(mark: Watermark) -> tuple[datetime, int]:
    return mark.at, mark.lines
