"""Listings on terminals of any width: nothing that is shown is torn, and what is not shown is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.commands import output, status
from sync.commands.column import Column
from sync.commands.fitting import GAPS, fit

SITE = Column(key="site", title="Site", whole=True)
NAME = Column(key="name", title="Name", gives_way=2)
SHORT = Column(key="open", title="Open", right=True, gives_way=1)
LONG = Column(key="message", title="Question", least=20)
ROWS = [
    {"site": "drumtower", "name": "A hospital of a long name (invented)", "open": 12, "message": "Why is it so? " * 4},
    {"site": "zhenjiang", "name": "Another one", "open": 3, "message": "Please check it."},
]


def _texts(columns: list[Column], rows: list[dict[str, object]]) -> list[list[str]]:
    return [[str(row[column.key]) for row in rows] for column in columns]


def test_all_columns_take_what_they_want_where_there_is_room():
    fitted = fit([SITE, NAME, SHORT], _texts([SITE, NAME, SHORT], ROWS), 160)
    assert fitted.shown == (0, 1, 2)
    assert fitted.widths == (9, 36, 4)


def test_columns_give_way_in_their_order_and_are_named():
    columns = [SITE, NAME, SHORT, LONG]
    texts = _texts(columns, ROWS)
    assert fit(columns, texts, 80).shown == (0, 1, 2, 3)
    # widths of 9, 10, 4 and 20, a room of two each, and an edge
    assert fit(columns, texts, 52).shown == (0, 1, 2, 3)
    assert fit(columns, texts, 51).shown == (0, 2, 3)
    assert fit(columns, texts, 37).shown == (0, 3)


def test_nothing_is_wider_than_the_terminal_even_where_nothing_can_give_way():
    columns = [SITE, Column(key="name", title="Name", whole=True)]
    assert fit(columns, _texts(columns, ROWS), 20).taken <= 20


def test_what_must_not_give_way_shares_what_is_there():
    fitted = fit([SITE, LONG], _texts([SITE, LONG], ROWS), 24)
    assert fitted.shown == (0, 1)
    assert fitted.widths[0] == 9
    assert fitted.taken <= 24


@given(
    st.lists(
        st.tuples(st.text("ab 药", max_size=30), st.integers(0, 3), st.booleans(), st.sampled_from([0, 10])),
        min_size=1,
        max_size=8,
    ),
    st.integers(20, 200),
)
def test_what_is_shown_fits_or_nothing_could_give_way(cells, width):
    columns = [
        Column(key=str(at), title=f"T{at}", gives_way=weak, whole=whole, least=least)
        for at, (_, weak, whole, least) in enumerate(cells)
    ]
    fitted = fit(columns, [[text] for text, *_ in cells], width)
    assert len(fitted.widths) == len(fitted.shown)
    assert fitted.gap in GAPS
    left_out = set(range(len(columns))) - set(fitted.shown)
    assert all(columns[at].gives_way for at in left_out)
    assert all(each > 0 for each in fitted.widths)
    if len(fitted.shown) > 1 and any(columns[at].gives_way for at in fitted.shown):
        assert fitted.taken <= width


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_list_of_sites_never_tears_a_word(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    rows = [
        {
            "site": "drumtower",
            "name": "Drum Tower Hospital, Nanjing (invented)",
            "last_success_ago": "8 h ago",
            "last_outcome": "unreachable",
            **dict.fromkeys(("open", "aged", "answered", "candidates", "parked", "notices"), 0),
            "stale": "STALE",
        }
    ]
    output.table("Sites", [column for column in status.COLUMNS if not column.optional], rows)
    text = capsys.readouterr().out
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    for word in ("drumtower", "unreachable", "8 h", "STALE", "success", "outcome", "Open"):
        assert word in text
    is_named = "Hospital" in text
    assert is_named is ("Left out" not in text or "Name" not in text.split("Left out")[1])
