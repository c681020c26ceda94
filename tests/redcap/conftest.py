"""Fixtures: a fake project behind ``responses``, and a source that reads it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses

from sync.config import SiteConfig, TransportConfig
from sync.ports.source import Source
from sync.redcap import changes
from sync.redcap.logbook import Logbook
from sync.redcap.source import open_source
from sync.redcap.transport import Paces
from sync.sandbox.sandbox import Sandbox
from tests.redcap import trial
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


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve six records with two rows each, and one with a third; a day has passed since."""
    with trial.serve() as running:
        for number in range(6):
            trial.enter(running, f"R{number}", f"person {number}")
            trial.enter(running, f"R{number}", f"{60 + number}", "day_arm_1")
        trial.enter(running, "R0", "rash", "adverse")
        running.clock.set(running.clock.local() + timedelta(hours=24))
        yield running


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Give a list whose acts are done at the next pull, after the log is read and before the lists are."""
    acts: list[Callable[[], None]] = []
    read_log = changes.read_log

    def then_act(*given: Any, **named: Any) -> Logbook:
        book = read_log(*given, **named)
        while acts:
            acts.pop(0)()
        return book

    monkeypatch.setattr(changes, "read_log", then_act)
    return acts
