"""Measure a full pull, judged and stored into SQLite, against the bare floor beside it.

The floor reads the same replies over HTTP, parses them with polars and inserts the same rows with ``executemany``
into one keyed table, nothing else: no check that a reply is whole, no types, no judging, no history. Run as
``python -m benchmarks.pull --rows 200000``; ``--memory`` runs the night alone, once, and shows its peak memory.
"""

import argparse
import io
import sqlite3
import tempfile
from functools import partial
from itertools import count
from pathlib import Path

import polars as pl
import requests

from benchmarks import canned, invent, program, timing
from benchmarks.invent import Design

RATIO = 2.0
PEAK_MIB = 1536.0


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


def main() -> None:
    """Print the table and what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--fields", type=int, default=18)
    parser.add_argument("--events", type=int, default=8)
    parser.add_argument("--batch", type=int, default=100, help="records asked for at a time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="run the night once and show the peak")
    given = parser.parse_args()
    design = Design(records=given.rows // given.events, events=given.events, fields=given.fields)
    with canned.running(design) as url, tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)

        def night(folder: Path) -> None:
            program.night(program.build(folder, url, batch=given.batch))

        numbers = count()
        if given.memory:
            before = timing.peak_mib()
            night(root)
            print(f"{design.rows} rows x {design.fields} fields; {before:.0f} MiB before")
            timing.verdict("peak resident memory, MiB", timing.peak_mib(), PEAK_MIB)
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
