"""Evaluate REDCap logic on one row at a time, over the strings that the project stores.

Only the grammar is shared with the client side (`validators.logic.parser`); every rule of meaning here is
written anew. A value is a text, a number or a truth value. Blank is `''`: it equals only `''`, makes sums and
products blank, and is neither less nor greater than anything (guess: blank-order).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sync.sandbox import functions
from sync.sandbox.functions import EvaluationError, Value
from validators.logic import parser, tree
from validators.logic.tree import Operator

__all__ = ["EvaluationError", "Scope", "calculated", "evaluate", "holds", "parse"]

parse = parser.parse
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Hold what a row lends to its logic: its fields, smart variables, missing-data codes and the time."""

    #: stored text of a reference as an export would show it; blank where nothing is there
    read: Callable[[tree.Field], str]
    now: datetime
    smart: Mapping[str, str] = field(default_factory=dict)
    missing_codes: frozenset[str] = frozenset()


def holds(node: tree.Node, scope: Scope) -> bool:
    """Tell whether logic is true of a row; blank and 0 are false. Raises EvaluationError."""
    return functions.truth(evaluate(node, scope))


def calculated(node: tree.Node, scope: Scope) -> str:
    """Return what a calculated field stores: a number's shortest text, or blank."""
    value = evaluate(node, scope)
    if isinstance(value, str) and not functions.is_number(value):
        return value
    number = functions.number(value)
    return "" if number is None else functions.spell(number)


def evaluate(node: tree.Node, scope: Scope) -> Value:
    """Compute the value of a tree. Raises EvaluationError for what this sandbox does not know."""
    match node:
        case tree.Number():
            return node.text
        case tree.Text():
            return "" if node.text == "NaN" else node.text
        case tree.Truth():
            return node.value
        case tree.Field():
            return scope.read(node)
        case tree.Smart():
            if node.name not in scope.smart:
                raise EvaluationError(f"the smart variable [{node.name}] is not known")
            return scope.smart[node.name]
        case tree.Logical():
            return _logical(node, scope)
        case tree.Unary():
            return _unary(node, scope)
        case tree.Binary():
            left, right = evaluate(node.left, scope), evaluate(node.right, scope)
            return _compute(node.operator, left, right)
        case tree.Call():
            return _call(node, scope)


def _logical(node: tree.Logical, scope: Scope) -> bool:
    if node.operator is Operator.AND:
        return all(holds(operand, scope) for operand in node.operands)
    return any(holds(operand, scope) for operand in node.operands)


def _unary(node: tree.Unary, scope: Scope) -> Value:
    if node.operator is Operator.NOT:
        return not holds(node.operand, scope)
    number = functions.number(evaluate(node.operand, scope))
    if number is None:
        return ""
    return -number if node.operator is Operator.SUB else number


def _compute(operator: Operator, left: Value, right: Value) -> Value:
    compare = _COMPARISONS.get(operator)
    if compare is not None:
        return compare(_order(left, right))
    a, b = functions.number(left), functions.number(right)
    if a is None or b is None:
        return ""
    return functions.arithmetic(operator.value, a, b)


def _order(left: Value, right: Value) -> int | None:
    """Compare two values: -1, 0 or 1; 2 where they are unequal and have no order (a blank)."""
    a, b = functions.number(left), functions.number(right)
    if a is not None and b is not None:
        return (a > b) - (a < b)
    first, second = functions.text(left), functions.text(right)
    if first == second:
        return 0
    if first == "" or second == "":
        return 2  # guess: blank-order
    return (first > second) - (first < second)


_COMPARISONS: Mapping[Operator, Callable[[int | None], bool]] = {
    Operator.EQ: lambda order: order == 0,
    Operator.NE: lambda order: order != 0,
    Operator.LT: lambda order: order == -1,
    Operator.LE: lambda order: order in (-1, 0),
    Operator.GT: lambda order: order == 1,
    Operator.GE: lambda order: order in (0, 1),
}


def _call(node: tree.Call, scope: Scope) -> Value:
    if node.name == "if":
        if len(node.arguments) != 3:
            raise EvaluationError("if() takes three arguments")
        return evaluate(node.arguments[1 if holds(node.arguments[0], scope) else 2], scope)
    missing = _MISSING.get(node.name)
    arguments = [evaluate(argument, scope) for argument in node.arguments]
    if missing is not None:
        return missing([functions.text(argument) for argument in arguments], scope.missing_codes)
    function = functions.TABLE.get(node.name)
    if function is None:
        raise EvaluationError(f"the function {node.name}() is not known")
    try:
        return function(arguments, scope.now)
    except (IndexError, TypeError):
        raise EvaluationError(f"{node.name}() does not take {len(arguments)} arguments") from None


_MISSING: Mapping[str, Callable[[Sequence[str], frozenset[str]], bool]] = {
    "isblankormissingcode": lambda given, codes: given[0] == "" or given[0] in codes,
    "isblanknotmissingcode": lambda given, codes: given[0] == "",
    "ismissingcode": lambda given, codes: given[0] in codes,
    "hasmissingcode": lambda given, codes: (
        given[0] in codes and given[0] in [code.strip() for code in given[1].split(",")]
    ),
}
