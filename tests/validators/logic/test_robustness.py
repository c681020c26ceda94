"""Whatever parses either says why it cannot be evaluated or gives one answer a row: it never breaks."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validators.logic.rows import AS_OF, frame, resolve
from validators.logic import compile as logic
from validators.logic import functions, parser, tree
from validators.logic.tree import Operator

FRAME = frame(
    "n1=-2.5 n2=0 t1=Taylor t2=2024-01-02 c1=1 x1=1 d1=2024-02-29 m1=2024-01-01T06:30 h1=23:59",
    "",
    "n1=! n2=1e300 t1=狼疮 t2=7 c1=A x1=0 d1=! m1=! h1=!",
    "n1=?UNK n2=3 t1=?NI c1=?UNK d1=1900-01-01 d2=2999-12-31 m1=1900-01-01T00:00 h1=00:00",
)
LEAVES = st.sampled_from(
    [tree.Field(name=name) for name in ("n1", "n2", "t1", "t2", "c1", "d1", "d2", "m1", "h1")]
    + [tree.Field(name="x", code="1"), tree.Truth(value=True)]
    + [tree.Text(text=text) for text in ("", "a", "1", "today", "now", "d", "2024-01-05", "08:30", "true", "UNK")]
    + [tree.Number(text=text) for text in ("0", "2", "0.5", "400")]
)


def _calls(children):
    return st.sampled_from(sorted(functions.TABLE.values(), key=lambda row: row.name)).flatmap(
        lambda row: st.lists(children, min_size=row.least, max_size=row.most or 4).map(
            lambda arguments: tree.Call(name=row.name, arguments=tuple(arguments))
        )
    )


DATES = st.sampled_from(
    [tree.Field(name=name) for name in ("d1", "d2", "m1", "t2")]
    + [tree.Text(text=text) for text in ("today", "now", "", "2024-01-05")]
)
SPANS = st.builds(
    lambda one, two, unit, rest: tree.Call(name="datediff", arguments=(one, two, tree.Text(text=unit), *rest)),
    DATES,
    DATES,
    st.sampled_from(["y", "M", "d", "h", "m", "s"]),
    st.sampled_from([(), (tree.Truth(value=True),), (tree.Text(text="ymd"), tree.Truth(value=False))]),
)


def _grown(children):
    return (
        _calls(children)
        | _calls(children)
        | SPANS
        | st.builds(
            tree.Binary,
            operator=st.sampled_from(sorted(set(Operator) - {Operator.AND, Operator.OR, Operator.NOT})),
            left=children,
            right=children,
        )
        | st.builds(
            tree.Logical,
            operator=st.sampled_from([Operator.AND, Operator.OR]),
            operands=st.lists(children, min_size=2, max_size=3).map(tuple),
        )
        | st.builds(tree.Unary, operator=st.sampled_from([Operator.NOT, Operator.SUB]), operand=children)
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(LEAVES, _grown, max_leaves=6))
def test_logic_is_refused_in_words_or_answers_every_row(node):
    condition = logic.compile_logic(node, resolve, as_of=AS_OF)
    value = logic.compile_value(node, resolve, as_of=AS_OF)
    assert isinstance(condition, logic.NotExecutable) is isinstance(value, logic.NotExecutable)
    if isinstance(condition, logic.NotExecutable):
        assert condition.reason.endswith((".", "?"))
        return
    rows = FRAME.select(
        truth=condition.truth,
        why=pl.lit(None, dtype=pl.String) if condition.reason is None else condition.reason,
        value=value.value,
        evaluated=value.evaluated,
    )
    assert rows.height == FRAME.height
    assert rows["truth"].dtype == pl.Boolean
    assert rows["value"].dtype in {pl.Float64, pl.String}
    assert rows["evaluated"].null_count() == 0
    assert rows["truth"].is_null().to_list() == (~rows["evaluated"]).to_list()
    assert rows.filter(pl.col("truth").is_null())["why"].null_count() == 0
    assert rows.filter(pl.col("truth").is_not_null())["why"].is_not_null().sum() == 0
    if rows["value"].dtype == pl.Float64:
        assert rows["value"].drop_nulls().is_finite().all()


@settings(max_examples=60, deadline=None)
@given(st.recursive(LEAVES, _grown, max_leaves=5))
def test_what_parses_back_from_its_own_spelling_compiles_alike(node):
    again = parser.parse(tree.unparse(node))
    one, two = (logic.compile_logic(each, resolve, as_of=AS_OF) for each in (node, again))
    if isinstance(one, logic.NotExecutable):
        assert isinstance(two, logic.NotExecutable)
        assert one.reason == two.reason
    else:
        assert logic.evaluate(FRAME, one).to_list() == logic.evaluate(FRAME, two).to_list()
