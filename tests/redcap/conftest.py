"""Fixtures: a fake project behind ``responses``, and a source that reads it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from sync.config import SiteConfig, TransportConfig
from sync.ports.source import Source
from sync.redcap.source import open_source
from sync.redcap.transport import Paces
from tests.redcap.fake import TOKEN, URL, FakeClock, FakeProject


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def project() -> Iterator[FakeProject]:
    fake = FakeProject()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback(responses.POST, URL, callback=fake.answer)
        yield fake


@pytest.fixture
def source(clock: FakeClock) -> Callable[..., Source]:
    """Open a source; keywords go to the transport, except ``group``, ``token`` and ``url``."""

    def build(
        *, group: str | None = None, token: str = TOKEN, url: str = URL, own_clock: Any = None, **transport: Any
    ) -> Source:
        site = SiteConfig(
            slug="north", name="N", subject_prefix="NO", url=url, project_id=17, token_env="T", group=group
        )
        return open_source(site, token, TransportConfig(**transport), own_clock or clock, paces=Paces())

    return build
