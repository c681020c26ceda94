"""Measure what a night costs after which little or nothing changed, against the first, full one.

The sandbox runs in a process of its own. Rows are what the server sent as records or as log entries, whatever for;
cells are what it filled in them, which is what REDCap's own data table has a row for; seconds are those of the whole
night: pull, judge, store, follow up. Nights of each kind run in turn, and their medians are compared; a full pull's
seconds are those of the first night or of later full ones, whichever are fewer. Run as ``python -m benchmarks.nights``.
"""

import argparse
import csv
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

import requests

from benchmarks import invent, program, timing
from benchmarks.canned import ROOT
from benchmarks.invent import Design
from sync.bootstrap import App
from sync.clock import SystemClock
from sync.redcap.transport import Transport
from sync.sandbox.sandbox import Sandbox

CHANGED_ROWS, CHANGED_TIME = 0.05, 0.10
UNCHANGED_ROWS, UNCHANGED_TIME = 0.03, 0.03
UNCHANGED_NIGHTS = 5


@dataclass(slots=True, kw_only=True)
class Served:
    """Count what the server sent during one night."""

    requests: int = 0
    rows: int = 0
    cells: int = 0
    bytes: int = 0
    #: bodies of records and log, counted when the night is over
    bodies: list[tuple[bool, bytes]] = field(default_factory=list)

    def count(self) -> None:
        """Count rows and filled cells of what came."""
        for is_csv, body in self.bodies:
            rows = list(csv.reader(io.StringIO(body.decode())))[1:] if is_csv else json.loads(body or b"[]")
            self.rows += len(rows)
            self.cells += sum(sum(cell != "" for cell in (row if is_csv else row.values())) for row in rows)
        self.bodies.clear()


@contextmanager
def counted() -> Iterator[Served]:
    """Count every reply that passes the transport."""
    served = Served()
    post = Transport.post

    @wraps(post)
    def counting(self: Transport, url: str, form: Any, **more: Any) -> Any:
        reply = post(self, url, form, **more)
        served.requests += 1
        served.bytes += len(reply.body)
        if form.get("content") in ("record", "log"):
            served.bodies.append((reply.content_type.startswith("text/csv"), reply.body))
        return reply

    with mock.patch.object(Transport, "post", counting):
        yield served


def change(url: str, design: Design, share: float, *, value: str) -> int:
    """Enter one cell anew in some records, over the API as a site's import would; count the records."""
    count = max(int(design.records * share), 1)
    step = design.records // count
    event = design.event_names[:1]
    rows = [
        {invent.RECORD_ID: str(number * step + 1), "field_1": value}
        | ({"redcap_event_name": event[0]} if event else {})
        for number in range(count)
    ]
    asked = {"token": invent.TOKEN, "content": "record", "action": "import", "format": "json", "type": "flat"}
    reply = requests.post(url, data=asked | {"data": json.dumps(rows)}, timeout=120)
    assert reply.status_code == 200, reply.text[:300]
    return count


class Server:
    """Hold the sandbox's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Wait until it serves."""
        self._process = process
        self.url = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ahead(self, hours: int) -> None:
        """Put its clock so many hours ahead."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{hours}\n")
        self._process.stdin.flush()
        assert self._line() == "set"


class Ahead(SystemClock):
    """Tell a time some hours ahead, so that nights are further apart than what each asks for again."""

    hours = 0

    def now(self) -> datetime:
        """Give the moment."""
        return super().now() + timedelta(hours=self.hours)


@contextmanager
def running(design: Design) -> Iterator[Server]:
    """Serve the project in another process."""
    sizes = [str(design.records), str(design.events), str(design.fields)]
    command = [sys.executable, "-m", "benchmarks.nights", "--serve", *sizes]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Server(process)
    finally:
        process.terminate()
        process.wait()


def serve(design: Design) -> None:
    """Serve until the parent ends; prints the address in one line, then takes hours by which the clock is ahead."""
    with Sandbox() as sandbox:
        invent.fill(sandbox, design)
        print(sandbox.start(), flush=True)
        for line in sys.stdin:
            sandbox.clock.set(SystemClock().now() + timedelta(hours=int(line)), frozen=False)
            print("set", flush=True)


def _night(app: App, title: str, *, full: bool) -> tuple[float, Served]:
    with counted() as served:
        begun = time.perf_counter()
        result = program.night(app, full=full)
        seconds = time.perf_counter() - begun
    served.count()
    kind = result.sites[0].kind
    counts = f"{served.requests:9}{served.rows:10}{served.cells:10}{served.bytes / 1e6:9.1f}"
    print(f"{title:28}{kind:12}{counts}{seconds:9.3f}")
    return seconds, served


def main() -> None:
    """Print the table and what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=8)
    parser.add_argument("--fields", type=int, default=18)
    parser.add_argument("--share", type=float, default=0.01, help="share of records that change")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument(
        "--rounds", type=int, default=3, help="full, changed and unchanged nights in turn; medians count"
    )
    parser.add_argument("--serve", nargs=3, type=int, metavar="N", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(Design(records=given.serve[0], events=given.serve[1], fields=given.serve[2]))
        return
    design = Design(records=given.records, events=given.events, fields=given.fields)
    with running(design) as server, tempfile.TemporaryDirectory() as folder:
        clock = Ahead()
        # the weekly full pull is not due before the measurement is over
        weekly = f"{clock.now() + timedelta(days=6):%a}".lower()
        app = program.build(Path(folder), server.url, batch=given.batch, clock=clock, weekly=weekly)

        def night(title: str, *, full: bool, after: int = 3) -> tuple[float, Served]:
            """Run a night, some hours after the one before; after 3, what that one saw is not asked for again."""
            clock.hours += after
            server.ahead(clock.hours)
            return _night(app, title, full=full)

        print(f"{'':28}{'kind':12}{'requests':>9}{'rows':>10}{'cells':>10}{'MB':>9}{'s':>9}")
        first, _ = night("first night", full=True)
        fulls, changes, unchanged = [], [], []
        for number in range(given.rounds):
            fulls.append(night("full night again", full=True))
            night("by watermark", full=False)
            change(server.url, design, given.share, value=str(77 + number))
            changes.append(night(f"{given.share:.0%} of records changed", full=False))
            night("overlap of that", full=False)
            night("overlap of nothing", full=False)
            unchanged += [night("nothing changed", full=False, after=1) for _ in range(UNCHANGED_NIGHTS)]
    full, changed, nothing = (statistics.median(seconds for seconds, _ in each) for each in (fulls, changes, unchanged))
    # a later full night also proves what stands, the first one finds nothing: the nights between are held to the lesser
    full = min(first, full)
    whole, some, none = (each[-1][1] for each in (fulls, changes, unchanged))
    timing.verdict("changed night, rows / full", some.rows / whole.rows, CHANGED_ROWS)
    timing.verdict("changed night, filled cells / full", some.cells / whole.cells, CHANGED_ROWS)
    timing.verdict("changed night, time / full", changed / full, CHANGED_TIME)
    timing.verdict("unchanged night, rows / full", none.rows / whole.rows, UNCHANGED_ROWS)
    timing.verdict("unchanged night, filled cells / full", none.cells / whole.cells, UNCHANGED_ROWS)
    timing.verdict("unchanged night, time / full", nothing / full, UNCHANGED_TIME)


if __name__ == "__main__":
    main()
