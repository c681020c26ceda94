"""Logs are events with fields; tokens, cells and locals stay out of them. All names are invented."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from sync import telemetry
from sync.errors import SourceRefused
from sync.telemetry import Event

TOKEN = "0123456789abcdef0123456789ABCDEF"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_lines_carry_event_level_time_and_context(out: io.StringIO) -> None:
    telemetry.configure(form="json", stream=out)
    log = structlog.get_logger()
    with telemetry.about(site="north", run_id=7):
        log.info(Event.SITE_PULL_FINISHED, seconds=1.5, name_of_site="北")
    log.info(Event.RUN_FINISHED)
    first, second = lines(out)
    assert first["event"] == "site.pull.finished"
    assert (first["site"], first["run_id"], first["seconds"], first["name_of_site"]) == ("north", 7, 1.5, "北")
    assert first["level"] == "info"
    assert first["timestamp"].endswith("Z")
    assert "site" not in second


def test_debug_events_need_verbose(out: io.StringIO) -> None:
    telemetry.configure(form="json", stream=out)
    structlog.get_logger().debug("site.pull.batch")
    assert lines(out) == []
    telemetry.configure(form="json", stream=out, verbose=True)
    structlog.get_logger().debug("site.pull.batch")
    assert len(lines(out)) == 1


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_cells_and_frames_stay_out(out: io.StringIO, form: Any) -> None:
    telemetry.configure(form=form, stream=out)
    structlog.get_logger().warning(
        f"asked with {TOKEN}",
        token="short-secret",
        api_token_north="short-secret",
        value="Zhang San",
        rows=pl.DataFrame({"name": ["Zhang San"]}),
        reply={"name": "Zhang San"},
        cells=["Zhang San"],
        url=f"https://host/api/?token={TOKEN}",
        warehouse="postgresql+psycopg://user:short-secret@host/db",
        records=40,
    )
    text = out.getvalue()
    for secret in (TOKEN, "short-secret", "Zhang"):
        assert secret not in text
    assert "host/db" in text
    assert "40" in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_show_places_but_neither_locals_nor_foreign_messages(out: io.StringIO, form: Any) -> None:
    telemetry.configure(form=form, stream=out)
    log = structlog.get_logger()

    def parse(cell: str) -> None:
        name = "Zhang San"
        raise ValueError(f"cannot read {cell} of {name}")

    try:
        parse("secret cell")
    except ValueError:
        log.exception("site.failed")
    try:
        raise SourceRefused("ask the administrator for a token")
    except SourceRefused as error:
        log.error("site.failed", exc_info=error)
    text = out.getvalue()
    assert "Zhang" not in text
    assert "secret cell" not in text
    assert "ValueError" in text
    assert "test_telemetry.py" in text
    assert "parse" in text
    assert "ask the administrator for a token" in text


def test_other_packages_logs_pass_the_same_redaction(out: io.StringIO) -> None:
    telemetry.configure(form="json", stream=out)
    logging.getLogger("urllib3").info("not shown")
    logging.getLogger("urllib3").warning("retrying with %s", TOKEN)
    (line,) = lines(out)
    assert line["event"] == "retrying with [hidden]"


def test_a_standard_logger_with_a_traceback(out: io.StringIO) -> None:
    telemetry.configure(form="json", stream=out)
    try:
        raise KeyError("Zhang San")
    except KeyError:
        logging.getLogger("other").exception("failed")
    assert "Zhang" not in out.getvalue()
    assert lines(out)[0]["exception"][0]["type"] == "KeyError"


@given(
    token=st.from_regex(r"[0-9A-F]{32}|[0-9a-f]{64}", fullmatch=True),
    before=st.sampled_from(["", " ", "=", "token:", "/", '"']),
    after=st.sampled_from(["", " ", "&", ",", '"']),
)
def test_no_token_passes(token: str, before: str, after: str) -> None:
    event = telemetry.redact(None, "info", {"event": before + token + after, "place": before + token + after})
    assert token not in str(event)
