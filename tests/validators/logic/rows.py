"""Build one-row and many-row frames for the specifications, from a compact spelling of cells.

A field's first letter gives its kind: n number, t text, c coded, x checkbox (`x1` is `[x(1)]`), d date,
m date-time, h time. A cell is `name=value`; `name=!` is there but unreadable; `name=?UNK` holds the
missing-data code UNK; a field that is not mentioned is blank.
"""

import shlex
from datetime import UTC, date, datetime, time

import polars as pl

from validators.logic import compile as logic
from validators.logic import parser, tree
from validators.logic.compile import Kind

AS_OF = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)

KINDS = {
    "n": Kind.NUMBER,
    "t": Kind.TEXT,
    "c": Kind.CODED,
    "x": Kind.CHECKBOX,
    "d": Kind.DATE,
    "m": Kind.DATETIME,
    "h": Kind.TIME,
}
TYPES = {
    "n": pl.Float64,
    "t": pl.String,
    "c": pl.String,
    "x": pl.Int8,
    "d": pl.Date,
    "m": pl.Datetime("us"),
    "h": pl.Time,
}
READ = {
    "n": float,
    "t": str,
    "c": str,
    "x": int,
    "d": date.fromisoformat,
    "m": datetime.fromisoformat,
    "h": time.fromisoformat,
}
NAMES = [f"{letter}{number}" for letter in KINDS for number in (1, 2, 3)]


def column(field):
    return f"{field.name}{field.code or ''}"


def resolve(field: tree.Field):
    name = column(field)
    if name not in NAMES or field.event is not None or field.instance is not None:
        return logic.Unresolved(reason="there is no such field")
    return logic.Resolved(column=name, kind=KINDS[name[0]], unparsable=f"{name}__bad", missing_code=f"{name}__code")


def frame(*rows: str) -> pl.DataFrame:
    """Make a frame with a row for each string of cells."""
    columns = {}
    cells = [dict(cell.split("=", 1) for cell in shlex.split(row)) for row in rows]
    for name in NAMES:
        written = [row.get(name, "") for row in cells]
        values = [None if cell == "" or cell[0] in "!?" else READ[name[0]](cell) for cell in written]
        columns[name] = pl.Series(values, dtype=TYPES[name[0]])
        columns[f"{name}__bad"] = pl.Series([cell == "!" for cell in written])
        codes = [cell[1:] if cell.startswith("?") else None for cell in written]
        columns[f"{name}__code"] = pl.Series(codes, dtype=pl.String)
    return pl.DataFrame(columns)


def condition(expression: str, *rows: str):
    """Evaluate a condition: a list of True, False and None, or what refuses it."""
    compiled = logic.compile_logic(parser.parse(expression), resolve, as_of=AS_OF)
    if isinstance(compiled, logic.NotExecutable):
        return compiled
    return logic.evaluate(frame(*rows).select(compiled.inputs or pl.all()), compiled).to_list()


def calculation(expression: str, *rows: str):
    """Evaluate a calculation: a list of values, '' for blank and None for not evaluated."""
    compiled = logic.compile_value(parser.parse(expression), resolve, as_of=AS_OF)
    if isinstance(compiled, logic.NotExecutable):
        return compiled
    shown = frame(*rows).select(value=compiled.value, evaluated=compiled.evaluated)
    return [("" if value is None else value) if evaluated else None for value, evaluated in shown.rows()]


def table(text: str):
    """Read a specification: one `expression | cells | expected` a line, `#` for remarks."""
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(part.strip() for part in line.split("|")) for line in lines if line and line[0] != "#"]
