"""Send an alert by e-mail."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Literal

import structlog

from sync.alerts import wording
from sync.ports.alerts import Alert, AlertFailed

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Say how the mail server is reached."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None


class Mail:
    """Send one letter to all recipients; counts, standing sentences and a link, never a reason or a value."""

    name = "e-mail"

    def __init__(self, server: MailServer, *, sender: str, recipients: Sequence[str], timeout: float) -> None:
        """Take the server, the sender's address and the recipients'."""
        self._server = server
        self._sender = sender
        self._recipients = list(recipients)
        self._timeout = timeout

    def send(self, alert: Alert) -> None:
        """Hand the letter to the mail server; failed where it refuses every recipient, a warning where some."""
        try:
            with self._connect() as smtp:
                if self._server.security == "starttls":
                    smtp.starttls(context=self._context())
                if self._server.user and self._server.password:
                    smtp.login(self._server.user, self._server.password)
                refused = smtp.send_message(self._letter(alert), self._sender, self._recipients)
        except smtplib.SMTPResponseException as error:
            raise AlertFailed(f"the mail server answered with {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise AlertFailed(f"the mail server could not be used ({type(error).__name__})") from None
        if refused:
            # the others have it: a failure would send it to them again after the next run
            log.warning("alerts.recipients.refused", refused=len(refused), recipients=len(self._recipients))

    def _letter(self, alert: Alert) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = wording.summary(alert)
        letter["From"] = self._sender
        letter["To"] = ", ".join(self._recipients)
        letter["Date"] = format_datetime(alert.at)
        letter["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(wording.letter(alert))
        return letter

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=self._context())
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout)

    def _context(self) -> ssl.SSLContext:
        bundle = self._server.ca_bundle
        return ssl.create_default_context(cafile=str(bundle) if bundle else None)
