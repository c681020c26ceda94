"""Which of the vanished records became which of the new ones, and whose a name is. All records are made up."""

import polars as pl
import pytest

from schemas.known import KNOWN_SCHEMA
from schemas.pull import BLANK, fingerprints
from sync.redcap import renames
from sync.redcap.names import Kind, NameAct, follow, plausible, unseen
from sync.redcap.renames import Bearers
from tests.redcap import trial

COLUMNS = ("record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "age")
NO_CELLS = pl.DataFrame([[None] * 5], schema=dict.fromkeys(COLUMNS, pl.String()), orient="row")
VERBS = {"+": Kind.MADE, ">": Kind.NAMED, "-": Kind.DELETED}


def known(**records: str) -> pl.DataFrame:
    """Make a frame of records with one row a letter; the letter is its hash, "-" a row without cells."""
    rows = [
        (record, f"event_{place}", None, None, None, BLANK if letter == "-" else ord(letter))
        for record, letters in records.items()
        for place, letter in enumerate(letters)
    ]
    return pl.DataFrame(rows, schema=KNOWN_SCHEMA, orient="row")


def acts(log: str) -> list[NameAct]:
    """Write a log: ">b -a +c" names somebody b, deletes a and makes c, in this order."""
    return [
        NameAct(kind=VERBS[word[0]], names=frozenset({word[1:]}), at=trial.NOON, place=place)
        for place, word in enumerate(log.split())
    ]


def grouped(before: dict[str, str], now: dict[str, str], log: str) -> dict[str, str]:
    """Pair in a site that is one group of its project."""
    return paired(before, now, log, is_group=True)


def told(before: dict[str, str], now: dict[str, str], log: str, *, is_whole: bool = True, **more) -> Bearers:
    """Say what became of all records of ``before`` by those of ``now``."""
    names = follow(acts(log), known=before, exist=now, blank=more.get("emptied", ()))
    old = {name: rows for name, rows in before.items() if name not in now or name in names.begun}
    new = {name: rows for name, rows in now.items() if name in names.begun}
    return renames.by_log(known(**old), known(**new), names, exist=now, is_whole=is_whole, **more)


def paired(before: dict[str, str], now: dict[str, str], log: str, **more) -> dict[str, str]:
    return dict(told(before, now, log, **more).renamed)


def test_a_row_without_cells_has_the_mark_of_nothing() -> None:
    assert fingerprints(NO_CELLS, "record_id")["hash"].to_list() == [BLANK]
    assert fingerprints(NO_CELLS.drop("age"), "record_id")["hash"].to_list() == [BLANK]


def test_the_same_rows_tell() -> None:
    assert paired({"a": "xy", "b": "zw"}, {"c": "zw", "d": "xy"}, ">c >d") == {"a": "d", "b": "c"}


def test_most_rows_tell_where_some_were_edited() -> None:
    assert paired({"a": "xyz", "b": "uvw"}, {"c": "xyZ", "d": "uVW"}, ">c >d") == {"a": "c", "b": "d"}
    assert paired({"a": "xyz", "b": "uvw", "e": "t"}, {"c": "xyZ", "d": "uVW"}, ">c >d") == {"a": "c"}


def test_rows_that_a_third_record_has_a_part_in_do_not_tell() -> None:
    assert paired({"a": "sxy", "b": "tuv"}, {"c": "txy"}, ">c >e -e") == {}
    assert paired({"a": "sxy", "b": "txv"}, {"c": "sxZ"}, ">c >e -e") == {"a": "c"}


@pytest.mark.parametrize(
    ("before", "now"), [({"a": "x", "b": "x"}, {"c": "x"}), ({"a": "x", "f": "w"}, {"c": "x", "d": "x"})]
)
def test_twins_are_not_told_apart(before: dict[str, str], now: dict[str, str]) -> None:
    assert paired(before, now, ">c >d") == {}


def test_what_the_log_does_not_call_renamed_is_new() -> None:
    assert paired({"a": "xy"}, {"b": "xy"}, "") == {}
    assert paired({"a": "xy"}, {"b": "xy"}, "-a +b") == {}
    assert paired({"a": "xy"}, {"b": "xy"}, ">b -b +b") == {}


def test_the_last_of_each_are_one_unless_something_else_explains_them() -> None:
    before, now = {"a": "x"}, {"b": "y"}
    assert paired(before, now, ">b") == {"a": "b"}
    assert paired(before, now, ">b", is_whole=False) == {}
    assert paired(before, now, "-a +c >b") == {}
    assert paired(before, now, "-a >b") == {}
    assert paired(before, now, "+b >c -c >b") == {}
    assert paired(before, now, "+c >b") == {}, "made since, and renamed: it may be the new one"
    assert paired(before, now, "+c -c >b") == {"a": "b"}
    assert paired(before, now, ">b", emptied={"a"}) == {}
    assert paired(before, now, ">b", is_erased=True) == {}
    assert paired({"a": "x", "c": "z"}, now, ">b >d -d") == {}
    assert paired(before, now, ">b >e") == {"a": "b"}, "e was passed through"


def test_a_new_name_that_another_groups_record_has_leaves_no_last_of_each() -> None:
    names = follow(acts(">b >e"), known={"a"}, exist={"b", "e"}, blank=())
    assert not renames.by_log(known(a="x"), known(b="y"), names, exist={"b", "e"}).renamed


# --- names that go to another


def test_names_are_shifted_and_swapped() -> None:
    before = {"a": "xy", "b": "zw"}
    assert told(before, {"c": "xy", "a": "zw"}, ">c >a") == Bearers(
        renamed={"a": "c", "b": "a"}, reborn=frozenset({"a"})
    )
    assert told(before, {"a": "zw", "b": "xy"}, ">t >a >b") == Bearers(
        renamed={"a": "b", "b": "a"}, reborn=frozenset({"a", "b"})
    )


def test_a_shift_with_an_edit_beyond_recognition_is_told_by_what_is_left() -> None:
    assert paired({"a": "xy", "b": "zw"}, {"c": "uv", "a": "zw"}, ">c >a") == {"a": "c", "b": "a"}
    both = told({"a": "xy", "b": "zw"}, {"c": "uv", "a": "st"}, ">c >a")
    assert both == Bearers(renamed={}, reborn=frozenset({"a"}))


@pytest.mark.parametrize("rows", ["xy", "xz", "st"])
@pytest.mark.parametrize("log", ["-a +a", ">c -c +a", ">t >a", "-a +b >a"])
def test_a_name_that_was_made_or_given_anew_is_another_bearers_whatever_it_holds(log: str, rows: str) -> None:
    assert told({"a": "xy"}, {"a": rows}, log) == Bearers(renamed={}, reborn=frozenset({"a"}))


def test_lines_of_one_minute_may_come_in_any_order() -> None:
    assert told({"a": "xy"}, {"a": "xy"}, "+a -a").reborn == {"a"}


def test_a_line_that_makes_a_known_record_means_another_where_something_ended_or_no_row_is_left() -> None:
    assert not told({"a": "xy"}, {"a": "xyz"}, "+a").reborn, "its first row in another arm"
    assert told({"a": "xy"}, {"a": "zz"}, "+a").reborn == {"a"}
    assert told({"a": "xy"}, {"a": "xyz"}, "+a", emptied={"a"}).reborn == {"a"}
    assert told({"a": "xy"}, {"a": "xyz"}, "+a", is_erased=True).reborn == {"a"}
    assert told({"a": "xy", "b": "w"}, {"a": "xyz", "c": "xv"}, "+a >c").reborn == {"a"}


def test_a_name_that_is_given_again_goes_on_under_the_one_that_its_bearer_has_now() -> None:
    again = told({"a": "xy", "b": "uv"}, {"c": "xy", "a": "new", "b": "uv"}, ">c +a")
    assert again == Bearers(renamed={"a": "c"}, reborn=frozenset({"a"}))


# --- without a log


def by_rows(before: dict[str, str], now: dict[str, str]) -> Bearers:
    def of(records: dict[str, str], others: dict[str, str], *, are_in: bool) -> pl.DataFrame:
        return known(**{name: rows for name, rows in records.items() if (name in others) == are_in})

    return renames.by_rows(
        of(before, now, are_in=False), of(now, before, are_in=False),
        of(before, now, are_in=True), of(now, before, are_in=True),
    )  # fmt: skip


def test_without_a_log_only_the_same_rows_tell() -> None:
    assert by_rows({"a": "xy"}, {"b": "xy"}).renamed == {"a": "b"}
    assert by_rows({"a": "xyz"}, {"b": "xyw"}).renamed == {}
    assert by_rows({"a": "--"}, {"b": "--"}).renamed == {}


def test_without_a_log_a_shift_shows_where_whole_contents_moved() -> None:
    found = by_rows({"a": "xy", "b": "zw"}, {"c": "xy", "a": "zw"})
    assert found == Bearers(renamed={"a": "c", "b": "a"}, reborn=frozenset({"a"}))
    assert by_rows({"a": "x"}, {"c": "x", "a": "w"}) == Bearers(renamed={})


def test_without_a_log_a_record_with_no_row_of_before_is_doubtful() -> None:
    assert by_rows({"a": "xy", "b": "u"}, {"a": "zw", "b": "v"}) == Bearers(renamed={}, doubtful=1)
    assert by_rows({"a": "xy"}, {"a": "xw"}).doubtful == 0


# --- what was read before


def test_lines_that_the_last_pull_has_read_are_no_news() -> None:
    log = acts("+a >b -c")
    assert unseen(log, trial.NOON, 2) == (log[2],)
    assert unseen(log, trial.NOON, 0) == tuple(log)
    assert unseen(log, trial.NOON.replace(hour=13), 0) == ()


def test_new_names_take_from_known_records_only_as_many_as_were_not_made_since() -> None:
    passed = follow(acts("+a >b >c >d"), known={"z"}, exist={"d"}, blank=())
    assert (passed.given, passed.passing, passed.strays) == (3, 2, 1)
    ended = follow(acts("+a >b -b"), known={"z"}, exist=set(), blank=())
    assert (ended.given, ended.passing, ended.strays) == (1, 0, 1)


def test_the_last_of_each_are_no_pair_where_the_log_gave_another_name_that_ended() -> None:
    assert paired({"a": "xy"}, {"c": "uv"}, ">c") == {"a": "c"}
    assert paired({"a": "xy"}, {"c": "uv"}, ">b -b >c") == {}


def test_the_last_of_each_are_no_pair_in_one_group_of_a_project() -> None:
    """Who has the new name may have come from another group, and the old one be gone for another reason."""
    assert grouped({"a": "xy"}, {"c": "uv"}, ">c") == {}
    assert grouped({"a": "xy"}, {"c": "xy"}, ">c") == {"a": "c"}


def test_who_holds_all_that_was_known_stays_although_others_were_renamed() -> None:
    """A server may write a line as of a new record about a record's first row in another arm."""
    found = told({"a": "xy", "b": "uv"}, {"a": "xyz", "c": "uv"}, "+a >c")
    assert (dict(found.renamed), found.reborn) == ({"b": "c"}, frozenset())
    # one row could be anybody's
    assert told({"a": "x", "b": "uv"}, {"a": "xz", "c": "uv"}, "+a >c").reborn == {"a"}
    # somebody has a new name of which nothing tells whose it was
    assert told({"a": "xy", "b": "uv"}, {"a": "xyz", "c": "st"}, "+a >c").reborn == {"a"}


# --- lines that look like a new name


@pytest.mark.parametrize(
    ("log", "left"),
    [
        (">a", ""),
        (">c >a", ">c >a"),
        (">a >c", ">c"),
        ("-a >a", "-a >a"),
        ("-a +a >a", "-a +a"),
        ("+b >b", "+b"),
        (">b >b", ">b >b"),
        (">s >a", ">s"),
        (">x", ">x"),
        ("-s >s >a", "-s >s"),
    ],
)
def test_a_name_that_somebody_bears_is_given_to_nobody_unless_somebody_may_have_left(log: str, left: str) -> None:
    """Known are a and x; x was blanked, s is another group's."""
    kept = plausible(acts(log), known={"a", "x"}, emptied={"x": trial.NOON}, elsewhere={"s"})
    assert [(act.kind, act.names) for act in kept] == [(act.kind, act.names) for act in acts(left)]
