"""What changed in records that got other names is measured by the cells of the same rows; all values are made up."""

from dataclasses import replace

from schemas.study import Kind
from sync.volume import ColumnTally
from sync.workflows import renaming
from tests.spec import bench

FORM = bench.form("f", bench.field("who", kind=Kind.TEXT), bench.field("code", kind=Kind.TEXT), bench.field("height"))
FORMER = {"X1": "R1", "X2": "R2"}
BEFORE = "record who code height\nR1 R1 a 170\nR2 R2 b 180\nR3 R3 c 190"
AFTER = "record who code height\nX1 X1 a 1.70\nX2 X2 z 1.80\nX3 X3 c 9"


def measured(fields: dict[str, str], after: str = AFTER, former: dict[str, str] = FORMER):
    before, now = bench.frame(FORM, BEFORE), replace(bench.frame(FORM, after), site_fields=fields)
    return renaming.changes([before], [now], former, record_field="record_id")


def test_cells_are_compared_under_both_names_and_the_name_itself_is_none():
    found = measured({"who": "record_id"})
    assert found.cells_changed == 3
    columns = found.touched.columns
    assert set(columns) == {("f", "code"), ("f", "height")}
    assert (columns["f", "code"].changed, columns["f", "code"].beside) == (1, 2)
    assert (columns["f", "height"].changed, columns["f", "height"].emptied) == (2, 0)
    assert sum(count for count, _ in columns["f", "height"].ratios.values()) == 2


def test_the_name_is_known_by_the_site_s_field_that_holds_it():
    assert ("f", "who") in measured({"code": "record_id", "who": "pt_code"}).touched.columns
    assert ("f", "code") not in measured({"code": "record_id"}).touched.columns


def test_what_is_blank_now_counts_as_emptied_and_stands_beside_nothing():
    found = measured({"who": "record_id"}, after="record who code height\nX1 X1 a .\nX2 X2 b 180")
    assert found.touched.columns["f", "height"] == ColumnTally(changed=1, emptied=1, beside=1)


def test_records_that_kept_their_names_and_rows_that_are_new_are_not_looked_at():
    assert measured({"who": "record_id"}, former={"X9": "R9"}).cells_changed == 0
    assert measured({}, after="record who code height").touched.columns == {}


def test_a_column_that_changed_its_kind_is_compared_as_text():
    before = bench.frame(FORM, BEFORE)
    texts = before.raw["height"].alias("height")
    now = bench.frame(FORM, "record who code height\nX1 X1 a 170\nX2 X2 b 18")
    found = renaming.changes([replace(before, rows=before.rows.with_columns(texts))], [now], FORMER, record_field="")
    assert found.touched.columns["f", "height"].changed == 1
