"""Where no row of a column holds anything unreadable or a missing-data code, not asking for it changes no answer."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validators.logic.rows import AS_OF
from tests.validators.logic.test_differential import CONDITIONS, FRAME, KINDS, field
from validators.logic import compile as logic
from validators.logic import parser, tree
from validators.logic.tree import Operator

CODES = ("UNK", "-9")
CODED = FRAME.with_columns(
    # every fourth blank cell holds a code instead; which row is another one in each column
    pl.when(pl.col(name).is_null() & ~pl.col(f"{name}_bad") & ((pl.int_range(pl.len()) + place) % 4 == 0))
    .then(pl.lit(CODES[place % 2]))
    .alias(f"{name}_code")
    for place, name in enumerate(KINDS)
)
ABOUT_CODES = st.builds(
    tree.Binary,
    operator=st.sampled_from([Operator.EQ, Operator.NE]),
    left=st.sampled_from([field(name) for name in KINDS]),
    right=st.sampled_from([*(tree.Text(text=code) for code in CODES), *(field(name) for name in KINDS)]),
) | st.builds(
    lambda name, asked: tree.Call(name=name, arguments=(asked,)),
    st.sampled_from(["isblankormissingcode", "isblanknotmissingcode"]),
    st.sampled_from([field(name) for name in KINDS]),
)


def resolver(clean):
    def resolve(found):
        kind, name = KINDS[found.name], found.name
        if name in clean:
            return logic.Resolved(column=name, kind=kind, takes_codes=True)
        return logic.Resolved(column=name, kind=kind, unparsable=f"{name}_bad", missing_code=f"{name}_code")

    return resolve


@settings(max_examples=200, deadline=None)
@given(node=CONDITIONS | ABOUT_CODES, clean=st.sets(st.sampled_from(sorted(KINDS)), min_size=1))
def test_asking_less_of_clean_columns_gives_the_same_answers(node, clean):
    rows = CODED.filter(pl.all_horizontal(~pl.col(f"{n}_bad") & pl.col(f"{n}_code").is_null() for n in clean))
    whole = logic.compile_logic(node, resolver(()), as_of=AS_OF)
    less = logic.compile_logic(node, resolver(clean), as_of=AS_OF)
    if isinstance(whole, logic.NotExecutable):
        assert less == whole, tree.unparse(node)
        return
    assert isinstance(less, logic.Compiled), tree.unparse(node)
    assert logic.evaluate(rows, less).to_list() == logic.evaluate(rows, whole).to_list(), tree.unparse(node)
    assert logic.evaluate(rows.clear(), less).to_list() == []
    assert not {f"{name}_{what}" for name in clean for what in ("bad", "code")} & set(less.inputs)


@pytest.mark.parametrize("clean", [(), ("n",)])
def test_a_number_may_be_held_against_a_code_that_no_row_holds(clean):
    compiled = logic.compile_logic(parser.parse("[n] = 'UNK'"), resolver(clean), as_of=AS_OF)
    assert isinstance(compiled, logic.Compiled)
    rows = CODED.filter(pl.col("n_code").is_null())
    assert set(logic.evaluate(rows, compiled).to_list()) == {False}


def test_the_rows_hold_codes_and_what_cannot_be_read():
    assert all(CODED[f"{name}_code"].is_not_null().any() for name in KINDS)
    assert CODED["n_bad"].any()
