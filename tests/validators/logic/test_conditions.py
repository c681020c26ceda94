"""Conditions, row by row: T true, F false, N not evaluated."""

import pytest

from tests.validators.logic.rows import AS_OF, condition, frame, resolve, table
from validators.logic import compile as logic
from validators.logic import parser
from validators.logic.compile import Kind

ANSWERS = {"T": True, "F": False, "N": None}

SPECIFICATION = """
# --- numbers
[n1] = 5               | n1=5          | T
[n1] = '5'             | n1=5          | T
[n1] = "5.0"           | n1=5          | T
[n1] = 6               | n1=5          | F
[n1] <> 6              | n1=5          | T
[n1] != 5              | n1=5          | F
[n1] < 5.5             | n1=5          | T
[n1] < 5               | n1=5          | F
[n1] <= 5              | n1=5          | T
[n1] > '4'             | n1=5          | T
[n1] >= 5              | n1=5          | T
5 = [n1]               | n1=5          | T
4 < [n1]               | n1=5          | T
[n1] = -99             | n1=-99        | T
[n1] = '-99'           | n1=-99        | T
[n1] > [n2]            | n1=10 n2=9    | T
[n1] = [n2]            | n1=1 n2=1     | T
# --- blanks
[n1] = ''              |               | T
[n1] = ""              | n1=0          | F
[n1] <> ''             |               | F
[n1] <> ''             | n1=0          | T
'' = [n1]              |               | T
[n1] = 'NaN'           |               | T
[n1] <> 0              |               | T
[n1] = 0               |               | F
[n1] < 5               |               | F
[n1] <= 5              |               | F
[n1] > -5              |               | F
[n1] >= 0              |               | F
[n1] = [n2]            |               | T
[n1] = [n2]            | n1=0          | F
[n1] <> [n2]           | n1=0          | T
[n1] <= [n2]           |               | F
[n1] > ''              | n1=3          | F
[t1] = ''              |               | T
[t1] <> ''             | t1=x          | T
[c1] = ''              |               | T
[c1] <> 1              |               | T
[d1] = ''              |               | T
[d1] <> ''             | d1=2024-01-01 | T
[n1] + 1 = ''          |               | T
[n1] + 1 <> ''         | n1=1          | T
# --- there, but unreadable
[n1] = 5               | n1=!          | N
[n1] <> 5              | n1=!          | N
[n1] < 5               | n1=!          | N
[n1] = ''              | n1=!          | F
[n1] <> ''             | n1=!          | T
[n1] + 1 = ''          | n1=!          | N
not ([n1] < 5)         | n1=!          | N
[n1]                   | n1=!          | N
[d1] > 'today'         | d1=!          | N
isnumber([n1])         | n1=!          | F
isblankormissingcode([n1]) | n1=!      | F
# --- unknown does not spread where logic settles without it
[n1] > 1 and [n2] > 1  | n1=! n2=0     | F
[n1] > 1 and [n2] > 1  | n1=! n2=2     | N
[n1] > 1 or [n2] > 1   | n1=! n2=2     | T
[n1] > 1 or [n2] > 1   | n1=! n2=0     | N
if([n2]=1, [n1], 0) = 0 | n1=! n2=2    | T
if([n2]=1, [n1], 0) = 0 | n1=! n2=1    | N
if([n1]=1, 1, 0) = 0   | n1=!          | N
# --- text: case matters, numbers compare as numbers when both sides are
[t1] = 'abc'           | t1=abc        | T
[t1] = 'ABC'           | t1=abc        | F
[t1] <> 'ABC'          | t1=abc        | T
[t1] = 1               | t1=01         | T
[t1] = '1'             | t1=1.0        | T
[t1] = 1               | t1=one        | F
[t1] <> 1              | t1=one        | T
[t1] = '1e3'           | t1=1000       | F
[t1] < 10              | t1=9          | T
[t1] < 10              | t1=nine       | N
[t1] < 10              |               | F
[t1] < 'b'             | t1=a          | T
[t1] < 'b'             | t1=c          | F
[t1] = [t2]            | t1=1 t2=01    | T
[t1] = [t2]            | t1=a t2=A     | F
[t1] < [t2]            | t1=9 t2=10    | T
[t1] < [t2]            | t1=9a t2=10   | F
[t1] = [n1]            | t1=5 n1=5     | T
[t1] = [n1]            | t1=x n1=5     | F
[t1] = [n1]            |               | T
[t1] <> [n1]           | n1=5          | T
[t1] < [n1]            | t1=4 n1=5     | T
[t1] < [n1]            | t1=x n1=5     | N
[t1] = '张伟'           | t1=张伟        | T
[t1] = "it's"          | "t1=it's"     | T
# --- codes
[c1] = 1               | c1=1          | T
[c1] = '01'            | c1=1          | T
[c1] = 'A'             | c1=A          | T
[c1] = 'a'             | c1=A          | F
[c1] <> '1'            | c1=A          | T
[c1] > 1               | c1=2          | T
[c1] > 1               | c1=A          | N
[c1] = -99             | c1=-99        | T
# --- checkboxes: an empty box reads 0
[x(1)] = 1             | x1=1          | T
[x(1)] = '0'           | x1=0          | T
[x(1)] = '0'           |               | T
[x(1)] = ''            |               | F
[x(1)] and [x(2)]      | x1=1 x2=1     | T
[x(1)] + [x(2)] >= 1   | x2=1          | T
# --- conditions from values
[n1]                   | n1=2          | T
[n1]                   | n1=0          | F
[n1]                   |               | F
[t1]                   | t1=0          | F
[t1]                   | t1=x          | T
[d1]                   | d1=2024-01-01 | T
[d1]                   |               | F
not [n1] = 1           | n1=2          | T
NOT([n1] = 1)          | n1=1          | F
[n1]=1 AND [n2]=2      | n1=1 n2=2     | T
[n1]=1 Or [n2]=2       | n1=3 n2=2     | T
[n1]=1 or [n2]=2 and [n3]=3   | n1=1   | T
([n1]=1 or [n2]=2) and [n3]=3 | n1=1   | F
true                   |               | T
1 = 1                  |               | T
'a' = 'b'              |               | F
contains([t1], 'x') = true  | t1=x     | T
isnumber([t1]) = 0     | t1=x          | T
([n1]=1) + ([n2]=1) = 2     | n1=1 n2=1 | T
# --- dates
[d1] > '2024-01-01'    | d1=2024-01-02 | T
[d1] = '2024-01-02'    | d1=2024-01-02 | T
[d1] <> '2024-01-02'   |               | T
[d1] < [d2]            | d1=2024-01-02 d2=2024-02-01 | T
[d1] < [d2]            | d1=2024-01-02 | F
[d1] = 'today'         | d1=2024-03-01 | T
[d1] < 'now'           | d1=2024-03-01 | T
[m1] > [d1]            | "m1=2024-03-01 08:00" d1=2024-03-01 | T
[m1] = '2024-03-01 08:00' | "m1=2024-03-01 08:00" | T
[h1] < '08:30'         | h1=08:15      | T
[h1] > [h2]            | h1=08:15 h2=08:00 | T
[h1] <> ''             | h1=08:15      | T
[d1] > [t1]            | d1=2024-01-02 t1=2024-01-01 | T
[d1] > [t1]            | d1=2024-01-02 t1=soon | N
[d1] > [t1]            | d1=2024-01-02 | F
# --- missing-data codes
[n1] = ''              | n1=?UNK       | F
[n1] <> ''             | n1=?UNK       | T
[n1] = 'UNK'           | n1=?UNK       | T
[n1] = 'UNK'           | n1=5          | F
[n1] <> 'UNK'          | n1=5          | T
[n1] = -99             | n1=?-99       | T
[n1] <> 5              | n1=?UNK       | T
[n1] < 5               | n1=?UNK       | F
[d1] = 'UNK'           | d1=?UNK       | T
[n1] = [n2]            | n1=?UNK       | F
[n1] = [n2]            | n1=?UNK n2=?UNK | T
[n1] = [n2]            | n1=?UNK n2=?NI | F
[t1] = 'UNK'           | t1=?UNK       | T
isblankormissingcode([n1])  |          | T
isblankormissingcode([n1])  | n1=?UNK  | T
isblankormissingcode([n1])  | n1=0     | F
isblankormissingcode([t1])  |          | T
isblanknotmissingcode([n1]) |          | T
isblanknotmissingcode([n1]) | n1=?UNK  | F
ismissingcode([n1])    | n1=?UNK       | T
ismissingcode([n1])    |               | F
hasmissingcode([n1], 'NASK, UNK') | n1=?UNK | T
hasmissingcode([n1], 'NASK')      | n1=?UNK | F
hasmissingcode([n1], 'NASK')      |    | F
isblankormissingcode([n1]+1)      |    | T
isblankormissingcode([n1]+1) | n1=!    | N
# --- what a value is
isnumber([n1])         | n1=2.5        | T
isnumber([n1])         |               | F
isnumber([t1])         | t1=-2.5       | T
isnumber([t1])         | t1=2.5mg      | F
isinteger([n1])        | n1=2          | T
isinteger([n1])        | n1=2.5        | F
isinteger([t1])        | t1=7          | T
isinteger([t1])        | t1=7.0        | F
isnumber([d1])         | d1=2024-01-01 | F
# --- searching ignores case
contains([t1], 'TAY')  | t1=Taylor     | T
contains([t1], 'z')    | t1=Taylor     | F
contains([t1], 'z')    |               | F
contains([t1], [t2])   | t1=Taylor t2=lor | T
contains([t1], 'a.b')  | t1=axb        | F
contains([t1], '狼疮')  | t1=系统性红斑狼疮 | T
not_contain([t1], 'z') | t1=Taylor     | T
not_contain([t1], 'z') |               | T
starts_with([t1], 'tay') | t1=Taylor   | T
ends_with([t1], 'LOR') | t1=Taylor     | T
ends_with([t1], 'x')   | t1=Taylor     | F
"""


@pytest.mark.parametrize(("expression", "cells", "expected"), table(SPECIFICATION))
def test_condition(expression, cells, expected):
    # The blank row between the two makes literals spread and keeps rows apart.
    first, _, last = condition(expression, cells, "", cells)
    assert (first, last) == (ANSWERS[expected], ANSWERS[expected])
    assert condition(expression) == []


REFUSED = """
[zz] = 1                       | [zz] could not be resolved: there is no such field | [zz]
[n1] = 1 and [next-event-name][n1] = 1 | could not be resolved | [next-event-name][n1]
[record-name] = 1              | smart variable [record-name]     | [record-name]
[n1:label] = 'x'               | only raw values                  | [n1:label]
nosuch(1)                      | no function nosuch               | nosuch(1)
contain([t1], 'x')             | did you mean contains?           | contain([t1], 'x')
round()                        | takes 1 to 2 arguments, not 0    | round()
if([n1]=1, 2)                  | takes 3 arguments, not 2         | if([n1]=1, 2)
[n1] > 'abc'                   | not the text 'abc'               | 'abc'
[n1] + 'abc' = 1               | not the text 'abc'               | 'abc'
[d1] > 2024-01-01              | not a number                     | 2024-01-01
[d1] + 1 = 2                   | not a date                       | [d1]
[d1] > 'soon'                  | YYYY-MM-DD                       | 'soon'
[d1] = [h1]                    | time of day                      | [h1]
datediff([d1], 'today', 'w') > 1         | must be one of           | 'w'
datediff([d1], 'today', [t1]) > 1        | must be one of           | [t1]
datediff([d1], 'today', 'd', 'xyz') > 1  | date format              | 'xyz'
datediff([n1], 'today', 'd') > 1         | A date is needed         | [n1]
round([n1], [n2]) > 1          | must be written out              | [n2]
hasmissingcode([n1], [t1])     | must be written out              | [t1]
replace_text([t1], [t2], 'x') = 'y'      | must be written out      | [t2]
concat_ws([t1], [t2]) = 'y'    | must be written out              | [t1]
year([h1]) = 2024              | not a time of day                | [h1]
"""


@pytest.mark.parametrize(("expression", "reason", "blamed"), table(REFUSED))
def test_what_cannot_be_evaluated_is_refused_with_reason_and_place(expression, reason, blamed):
    refusal = condition(expression, "")
    assert isinstance(refusal, logic.NotExecutable)
    assert reason in refusal.reason
    assert expression[refusal.span.start : refusal.span.end] == blamed


def test_a_number_field_without_missing_codes_refuses_a_quoted_word():
    def plain(field):
        return logic.Resolved(column=field.name, kind=Kind.NUMBER)

    refusal = logic.compile_logic(parser.parse("[n1] = 'UNK'"), plain, as_of=AS_OF)
    assert isinstance(refusal, logic.NotExecutable)


def test_a_condition_names_its_columns_and_the_field_to_blame():
    rows = frame("n1=1 n2=1", "n1=! n2=1", "n1=1 n2=!")
    compiled = logic.compile_logic(parser.parse("[n1] + [n2] = 2"), resolve, as_of=AS_OF)
    assert compiled.inputs == ("n1", "n1__bad", "n1__code", "n2", "n2__bad", "n2__code")
    assert logic.evaluate(rows, compiled).to_list() == [True, None, None]
    assert rows.select(why=compiled.reason)["why"].to_list() == [
        None,
        "[n1] holds something that is not a number",
        "[n2] holds something that is not a number",
    ]


def test_logic_over_columns_that_are_always_readable_gives_no_reason():
    def plain(field):
        return logic.Resolved(column=field.name, kind=Kind.CODED)

    compiled = logic.compile_logic(parser.parse("[c1] = '1'"), plain, as_of=AS_OF)
    assert compiled.reason is None
    assert compiled.inputs == ("c1",)


@pytest.mark.parametrize(
    "expression", ["1 = 1", "[n1] > ''", "true and 3 + 4", "if(true, 'a', true) < ismissingcode([n1])"]
)
def test_logic_decided_by_literals_answers_once_a_row(expression):
    assert len(condition(expression, "", "", "")) == 3


def test_a_smart_variable_is_evaluated_where_the_caller_resolves_it():
    def smart(variable):
        assert variable.name == "record-name"
        return logic.Resolved(column="t1", kind=Kind.TEXT)

    node = parser.parse("[record-name] = 'A-1'")
    compiled = logic.compile_logic(node, resolve, as_of=AS_OF, smart=smart)
    assert logic.evaluate(frame("t1=A-1", "t1=A-2"), compiled).to_list() == [True, False]


def test_conditions_inside_conditions_are_refused_before_they_explode():
    nested = "[n1] = 1"
    for _ in range(12):
        nested = f"if(if({nested}, [n1], [n2]) = 1, 1, 2) = 1"
    refusal = condition(nested, "n1=1")
    assert isinstance(refusal, logic.NotExecutable)
    assert "too deeply" in refusal.reason


def test_a_long_else_if_ladder_is_evaluated():
    ladder = "0"
    for code in range(40):
        ladder = f"if([n1] = {code}, {code} + 100, {ladder})"
    assert condition(f"{ladder} = 117", "n1=17", "n1=18", "n1=!") == [True, False, None]


def test_a_long_list_of_alternatives_is_flat():
    listed = " or ".join(f"[c1] = '{code}'" for code in range(500))
    assert condition(listed, "c1=499", "c1=500") == [True, False]
