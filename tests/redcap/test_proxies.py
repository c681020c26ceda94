"""The way through a proxy, and what is said where it ends there. Every user and password is made up."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import structlog

from sync import bootstrap
from sync.clock import SystemClock
from sync.config_transport import TransportConfig
from sync.errors import SourceUnavailable
from sync.ports.source import Source
from sync.redcap.failures import in_plain_words, may_pass
from sync.redcap.replies import ReplyFailed
from tests.redcap import proxies, trial
from tests.redcap.fake import TOKEN
from tests.redcap.proxies import Proxy
from tests.redcap.test_sockets import Server

Open = Callable[..., Source]
FAR = ("http://redcap.example.org/api/", "https://redcap.example.org/api/")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxies.serve() as running:
        yield running


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def failure(source: Open, url: str, proxy: str, **transport: float) -> SourceUnavailable:
    opened = source(url=url, proxy=proxy, own_clock=SystemClock(), **{"retries": 0, **transport})
    with pytest.raises(SourceUnavailable) as caught:
        opened.structure()
    assert not isinstance(caught.value, ReplyFailed)
    assert caught.value.exit_code == 3
    assert TOKEN not in str(caught.value)
    return caught.value


def test_a_proxy_that_wants_a_password_is_named_alike_for_http_and_https(source: Open, proxy: Proxy) -> None:
    proxy.login = "robot:made-up"
    plain, tunnel = (str(failure(source, url, proxy.url(), retries=4)) for url in FAR)
    assert len(proxy.asked) == 2  # each once: nobody gives the password meanwhile
    assert plain == tunnel
    assert "the proxy on the way to redcap.example.org" in plain
    assert "(status 407); check transport.proxy and the proxy's user and password" in plain


def test_behind_a_proxy_that_takes_the_password_it_is_the_server_whose_certificate_counts(
    tmp_path: Path, proxy: Proxy, server: Server
) -> None:
    server.speak_tls()
    proxy.login = "robot:made-up"
    app = configured(tmp_path, server.url, {"WAY_OUT": proxy.url(proxy.login)})
    opened = app.source(app.config.site("north"))
    with pytest.raises(SourceUnavailable, match=r"the certificate of 127\.0\.0\.1:"):
        opened.structure()
    assert (len(proxy.asked), server.connections) == (1, 1)


def test_a_proxy_that_leads_nowhere_is_named(source: Open, proxy: Proxy) -> None:
    proxy.refusal = 403
    assert "(status 403); check transport.proxy" in str(failure(source, FAR[1], proxy.url(), retries=4))
    assert len(proxy.asked) == 1


def test_a_proxy_that_is_busy_is_asked_again(source: Open, proxy: Proxy) -> None:
    proxy.refusal = 503
    assert "(status 503)" in str(failure(source, FAR[1], proxy.url(), retries=1))
    assert len(proxy.asked) == 2


def test_a_socks_proxy_without_its_package_is_named() -> None:
    missing = requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")
    named = in_plain_words(missing, "h", TransportConfig())
    assert "run pip install PySocks" in str(named)
    assert not may_pass(named)


def test_a_pull_goes_through_a_proxy(source: Open, proxy: Proxy) -> None:
    with trial.serve() as sandbox:
        trial.enter(sandbox, "R1", "someone")
        url = sandbox.start()
        assert source(url=url, proxy=proxy.url(), own_clock=SystemClock()).pull().records == 1
    assert set(proxy.asked) == {url}


def configured(folder: Path, url: str, environ: dict[str, str]) -> bootstrap.App:
    """Read a configuration whose proxy is named by a variable."""
    (folder / "config.toml").write_text(
        f"""
[transport]
proxy_env = "WAY_OUT"
[[sites]]
slug = "north"
name = "North Hospital"
subject_prefix = "NO"
url = "{url}"
allow_http = true
project_id = 17
token_env = "T_NORTH"
""",
        encoding="utf-8",
    )
    return bootstrap.build(None, {"T_NORTH": TOKEN} | environ, cwd=folder)


def test_a_proxy_that_wants_a_password_gets_it_from_a_variable_and_nothing_else_shows_it(
    tmp_path: Path, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy.login = "robot:s#cr/t"
    with trial.serve() as sandbox, structlog.testing.capture_logs() as logs:
        url = sandbox.start()
        app = configured(tmp_path, url, {"WAY_OUT": proxy.url("robot:s%23cr%2Ft")})
        source = app.source(app.config.site("north"))
        assert source.structure().project_id == 17
        assert set(proxy.asked) == {url}
        said = repr([logs, caplog.text, app, app.config, app.config.transport, source, vars(source)])
    for secret in ("s#cr/t", "s%23cr%2Ft"):
        assert secret not in said


def test_a_wrong_password_is_not_shown_either(tmp_path: Path, proxy: Proxy) -> None:
    proxy.login = "robot:made-up"
    for url in FAR:
        app = configured(tmp_path, url, {"WAY_OUT": proxy.url("robot:mistyped")})
        with pytest.raises(SourceUnavailable, match=r"\(transport\.proxy_env\)") as caught:
            app.source(app.config.site("north")).structure()
        assert "mistyped" not in str(caught.value)
