"""Measure the judging of a wide form against pandera's own ``validate`` of the same schema on the same rows.

The engine does more (branching, required fields, findings with messages); pandera walks column by column. Run as
``python -m benchmarks.wide``; the default size takes some minutes, nearly all of them pandera's.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pandera.errors

from benchmarks import canned, program, timing
from benchmarks.invent import Design
from schemas import forms
from sync.harmonise import harmonise
from sync.workflows.reading import Terms, judged


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--fields", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    design = Design(records=given.records, events=1, fields=given.fields)
    with canned.running(design) as url, tempfile.TemporaryDirectory() as folder:
        app = program.build(Path(folder), url, batch=100)
        (site,) = app.sites()
        snapshot = app.source(site).pull()
    plan = app.plan(site)
    study, mapping = plan.resolve(snapshot.structure)
    frames = harmonise.harmonise(snapshot, study, mapping).frames
    as_of = datetime(2026, 1, 1, tzinfo=UTC)
    counts: dict[str, int] = {}

    def engine() -> None:
        judgement = judged(Terms(plan=plan, study=study, as_of=as_of), frames)
        counts["findings"] = len(judgement.findings)

    def pandera_alone() -> None:
        schema = forms.compile_form(frames[0].form, site_prefix=plan.prefix)
        try:
            schema.validate(frames[0].rows, lazy=True)
        except pandera.errors.SchemaErrors as error:
            counts["failure cases"] = error.failure_cases.height

    works = {
        "harmonise": lambda: harmonise.harmonise(snapshot, study, mapping),
        "engine: judge": engine,
        "pandera: validate(lazy=True)": pandera_alone,
    }
    seconds = timing.in_turn(works, rounds=given.rounds)
    print(f"{design.rows} rows x {design.fields} fields; {counts}")
    timing.show(seconds, against="engine: judge")


if __name__ == "__main__":
    main()
