"""Read logic text into a tree, or say in plain words where it stops making sense.

The grammar is LALR with a contextual lexer: linear in the length of the text, no backtracking, and no
recursion, so hostile nesting cannot overflow the stack here. `_Builder` turns lark's tree into ours, again
without recursion; the finished tree is measured and refused beyond MAX_DEPTH, which keeps the recursive walks
of every later stage safe.
"""

import re
from functools import cache, lru_cache
from importlib import resources

from lark import Lark, Token, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError
from lark.visitors import Transformer_NonRecursive

from validators.logic import reference, tree
from validators.logic.errors import LogicSyntaxError

__all__ = ["MAX_DEPTH", "LogicSyntaxError", "parse"]

MAX_DEPTH = 150
"""How many levels of operators and calls a tree may have; `and`/`or` lists count as one level."""

_ESCAPE = re.compile(r"\\(['\"\\])")
_OPERANDS = {"NUMBER", "STRING", "REFERENCE", "NAME"}
_CURLY = "“”„‘’‚«»＂＇"
# What a keyboard set to Chinese, a word processor or another programming language puts in.
_LOOKALIKES = {
    **dict(zip("（）［］，＝＜＞＋－＊／", "()[],=<>+-*/", strict=True)),
    **dict.fromkeys("–−—", "-"),
    "≠": "<>",
    "≤": "<=",
    "≥": ">=",
    "×": "*",
    "÷": "/",
    "&": "and",
    "|": "or",
    "!": "not or <>",
    "%": "mod(a, b)",
}


@lru_cache(maxsize=8192)
def parse(text: str) -> tree.Node:
    """Parse one piece of REDCap logic or one calculation.

    Field names, events, codes and function names are taken as written, not looked up. Trees are frozen values, so the
    same text is read once for all sites and nights. Raises LogicSyntaxError for text that is empty, is not the
    language, or nests deeper than MAX_DEPTH.
    """
    try:
        node: tree.Node = _Builder(text).transform(_grammar().parse(text))
    except UnexpectedInput as error:
        raise _explained(error, text) from None
    except VisitError as error:
        raise error.orig_exc from None
    deepest = next((found for found, depth in tree.walk(node) if depth > MAX_DEPTH), None)
    if deepest is not None:
        reason = f"The logic nests more than {MAX_DEPTH} levels deep here; split it up."
        raise LogicSyntaxError(reason, text=text, position=deepest.span.start)
    return node


@cache
def _grammar() -> Lark:
    source = resources.files("validators.logic").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(source, parser="lalr", lexer="contextual", maybe_placeholders=False)


@v_args(inline=True)
class _Builder(Transformer_NonRecursive[Token, tree.Node]):
    """Make one tree node of each reduced rule; method names are the grammar's rule names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def number(self, token: Token) -> tree.Number:
        return tree.Number(text=str(token), span=_span(token))

    def text(self, token: Token) -> tree.Text:
        return tree.Text(text=_ESCAPE.sub(r"\1", token[1:-1]), span=_span(token))

    def reference(self, token: Token) -> tree.Reference:
        return reference.read(str(token), text=self._text, start=_span(token).start)

    def word(self, token: Token) -> tree.Truth:
        if (word := token.lower()) in {"true", "false"}:
            return tree.Truth(value=word == "true", span=_span(token))
        reason = f"The word '{token}' stands alone: a field needs square brackets, a text needs quotes."
        raise LogicSyntaxError(reason, text=self._text, position=_span(token).start)

    def group(self, _opening: Token, inner: tree.Node, _closing: Token) -> tree.Node:
        return inner

    def call(self, name: Token, _opening: Token, *rest: tree.Node | Token) -> tree.Call:
        arguments = tuple(part for part in rest if not isinstance(part, Token))
        span = tree.Span(_span(name).start, _span(rest[-1]).end)
        return tree.Call(name=name.lower(), arguments=arguments, span=span)

    def prefix(self, operator: Token, operand: tree.Node) -> tree.Unary:
        span = tree.Span(_span(operator).start, operand.span.end)
        return tree.Unary(operator=tree.Operator(operator.lower()), operand=operand, span=span)

    def infix(self, left: tree.Node, operator: Token, right: tree.Node) -> tree.Binary:
        kind = tree.Operator.NE if operator == "!=" else tree.Operator(operator)
        return tree.Binary(operator=kind, left=left, right=right, span=_around(left, right))

    def all_of(self, *operands: tree.Node) -> tree.Logical:
        span = _around(operands[0], operands[-1])
        return tree.Logical(operator=tree.Operator.AND, operands=operands, span=span)

    def any_of(self, *operands: tree.Node) -> tree.Logical:
        span = _around(operands[0], operands[-1])
        return tree.Logical(operator=tree.Operator.OR, operands=operands, span=span)


def _span(part: tree.Node | Token) -> tree.Span:
    if not isinstance(part, Token):
        return part.span
    if part.start_pos is None or part.end_pos is None:  # the lexer always sets both; this is for the reader
        raise AssertionError(part.type)
    return tree.Span(part.start_pos, part.end_pos)


def _around(first: tree.Node, last: tree.Node) -> tree.Span:
    return tree.Span(first.span.start, last.span.end)


def _explained(error: UnexpectedInput, text: str) -> LogicSyntaxError:
    """Put lark's complaint into words for somebody who writes logic and has never seen a grammar."""
    if isinstance(error, UnexpectedToken):
        if error.token.type == "$END":
            return LogicSyntaxError(_early_end(error, text), text=text, position=len(text.rstrip()))
        position = _span(error.token).start
        return LogicSyntaxError(_misplaced(error, text, position), text=text, position=position)
    position = error.pos_in_stream or 0
    character = text[position] if isinstance(error, UnexpectedCharacters) else ""
    return LogicSyntaxError(_unreadable(character), text=text, position=position)


def _early_end(error: UnexpectedToken, text: str) -> str:
    if not any(True for _ in _grammar().lex(text)):
        return "There is no logic here: the text is empty or holds only comments."
    if _OPERANDS & error.expected:
        return "The logic ends too early: a field, number, text or function should follow."
    return "The logic ends too early: a closing parenthesis is missing."


def _misplaced(error: UnexpectedToken, text: str, position: int) -> str:
    token = error.token
    before = text[position - 1 : position]
    if token.type == "COMPARE" and before in {"=", "<", ">"}:
        return f"'{before}{token}' is not an operator; write =, <>, <, <=, > or >=."
    if token.type == "RPAR" and not (_OPERANDS & error.expected):
        return "This closing parenthesis has no opening one."
    if _OPERANDS & error.expected:
        return f"A field, number, text or function should stand here, not '{token}'."
    if token.type == "COMPARE":
        return "Comparisons cannot be chained; join two of them with 'and'."
    return f"An operator such as 'and', 'or', '=' or '+' is missing before '{token}'."


def _unreadable(character: str) -> str:
    if character in {"'", '"'}:
        return "This quotation mark is never closed (inside a text, a backslash hides the mark after it)."
    if character == "[":
        return "This square bracket is never closed."
    if character == "]":
        return "This closing square bracket has no opening one."
    if character in _CURLY:
        return f"'{character}' is a typographic quotation mark; write a straight ' or \"."
    if character in _LOOKALIKES:
        return f"'{character}' is not an operator here; write {_LOOKALIKES[character]}."
    return f"The character '{character}' has no meaning outside quotes."
