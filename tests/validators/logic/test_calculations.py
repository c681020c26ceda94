"""Calculations, row by row: a value, blank, or N for not evaluated."""

import math
from datetime import UTC, datetime

import pytest

from tests.validators.logic.rows import AS_OF, calculation, condition, frame, resolve, table
from validators.logic import compile as logic
from validators.logic import functions, parser

SPECIFICATION = """
# --- operators: blank where an operand is blank, or where the result is no number
3 + 4                          |              | 7
[n1] + [n2]                    | n1=1 n2=2    | 3
[n1] + [n2]                    | n1=1         |
[n1] + [n2]                    | n1=1 n2=!    | N
[n1] - [n2] * 2                | n1=9 n2=2    | 5
[n1] / [n2]                    | n1=1 n2=4    | 0.25
[n1] / [n2]                    | n1=1 n2=0    |
[n1] / [n2]                    | n1=0 n2=0    |
([n1])^(2)                     | n1=3         | 9
-[n1]^2                        | n1=3         | -9
(2)^([n1])                     | n1=-1        | 0.5
(0)^(-1)                       |              |
(10)^(400)                     |              |
[n1] + '2'                     | n1=1         | 3
[c1] + [c2]                    | c1=1 c2=2    | 3
[c1] + 1                       | c1=A         | N
[x(1)] + [x(2)] + [x(3)]       | x1=1 x3=1    | 2
[n1] + 1                       | n1=?UNK      |
round(([n1]*10000)/(([n2])^(2)),1) | n1=70 n2=175 | 22.9
# --- rounding
round(2.5)                     |              | 3
round(-2.5)                    |              | -3
round(1.005, 2)                |              | 1.01
round(14.384, 1)               |              | 14.4
round(1234, -2)                |              | 1200
roundup(14.384, 1)             |              | 14.4
roundup(14.301, 1)             |              | 14.4
rounddown(14.384, 1)           |              | 14.3
rounddown(14.3, 1)             |              | 14.3
roundup(0.29 * 100)            |              | 29
round([n1], 1)                 |              |
round([n1], 1)                 | n1=0         | 0
# --- numbers
sqrt([n1])                     | n1=9         | 3
sqrt([n1])                     | n1=-9        |
abs(-7.1)                      |              | 7.1
exponential(0)                 |              | 1
exponential(1000)              |              |
log(100, 10)                   |              | 2
log(exponential(2))            |              | 2
log(0)                         |              |
mod(10, 4)                     |              | 2
mod(-7, 3)                     |              | -1
mod(7, -3)                     |              | 1
mod(7, 0)                      |              |
mod([n1], 2)                   |              |
# --- aggregates skip blanks
min([n1], [n2], [n3])          | n1=3 n3=2    | 2
max([n1], [n2], 7)             | n1=3         | 7
mean([n1], [n2], [n3])         | n1=3 n3=2    | 2.5
median([n1], [n2], 10)         | n1=1 n2=2    | 2
sum([n1], [n2])                | n1=3         | 3
sum([n1], [n2])                |              | 0
min([n1], [n2])                |              |
mean([n1], [n2])               |              |
stdev(2, 4, 6)                 |              | 2
stdev([n1], [n2])              | n1=3         |
sum([n1], [n2])                | n1=3 n2=!    | N
sum([c1], 1)                   | c1=2         | 3
# --- choice
if([n1] > 5, 44, 11)           | n1=6         | 44
if([n1] > 5, 44, 11)           |              | 11
if([n1] > 5, 44, 11)           | n1=!         | N
if([n1] = 1, [n2], '')         | n1=1 n2=8    | 8
if([n1] = 1, [n2], '')         | n1=2         |
if([n1] = 1, 'yes', 'no')      | n1=1         | yes
if([n1] = 1, '1', '0')         | n1=1         | 1
if([n1] = 1, 5, 'no')          | n1=1         | 5
if([n1] = 1, [d1], '')         | n1=1 d1=2024-02-29 | 2024-02-29
if([n1] = 1, [d1], [m1])       | n1=1 d1=2024-02-29 | 2024-02-29 00:00
if([n1] = 1, [n2] = 1, [n2] = 2) | n1=1 n2=1  | 1
sum(if([n1]=1,'1','0'), 1)     | n1=1         | 2
# --- dates; as of 2024-03-01 12:00
datediff([d1], [d2], 'd')      | d1=2024-01-01 d2=2024-01-31 | 30
datediff([d2], [d1], 'd')      | d1=2024-01-01 d2=2024-01-31 | 30
datediff([d1], [d2], 'd', true)  | d1=2024-01-01 d2=2024-01-31 | 30
datediff([d2], [d1], 'd', true)  | d1=2024-01-01 d2=2024-01-31 | -30
datediff([d2], [d1], 'd', 'true') | d1=2024-01-01 d2=2024-01-31 | -30
datediff([d2], [d1], 'd', 'ymd') | d1=2024-01-01 d2=2024-01-31 | 30
datediff([d2], [d1], 'd', 'ymd', true)  | d1=2024-01-01 d2=2024-01-31 | -30
datediff([d2], [d1], 'd', 'dmy', false) | d1=2024-01-01 d2=2024-01-31 | 30
datediff('01-02-2024', [d1], 'd', 'dmy') | d1=2024-02-03 | 2
datediff('01/02/2024', [d1], 'd', 'mdy') | d1=2024-01-03 | 1
datediff([d1], 'today', 'd')   | d1=2024-02-28 | 2
datediff([d1], 'now', 'h')     | d1=2024-03-01 | 12
datediff([d1], [d2], 'h')      | d1=2024-01-01 d2=2024-01-02 | 24
datediff([d1], [d2], 'm')      | d1=2024-01-01 d2=2024-01-02 | 1440
datediff([d1], [d2], 's')      | d1=2024-01-01 d2=2024-01-02 | 86400
round(datediff([d1], [d2], 'y'), 4) | d1=2023-01-01 d2=2024-01-01 | 0.9993
round(datediff([d1], [d2], 'M'), 4) | d1=2023-01-01 d2=2023-02-01 | 1.0184
datediff([m1], [d1], 'h')      | "m1=2024-01-01 06:00" d1=2024-01-02 | 18
datediff([h1], [h2], 'm')      | h1=08:00 h2=09:30 | 90
datediff([d1], [d2], 'd')      | d1=2024-01-01 |
datediff([d1], [d2], 'd')      | d1=2024-01-01 d2=! | N
datediff([d1], '', 'd')        | d1=2024-01-01 |
datediff([t1], [d1], 'd')      | t1=2024-01-01 d1=2024-01-03 | 2
datediff([t1], [d1], 'd')      | t1=2024-02-30 d1=2024-01-03 | N
rounddown(datediff([d1],'today','y')) | d1=1980-06-15 | 43
age_at_date([d1], [d2])        | d1=1980-03-02 d2=2024-03-01 | 43
age_at_date([d1], [d2])        | d1=1980-03-01 d2=2024-03-01 | 44
age_at_date([d1], 'today')     | d1=1980-02-29 | 44
age_at_date([d1], [m1])        | d1=1980-03-01 "m1=2024-03-01 00:01" | 44
round(age_at_date([d1], [d2], true), 2) | d1=2023-12-01 d2=2024-03-01 | 0.25
dayoftheweek([d1])             | d1=2024-03-03 | 7
dayoftheweek('today')          |              | 5
year([d1])                     | d1=1985-07-09 | 1985
month([m1])                    | "m1=1985-07-09 10:00" | 7
day([d1])                      | d1=1985-07-09 | 9
year([d1])                     |              |
# --- texts
left([t1], 3)                  | t1=Taylor    | Tay
right([t1], 4)                 | t1=Taylor    | ylor
mid([t1], 2, 3)                | t1=Taylor    | ayl
mid([t1], 9, 3)                | t1=Taylor    |
left([t1], 9)                  | t1=Taylor    | Taylor
left([t1], [n1])               | t1=Taylor n1=2 | Ta
left([t1], 2)                  | t1=系统性红斑狼疮 | 系统
find('y', [t1])                | t1=Taylor    | 3
find('Y', [t1])                | t1=Taylor    | 3
find('z', [t1])                | t1=Taylor    | 0
find('红', [t1])                | t1=系统性红斑狼疮 | 4
length([t1])                   | t1=Taylor    | 6
length([t1])                   | t1=狼疮       | 2
length([t1])                   |              | 0
trim(' hello ')                |              | hello
upper([t1])                    | t1=Zoë       | ZOË
lower([t1])                    | t1=ABC       | abc
replace_text([t1], 'a', 'o')   | t1=banana    | bonono
replace_text([t1], 'A', 'o')   | t1=banana    | banana
concat([t1], ' ', [t2])        | t1=Rob t2=Taylor | Rob Taylor
concat([t1], [t2])             |              |
concat_ws(' and ', [t1], [t2], 'c') | t2=b    | b and c
right(concat('00', [n1]), 3)   | n1=7         | 007
concat([n1])                   | n1=1.5       | 1.5
concat([d1])                   | d1=2024-01-02 | 2024-01-02
concat([h1])                   | h1=08:30     | 08:30
concat([m1])                   | "m1=2024-01-02 08:30:15" | 2024-01-02 08:30:15
concat([n1], 'x')              | n1=!         | N
mid([t1], find('-', [t1]) + 1, length([t1])) | t1=4890-2318 | 2318
lower(concat(trim([t1]), '_', trim([t2]))) | t1=John t2=Doe | john_doe
# --- conditions as numbers
[n1] = 1                       | n1=1         | 1
[n1] > 1                       | n1=!         | N
contains([t1], 'x')            | t1=y         | 0
"""


@pytest.mark.parametrize(("expression", "cells", "expected"), table(SPECIFICATION))
def test_calculation(expression, cells, expected):
    found, _, last = calculation(expression, cells, "", cells)
    assert found == last
    assert calculation(expression) == []
    if expected == "N":
        assert found is None
    elif isinstance(found, float):
        assert math.isclose(found, float(expected), abs_tol=1e-12)
    else:
        assert found == expected


def test_the_run_and_not_the_clock_says_what_today_is():
    node = parser.parse("datediff([d1], 'today', 'd')")
    days = []
    for month in (3, 4):
        as_of = datetime(2024, month, 1, 23, 30, tzinfo=UTC)
        compiled = logic.compile_value(node, resolve, as_of=as_of)
        days += frame("d1=2024-03-01").select(compiled.value).to_series().to_list()
    assert days == [0, 31]


def test_a_calculation_tells_blank_from_not_evaluated_and_why():
    compiled = logic.compile_value(parser.parse("[n1] * 2"), resolve, as_of=AS_OF)
    rows = frame("n1=2", "", "n1=!").select(value=compiled.value, evaluated=compiled.evaluated, why=compiled.reason)
    assert rows.rows() == [
        (4.0, True, None),
        (None, True, None),
        (None, False, "[n1] holds something that is not a number"),
    ]


def test_the_table_of_functions_and_the_evaluation_agree():
    carried = {name for name, row in functions.TABLE.items() if row.support is not functions.Support.NONE}
    assert carried == {"if", *logic.IMPLEMENTED}
    assert len(functions.TABLE) >= 40


@pytest.mark.parametrize("row", functions.TABLE.values(), ids=lambda row: row.name)
def test_each_function_is_described_and_keeps_to_its_arity(row):
    assert row.sentence.endswith(".")
    assert (row.support is functions.Support.PARTIAL) == bool(row.note)
    assert row.name in SPECIFICATION or row.name in CONDITIONS
    refusal = condition(f"{row.name}({', '.join(['1'] * (row.least - 1))})", "")
    assert isinstance(refusal, logic.NotExecutable)
    assert row.arity in refusal.reason
    if row.most is not None:
        refusal = condition(f"{row.name}({', '.join(['1'] * (row.most + 1))})", "")
        assert row.arity in refusal.reason


CONDITIONS = (
    "isnumber isinteger isblankormissingcode isblanknotmissingcode ismissingcode hasmissingcode "
    "contains not_contain starts_with ends_with"
)
