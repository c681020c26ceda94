"""Serve the sandbox for its tests: one invented project of every shape, and the corpus where it is there."""

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import requests

from sync.sandbox.clock import ServerClock
from sync.sandbox.sandbox import Sandbox

HERE = Path(__file__).parent
CORPUS = HERE.parents[2] / "shared" / "corpus"
TOKEN = "A" * 32
SUPER = "5" * 64


class Client:
    """Post to one project the way a client library does, without any of their helpfulness."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.session = requests.Session()

    def post(self, **data: object) -> requests.Response:
        data.setdefault("format", "json")
        return self.session.post(self.url, data={"token": self.token, **data}, timeout=20)

    def records(self, **data: object) -> list[dict]:
        reply = self.post(content="record", type="flat", **data)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def error(self, **data: object) -> tuple[int, str]:
        reply = self.post(**data)
        return reply.status_code, reply.json()["error"]


@pytest.fixture
def invented_xml() -> str:
    """Read the invented project with events, repeats, groups, a survey, a file field and missing-data codes."""
    with (HERE / "invented.xml").open(encoding="utf-8", newline="") as file:
        return file.read()


@pytest.fixture
def sandbox(invented_xml: str) -> Iterator[Sandbox]:
    clock = ServerClock()
    clock.set(datetime(2026, 3, 2, 8, 30, 15), timezone="Asia/Shanghai")
    with Sandbox(clock=clock, super_token=SUPER) as served:
        served.add_project(invented_xml, slug="invented", token=TOKEN, project_id=17)
        served.start()
        yield served


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    made = Client(sandbox.start(), TOKEN)
    yield made
    made.session.close()
