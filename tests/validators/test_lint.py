"""Lint of checks: what would not run, or would run and say nonsense."""

from dataclasses import replace

import pytest

from tests.spec import bench
from validators import lint

FORM = bench.form(
    "f",
    bench.field("a"),
    bench.field("b"),
    bench.field("who", kind=bench.Kind.TEXT, identifier=True),
    visits=("v1",),
)
VISITS = [
    bench.Visit(id=name, label={"en": name}, day=None, window=None, hard=None, required=False) for name in ("v1", "v2")
]


def complaints(**more) -> list[str]:
    study = bench.study(FORM, checks=[bench.spec("Q", **({"logic": "[a] > 1"} | more))], visits=VISITS)
    return [f"{each.key}: {each.wrong}" for each in lint.lint(study)]


def test_a_sound_check_has_no_problem():
    assert complaints(message={"en": "{a} {value} {label}"}) == []


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"logic": "[a] > > 1"}, "check[Q].logic: line 1, column 7"),
        ({"logic": "[nosuch] > 1"}, "check[Q].logic: [nosuch] could not be resolved"),
        ({"logic": "[v9][a] > 1"}, "the study has no visit of that name"),
        ({"logic": "nonsense([a])"}, "REDCap has no function nonsense"),
        ({"when": "1 = 2"}, "check[Q].when: the population is never true"),
        ({"when": "1 = 1"}, "check[Q].when: the population is always true"),
        ({"when": "[event-name] = 'v2' and [a] > 1"}, "check[Q].when: the form is not collected at v2"),
        ({"message": {"en": "{b}"}}, "check[Q].message.en: nothing fills {b}"),
        ({"message": {"en": "{who}"}, "logic": "[who] = ''"}, "{who} identifies a person"),
        ({"form": "g"}, "check[Q].form"),
        ({"targets": ()}, "check[Q].target"),
        ({"logic": None, "library": "no.such"}, "check[Q].library"),
        ({"logic": None, "library": "values.delta"}, "check[Q].params.fields: the parameter is missing"),
        ({"logic": None, "library": "visits.window", "params": {"x": 1}}, "check[Q].params.x"),
        ({"logic": None, "library": "visits.window", "form": None, "when": "[a] = 1"}, "check[Q].when"),
        ({"logic": None, "library": "visits.window", "message": {"en": "{nosuch}"}}, "nothing fills {nosuch}"),
        ({"params": {"explains": ["Z"]}}, "the study has no check Z"),
        ({"params": {"explains": ["Q"]}}, "it and Q explain each other"),
    ],
)
def test_a_faulty_check_is_named(more, wrong):
    assert any(wrong in each for each in complaints(**more)), complaints(**more)


def test_branching_that_cannot_be_carried_out_is_named():
    form = bench.form("f", bench.field("a", branching="[zz] = 1"), bench.field("b", calculation="nonsense(1)"))
    found = [each.key for each in lint.lint(bench.study(form))]
    assert found == ["field[a].branching", "field[b].calculation"]


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({}, None),
        ({"rule_set": "guess"}, "rule_set = 'guess' is not implemented"),
        ({"rescue_rule": "PCR_max"}, "rescue_rule = 'PCR_max' is not implemented"),
        ({"first": "month_4"}, "baseline and first must be among visits"),
    ],
)
def test_a_rule_set_that_is_not_implemented_is_named(more, wrong):
    whole = bench.sle()
    parameters = {**whole.parameters, "response": {**whole.parameters["response"], **more}}
    found = [each.wrong for each in lint.lint(replace(whole, parameters=parameters))]
    assert found == ([] if wrong is None else [wrong])
