"""Measure a full pull, judged and stored into SQLite, against the bare floor beside it, or its memory.

The floor reads the same replies over HTTP, parses them with polars and inserts the same rows with ``executemany``
into one keyed table, nothing else: no check that a reply is whole, no types, no judging, no history. Run as
``python -m benchmarks.pull --rows 200000``. ``--memory`` runs the night alone, in processes of their own, at a quarter
of the rows and at all of them, and shows both peaks: memory must follow the batch, not the site. ``--then`` measures
what comes after such a night instead: ``weekly``, which pulls everything once more and knows what it pulled before,
``validate``, ``stored`` (``validate --stored``) or ``verify``.
"""

import argparse
import io
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import polars as pl
import requests

from benchmarks import canned, invent, program, timing
from benchmarks.invent import Design
from sync.bootstrap import App
from sync.workflows.validate import validate_site

RATIO = 2.0
PEAK_MIB = 1536.0
GROWTH = 0.33
"""What a million rows may add to the peak of a quarter of them, as a share of it."""


def floor(url: str, folder: Path, design: Design, batch: int, *, tables: int = 1) -> None:
    """Do only what cannot be avoided; ``tables`` 2 stores the rows twice, as entered and as values do."""
    session = requests.Session()
    asked = {"token": invent.TOKEN, "content": "record", "format": "csv", "type": "flat"}
    names = design.record_names()
    frames = []
    for start in range(0, len(names), batch):
        records = {f"records[{n}]": name for n, name in enumerate(names[start : start + batch])}
        body = session.post(url, data=asked | records, timeout=60).content
        frames.append(pl.read_csv(io.BytesIO(body), infer_schema=False))
    rows = pl.concat(frames)
    key = [name for name in ("record_id", "redcap_event_name") if name in rows.columns]
    store = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = FULL")
    store.execute("PRAGMA cache_size = -65536")
    store.execute("BEGIN IMMEDIATE")
    for number in range(tables):
        columns = ", ".join(f"{name} TEXT" for name in rows.columns)
        store.execute(f"CREATE TABLE rows_{number} ({columns}, PRIMARY KEY ({', '.join(key)})) WITHOUT ROWID")
        marks = ", ".join("?" * rows.width)
        store.executemany(f"INSERT INTO rows_{number} VALUES ({marks})", rows.rows())
    store.execute("COMMIT")
    store.close()


def _fresh(work: object, root: Path, numbers: "count[int]") -> None:
    folder = root / str(next(numbers))
    folder.mkdir()
    work(folder)  # type: ignore[operator]


def _peak(given: argparse.Namespace, rows: int) -> float:
    """Run one night in a process of its own and give its peak resident memory in MiB."""
    asked = {"--rows": rows, "--fields": given.fields, "--events": given.events, "--batch": given.batch}
    words = [str(word) for pair in asked.items() for word in pair]
    command = [
        sys.executable,
        "-m",
        "benchmarks.pull",
        "--alone",
        *words,
        *(["--then", given.then] if given.then else []),
    ]
    done = subprocess.run(command, cwd=canned.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def _memory(given: argparse.Namespace) -> None:
    few, many = given.rows // 4, given.rows
    peaks = {rows: _peak(given, rows) for rows in (few, many)}
    what = given.then or "first night"
    for rows, peak in peaks.items():
        print(f"{what}, {rows} rows x {given.fields} fields: peak {peak:.0f} MiB")
    timing.verdict("peak resident memory, MiB", peaks[many], PEAK_MIB)
    timing.verdict("what four times the rows add, of the peak", peaks[many] / peaks[few] - 1, GROWTH)


def _alone(given: argparse.Namespace, work: Callable[[Path], App], root: Path) -> None:
    """Run the night, or what comes after it, and print the peak."""
    app = work(root)
    if given.then:
        timing.forget_peak()
    if given.then == "weekly":
        app.close()
        work(root)
    elif given.then == "verify":
        verified = app.warehouse().reader().verify()
        assert not verified.problems, verified.problems
        assert sum(verified.rows.values()) == given.rows
    elif given.then:
        done = validate_site(app, app.sites()[0], stored=given.then == "stored")
        assert done.error is None, done.error
        assert done.rows == given.rows
    print(f"peak MiB {timing.peak_mib():.1f}")


def main() -> None:
    """Print the table and what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--fields", type=int, default=18)
    parser.add_argument("--events", type=int, default=8)
    parser.add_argument("--batch", type=int, default=100, help="records asked for at a time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="show the peak of a quarter of the rows and of all")
    parser.add_argument("--then", choices=["weekly", "validate", "stored", "verify"], help="with --memory: of that")
    parser.add_argument("--alone", action="store_true", help="run one night here and print its peak")
    given = parser.parse_args()
    if given.memory:
        _memory(given)
        return
    design = Design(records=given.rows // given.events, events=given.events, fields=given.fields)
    with canned.running(design) as url, tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)

        def night(folder: Path) -> App:
            app = program.build(folder, url, batch=given.batch)
            program.night(app)
            return app

        numbers = count()
        if given.alone:
            _alone(given, night, root)
            return
        works = {
            "floor: read, parse, insert": lambda folder: floor(url, folder, design, given.batch),
            "floor, rows inserted twice (raw and values)": lambda folder: floor(
                url, folder, design, given.batch, tables=2
            ),
            "night: pull, judge, store": night,
        }
        seconds = timing.in_turn(
            {name: partial(_fresh, work, root, numbers) for name, work in works.items()}, rounds=given.rounds
        )
        print(f"{design.rows} rows x {design.fields} fields, {given.batch} records a request")
        ratios = timing.show(seconds, against="floor: read, parse, insert")
        ratio = ratios["night: pull, judge, store"]
        timing.verdict("night / floor", ratio.wall, RATIO)
        timing.verdict("night / floor, by CPU", ratio.cpu, RATIO)


if __name__ == "__main__":
    main()
