"""Reading logic: what it means, what is refused and where, and that writing it back loses nothing."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validators.logic.rows import table
from validators.logic import parser, tree
from validators.logic.tree import Operator

CORPUS = Path(__file__).parents[4] / "shared" / "corpus"

CANONICAL = """
[a]=1                          | [a] = 1
[a]='1'                        | [a] = '1'
[a]="1"                        | [a] = '1'
[a]="it's"                     | [a] = "it's"
[a]!=1                         | [a] <> 1
[a] = 1 AND [b]=2 Or Not [c]=3 | [a] = 1 and [b] = 2 or not ([c] = 3)
[a]=1 or [b]=2 and [c]=3       | [a] = 1 or [b] = 2 and [c] = 3
([a]=1 or [b]=2) and [c]=3     | ([a] = 1 or [b] = 2) and [c] = 3
([a]=1 and [b]=2) and [c]=3    | ([a] = 1 and [b] = 2) and [c] = 3
not([a]=1)and(not [b])         | not ([a] = 1) and not [b]
[a]+[b]*[c]                    | [a] + [b] * [c]
([a]+[b])*[c]                  | ([a] + [b]) * [c]
[a]-([b]-[c])                  | [a] - ([b] - [c])
([a]-[b])-[c]                  | [a] - [b] - [c]
-[a]^2                         | -([a])^(2)
([a])^(-2)                     | ([a])^(-2)
2^3^2                          | (2)^((3)^(2))
1- -1                          | 1 - -1
[a]<>-.5                       | [a] <> -.5
IF([a]='',0,Round([b],1))      | if([a] = '', 0, round([b], 1))
datediff([a],'today','y','dmy',true) | datediff([a], 'today', 'y', 'dmy', true)
(([a]))=((1))                  | [a] = 1
[a]='狼疮' and [b]='é'          | [a] = '狼疮' and [b] = 'é'
[ a ] = 1                      | [a] = 1
not_contain([a],'x')           | not_contain([a], 'x')
order([a]) or [b]              | order([a]) or [b]
[a]=1and[b]=2                  | [a] = 1 and [b] = 2
"""


@pytest.mark.parametrize(("written", "canonical"), table(CANONICAL))
def test_logic_is_read_with_redcaps_precedence_and_written_back_canonically(written, canonical):
    node = parser.parse(written)
    assert tree.unparse(node) == canonical
    assert parser.parse(canonical) == node


F = tree.Field
S = tree.Smart
REFERENCES = [
    ("[age]", F(name="age")),
    ("[race(2)]", F(name="race", code="2")),
    ("[race(-99)]", F(name="race", code="-99")),
    ("[baseline_arm_1][age]", F(name="age", event="baseline_arm_1")),
    ("[age][3]", F(name="age", instance="3")),
    ("[v1_arm_1][race(2)][3]", F(name="race", code="2", event="v1_arm_1", instance="3")),
    ("[age][current-instance]", F(name="age", instance="current-instance")),
    ("[age][previous-instance]", F(name="age", instance="previous-instance")),
    ("[age][next-instance]", F(name="age", instance="next-instance")),
    ("[age][first-instance]", F(name="age", instance="first-instance")),
    ("[e_arm_1][age][last-instance]", F(name="age", event="e_arm_1", instance="last-instance")),
    ("[previous-event-name][age]", F(name="age", event="previous-event-name")),
    ("[next-event-name][age]", F(name="age", event="next-event-name")),
    ("[first-event-name][age]", F(name="age", event="first-event-name")),
    ("[last-event-name][age][1]", F(name="age", event="last-event-name", instance="1")),
    ("[event-name][age]", F(name="age", event="event-name")),
    ("[sex:label]", F(name="sex", modifier="label")),
    ("[sex:value]", F(name="sex", modifier="value")),
    ("[race(2):label]", F(name="race", code="2", modifier="label")),
    ("[event-name]", S(name="event-name")),
    ("[record-name]", S(name="record-name")),
    ("[current-instance]", S(name="current-instance")),
    ("[survey-link:screening:Open it]", S(name="survey-link", parameters=("screening", "Open it"))),
    ("[e_arm_1][form-url:labs][2]", S(name="form-url", parameters=("labs",), event="e_arm_1", instance="2")),
]


@pytest.mark.parametrize(("written", "expected"), REFERENCES)
def test_references(written, expected):
    node = parser.parse(written)
    assert node == expected
    assert tree.unparse(node) == written


def test_line_breaks_and_comments_carry_no_meaning():
    written = """
    # adults only
    [age] >= 18      // years
    and
    [url] = 'http://example.org/#top'   # a text keeps its marks
    // the end"""
    assert tree.unparse(parser.parse(written)) == "[age] >= 18 and [url] = 'http://example.org/#top'"


def test_escapes_hide_quotes_and_nothing_else():
    assert parser.parse(r"'it\'s'") == tree.Text(text="it's")
    assert parser.parse(r"'a\\b'") == tree.Text(text="a\\b")
    assert parser.parse(r"'a\d'") == tree.Text(text="a\\d")


def test_numbers_keep_their_spelling_and_quotes_make_text():
    assert parser.parse("1.50") == tree.Number(text="1.50")
    assert parser.parse("'1.50'") == tree.Text(text="1.50")
    assert parser.parse("TRUE") == tree.Truth(value=True)


def test_every_node_knows_its_place():
    text = "[a] = 1 and not (sum([b], 2)) > -3"
    places = {text[node.span.start : node.span.end] for node, _ in tree.walk(parser.parse(text))}
    assert {"[a] = 1", "sum([b], 2)", "[b]", "2", "-3", "not (sum([b], 2)) > -3", text} <= places


def test_references_are_listed_once_in_order():
    node = parser.parse("[b] = 1 and [e][a(1)] > [b] + [record-name]")
    assert tree.references(node) == (F(name="b"), F(name="a", code="1", event="e"))
    assert tree.smart_variables(node) == (S(name="record-name"),)


ERRORS = [
    ("", 1, 1, "no logic here"),
    ("  // only this", 1, 15, "no logic here"),
    ("[a] =", 1, 6, "ends too early: a field"),
    ("[a] = (1", 1, 9, "closing parenthesis is missing"),
    ("[a] = 1)", 1, 8, "no opening one"),
    ("[a] = 1 [b] = 2", 1, 9, "missing before '[b]'"),
    ("[a] [b]", 1, 5, "missing before '[b]'"),
    ("[a] => 1", 1, 6, "'=>' is not an operator"),
    ("[a] == 1", 1, 6, "'==' is not an operator"),
    ("1 < [a] < 2", 1, 9, "cannot be chained"),
    ("[a] = 'x", 1, 7, "never closed"),
    ("[a = 1", 1, 1, "bracket is never closed"),
    ("a] = 1", 1, 2, "no opening one"),
    ("[a] = “x”", 1, 7, "typographic"),
    ("[a] ≥ 2", 1, 5, "write >="),
    ("（[a] = 1）", 1, 1, "write ("),
    ("[a] = 1 && [b] = 1", 1, 9, "write and"),
    ("[a] = today", 1, 7, "stands alone"),
    ("[a] = 1 \n  and ([b] = ;)", 2, 14, "';' has no meaning"),
    ("[a][b][c]", 1, 8, "not an instance"),
    ("[a][b][c][2]", 1, 11, "at most an event"),
    ("[record-name(1)]", 1, 2, "takes no code"),
    ("[e(1)][a]", 1, 2, "takes no code"),
    ("[record-name][a]", 1, 2, "does not name an event"),
    ("[]", 1, 2, "no name between"),
    ("[my field]", 1, 2, "not a field's name"),
    ("[2]", 1, 2, "needs no brackets"),
    ("sum(,1)", 1, 5, "should stand here"),
    ("sum(1 2)", 1, 7, "missing before '2'"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), ERRORS)
def test_errors_say_what_is_wrong_and_where(text, line, column, words):
    with pytest.raises(parser.LogicSyntaxError) as caught:
        parser.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert words in caught.value.message
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


@pytest.mark.parametrize("opening", ["not ", "-", "abs(", "1+(", "if(1,1,", "1="])
def test_hostile_nesting_ends_in_a_plain_error(opening):
    closing = ")" * (opening.count("("))
    for text in (opening * 5000 + "1" + closing * 5000, opening * 5000):
        with pytest.raises(parser.LogicSyntaxError):
            parser.parse(text)


def test_parentheses_alone_are_no_depth():
    assert parser.parse("(" * 2000 + "1" + ")" * 2000) == tree.Number(text="1")


def test_the_deepest_tree_allowed_can_be_compared_written_and_walked():
    node = parser.parse("-" * (parser.MAX_DEPTH - 1) + "1")
    assert parser.parse(tree.unparse(node)) == node
    assert hash(node) == hash(parser.parse(tree.unparse(node)))
    with pytest.raises(parser.LogicSyntaxError, match="nests more than"):
        parser.parse("-" * parser.MAX_DEPTH + "1")


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
FIELDS = st.builds(
    tree.Field,
    name=NAMES,
    event=st.none() | NAMES | st.just("previous-event-name"),
    code=st.none() | st.from_regex(r"-?[A-Za-z0-9]{1,3}", fullmatch=True),
    instance=st.none() | st.sampled_from(["1", "12", "last-instance"]),
    modifier=st.none() | st.sampled_from(["label", "value"]),
)
SMARTS = st.builds(tree.Smart, name=st.sampled_from(["record-name", "user-dag-id", "arm-number"]))
LEAVES = (
    st.builds(tree.Number, text=st.from_regex(r"[0-9]{1,5}(\.[0-9]{0,3})?", fullmatch=True))
    | st.builds(tree.Text, text=st.text(max_size=8))
    | st.builds(tree.Truth, value=st.booleans())
    | FIELDS
    | SMARTS
)
FUNCTION_NAMES = NAMES.filter(lambda name: name not in {"and", "or", "not"})


def _grown(children):
    return (
        st.builds(
            tree.Unary,
            operator=st.sampled_from([Operator.NOT, Operator.ADD, Operator.SUB]),
            operand=children,
        )
        | st.builds(
            tree.Binary,
            operator=st.sampled_from(sorted(set(Operator) - {Operator.AND, Operator.OR, Operator.NOT})),
            left=children,
            right=children,
        )
        | st.builds(
            tree.Logical,
            operator=st.sampled_from([Operator.AND, Operator.OR]),
            operands=st.lists(children, min_size=2, max_size=4).map(tuple),
        )
        | st.builds(tree.Call, name=FUNCTION_NAMES, arguments=st.lists(children, max_size=3).map(tuple))
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, _grown, max_leaves=12))
def test_what_is_written_reads_back_as_the_same_tree(node):
    assert parser.parse(tree.unparse(node)) == node


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="[]()'\"ab1=<>+-*/^,: \n#\\andort", max_size=25))
def test_any_text_parses_or_is_refused_in_words(text):
    try:
        node = parser.parse(text)
    except parser.LogicSyntaxError as error:
        assert 0 <= error.position <= len(text)
        assert error.message
    else:
        assert parser.parse(tree.unparse(node)) == node


def corpus_logic():
    for path in sorted(CORPUS.glob("*/dictionary.csv")):
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for row in csv.DictReader(handle):
                label = f"{path.parent.name}:{next(iter(row.values()))}"
                kind = row.get("field_type") or row.get("Field Type")
                branching = row.get("branching_logic") or row.get("Branching Logic (Show field only if...)")
                choices = row.get("select_choices_or_calculations") or row.get(
                    "Choices, Calculations, OR Slider Labels"
                )
                if branching:
                    yield label, branching
                if kind == "calc":
                    yield label, choices


def test_every_logic_of_the_corpus_parses():
    if not CORPUS.is_dir():
        pytest.skip("the corpus of public REDCap projects is not beside this checkout")
    found = list(corpus_logic())
    assert len(found) >= 8
    for label, text in found:
        node = parser.parse(text)
        assert parser.parse(tree.unparse(node)) == node, label
