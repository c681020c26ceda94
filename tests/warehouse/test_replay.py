"""`verify` follows the history of cells to what stands, and shows where somebody broke it behind the program's back."""

from dataclasses import replace

import pytest

from schemas.study import Kind
from sync.ports.stored import SubjectRow
from sync.warehouse import catalogue, replay
from tests.warehouse import building as b
from tests.warehouse.test_queries import disarm

ONE, TWO = ("ZJ-01", "day_0", 1), ("ZJ-02", "day_0", 1)


@pytest.fixture
def lived(warehouse, monkeypatch):
    """Give a warehouse whose first row changed three times, and whose second went and came back; looked at in parts."""
    monkeypatch.setattr(replay, "PART_ROWS", 1)
    for night, (one, two) in enumerate([(70, 5), (71, 6), (72, None), (73, 8), (73, 9)]):
        rows = {ONE: {"creat": float(one), "remark": f"invented {one}"}}
        rows |= {TWO: {"creat": float(two)}} if two is not None else {}
        b.store(warehouse, night, b.frame(b.LABS, rows))
    return warehouse


def behind_its_back(warehouse, table, *statements):
    disarm(warehouse, table)
    with warehouse._engine.begin() as connection:
        for sql in statements:
            assert connection.exec_driver_sql(sql).rowcount > 0


def broken(warehouse):
    return [problem for problem in warehouse.reader().verify().problems if "history" in problem]


def test_a_life_of_changes_ends_and_returns_is_whole(lived):
    assert lived.reader().verify().problems == ()


@pytest.mark.parametrize(("column", "was"), [("old", "72"), ("new", "72"), ("raw_old", "72.0"), ("raw_new", "72.0")])
def test_an_altered_change_is_shown(lived, column, was):
    behind_its_back(lived, "cell_change", f"UPDATE cell_change SET {column} = '60' WHERE {column} = '{was}'")
    assert broken(lived) == ["zhenjiang: the history of 1 cells of form labs does not lead to what stands."]


def test_a_change_that_was_taken_out_is_shown(lived):
    behind_its_back(lived, "cell_change", "DELETE FROM cell_change WHERE new = '72'")
    assert broken(lived) == ["zhenjiang: the history of 1 cells of form labs does not lead to what stands."]


def test_the_last_change_that_was_taken_out_is_shown(lived):
    behind_its_back(lived, "cell_change", "DELETE FROM cell_change WHERE new = 'invented 73'")
    assert broken(lived) == ["zhenjiang: the history of 1 cells of form labs does not lead to what stands."]


def test_an_end_that_was_taken_out_is_shown(lived):
    behind_its_back(lived, "row_end", "DELETE FROM row_end WHERE record = 'ZJ-02'")
    assert broken(lived) == ["zhenjiang: the history of 1 cells of form labs does not lead to what stands."]


def test_a_row_that_was_taken_out_is_shown(lived):
    behind_its_back(lived, "row_end", "DELETE FROM labs WHERE record = 'ZJ-01'")
    assert "zhenjiang: 1 rows of form labs have a history, but neither stand nor have ended." in broken(lived)


def test_a_change_of_a_table_that_no_form_has_is_shown(lived):
    behind_its_back(lived, "cell_change", "UPDATE cell_change SET table_name = 'nowhere' WHERE new = '72'")
    assert "zhenjiang: 1 changes are of tables that no form has." in lived.reader().verify().problems


def test_parts_hold_every_record_once_those_that_went_too(lived):
    b.store(lived, 9, b.frame(b.LABS, {("ZJ-03", "day_0", 1): {"creat": 1.0}}))
    with lived._engine.connect() as connection:
        slots = [slot for slot in catalogue.read(connection) if slot.form == "labs"]
        parts = list(replay.in_parts(connection, "zhenjiang", slots))
    names = [record for part in parts for record in part]
    assert names == ["ZJ-01", "ZJ-02", "ZJ-03"]
    assert len(parts) == 3
    assert lived.reader().verify().problems == ()


@pytest.mark.parametrize(
    ("sql", "stand"),
    [
        ("DELETE FROM labs WHERE record = 'ZJ-03'", 2),
        (
            "INSERT INTO labs (site, record, event, instrument, instance, run_id, mapping_version, first_run_id,"
            " first_at, is_quarantined, row_hash) SELECT site, 'GHOST', event, instrument, instance, run_id,"
            " mapping_version, first_run_id, first_at, is_quarantined, row_hash FROM labs WHERE record = 'ZJ-03'",
            4,
        ),
    ],
)
def test_a_row_without_a_history_that_was_taken_out_or_put_in_is_shown_until_all_was_pulled(lived, sql, stand):
    frame = b.frame(b.LABS, {("ZJ-03", "day_0", 1): {"creat": 1.0}})
    b.store(lived, 6, frame, complete=False, records=["ZJ-03"])
    assert lived.reader().verify().problems == ()
    with lived._engine.begin() as connection:
        assert connection.exec_driver_sql(sql).rowcount == 1
    says = (
        f"zhenjiang: {stand} rows of form labs stand, and the last run left 3: rows were taken out or put in by others"
    )
    assert any(problem.startswith(says) for problem in lived.reader().verify().problems)
    b.store(lived, 7, b.frame(b.LABS, {ONE: {"creat": 2.0}}), complete=False, records=[ONE[0]])
    assert any(problem.startswith(says) for problem in lived.reader().verify().problems), "a later night hides nothing"


@pytest.mark.parametrize("table", ["labs", "labs__txt"])
def test_an_altered_row_is_put_right_where_it_is_proved_and_the_history_tells(lived, table):
    frame = b.frame(b.LABS, {ONE: {"creat": 73.0, "remark": "invented 73"}, TWO: {"creat": 9.0}})
    b.store(lived, 6, frame)
    what = "creat = 60" if table == "labs" else "remark = 'other'"
    with lived._engine.begin() as connection:
        assert connection.exec_driver_sql(f"UPDATE {table} SET {what} WHERE record = 'ZJ-01'").rowcount == 1
    assert "zhenjiang: 1 rows of form labs are not what was stored." in lived.reader().verify().problems
    assert b.store(lived, 7, frame).updated == 0, "fingerprints alone do not show it"
    mended = b.store(lived, 8, frame, proving=True)
    assert (mended.mended, mended.updated, mended.cells_changed) == (1, 1, 1)
    again = b.store(lived, 9, frame, proving=True)
    assert (again.mended, again.updated, again.cells_changed) == (0, 0, 0)
    assert not any("not what was stored" in problem for problem in lived.reader().verify().problems)


def test_a_record_with_rows_that_is_no_subject_is_shown(lived):
    with lived.transaction("zhenjiang", "people", b.moment(8)) as tx:
        tx.put_subjects([SubjectRow(record=record, first_infusion=None) for record in (ONE[0], TWO[0])])
    assert lived.reader().verify().problems == ()
    with lived._engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM subject WHERE record = '{ONE[0]}'")
    assert lived.reader().verify().problems == ("zhenjiang: 1 record has rows and is not among the site's subjects.",)


def test_a_field_that_changed_its_kind_is_whole_before_and_after_the_next_store(opened):
    first = opened(b.study(b.LABS))
    for night, value in enumerate(("1", "2", "1")):
        b.store(first, night, b.frame(b.LABS, {ONE: {"tubes": int(value), "creat": 1.5}}))
    fields = tuple(replace(each, kind=Kind.NUMBER) if each.name == "tubes" else each for each in b.LABS.fields)
    changed = replace(b.LABS, fields=fields)
    second = opened(replace(b.study(changed), version="2.0"))
    assert second.reader().verify().problems == ()
    b.store(second, 3, b.frame(changed, {ONE: {"tubes": 1.0, "creat": 1.5}}, raw={ONE: {"tubes": "1", "creat": "1.5"}}))
    b.store(second, 4, b.frame(changed, {ONE: {"tubes": 2.5, "creat": 1.5}}))
    assert second.reader().verify().problems == ()
