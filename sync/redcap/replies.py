"""Tell a reply that holds data from one that holds trouble, and say in plain words what to do about it.

Pure. REDCap and what stands before it (proxies, sign-on pages, maintenance pages) answer trouble in many ways, often
with status 200; only what is recognised as data passes. Server texts are quoted only where they are known to hold
neither values nor secrets.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from sync.errors import SourceRefused, SourceUnavailable, SyncError

#: what was asked for -> the content type that must come; "text" (content=version) is labelled freely by servers
CONTENT_TYPES = {"json": "application/json", "csv": "text/csv"}

#: statuses after which the same request may succeed a little later
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

_ADMIN = "if it happens again, tell the site's REDCap administrator"
_FEWER = "lower transport.batch_records, or ask the site's REDCap administrator"

_MEMORY = re.compile(r"ran out of (?:server )?memory|allowed memory size", re.IGNORECASE)
_BANNED = re.compile(r"banned due to suspected abuse", re.IGNORECASE)
_NO_DATABASE = re.compile(r"could not connect", re.IGNORECASE)
_NO_TOKEN = re.compile(r"permissions? to use the API", re.IGNORECASE)
_PRIVILEGE = re.compile(r"\bprivileges?\b", re.IGNORECASE)
_NOTHING = re.compile(r"^You cannot export ")
_MARKUP = re.compile(r"\s*<(?!\?xml)", re.IGNORECASE)
_XML_ERROR = re.compile(r"<error>(.*?)</error>", re.DOTALL)
_QUOTABLE = re.compile(
    r"^(?:You do not have |You cannot export |Insufficient user privileges|The value of the parameter |"
    r"The following values in the parameter \"?(?:fields|forms|events|content)\"? )"
)


class ReplyFailed(SourceUnavailable):
    """Try again, perhaps with fewer records: the server tried this request and did not manage it."""


class EndUnknown(ReplyFailed):
    """Ask in a form that shows its own end: a table came without a length, so a cut would not be seen."""


class NothingToExport(SourceRefused):
    """Take it as "none": the project has nothing of the kind that was asked for (no arms, no repeating forms)."""


class TokenRefused(SourceRefused):
    """Call a person: the token itself is not accepted, whatever is asked for."""


class RightMissing(SourceRefused):
    """Do without, or call a person: the token is valid, but its user lacks the right to this kind of export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Hold one complete HTTP reply."""

    #: host (and port) that was asked
    host: str
    status: int
    content_type: str
    body: bytes
    #: its length was announced, so that a cut is noticed by the transport
    framed: bool = True
    #: target of a redirection, else ""
    location: str = ""
    #: the server's Retry-After header, else ""
    retry_after: str = ""
    #: the server's Date header, else ""
    date: str = ""


def is_passing(reply: Reply) -> bool:
    """Tell whether a reply is trouble after which the same request may succeed a little later.

    REDCap's message that the request was too large for it is none: asking again alike would not help.
    """
    return reply.status in RETRIED_STATUSES and _MEMORY.search(_beginning(reply)) is None


def http_time(header: str) -> datetime | None:
    """Read a time that a header gives (RFC 9110, section 5.6.7), aware; None where it is none."""
    try:
        time = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def pause_asked_for(reply: Reply, now: datetime) -> float | None:
    """Give the seconds that Retry-After asks to wait, written as such or as a date (RFC 9110, section 10.2.3).

    A date counts from the reply's own Date, as the server's clock may be wrong, and from ``now`` (aware) where there is
    none; one that is past gives 0. None where nothing is asked for that can be read.
    """
    asked = reply.retry_after.strip()
    if re.fullmatch(r"[0-9]+", asked):
        return float(asked)
    until = http_time(asked)
    return None if until is None else max((until - (http_time(reply.date) or now)).total_seconds(), 0.0)


def text_of(reply: Reply, expects: str) -> str:
    """Give the text of a reply that holds what was asked for (``expects``: json, csv or text).

    An empty text passes for csv only (some servers answer "no rows" so). Raises SourceUnavailable, ReplyFailed,
    SourceRefused, TokenRefused, RightMissing or NothingToExport otherwise.
    """
    trouble = _trouble(reply, expects)
    if trouble is not None:
        raise trouble
    try:
        return reply.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = error.start
    raise ReplyFailed(f"{reply.host} sent bytes that are not UTF-8 (at byte {place}); {_ADMIN}")


def _trouble(reply: Reply, expects: str) -> SyncError | None:
    """Name what is wrong with a reply; None where it holds data."""
    host, status, text = reply.host, reply.status, _beginning(reply)
    message = _error_message(reply)
    if message is None and _looks_like_data(reply, expects, text):
        if text.strip() or expects == "csv":
            return None
        return ReplyFailed(f"{host} sent an empty reply; try again later, {_ADMIN}")
    if _BANNED.search(text):
        return SourceUnavailable(
            f"{host} has banned this machine's address for asking too often; ask the site's REDCap administrator"
            " to lift the ban, and lower transport.requests_per_minute"
        )
    if _MEMORY.search(text):
        return ReplyFailed(f"{host} ran out of memory over this request; {_FEWER}")
    if _NO_DATABASE.search(text):
        return SourceUnavailable(f"{host} cannot reach its own database; try again later, {_ADMIN}")
    # 501 is REDCap's word for a method that it does not offer
    if 400 <= status < 500 or (message is not None and (status < 500 or status == 501)):
        return _refusal(host, status, message or "")
    if 300 <= status < 400:
        target = urlsplit(reply.location)
        return SourceUnavailable(
            f"{host} sends on to {target.scheme or 'http'}://{target.hostname or host} instead of answering;"
            " correct the site's url in the configuration"
        )
    if status == 503:
        return SourceUnavailable(f"{host} is not available (status 503, often maintenance); try again later")
    if status >= 500:
        return ReplyFailed(f"{host} failed (status {status}); try again later, {_ADMIN}")
    return _not_data(reply, expects, text)


def _looks_like_data(reply: Reply, expects: str, text: str) -> bool:
    """Say whether status, label and beginning are those of data, so that no word inside a cell is taken for trouble."""
    if reply.status != 200 or _MARKUP.match(text):
        return False
    if expects == "text":
        return len(reply.body) < 100
    if text.strip() and not reply.content_type.startswith(CONTENT_TYPES[expects]):
        return False
    if expects == "json":
        return not text.strip() or text.lstrip()[0] in "[{"
    first_line = text.lstrip().partition("\n")[0]
    return not any(sign.search(first_line) for sign in (_BANNED, _MEMORY, _NO_DATABASE))


def _not_data(reply: Reply, expects: str, text: str) -> SyncError:
    """Name a reply with a good status, no error message and no data."""
    host = reply.host
    if _MARKUP.match(text) or "html" in reply.content_type:
        return SourceUnavailable(
            f"{host} sent a web page instead of data (a sign-on, maintenance or error page); open the site's REDCap"
            " in a browser to see which, and check the site's url in the configuration"
        )
    if not text.strip():
        return ReplyFailed(f"{host} sent an empty reply; try again later, {_ADMIN}")
    if reply.status != 200:
        return SourceUnavailable(f"{host} answered with the unexpected status {reply.status}; {_ADMIN}")
    return SourceUnavailable(
        f"{host} sent {_plain_type(reply.content_type)} where {CONTENT_TYPES.get(expects, 'a version')} was asked"
        " for; check that the site's url leads to a REDCap API"
    )


def _refusal(host: str, status: int, message: str) -> SyncError:
    """Name the refusal that a 4xx status or an error message means."""
    if _NO_TOKEN.search(message):
        return TokenRefused(
            f"{host} does not accept the token: it is unknown, or was revoked with its owner's rights; ask the site's"
            " REDCap administrator for a valid one with the API Export right"
        )
    if _NOTHING.match(message):
        return NothingToExport(f"{host} has nothing of this kind to export: {message[:200]}")
    if not message and status in (404, 405, 410, 501):
        return SourceUnavailable(
            f"{host} has no REDCap API at the configured address (status {status}); correct the site's url in the"
            " configuration"
        )
    if not message and status in (408, 413, 429):
        return ReplyFailed(f"{host} turned this request away (status {status}); {_FEWER}")
    quoted = f": {message[:200]}" if _QUOTABLE.match(message) else ""
    kind = RightMissing if _PRIVILEGE.search(message) else SourceRefused
    return kind(
        f"{host} refused the request (status {status}){quoted}; ask the site's REDCap administrator to check the"
        " rights of the token's user"
    )


def _error_message(reply: Reply) -> str | None:
    """Find REDCap's own error message in any of its three forms; None where the reply is none."""
    text = _beginning(reply).strip()
    if text[:6].lower() == "error:":
        return text[6:].strip()
    if text.startswith('{"error"'):
        try:
            found = json.loads(reply.body).get("error")
        except ValueError:
            return ""
        return found if isinstance(found, str) else ""
    if text.startswith(("<?xml", "<hash")) and (match := _XML_ERROR.search(text)):
        return match.group(1).strip()
    return None


def _beginning(reply: Reply) -> str:
    """Read as much of the body as trouble needs; a fatal-error page puts REDCap's message after some markup."""
    return reply.body[:8192].decode("utf-8", errors="replace").lstrip("\ufeff")


def _plain_type(content_type: str) -> str:
    word = content_type.partition(";")[0].strip()
    return word if re.fullmatch(r"[\w.+-]+/[\w.+-]+", word) else "something unlabelled"
