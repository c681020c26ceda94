"""Carry one request to a server and one complete reply back.

Time-outs of requests and urllib3 hold for a single wait, so a server that trickles keeps them content for hours;
here one deadline spans attempts, pauses and the reading of the body, whose size is bounded too, and an allowance all
requests of one pull. Attempts are repeated only where the caller says that asking twice does no harm, and where the
trouble may pass by itself.
"""

import math
import random
import socket
import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlencode

import requests
import structlog
import urllib3
from urllib3.util.retry import Retry

from sync.addresses import host_of
from sync.config_transport import TransportConfig
from sync.errors import SourceUnavailable
from sync.ports.clock import Clock
from sync.redcap.allowance import Allowance, PullTooLong
from sync.redcap.circuit import Circuits
from sync.redcap.failures import (
    PROXY_WANTS_PASSWORD,
    TooLarge,
    in_plain_words,
    may_pass,
    refused_by_proxy,
    too_large,
    too_slow,
)
from sync.redcap.replies import Reply, ReplyFailed, is_passing, pause_asked_for
from sync.redcap.stopping import Aside, StoppableClock
from sync.telemetry import Event

_CHUNK = 256 * 1024
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

log = structlog.get_logger()


class Paces:
    """Keep requests to one host under a limit, over all projects and threads that ask it."""

    def __init__(self) -> None:
        """Begin with no host asked yet."""
        self._lock = threading.Lock()
        self._sent: dict[str, deque[float]] = {}

    def wait(self, host: str, *, per_minute: int, clock: Clock, ends: float = math.inf) -> bool:
        """Return True when one more request to ``host`` keeps to ``per_minute`` in any 60 seconds.

        False, at once, where that is no earlier than ``ends`` on the clock's counter.
        """
        while pause := self._claim(host, per_minute, clock.monotonic()):
            if clock.monotonic() + pause >= ends:
                return False
            clock.sleep(pause)
        return True

    def _claim(self, host: str, per_minute: int, now: float) -> float:
        """Take a place and give 0, or give the seconds until one may be free."""
        with self._lock:
            sent = self._sent.setdefault(host, deque())
            while sent and now - sent[0] >= 60:
                sent.popleft()
            if len(sent) >= per_minute:
                return max(60 - (now - sent[0]), 0.001)
            sent.append(now)
            return 0.0


class Transport:
    """Post forms to one server."""

    def __init__(
        self,
        config: TransportConfig,
        clock: Clock,
        paces: Paces,
        circuits: Circuits,
        *,
        stop: threading.Event | None = None,
    ) -> None:
        """Prepare a session of its own: no cookies, no .netrc, no proxy but the configured one.

        Once ``stop`` is set every request, also one that is under way, ends with Stopped.
        """
        self._config = config
        self._aside = None if stop is None else Aside(stop)
        self._clock = clock if stop is None else StoppableClock(clock, stop)
        self._paces = paces
        self._circuits = circuits
        self._session = requests.Session()
        self._prepared: dict[str, requests.PreparedRequest] = {}
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = "syncline"
        self._session.verify = str(config.ca_bundle) if config.ca_bundle else True
        if config.proxy:
            self._session.proxies = {"http": config.proxy, "https": config.proxy}

    def seconds(self) -> float:
        """Give the seconds of the steady counter that requests are timed by."""
        return self._clock.monotonic()

    def post(self, url: str, form: Mapping[str, str], *, retries: int, allowance: Allowance | None = None) -> Reply:
        """Send a form and read the whole reply, whatever its status.

        ``retries`` further attempts follow a failure that may pass (``failures.may_pass``), with growing pauses; 0 for
        whatever must not happen twice. ``allowance``: the time of the pull that the request belongs to; nothing is
        sent, waited for or read beyond it. Raises SourceUnavailable where no reply came (WayBlocked where none can),
        ReplyFailed where it came too slowly or cut (TooLarge where it is too large); SourceUnavailable at once where
        the host is left alone for a while, PullTooLong where the allowance is used up.
        """
        host = host_of(url)
        allowance = allowance or Allowance(self._config, self._clock)
        if allowance.is_over():
            raise allowance.exceeded(host)
        self._circuits.check(host, self._clock.monotonic())
        log.debug(Event.SITE_REQUEST, host=host, content=form.get("content"), fields=len(form))
        try:
            reply = self._repeated(url, form, host, retries, allowance)
        except PullTooLong:
            raise
        except TooLarge:
            self._circuits.answered(host)
            raise
        except SourceUnavailable as failure:
            is_unreachable = not isinstance(failure, ReplyFailed)
            self._circuits.failed(host, self._clock.monotonic(), is_unreachable=is_unreachable)
            raise
        if is_passing(reply):
            self._circuits.failed(host, self._clock.monotonic(), is_unreachable=False)
        else:
            self._circuits.answered(host)
        return reply

    def _repeated(self, url: str, form: Mapping[str, str], host: str, retries: int, allowance: Allowance) -> Reply:
        """Try until a reply comes that is worth reading, or nothing is left of tries or time."""
        ends = min(self._clock.monotonic() + self._config.deadline, allowance.ends())
        plan = Retry(total=retries, backoff_factor=0.5, backoff_jitter=0.5, backoff_max=60, allowed_methods=None)
        while True:
            is_free = self._paces.wait(
                host, per_minute=self._config.requests_per_minute, clock=self._clock, ends=allowance.ends()
            )
            if not is_free:
                raise allowance.exceeded(host)
            outcome = self._unless_stopped(url, form, host, ends)
            if not isinstance(outcome, Reply) and allowance.is_over():
                self._circuits.failed(host, self._clock.monotonic(), is_unreachable=False)
                raise allowance.exceeded(host)
            if plan.total and may_pass(outcome):
                # the exception is made up: an original one can hold the address with its parameters
                plan = plan.increment("POST", "/", error=urllib3.exceptions.ProtocolError())
                pause = _pause(plan, outcome, self._clock.now())
                if self._clock.monotonic() + pause < ends:
                    reason = f"status {outcome.status}" if isinstance(outcome, Reply) else type(outcome).__name__
                    log.info(Event.SITE_REQUEST_RETRIED, host=host, reason=reason, pause=round(pause, 2))
                    self._clock.sleep(pause)
                    continue
            if isinstance(outcome, Reply):
                return outcome
            raise outcome

    def _unless_stopped(self, url: str, form: Mapping[str, str], host: str, ends: float) -> Reply | SourceUnavailable:
        if self._aside is None:
            return self._attempt(url, form, host, ends)
        return self._aside.do(lambda: self._attempt(url, form, host, ends))

    def _attempt(self, url: str, form: Mapping[str, str], host: str, ends: float) -> Reply | SourceUnavailable:
        """Try once; the reply, or the failure in plain words (raised by none: the original would hold the form)."""
        left = max(ends - self._clock.monotonic(), 0.001)
        try:
            with self._session.send(
                self._filled(url, form),
                timeout=(min(self._config.connect_timeout, left), min(self._config.read_timeout, left)),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code == PROXY_WANTS_PASSWORD:  # to plain http a proxy answers as a server would
                    return refused_by_proxy(host, response.status_code)
                body = self._read(response, host, ends)
                headers = response.headers
                return Reply(
                    host=host,
                    status=response.status_code,
                    content_type=headers.get("Content-Type", "").lower(),
                    body=body,
                    framed="Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", ""),
                    location=headers.get("Location", ""),
                    retry_after=headers.get("Retry-After", ""),
                    date=headers.get("Date", ""),
                )
        except SourceUnavailable as failure:
            return failure
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            is_late = self._clock.monotonic() >= ends
            return too_slow(host, self._config) if is_late else in_plain_words(error, host, self._config)

    def _filled(self, url: str, form: Mapping[str, str]) -> requests.PreparedRequest:
        """Make the request of a form; what all requests to one address have in common is prepared once."""
        if url not in self._prepared:
            self._prepared[url] = self._session.prepare_request(requests.Request("POST", url, headers=_FORM))
        request = self._prepared[url].copy()
        request.body = urlencode(form).encode("ascii")
        request.headers["Content-Length"] = str(len(request.body))
        return request

    def _read(self, response: requests.Response, host: str, ends: float) -> bytes:
        """Read the body within the deadline and the size limit; a wait for bytes ends with either time."""
        parts: list[bytes] = []
        size = 0
        while True:
            left = ends - self._clock.monotonic()
            if left < 0:
                raise too_slow(host, self._config)
            _wait_at_most(response, min(self._config.read_timeout, max(left, 0.001)))
            part = response.raw.read1(_CHUNK, decode_content=True)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > self._config.max_bytes:
                raise too_large(host, self._config)


def _wait_at_most(response: requests.Response, seconds: float) -> None:
    """Bound the next wait for bytes of a reply; the bound that requests takes stays as it was when the reply began.

    The socket is reached by names that urllib3 and http.client do not promise; without them that first bound holds.
    """
    reader = getattr(getattr(response.raw, "_fp", None), "fp", None)
    connection = getattr(getattr(reader, "raw", None), "_sock", None)
    if isinstance(connection, socket.socket):
        connection.settimeout(seconds)


def _pause(plan: Retry, outcome: Reply | SourceUnavailable, now: datetime) -> float:
    """Give the seconds before the next attempt: what the server asked for, else growing ones."""
    asked = pause_asked_for(outcome, now) if isinstance(outcome, Reply) else None
    if asked is not None:
        return asked + random.random()  # noqa: S311  spreads sites, guards nothing
    return plan.get_backoff_time() or random.uniform(0.1, 0.5)  # noqa: S311  likewise
