"""Set the two evaluations of REDCap logic against each other: row by row here, over columns on the client side.

They share the grammar alone, so where they agree on blanks, texts and numbers neither misreads alone.
"""

from datetime import date, datetime

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.sandbox import evaluate
from validators.logic import compile as columns
from validators.logic import parser
from validators.logic.pieces import Kind

NOW = datetime(2026, 3, 2, 8, 30)  # noqa: DTZ001 -- a REDCap server tells local time without a zone
KINDS = {"n": Kind.NUMBER, "m": Kind.NUMBER, "t": Kind.TEXT, "d": Kind.DATE, "e": Kind.DATE}
TYPES = {Kind.NUMBER: pl.Float64, Kind.TEXT: pl.String, Kind.DATE: pl.Date}

numbers = st.sampled_from(["[n]", "[m]", "0", "1", "2.5", "10"])
dates = st.sampled_from(["[d]", "[e]", "'2026-01-31'", "'today'"])
arithmetic = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("round({}, {})".format, inner, st.sampled_from(["0", "1", "2"])),
        st.builds("{}({}, {})".format, st.sampled_from(["sum", "min", "max", "mean"]), inner, inner),
        st.builds("abs({})".format, inner),
        st.builds("datediff({}, {}, 'd', {})".format, dates, dates, st.sampled_from(["true", "false"])),
    ),
    max_leaves=5,
)
comparisons = st.one_of(
    st.builds("{} {} {}".format, arithmetic, st.sampled_from(["=", "<>", "<", ">"]), arithmetic),
    # two blanks are the one known difference: equal, hence `<=`, here; in no order there (nobody has it recorded)
    st.builds("{} {} {}".format, arithmetic, st.sampled_from(["<=", ">="]), st.sampled_from(["0", "2.5", "7"])),
    st.builds("{} {} ''".format, st.sampled_from(["[n]", "[t]", "[d]"]), st.sampled_from(["=", "<>"])),
    st.builds("[t] {} '{}'".format, st.sampled_from(["=", "<>"]), st.sampled_from(["Ada", "ada", "x"])),
    st.builds(
        "{}([t], '{}')".format, st.sampled_from(["contains", "starts_with", "ends_with"]), st.sampled_from("adx")
    ),
    st.builds("isblankormissingcode({})".format, st.sampled_from(["[n]", "[t]", "[d]"])),
)
logic = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=4,
)
rows = st.fixed_dictionaries(
    {
        "n": st.sampled_from(["", "0", "1", "2.5", "-3"]),
        "m": st.sampled_from(["", "0", "7", "2.50"]),
        "t": st.sampled_from(["", "Ada", "x"]),
        "d": st.sampled_from(["", "2026-01-31", "2026-03-02"]),
        "e": st.sampled_from(["", "2025-12-01"]),
    }
)


def typed(name: str, text: str) -> object:
    if not text:
        return None
    return {Kind.NUMBER: float, Kind.TEXT: str, Kind.DATE: date.fromisoformat}[KINDS[name]](text)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=logic, table=st.lists(rows, min_size=1, max_size=4))
def test_both_evaluations_agree(text, table):
    tree = parser.parse(text)
    compiled = columns.compile_logic(
        tree, lambda node: columns.Resolved(column=node.name, kind=KINDS[node.name]), as_of=NOW
    )
    if isinstance(compiled, columns.NotExecutable):
        return
    frame = pl.DataFrame(
        {name: [typed(name, row[name]) for row in table] for name in KINDS},
        schema={name: TYPES[kind] for name, kind in KINDS.items()},
    )
    over_columns = columns.evaluate(frame, compiled).to_list()
    for row, theirs in zip(table, over_columns, strict=True):
        scope = evaluate.Scope(read=lambda node, row=row: row[node.name], now=NOW)
        if theirs is not None:
            assert evaluate.holds(tree, scope) is theirs, (text, row)
