"""The tree of one piece of REDCap logic, and the plain questions one asks of it.

Nodes are frozen values. Two nodes are equal when they mean the same text, wherever it stood: the `span`
is carried for messages and takes no part in comparison. `and` and `or` hold all their operands at one
level, so that a list of three hundred alternatives is flat; everything else nests, and the parser caps how
deep (`parser.MAX_DEPTH`), so the recursive walks here and in the evaluation cannot overflow.

`unparse` writes a tree back in one canonical spelling, and parsing that gives the same tree again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Operator(StrEnum):
    """Name every operator by its canonical spelling (`!=` is read as `<>`)."""

    OR = "or"
    AND = "and"
    NOT = "not"
    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    POW = "^"


COMPARISONS = frozenset({Operator.EQ, Operator.NE, Operator.LT, Operator.LE, Operator.GT, Operator.GE})


@dataclass(frozen=True, slots=True)
class Span:
    """Hold a half-open range of character offsets into the source text."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """Hold an unquoted, unsigned number as it was written, such as `1.50`."""

    text: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Hold the content of a quoted text, without its quotes and escapes."""

    text: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Hold a bare `true` or `false`, as datediff's last argument has it."""

    value: bool
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Refer to a field: `[event][name(code):modifier][instance]`, every part but the name optional.

    `event` is a unique event name or a relative one such as `previous-event-name`; `instance` is a number
    as text or a word such as `last-instance`; `modifier` is what follows the first colon.
    """

    name: str
    event: str | None = None
    code: str | None = None
    instance: str | None = None
    modifier: str | None = None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smart:
    """Refer to a smart variable such as `[record-name]` or `[event][survey-link:screening]`."""

    name: str
    parameters: tuple[str, ...] = ()
    event: str | None = None
    instance: str | None = None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary:
    """Apply `not`, `-` or `+` to one operand."""

    operator: Operator
    operand: "Node"
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """Compare or compute with two operands."""

    operator: Operator
    left: "Node"
    right: "Node"
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logical:
    """Join two or more operands by `and`, or by `or`."""

    operator: Operator
    operands: tuple["Node", ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Call a function; the name is kept in lower case, as REDCap reads it in any."""

    name: str
    arguments: tuple["Node", ...] = ()
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Literal = Number | Text | Truth
Reference = Field | Smart
Node = Literal | Reference | Unary | Binary | Logical | Call


def children(node: Node) -> tuple[Node, ...]:
    """Return a node's direct operands or arguments, in the order of the text."""
    match node:
        case Unary():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Logical():
            return node.operands
        case Call():
            return node.arguments
        case _:
            return ()


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """Yield every node with its depth (the root is 1), parents first, in the order of the text.

    Keeps its own stack, so it may be used on trees whose depth is not known yet.
    """
    pending = [(node, 1)]
    while pending:
        current, depth = pending.pop()
        yield current, depth
        pending.extend((child, depth + 1) for child in reversed(children(current)))


def references(node: Node) -> tuple[Field, ...]:
    """Return the fields a tree reads, each once, in the order of first appearance."""
    return tuple(dict.fromkeys(found for found, _ in walk(node) if isinstance(found, Field)))


def smart_variables(node: Node) -> tuple[Smart, ...]:
    """Return the smart variables a tree reads, each once, in the order of first appearance."""
    return tuple(dict.fromkeys(found for found, _ in walk(node) if isinstance(found, Smart)))


_BINDING = {
    Operator.OR: 1,
    Operator.AND: 2,
    Operator.NOT: 3,
    **dict.fromkeys(COMPARISONS, 4),
    Operator.ADD: 5,
    Operator.SUB: 5,
    Operator.MUL: 6,
    Operator.DIV: 6,
    Operator.POW: 8,
}
_SIGN_BINDING = 7
_ATOM_BINDING = 9


def unparse(node: Node) -> str:
    """Write a tree as logic text, with the fewest parentheses that read back to the same tree.

    Exponents keep the parentheses around both sides that REDCap insists on.
    """
    match node:
        case Number():
            return node.text
        case Text():
            return _quote(node.text)
        case Truth():
            return "true" if node.value else "false"
        case Field() | Smart():
            return unparse_reference(node)
        case Call():
            return f"{node.name}({', '.join(unparse(argument) for argument in node.arguments)})"
        case Unary(operator=Operator.NOT):
            return f"not {_wrapped(node.operand, _ATOM_BINDING)}"
        case Unary():
            return f"{node.operator}{_wrapped(node.operand, _SIGN_BINDING)}"
        case Binary(operator=Operator.POW):
            return f"({unparse(node.left)})^({unparse(node.right)})"
        case Binary():
            own = _BINDING[node.operator]
            # Comparisons do not chain; sums and products read from the left.
            left = _wrapped(node.left, own + 1 if node.operator in COMPARISONS else own)
            return f"{left} {node.operator} {_wrapped(node.right, own + 1)}"
        case Logical():
            own = _BINDING[node.operator]
            return f" {node.operator} ".join(_wrapped(operand, own + 1) for operand in node.operands)


def unparse_reference(node: Reference) -> str:
    """Write a field or smart variable with its brackets, as it stood in the logic."""
    if isinstance(node, Field):
        code = "" if node.code is None else f"({node.code})"
        modifier = "" if node.modifier is None else f":{node.modifier}"
        name = f"{node.name}{code}{modifier}"
    else:
        name = ":".join((node.name, *node.parameters))
    return "".join(f"[{part}]" for part in (node.event, name, node.instance) if part is not None)


def _binding(node: Node) -> int:
    match node:
        case Unary(operator=Operator.ADD | Operator.SUB):
            return _SIGN_BINDING
        case Unary() | Binary() | Logical():
            return _BINDING[node.operator]
        case _:
            return _ATOM_BINDING


def _wrapped(node: Node, least: int) -> str:
    text = unparse(node)
    return text if _binding(node) >= least else f"({text})"


def _quote(text: str) -> str:
    mark = '"' if "'" in text and '"' not in text else "'"
    escaped = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return f"{mark}{escaped}{mark}"
