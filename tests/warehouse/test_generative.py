"""Whatever a site does from night to night: tables equal the last pull, and the history leads back to every night."""

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schemas.coordinates import Coordinate, RowKey
from schemas.study import Kind
from sync.ports.stored import StoreCounts
from sync.warehouse import difference, layout
from sync.warehouse.store import SqlWarehouse
from tests.warehouse import building as b

FORM = b.form("labs", b.field("creat", Kind.NUMBER), b.field("remark", Kind.TEXT), b.field("tubes", Kind.INTEGER))
STUDY = b.study(FORM)

keys = st.tuples(st.sampled_from(["ZJ-01", "ZJ-02"]), st.sampled_from(["day_0", "month_3"]), st.sampled_from([1, 2]))
cells = st.fixed_dictionaries(
    {
        "creat": st.sampled_from([None, 7.0, 7.5, -0.0]),
        "remark": st.sampled_from([None, "", "a", "é"]),
        "tubes": st.sampled_from([None, 0, 1]),
    }
)
# A text beside a value that could not be read, or that a mapping made of another text.
texts = st.fixed_dictionaries({"creat": st.sampled_from([None, "7", "7,0", "seven"])})
nights = st.lists(st.dictionaries(keys, st.tuples(cells, texts), max_size=5), min_size=1, max_size=5)


def frame(night):
    return b.frame(
        FORM, {key: row for key, (row, _) in night.items()}, raw={key: raw for key, (_, raw) in night.items()}
    )


def held(frame, column):
    """Map each key to (value as text, text) of a column."""
    texts_ = difference.text_of(frame.rows[column])
    rows = frame.rows.select("record", "event", "instance").rows()
    return dict(zip(rows, zip(texts_, frame.raw[column], strict=True), strict=True))


def check(url, pulls):
    warehouse = SqlWarehouse(url, STUDY, secret=b.SECRET)
    warehouse.upgrade()
    # One database serves all examples: each begins as a site emptied, nights numbered on.
    begin = sum(run.kind == "full" for run in warehouse.reader().runs(limit=10_000)) * 100
    b.store(warehouse, begin, frame({}))
    warehouse.record_run(b.run_row(begin))
    try:
        for number, pull in enumerate(pulls, start=begin + 1):
            b.store(warehouse, number, frame(pull))
            assert b.store(warehouse, number + 50, frame(pull)) == StoreCounts(), "a second store is silent"
            (found,) = warehouse.reader().frames(b.SITE)
            order = ["record", "event", "instance"]
            wanted = frame(pull)
            index = wanted.rows.with_row_index("at").sort(order)["at"]
            assert_frame_equal(found.rows, wanted.rows[index])
            assert_frame_equal(found.raw, wanted.raw[index])
        assert not warehouse.reader().verify().problems
        replayed(warehouse, begin, pulls)
    finally:
        warehouse.close()


def replayed(warehouse, begin, pulls):
    """Find each night's table in the history alone."""
    reader = warehouse.reader()
    for key in {key for pull in pulls for key in pull}:
        row = RowKey(site=b.SITE, record=key[0], event=key[1], instrument="labs", instance=key[2])
        for column in ("creat", "remark", "tubes"):
            life = reader.history(Coordinate(row=row, field=column))
            for number, pull in enumerate(pulls, start=begin + 1):
                versions = [v for v in life if v.since <= b.moment(number)]
                last = versions[-1] if versions else None
                there = held(frame(pull), column).get(key)
                if there is None:
                    assert last is None or last.change == "ended"
                else:
                    assert last is not None
                    assert last.change != "ended"
                    assert (last.value, last.raw) == there


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('generative')}/warehouse.sqlite"


# Examples are small, and each works a database: shrinking them would take minutes.
OPTIONS = {
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


@settings(max_examples=25, **OPTIONS)
@given(pulls=nights)
def test_any_sequence_of_pulls_on_sqlite(sqlite_url, pulls):
    check(sqlite_url, pulls)


@pytest.mark.postgres
@settings(max_examples=8, **OPTIONS)
@given(pulls=nights)
def test_any_sequence_of_pulls_on_postgresql(postgres_url, pulls):
    check(postgres_url, pulls)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(before=st.dictionaries(keys, cells, max_size=4), after=st.dictionaries(keys, cells, max_size=4))
def test_cells_that_differ_turn_one_state_into_the_other(before, after):
    shared = sorted(before.keys() & after.keys())
    old, new = (b.frame(FORM, {key: each[key] for key in shared}) for each in (before, after))

    slots = layout.place(STUDY, ()).slots
    changes = difference.cells(slots, old.rows, old.raw, new.rows, new.raw)
    state = {(key, c): pair for c in ("creat", "remark", "tubes") for key, pair in held(old, c).items()}
    for change in changes.iter_rows(named=True):
        place = ((change["record"], change["event"], change["instance"]), change["column_name"])
        assert state[place] == (change["old"], change["raw_old"])
        state[place] = (change["new"], change["raw_new"])
    assert state == {(key, c): pair for c in ("creat", "remark", "tubes") for key, pair in held(new, c).items()}
    assert changes.height == changes.unique(["record", "event", "instance", "column_name"]).height
    assert changes.schema == pl.Schema(difference.CHANGE_SCHEMA)
