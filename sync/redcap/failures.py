"""Word the failures of a connection, without the failures' own texts: those can hold addresses, headers and forms."""

import re

import requests
import urllib3

from sync.config_transport import TransportConfig
from sync.errors import SourceUnavailable
from sync.redcap.replies import RETRIED_STATUSES, Reply, ReplyFailed, is_passing

PROXY_WANTS_PASSWORD = 407
"""The status with which a proxy, and no server, asks for a user and a password (RFC 9110, section 15.5.8)."""

#: how http.client words a proxy's refusal to lead on to a server
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")

#: how ssl and urllib3 word a certificate that is not trusted, has run out, or is another host's
_UNVERIFIED = re.compile(r"CERTIFICATE_VERIFY_FAILED|CertificateError")


class WayBlocked(SourceUnavailable):
    """Have the way put right before anything is asked again: its certificate, its proxy or its address is wrong."""


class TooLarge(ReplyFailed):
    """Ask for less at once: the same request would bring as much again."""


def may_pass(outcome: Reply | SourceUnavailable) -> bool:
    """Tell whether the same request may do better a little later, though nobody does anything about it."""
    if isinstance(outcome, Reply):
        return is_passing(outcome)
    return not isinstance(outcome, WayBlocked | TooLarge)


def in_plain_words(error: Exception, host: str, config: TransportConfig) -> SourceUnavailable:
    """Name what an exception of requests, urllib3 or a socket means.

    WayBlocked where the same request would only fail again, ReplyFailed where one for less may succeed.
    """
    chain = f"{error!r} {error.__context__!r}"
    if _UNVERIFIED.search(chain):
        whose = "the proxy" if isinstance(error, requests.exceptions.ProxyError) else host
        return WayBlocked(
            f"the certificate of {whose} cannot be verified; give the hospital's authority as transport.ca_bundle,"
            " or ask the site's REDCap administrator"
        )
    if isinstance(error, requests.exceptions.ProxyError):
        refusal = _TUNNEL.search(chain)
        return refused_by_proxy(host, int(refusal[1]) if refusal else None)
    if isinstance(error, requests.exceptions.SSLError):
        return SourceUnavailable(
            f"the encrypted connection to {host} broke before a reply began; check the site's url and its port, try"
            " again later"
        )
    if "NameResolution" in chain or "getaddrinfo" in chain:
        return SourceUnavailable(
            f"there is no host {host}; correct the site's url in the configuration, or check the network"
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return SourceUnavailable(
            f"{host} did not take the connection within {config.connect_timeout:g} seconds; check the network and"
            " the firewall, try again later"
        )
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return ReplyFailed(
            f"{host} sent nothing for {config.read_timeout:g} seconds (transport.read_timeout); try again later, or"
            " lower transport.batch_records"
        )
    if "refused" in chain:
        return SourceUnavailable(f"{host} refuses connections; check the site's url and the firewall, try again later")
    if isinstance(error, requests.exceptions.InvalidSchema):  # the schemes of proxies and sites are checked before
        return WayBlocked(
            "a SOCKS proxy needs the package PySocks, which is not installed; run pip install PySocks, or name an http"
            " proxy in transport.proxy"
        )
    if isinstance(error, FileNotFoundError | requests.exceptions.InvalidURL) or "CA certificate" in chain:
        return WayBlocked("transport.ca_bundle or the site's url is not usable; correct the configuration")
    return ReplyFailed(f"the connection to {host} broke before the reply was complete; try again later")


def refused_by_proxy(host: str, status: int | None) -> SourceUnavailable:
    """Name a proxy's refusal, which comes before (https) or in place of (http) the server's reply; None: no status."""
    if status == PROXY_WANTS_PASSWORD:
        return WayBlocked(
            f"the proxy on the way to {host} does not accept its user and password, or was given none (status"
            f" {status}); check transport.proxy and the proxy's user and password (transport.proxy_env)"
        )
    said = f" (status {status})" if status else ""
    kind = SourceUnavailable if status is None or status in RETRIED_STATUSES else WayBlocked
    return kind(
        f"the proxy does not let the request through to {host}{said}; check transport.proxy, and that the proxy runs"
        " and admits this machine"
    )


def too_slow(host: str, config: TransportConfig) -> ReplyFailed:
    """Name a reply that was not complete at the deadline."""
    return ReplyFailed(
        f"{host} did not finish answering within {config.deadline:g} seconds (transport.deadline); try again later,"
        " or lower transport.batch_records"
    )


def too_large(host: str, config: TransportConfig) -> TooLarge:
    """Name a reply that was cut at the limit."""
    return TooLarge(
        f"{host} sent more than {config.max_bytes} bytes in one reply; lower transport.batch_records, or raise"
        " transport.max_bytes"
    )
