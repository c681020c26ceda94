"""Set the column-wise evaluation against a slow one that is written apart from it.

The reference below walks the tree for one row at a time with plain Python values and knows nothing of polars
or of the product's pieces: BLANK and UNKNOWN are two marks, everything else is a float or a str. Random trees
over every operator, run over every combination of interesting cells, must agree in every row.
"""

import itertools
import math
import re

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validators.logic.rows import AS_OF
from validators.logic import compile as logic
from validators.logic import tree
from validators.logic.compile import Kind
from validators.logic.tree import Operator

BLANK = object()
UNKNOWN = object()

NUMBERS = [BLANK, UNKNOWN, 0.0, 1.0, -2.5]
CODES = [BLANK, "1", "01", "2", "A", "a"]
KINDS = {"n": Kind.NUMBER, "m": Kind.NUMBER, "c": Kind.CODED, "t": Kind.TEXT}
ROWS = [dict(zip("nmct", cells, strict=True)) for cells in itertools.product(NUMBERS, NUMBERS[:4], CODES, CODES[:5])]


def _column(name):
    return [None if row[name] in (BLANK, UNKNOWN) else row[name] for row in ROWS]


FRAME = pl.DataFrame(
    {name: pl.Series(_column(name), dtype=pl.Float64 if name in "nm" else pl.String) for name in KINDS}
    | {f"{name}_bad": pl.Series([row[name] is UNKNOWN for row in ROWS]) for name in KINDS}
)


def resolve(field):
    return logic.Resolved(column=field.name, kind=KINDS[field.name], unparsable=f"{field.name}_bad")


class Refused(Exception):
    """The reference cannot give a meaning either."""


def as_number(value, *, literal):
    if value is BLANK or value is UNKNOWN or isinstance(value, float):
        return value
    if isinstance(value, bool):
        return float(value)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", value):
        return float(value)
    if literal:
        raise Refused
    return UNKNOWN


def as_truth(value):
    if value is UNKNOWN or isinstance(value, bool):
        return value
    return value is not BLANK and value not in (0.0, "0", "")


def is_literal(node):
    return isinstance(node, tree.Text | tree.Number)


def reference(node, row):
    match node:
        case tree.Number():
            return float(node.text)
        case tree.Text():
            return node.text or BLANK
        case tree.Field():
            return row[node.name]
        case tree.Logical():
            values = [as_truth(reference(operand, row)) for operand in node.operands]
            settling = node.operator is Operator.OR
            if any(value is settling for value in values):
                return settling
            return UNKNOWN if UNKNOWN in values else not settling
        case tree.Unary(operator=Operator.NOT):
            value = as_truth(reference(node.operand, row))
            return UNKNOWN if value is UNKNOWN else not value
        case tree.Unary():
            value = as_number(reference(node.operand, row), literal=isinstance(node.operand, tree.Text))
            return value if value in (BLANK, UNKNOWN) or node.operator is Operator.ADD else -value
        case tree.Binary() if node.operator in tree.COMPARISONS:
            return compared(node, row)
        case tree.Binary():
            return computed(node, row)
        case tree.Call(name="if"):
            chosen = as_truth(reference(node.arguments[0], row))
            return UNKNOWN if chosen is UNKNOWN else reference(node.arguments[1 if chosen else 2], row)
        case tree.Call(name="sum"):
            values = [
                as_number(reference(argument, row), literal=isinstance(argument, tree.Text))
                for argument in node.arguments
            ]
            return UNKNOWN if UNKNOWN in values else math.fsum(v for v in values if v is not BLANK)
    raise AssertionError(node)


def computed(node, row):
    left, right = (
        as_number(reference(side, row), literal=isinstance(side, tree.Text)) for side in (node.left, node.right)
    )
    if UNKNOWN in (left, right):
        return UNKNOWN
    if BLANK in (left, right):
        return BLANK
    try:
        result = {
            Operator.ADD: lambda: left + right,
            Operator.SUB: lambda: left - right,
            Operator.MUL: lambda: left * right,
            Operator.DIV: lambda: left / right,
            Operator.POW: lambda: math.pow(left, right),
        }[node.operator]()
    except (ZeroDivisionError, ValueError, OverflowError):
        return BLANK
    return result if math.isfinite(result) else BLANK


def compared(node, row):
    operator = node.operator
    sides = (node.left, node.right)
    for side, other in (sides, sides[::-1]):
        if side == tree.Text(text=""):
            value = reference(other, row)
            if operator not in (Operator.EQ, Operator.NE):
                return False
            if value is UNKNOWN and not isinstance(other, tree.Field):
                return UNKNOWN
            return (value is BLANK) is (operator is Operator.EQ)
    left, right = (reference(side, row) for side in sides)
    if UNKNOWN in (left, right):
        return UNKNOWN
    numeric = any(numeric_kind(side) for side in sides)
    if operator in (Operator.EQ, Operator.NE):
        if numeric:
            for side in sides:
                if isinstance(side, tree.Text):
                    as_number(side.text, literal=True)
        return equal(left, right) is (operator is Operator.EQ)
    numbers = [
        as_number(value, literal=isinstance(side, tree.Text)) if numeric else value
        for side, value in zip(sides, (left, right), strict=True)
    ]
    if UNKNOWN in numbers:
        return UNKNOWN
    if BLANK in numbers:
        return False
    return ordered(operator, *numbers, sides=sides)


def equal(left, right):
    if left is BLANK or right is BLANK:
        return left is right
    one, two = as_number(left, literal=False), as_number(right, literal=False)
    if UNKNOWN in (one, two):
        return left == right
    return one == two


def numeric_kind(node):
    """Tell whether a side makes its comparison one of numbers: anything but a field or choice of text."""
    match node:
        case tree.Field():
            return KINDS[node.name] is Kind.NUMBER
        case tree.Text():
            return as_number_or_none(node.text) is not None
        case tree.Call(name="if"):
            return any(numeric_kind(branch) for branch in node.arguments[1:])
        case _:
            return True


def as_number_or_none(text):
    try:
        return as_number(text, literal=True)
    except Refused:
        return None


def ordered(operator, left, right, *, sides):
    if isinstance(left, str) and isinstance(right, str) and not any(is_literal(side) for side in sides):
        one, two = as_number(left, literal=False), as_number(right, literal=False)
        if UNKNOWN not in (one, two):
            left, right = one, two
    return {
        Operator.LT: left < right,
        Operator.LE: left <= right,
        Operator.GT: left > right,
        Operator.GE: left >= right,
    }[operator]


def field(name):
    return tree.Field(name=name)


NUMERIC_LEAVES = st.sampled_from(
    [field("n"), field("m"), tree.Number(text="0"), tree.Number(text="1"), tree.Number(text="2.5")]
)
TEXT_LEAVES = st.sampled_from(
    [field("c"), field("t"), field("c"), *[tree.Text(text=text) for text in ("", "1", "A", "2")]]
)
ARITHMETIC = st.sampled_from([Operator.ADD, Operator.SUB, Operator.MUL, Operator.DIV, Operator.POW])


def _arithmetic(children):
    return (
        st.builds(tree.Binary, operator=ARITHMETIC, left=children, right=children)
        | st.builds(tree.Unary, operator=st.sampled_from([Operator.SUB, Operator.ADD]), operand=children)
        | st.builds(tree.Call, name=st.just("sum"), arguments=st.lists(children, min_size=1, max_size=3).map(tuple))
    )


VALUES = st.recursive(NUMERIC_LEAVES | st.sampled_from([field("c"), field("t")]), _arithmetic, max_leaves=4)
COMPARISONS = st.builds(
    tree.Binary,
    operator=st.sampled_from(sorted(tree.COMPARISONS)),
    left=VALUES | TEXT_LEAVES,
    right=VALUES | TEXT_LEAVES,
)


def _boolean(children):
    chosen = st.builds(
        lambda *arguments: tree.Call(name="if", arguments=arguments), children, NUMERIC_LEAVES, NUMERIC_LEAVES
    )
    return (
        st.builds(
            tree.Logical,
            operator=st.sampled_from([Operator.AND, Operator.OR]),
            operands=st.lists(children, min_size=2, max_size=3).map(tuple),
        )
        | st.builds(tree.Unary, operator=st.just(Operator.NOT), operand=children)
        | st.builds(tree.Binary, operator=st.sampled_from(sorted(tree.COMPARISONS)), left=chosen, right=NUMERIC_LEAVES)
    )


CONDITIONS = st.recursive(COMPARISONS | VALUES | TEXT_LEAVES, _boolean, max_leaves=5)


def expected_answers(node):
    answers = [as_truth(reference(node, row)) for row in ROWS]
    return [None if answer is UNKNOWN else answer for answer in answers]


@settings(max_examples=250, deadline=None)
@given(CONDITIONS)
def test_both_evaluations_agree_in_every_row(node):
    compiled = logic.compile_logic(node, resolve, as_of=AS_OF)
    try:
        expected = expected_answers(node)
    except Refused:
        assert isinstance(compiled, logic.NotExecutable), tree.unparse(node)
        return
    assert isinstance(compiled, logic.Compiled), tree.unparse(node)
    found = logic.evaluate(FRAME, compiled).to_list()
    # A typed frame may hold '' or null for a blank text; it must make no difference.
    assert logic.evaluate(FRAME.with_columns(pl.col("c", "t").fill_null("")), compiled).to_list() == found
    differing = [(row, want, got) for row, want, got in zip(ROWS, expected, found, strict=True) if want is not got]
    assert not differing, (tree.unparse(node), differing[0])
