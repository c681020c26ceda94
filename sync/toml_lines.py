"""Find the line of a key in a TOML text.

``tomllib`` gives values without places. This scanner reads only what is needed to name a place: headers of
tables, keys and where values end. It is run on text that ``tomllib`` has accepted, so it need not judge the
syntax.
"""

import re
from collections.abc import Iterator, Mapping

KeyPath = tuple[str | int, ...]
"""The way to a value: keys, and 0-based positions inside arrays of tables."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # multi-line basic; up to two quotes may stand before the closing three
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_COMMENT = re.compile(r"#[^\n]*")


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Map every key path and table header of a TOML text to its line, counted from 1.

    Keys inside inline tables and arrays are not listed; ``line_of`` gives them the line of their outer key.
    """
    lines: dict[KeyPath, int] = {}
    for path, offset in _statements(text):
        lines.setdefault(path, text.count("\n", 0, offset) + 1)
    return lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Give the line of a key path, or of the nearest enclosing one that has a line; 1 where there is none."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _statements(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Walk the headers and key/value pairs in file order."""
    table: KeyPath = ()
    arrays: dict[KeyPath, int] = {}  # array of tables -> position of its last table
    at = 0
    while (at := _skip_blank(text, at)) < len(text):
        start = at
        if text[at] == "[":
            is_array = text.startswith("[[", at)
            keys, at = _dotted_key(text, at + 1 + is_array)
            table = _in_arrays(keys, arrays, starts_one=is_array)
            yield table, start
            at = text.find("]", at) + 1 + is_array
        else:
            keys, at = _dotted_key(text, at)
            for length in range(1, len(keys) + 1):
                yield table + keys[:length], start
            at = _skip_value(text, at)


def _in_arrays(keys: tuple[str, ...], arrays: dict[KeyPath, int], *, starts_one: bool) -> KeyPath:
    """Insert the current positions of the arrays of tables that a header passes through."""
    path: KeyPath = ()
    for depth, key in enumerate(keys, start=1):
        path += (key,)
        if starts_one and depth == len(keys):
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path += (arrays[path],)
    return path


def _skip_blank(text: str, at: int) -> int:
    """Step over white space, line ends and comments."""
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == "#":
            at = _end(_COMMENT, text, at)
        else:
            break
    return at


def _dotted_key(text: str, at: int) -> tuple[tuple[str, ...], int]:
    """Read ``a."b c".d``; the position after it."""
    keys: list[str] = []
    while at < len(text):
        if text[at] in " \t.":
            at += 1
        elif text[at] in "\"'":
            end = _end(_STRING, text, at)
            keys.append(text[at + 1 : end - 1])
            at = end
        elif match := _BARE.match(text, at):
            keys.append(match.group())
            at = match.end()
        else:
            break
    return tuple(keys), at


def _skip_value(text: str, at: int) -> int:
    """Step over ``= value`` to the end of its last line, through strings, arrays and inline tables."""
    depth = 0
    while at < len(text):
        sign = text[at]
        if sign in "\"'":
            at = _end(_STRING, text, at)
            continue
        if sign == "#":
            at = _end(_COMMENT, text, at)
            continue
        if sign == "\n" and depth == 0:
            break
        depth += (sign in "[{") - (sign in "]}")
        at += 1
    return at


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at + 1
