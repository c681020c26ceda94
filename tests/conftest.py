"""Keep tests apart from the machine they run on."""

import os
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

from tests import environment

# before polars is imported, and for every program that a test starts
os.environ |= environment.THREADS | {"PYTHONPATH": environment.PATHS}

# a busy machine is no failure; speed is measured in benchmarks/
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

pytest_plugins = ["tests.plugins.postgres"]


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """Leave structlog as it is before any set-up, whatever the test before did."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the machine says about configurations, proxies and tokens."""
    for name in list(os.environ):
        kept = name.startswith("SYNCLINE_TEST_") or name == "SYNCLINE_LONG"
        if (name.startswith("SYNCLINE_") and not kept) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long tests out unless they are asked for."""
    if os.environ.get("SYNCLINE_LONG"):
        return
    skip = pytest.mark.skip(reason="takes minutes; set SYNCLINE_LONG=1 to run it")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)
