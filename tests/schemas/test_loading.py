"""A study folder arrives whole, or with every problem named."""

import functools
import json
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import StudyError
from schemas.loading import load_study, shipped_study
from schemas.study import Choice, Interval, Kind, Severity, Signature

STUDY = """
[study]
name = "mini"
version = "1.0"
languages = ["en", "zh"]
record_field = "sid"
title.en = "A made-up study"
title.zh = "虚构研究"
[anchor]
form = "infusion"
field = "inf_date"
visit = "day_0"
[[measure]]
name = "creatinine"
form = "labs"
field = "creat"
subset = {form = "labs", field = "sex", code = "F"}
[parameters]
age = {min = 16}
"""
VISITS = """
[[visit]]
id = "day_0"
label = "D0"
day = 0
window = [0, 0]
hard = [0, 0]
[[visit]]
id = "unscheduled"
label = "U"
required = false
repeating = true
"""
LABS = """
[form]
label = "Labs"
visits = ["day_0"]
date_field = "lab_date"
order = 2
[defaults]
required = true
[[field]]
name = "lab_date"
kind = "date"
label = "Date"
[[field]]
name = "creat"
kind = "number"
label.en = "Creatinine"
label.zh = "肌酐"
unit = "umol/L"
units = {"mg/dL" = 88.42}
hard = [10, inf]
soft = [30, 200]
signatures = [{unit = "mg/dL", range = [0.2, 15]}]
decimals = 1
not_done = "creat_nd"
loinc = "14682-9"
[[field]]
name = "creat_nd"
kind = "coded"
label = "Why not"
codes = "not_done"
required = false
[[field]]
name = "sex"
kind = "coded"
label = "Sex"
codes = {F = {en = "Female", zh = "女"}, M = {en = "Male", zh = "男"}}
[[field]]
name = "signs"
kind = "checkbox"
label = "Signs"
codes = [{code = "1", label = "A"}, {code = "-9", label = {en = "B", zh = "乙"}}]
extra = {weight = 8}
"""
INFUSION = """
[form]
label = "Infusion"
order = 1
[[field]]
name = "sid"
kind = "text"
label = "Subject"
pattern = '{prefix}-\\d{3}'
[[field]]
name = "inf_date"
kind = "date"
label = "Date"
"""
CODELISTS = """
[not_done]
lost = {en = "Sample lost", zh = "标本丢失"}
"1+" = "1+"
"""
CHECKS = """
[[check]]
id = "X1"
version = "1.2"
title = "High"
severity = "hard"
category = "consistency"
form = "labs"
target = "creat"
when = "[sex] = 'F'"
inputs = ["creat", "infusion.inf_date", "[day_0][sex]", "signs___1"]
logic = "[creat] > 100"
message = "{label} {creat} at {visit}, {day_0.sex}"
tests = [{row = {creat = 101, sex = "F"}, fires = true}, {row = {creat = 1}, fires = false, event = "day_0"}]
[[check]]
id = "X2"
title = "Windows"
severity = "soft"
category = "visit"
library = "visit_window"
message = "{day} outside {whatever}"
[check.params]
grace = 14
"""


FILES = {
    "study.toml": STUDY,
    "visits.toml": VISITS,
    "codelists.toml": CODELISTS,
    "forms/labs.toml": LABS,
    "forms/infusion.toml": INFUSION,
    "checks/all.toml": CHECKS,
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, FILES)
    return tmp_path


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def problems(folder: Path) -> tuple[str, ...]:
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    return caught.value.problems


def test_a_study_arrives_as_written(folder: Path) -> None:
    study = load_study(folder)

    assert [form.name for form in study.forms] == ["infusion", "labs"]  # by order, not by file name
    creat = study.form("labs").fields[1]
    assert (creat.kind, creat.unit, creat.units) == (Kind.NUMBER, "umol/L", {"mg/dL": 88.42})
    assert creat.hard == Interval(low=10, high=None)
    assert creat.soft == Interval(low=30, high=200)
    assert creat.signatures == (Signature(unit="mg/dL", low=0.2, high=15),)
    assert (creat.required, creat.label) == (True, {"en": "Creatinine", "zh": "肌酐"})
    lists = study.form("labs").fields[2].choices
    assert lists[0] == Choice(code="lost", label={"en": "Sample lost", "zh": "标本丢失"})
    assert study.form("labs").fields[4].columns == ("signs___1", "signs____9")
    assert (study.visits[0].window, study.visits[1].day) == ((0, 0), None)
    assert study.measures[0].subset == ("labs", "sex", "F")
    check = study.checks[0]
    assert (check.targets, check.severity, check.version) == (("creat",), Severity.HARD, "1.2")
    assert [(trial.fires, trial.event) for trial in check.tests] == [(True, ""), (False, "day_0")]
    assert study.checks[1].params == {"grace": 14}
    assert study.parameters == {"age": {"min": 16}}


WRONG = [
    ("study.toml", 'record_field = "sid"', 'record_field = "nobody"', "study.toml: study.record_field"),
    ("study.toml", 'name = "mini"', 'name = "mini"\nnaem = 1', "study.toml: study.naem: unknown key"),
    ("study.toml", 'field = "inf_date"', 'field = "sid"', "study.toml: anchor"),
    ("study.toml", 'visit = "day_0"', 'visit = "day_9"', "study.toml: anchor.visit"),
    ("study.toml", 'code = "F"', 'code = "X"', "study.toml: measure[creatinine].subset"),
    ("study.toml", 'title.zh = "虚构研究"', "", "study.toml: study.title.zh"),
    ("visits.toml", '"unscheduled"', '"day_0"', "visits.toml: visit[day_0]"),
    ("visits.toml", "window = [0, 0]", "window = [1, 0]", "visits.toml: visit[day_0].window: the first"),
    ("visits.toml", "window = [0, 0]", "window = [1, 2]", "visits.toml: visit[day_0].window: the days"),
    ("visits.toml", "window = [0, 0]", "window = [-1, 0]", "visits.toml: visit[day_0].hard"),
    ("forms/labs.toml", 'name = "sex"', 'name = "labs_complete"', "forms/labs.toml: field[labs_complete]"),
    ("codelists.toml", '"1+" = "1+"', '"1+" = 1', "codelists.toml: not_done"),
    ("forms/labs.toml", 'codes = "not_done"', 'codes = "nd"', "forms/labs.toml: field[creat_nd].codes"),
    ("forms/labs.toml", "soft = [30, 200]", "soft = [3, 200]", "forms/labs.toml: field[creat].soft"),
    ("forms/labs.toml", '"creat_nd"\nloinc', '"nd"\nloinc', "forms/labs.toml: field[creat].not_done"),
    ("forms/labs.toml", 'name = "sex"', 'name = "site"', "forms/labs.toml: field[site]"),
    ("forms/labs.toml", 'name = "sex"', 'name = "sid"', "forms/labs.toml: field[sid]"),
    ("forms/labs.toml", 'code = "-9"', 'code = "1"', "forms/labs.toml: field[signs].codes"),
    ("forms/labs.toml", 'visits = ["day_0"]', 'visits = ["day_8"]', "forms/labs.toml: form.visits"),
    ("forms/labs.toml", '"lab_date"\norder', '"sex"\norder', "forms/labs.toml: form.date_field"),
    ("forms/labs.toml", "[form]", '[form]\nname = "labors"', "forms/labs.toml: form.name"),
    ("forms/labs.toml", "required = true", "requierd = true", "forms/labs.toml: defaults.requierd"),
    ("forms/infusion.toml", "-\\d{3}", "-(?=x)", "forms/infusion.toml: field[sid].pattern"),
    ("checks/all.toml", 'target = "creat"', 'target = "inf_date"', "checks/all.toml: check[X1].targets"),
    ("checks/all.toml", "[day_0][sex]", "[day_1][sex]", "checks/all.toml: check[X1].inputs"),
    ("checks/all.toml", 'logic = "[creat] > 100"', "", "checks/all.toml: check[X1]: give exactly one"),
    ("checks/all.toml", "{creat} at", "{crea} at", "checks/all.toml: check[X1].message.en"),
    ("checks/all.toml", "{creat} at", "{creat at", "checks/all.toml: check[X1].message.en: a brace"),
    ("checks/all.toml", "creat = 101", "crea = 101", "checks/all.toml: check[X1].tests[0].row"),
    ("checks/all.toml", 'id = "X2"', 'id = "X1"', "checks/all.toml: check[X1]: the id is used before"),
    ("checks/all.toml", 'id = "X2"', 'id = "RG01"', "checks/all.toml: check[RG01]: the id belongs"),
    ("checks/all.toml", '"visit"\nlib', '"visits"\nlib', "checks/all.toml: check[X2].category"),
]


@pytest.mark.parametrize(("name", "old", "new", "told"), WRONG, ids=[told for *_, told in WRONG])
def test_each_problem_is_named_with_its_place(folder: Path, name: str, old: str, new: str, told: str) -> None:
    change(folder, name, old, new)

    assert any(problem.startswith(told) for problem in problems(folder)), problems(folder)


def test_a_form_named_as_a_table_of_the_warehouse_is_refused(folder: Path) -> None:
    (folder / "forms/labs.toml").rename(folder / "forms/visit.toml")

    assert any("visit_form" in problem for problem in problems(folder))


def test_all_problems_of_all_files_come_at_once(folder: Path) -> None:
    change(folder, "study.toml", 'name = "mini"', "name = 3")
    change(folder, "forms/labs.toml", "decimals = 1", 'decimals = "1"')
    change(folder, "forms/infusion.toml", 'kind = "date"', "kind = 'day'")
    (folder / "visits.toml").unlink()
    (folder / "checks/more.toml").write_text("[[check", encoding="utf-8")

    files = [problem.split(":")[0] for problem in problems(folder)]
    assert files == [
        "study.toml",
        "visits.toml",
        "forms/infusion.toml",
        "forms/labs.toml",
        "checks/more.toml",
    ]


WHATEVER = st.recursive(
    st.booleans()
    | st.integers(-9, 9)
    | st.floats(-9, 9)
    | st.sampled_from(["", "en", "labs", "creat", "[x", "{", "}"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["en", "a", "name"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {as_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value) if isinstance(value, (str, bool)) else repr(value)


def places(value: Any, at: tuple[int | str, ...] = ()) -> list[tuple[int | str, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at] * bool(at) + [place for key, each in inner for place in places(each, (*at, key))]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_whatever_stands_in_a_file_it_is_read_or_refused(data: st.DataObject) -> None:
    files = dict(FILES)
    name = data.draw(st.sampled_from(sorted(files)))
    content = tomllib.loads(files[name])
    *way, last = data.draw(st.sampled_from(places(content)))
    inner = functools.reduce(lambda table, key: table[key], way, content)
    inner[last] = data.draw(WHATEVER)
    files[name] = "\n".join(f"{json.dumps(key)} = {as_toml(value)}" for key, value in content.items())

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), files)
        try:
            load_study(Path(folder))
        except StudyError as error:
            assert error.problems


def test_a_value_is_never_repeated_in_a_problem(folder: Path) -> None:
    change(folder, "study.toml", 'version = "1.0"', 'version = ["ssssecret"]')

    assert not any("ssssecret" in problem for problem in problems(folder))


def test_a_missing_folder_and_an_unknown_shipped_study_say_so(tmp_path: Path) -> None:
    assert "does not exist" in problems(tmp_path / "none")[0]
    with pytest.raises(StudyError, match="no study named"):
        shipped_study("nonesuch")
