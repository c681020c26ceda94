"""Say who hears of trouble, and how."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import pydantic
from pydantic import Field

from sync.addresses import is_loopback
from sync.config_section import RelativePath, Section, Variable

_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


def _is_address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError('write a plain e-mail address, "name@host"')
    return value


def webhook_problem(url: str) -> str:
    """Say what is wrong with a webhook's address without showing it (it may be a secret); empty where it will do."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not host:
        return 'is not an address; write "https://host/path"'
    if parts.scheme == "http" and not is_loopback(host):
        return "goes in clear; use https://"
    return ""


Address = Annotated[str, pydantic.AfterValidator(_is_address)]


class AlertsConfig(Section):
    """Name the ways that an alert goes; each is optional, all that are given are taken."""

    #: program and arguments; gets the alert as JSON on stdin
    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    #: address that the alert is sent to as JSON; hidden from reprs, it may be a secret
    webhook: str | None = Field(default=None, repr=False)
    #: environment variable that holds the address, in place of ``webhook``
    webhook_env: Variable | None = None
    email_to: tuple[Address, ...] = ()
    email_from: Address | None = None
    smtp_host: str = Field(default="localhost", min_length=1)
    smtp_port: int = Field(default=25, ge=1, le=65535)
    #: "tls": from the first byte (port 465); "starttls": begins in clear (587); "none": this machine's own server
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_user: str | None = None
    #: environment variable that holds the password
    smtp_password_env: Variable | None = None
    #: systemd or Kubernetes credential that holds it
    smtp_password_credential: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]+$")
    #: page that an alert points to, e.g. the data managers' page
    link: str | None = Field(default=None, pattern=r"^https?://\S+$")
    #: seconds that each way may take
    timeout: float = Field(default=20, gt=0, le=300)
    #: hours before the same trouble is told again; below 24, so that a nightly run tells it once a day
    repeat_hours: float = Field(default=20, gt=0)
    #: remembers what was told
    state_file: RelativePath = Field(default=Path(".syncline-alerts.json"), validate_default=True)

    @pydantic.field_validator("webhook")
    @classmethod
    def _usable(cls, value: str | None) -> str | None:
        if value is not None and (problem := webhook_problem(value)):
            raise ValueError(problem)
        return value

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "AlertsConfig":
        passwords = [each for each in (self.smtp_password_env, self.smtp_password_credential) if each]
        if self.webhook and self.webhook_env:
            raise ValueError("webhook and webhook_env are both given; keep exactly one")
        if self.email_to and not self.email_from:
            raise ValueError("email_from is missing; name the sender that your mail server accepts")
        if len(passwords) > 1:
            raise ValueError("smtp_password_env and smtp_password_credential are both given; keep exactly one")
        if bool(passwords) != bool(self.smtp_user):
            raise ValueError("smtp_user and the source of its password belong together; give both or neither")
        if self.smtp_user and self.smtp_security == "none" and not is_loopback(self.smtp_host):
            raise ValueError('the password would go in clear; set smtp_security = "starttls" or "tls"')
        return self
