"""Read addresses, and tell when two of them are one.

Pure. An address can be written in several ways (RFC 3986, section 6.2): the case of scheme and host does not count,
nor does a port that is the scheme's own. Whatever is counted or shared by server goes by the forms given here.
"""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}


def split_url(url: str) -> SplitResult:
    """Split a URL; one without any part where it is malformed, its port included."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no port
    except ValueError:
        return urlsplit("")
    return parts


def host_of(url: str) -> str:
    """Name the server of a URL: its host in small letters, and the port where it is not the scheme's own.

    Without a user and a password; "" where the URL is malformed.
    """
    parts = split_url(url)
    host = (parts.hostname or "").removesuffix(".")
    named = f"[{host}]" if ":" in host else host
    return named if parts.port in (None, _PORTS.get(parts.scheme)) else f"{named}:{parts.port}"


def normal(url: str) -> str:
    """Write a URL in the one form that all spellings of it share, without a user and a password.

    The path is left as it is: its case may count. A malformed URL is given back unchanged.
    """
    parts = split_url(url)
    if not parts.hostname:
        return url
    return urlunsplit((parts.scheme, host_of(url), parts.path, parts.query, parts.fragment))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
