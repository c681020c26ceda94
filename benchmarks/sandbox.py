"""Measure how long the sandbox takes to answer: a whole project as flat JSON, and one batch of records.

Server time is the time inside ``Sandbox.answer``, without the network. Run as ``python -m benchmarks.sandbox``.
"""

import argparse
from functools import partial

from benchmarks import invent, timing
from benchmarks.invent import Design
from sync.sandbox import wire
from sync.sandbox.sandbox import Sandbox

WHOLE_SECONDS = 3.0
BATCH_SECONDS = 0.1


def main() -> None:
    """Print the table and what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1)
    parser.add_argument("--fields", type=int, default=100)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    design = Design(records=given.records, events=given.events, fields=given.fields)
    sandbox = Sandbox()
    invent.fill(sandbox, design)
    asked = {"token": invent.TOKEN, "content": "record", "type": "flat"}
    batch = design.record_names()[: given.batch]

    def answer(form: str, records: list[str]) -> None:
        parameters = wire.Parameters(plain=asked | {"format": form}, arrays={"records": records} if records else {})
        reply = sandbox.answer(parameters, "http://127.0.0.1").reply
        assert reply.status == 200, reply.body[:200]
        assert reply.body.count(b"record_id") >= (len(records) or design.rows) or form == "csv"

    works = {
        "whole project, JSON": partial(answer, "json", []),
        "whole project, CSV": partial(answer, "csv", []),
        f"{given.batch} records, JSON": partial(answer, "json", batch),
        f"{given.batch} records, CSV": partial(answer, "csv", batch),
    }
    seconds = timing.in_turn(works, rounds=given.rounds)
    print(f"{design.rows} rows x {design.fields} fields")
    timing.show(seconds, against="whole project, JSON")
    timing.verdict("whole project as JSON, s", timing.median(seconds["whole project, JSON"]), WHOLE_SECONDS)
    timing.verdict("one batch as JSON, s", timing.median(seconds[f"{given.batch} records, JSON"]), BATCH_SECONDS)


if __name__ == "__main__":
    main()
