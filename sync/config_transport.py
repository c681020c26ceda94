"""Say how the sites' servers are reached.

The password of a proxy is never a value in the file: its address is named, and ``with_proxy`` fetches it where and when
it is needed.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import pydantic
from pydantic import Field, ValidationInfo

from sync.addresses import split_url
from sync.config_section import RelativePath, Section, Variable
from sync.errors import ConfigError


class TransportConfig(Section):
    """Say how the sites' servers are reached."""

    #: "http://proxy:3128"; without it none is used, whatever the environment says. Hidden from reprs: ``with_proxy``
    #: puts here what the variable holds
    proxy: str | None = Field(default=None, repr=False)
    #: environment variable that holds the address, in place of ``proxy``: where it has a user and a password
    proxy_env: Variable | None = None
    #: PEM file of the authorities that sign the servers' certificates; None: the public ones
    ca_bundle: RelativePath | None = None
    #: seconds until a connection stands
    connect_timeout: float = Field(default=10, gt=0)
    #: seconds without a byte
    read_timeout: float = Field(default=120, gt=0)
    #: seconds for one request as a whole, retries and pauses included
    deadline: float = Field(default=600, gt=0)
    #: seconds for one whole pull of a site, all its requests and pauses together
    pull_deadline_seconds: float = Field(default=7200, gt=0)
    #: records asked for in one request; halved when a server cannot manage
    batch_records: int = Field(default=100, ge=1)
    #: further attempts after a failure that may pass by itself
    retries: int = Field(default=4, ge=0, le=20)
    #: bytes of one reply, unpacked
    max_bytes: int = Field(default=256 * 1024**2, ge=1024)
    #: per host, shared by its projects; REDCap bans the address of who asks too often
    requests_per_minute: int = Field(default=300, ge=1)

    @pydantic.field_validator("ca_bundle")
    @classmethod
    def _holds_authorities(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        """See that the file can be used, where a configuration file names it: else every site would be unreachable."""
        if value is not None and info.context:
            try:
                ssl.create_default_context(cafile=str(value))
            except ssl.SSLError:
                raise ValueError(
                    "the file holds no certificate in PEM form; ask for the authority's, with BEGIN CERTIFICATE"
                ) from None
            except OSError as error:
                raise ValueError(
                    f"the file cannot be read ({error.strerror}); correct the path or its rights"
                ) from None
        return value

    @pydantic.field_validator("proxy")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value is not None:
            parts = split_url(value)
            if parts.username or parts.password:
                raise ValueError(
                    "holds a user or a password; put the whole address into an environment variable, and name that with"
                    " proxy_env"
                )
            if problem := _proxy_problem(value):
                raise ValueError(problem)
        return value

    @pydantic.model_validator(mode="after")
    def _is_given_once(self) -> "TransportConfig":
        if self.proxy is not None and self.proxy_env is not None:
            raise ValueError("proxy and proxy_env are both given; keep exactly one")
        return self


def with_proxy(config: TransportConfig, environ: Mapping[str, str]) -> TransportConfig:
    """Fetch the proxy's address from where ``proxy_env`` says it is; the same configuration where it says nothing.

    ConfigError where the variable is not set or holds no such address; the message names the variable, never the value.
    """
    if config.proxy_env is None:
        return config
    url = environ.get(config.proxy_env, "").strip()
    problem = _proxy_problem(url) if url else "is not set; set it for the user who runs the program"
    if problem:
        raise ConfigError([f"transport.proxy_env: environment variable {config.proxy_env} {problem}"])
    return config.model_copy(update={"proxy": url})


def _proxy_problem(url: str) -> str:
    """Say what is wrong with a proxy's address without showing it; empty where it will do."""
    parts = split_url(url)
    is_address = parts.scheme in ("http", "https", "socks5", "socks5h") and parts.hostname
    if not is_address or parts.path not in ("", "/") or parts.query or parts.fragment:
        # a "#" or "/" in a password that is not encoded would end the address before its host
        return (
            'is not a proxy\'s address; write "http://host:port", or "http://user:password@host:port" with each special'
            " character of the password as %XX"
        )
    try:
        f"{unquote(parts.username or '')}{unquote(parts.password or '')}".encode("latin-1")
    except UnicodeEncodeError:
        pass  # its text would show the password
    else:
        return ""
    return "holds a user or a password with characters beyond Latin-1, which no proxy is sent; have another one set"
