"""[transport]: how a proxy is named, and where its password comes from. Every user and password is made up."""

from pathlib import Path

import pytest

from sync.config_transport import TransportConfig, with_proxy
from sync.errors import ConfigError
from tests.config.test_config import SITE, problems

NAMED = TransportConfig(proxy_env="WAY_OUT")


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example.org:3128",
        "http://robot:s%23cret@proxy.example.org:3128/",
        "https://robot@proxy.example.org",
        "socks5h://robot:secret@[::1]:1080",
    ],
)
def test_a_variable_holds_the_whole_address_and_no_repr_shows_it(url: str) -> None:
    found = with_proxy(NAMED, {"WAY_OUT": f"{url}\n"})
    assert found.proxy == url
    assert url not in repr(found)
    assert found.retries == NAMED.retries


def test_without_a_variable_the_configuration_stays_as_it_is() -> None:
    plain = TransportConfig(proxy="http://proxy.example.org:3128")
    assert with_proxy(plain, {"HTTP_PROXY": "http://other.example.org"}) is plain


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is not set"),
        ("  ", "is not set"),
        ("s\u00e9cret", "is not a proxy's address"),
        ("ftp://robot:secret@proxy.example.org", "is not a proxy's address"),
        ("http://robot:secret@proxy.example.org:port", "is not a proxy's address"),
        ("http://robot:s#cret@proxy.example.org:3128", "special character of the password as %XX"),
        ("http://robot:s/cret@proxy.example.org:3128", "special character of the password as %XX"),
        ("http://robot:s?cret@proxy.example.org:3128", "special character of the password as %XX"),
        ("http://robot:%E5%AF%86cret@proxy.example.org:3128", "beyond Latin-1"),
    ],
)
def test_an_address_that_will_not_do_is_named_by_its_variable_never_shown(value: str | None, words: str) -> None:
    with pytest.raises(ConfigError, match=r"^transport\.proxy_env: environment variable WAY_OUT ") as caught:
        with_proxy(NAMED, {} if value is None else {"WAY_OUT": value})
    assert words in str(caught.value)
    assert "cret" not in str(caught.value)
    assert "robot" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('proxy = "http://robot:s3cret@proxy.example.org"', "transport.proxy", "name that with proxy_env"),
        ('proxy = "proxy.example.org:3128"', "transport.proxy", '"http://host:port"'),
        ('proxy_env = "http://robot:s3cret@proxy.example.org"', "transport.proxy_env", "not its value"),
        ('proxy = "http://a.example.org"\nproxy_env = "W"', "transport", "keep exactly one"),
    ],
)
def test_what_a_file_must_not_say(tmp_path: Path, text: str, key: str, words: str) -> None:
    (found,) = problems(tmp_path, f"[transport]\n{text}\n{SITE}")
    assert f": {key}: " in found
    assert words in found
    assert "s3cret" not in found
