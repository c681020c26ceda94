"""The scanner names the line of every key that ``tomllib`` reads."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from sync.toml_lines import key_lines, line_of

TEXT = '''# a comment with [brackets] and "quotes
top = "x # not a comment"

[one]
plain = 1  # [two]
"quoted key" = """
not = a key
[nor a table]
""""
after.dotted = [
  "a]", # ]
  ['b[', 2],
]
last = {in = 1, line = "}"}

[[many]]
slug = 'a'
[[many]]
slug = "b"
[many.sub]
deep = """\\"""x"""
[three.four]
z = 1
'''


def test_every_shape_of_key_has_its_line() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    numbered = TEXT.splitlines()
    expected = {
        ("top",): "top =",
        ("one",): "[one]",
        ("one", "plain"): "plain =",
        ("one", "quoted key"): '"quoted key"',
        ("one", "after", "dotted"): "after.dotted",
        ("one", "last"): "last =",
        ("many", 0, "slug"): "slug = 'a'",
        ("many", 1, "slug"): 'slug = "b"',
        ("many", 1, "sub", "deep"): "deep =",
        ("three", "four", "z"): "z =",
    }
    for path, beginning in expected.items():
        assert numbered[lines[path] - 1].startswith(beginning), path
    assert ("one", "not") not in lines
    assert ("two",) not in lines


def test_an_unlisted_key_takes_the_line_of_what_encloses_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("one", "last", "in")) == lines["one", "last"]
    assert line_of(lines, ("many", 1, "missing")) == lines["many", 1]
    assert line_of(lines, ("nowhere",)) == 1


@given(values=st.lists(st.one_of(st.text(), st.lists(st.text(max_size=5), max_size=3)), max_size=6))
def test_no_value_is_taken_for_a_key(values: list[object]) -> None:
    import json

    def literal(value: object) -> str:
        # JSON strings are TOML basic strings, except for DEL, which TOML wants escaped
        return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007F")

    text = "".join(f"k{i} = {literal(value)}\n" for i, value in enumerate(values))
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # lone surrogates
        return
    assert key_lines(text) == {(f"k{i}",): i + 1 for i in range(len(values))}
