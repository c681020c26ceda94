"""The way through a proxy, and what is said where it ends there. Every user and password is made up."""

from collections.abc import Callable, Iterator

import pytest

from sync.clock import SystemClock
from sync.errors import SourceUnavailable
from sync.ports.source import Source
from sync.redcap.replies import ReplyFailed
from tests.redcap import proxies, trial
from tests.redcap.fake import TOKEN
from tests.redcap.proxies import Proxy

Open = Callable[..., Source]
FAR = ("http://redcap.example.org/api/", "https://redcap.example.org/api/")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxies.serve() as running:
        yield running


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


def test_a_proxy_that_leads_nowhere_is_named(source: Open, proxy: Proxy) -> None:
    proxy.refusal = 403
    assert "(status 403); check transport.proxy" in str(failure(source, FAR[1], proxy.url(), retries=4))
    assert len(proxy.asked) == 1


def test_a_proxy_that_is_busy_is_asked_again(source: Open, proxy: Proxy) -> None:
    proxy.refusal = 503
    assert "(status 503)" in str(failure(source, FAR[1], proxy.url(), retries=1))
    assert len(proxy.asked) == 2


def test_a_pull_goes_through_a_proxy(source: Open, proxy: Proxy) -> None:
    with trial.serve() as sandbox:
        trial.enter(sandbox, "R1", "someone")
        url = sandbox.start()
        assert source(url=url, proxy=proxy.url(), own_clock=SystemClock()).pull().records == 1
    assert set(proxy.asked) == {url}
