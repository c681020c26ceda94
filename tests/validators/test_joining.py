"""Judgements of parts, put together, are the judgement of the whole site, however its records are parted."""

import random
from dataclasses import replace
from itertools import pairwise

import polars as pl
import pytest

from schemas.frames import FormFrame
from tests.spec import bench
from validators import engine, reach
from validators.joining import Joint, Narrow

NAMES = [str(number) for number in range(6)]
TABLES = {
    "msc_infusion": "record event inf_date\n" + "\n".join(f"{name} day_0 2012-03-0{int(name) + 1}" for name in NAMES),
    # visits that others missed, so that where their rows would stand is guessed from these
    "visit_form": "record event visit_date\n1 month_3 2012-06-04\n2 month_3 2012-06-09\n2 month_6 ?x",
    # a form of which few have rows, and a column of it that the site does not deliver
    "labs": "record event lab_date creat\n3 month_3 2012-06-05 900\n4 month_3 2030-01-01 .",
    "screening_consent": "record event subject_id\n0 baseline ZJJU-001\n3 baseline ZJJU-003\n5 baseline ZJJU-001",
}


LACKING = "alb"


def frames() -> tuple[FormFrame, ...]:
    study = bench.sle()
    return tuple(
        bench.frame(
            form,
            TABLES.get(form.name, []),
            absent={LACKING: "not reported here"} if form.name == "labs" else {},
        )
        for form in study.forms
    )


def part_of(whole: tuple[FormFrame, ...], names: list[str]) -> tuple[FormFrame, ...]:
    parted = []
    for frame in whole:
        kept = frame.rows["record"].is_in(names)
        moved = kept.cast(pl.UInt32).cum_sum() - 1

        def remarks(marks: pl.DataFrame, kept: pl.Series = kept, moved: pl.Series = moved) -> pl.DataFrame:
            standing = marks.filter(kept.gather(marks["row"]))
            return standing.with_columns(moved.gather(standing["row"]).cast(pl.UInt32).alias("row"))

        parted.append(
            replace(
                frame,
                rows=frame.rows.filter(kept),
                raw=frame.raw.filter(kept),
                problems=remarks(frame.problems),
                declared=remarks(frame.declared),
            )
        )
    return tuple(parted)


@pytest.mark.parametrize("seed", range(4))
def test_parts_put_together_are_the_whole(seed):
    chance = random.Random(seed)
    names = chance.sample(NAMES, len(NAMES))
    cuts = chance.sample(range(1, len(NAMES)), seed + 1)
    study, whole = bench.sle(), frames()
    named = {"site": "zj", "prefix": "ZJJU", "as_of": bench.NOW}
    wanted = engine.judge(study, whole, **named)
    joint, narrow, wide = Joint(study, site="zj"), Narrow(reach.inputs(study)), reach.site_wide(study)
    bounds = [0, *sorted(cuts), len(names)]
    for start, end in pairwise(bounds):
        part = part_of(whole, names[start:end])
        joint.add_part(engine.judge(study, part, leaving=wide, **named), part)
        narrow.add(part)
    joint.add(engine.judge(study, narrow.frames(), only=wide, subjects=joint.subjects, **named))
    found = joint.joined(wanted.conditions)
    plain = [
        sorted((replace(each, held_by=each.held_by and "held") for each in one.findings), key=repr)
        for one in (found, wanted)
    ]
    assert plain[0] == plain[1]
    assert any(each.is_gap and each.site_event == "month_3_arm_1" for each in wanted.findings)
    assert any(each.check == "ID02" for each in wanted.findings)
    assert {each.check: each for each in found.coverage} == {each.check: each for each in wanted.coverage}
    assert set(found.not_evaluated) == {each for each in wanted.not_evaluated if each.count}
    assert any(each.scope == f"labs.{LACKING}" and each.count == 2 for each in wanted.not_evaluated)


def test_what_site_wide_checks_read_is_little():
    inputs = reach.inputs(bench.sle())
    assert "labs" not in inputs
    (check,) = [spec for spec in bench.sle().checks if spec.id in reach.site_wide(bench.sle())][:1]
    assert any(check.targets[0] in columns for columns in inputs.values())


def test_logic_that_speaks_of_today_ages():
    spec = next(each for each in bench.sle().checks if each.logic)
    asked = replace(spec, logic="datediff([lab_date], 'today', 'd') < 0")
    study = replace(bench.sle(), checks=(spec, replace(asked, id="NEW1")))
    assert "NEW1" in reach.aging(study)
