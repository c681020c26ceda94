"""What is held back: many symptoms of one cause are asked about once."""

from tests.spec import bench

FORM = bench.form(
    "f",
    bench.field("a", hard=bench.Interval(low=0, high=100), required=True),
    bench.field("b", required=True),
    bench.field("c", required=True),
    bench.field("d", required=True),
)


def held(table: str, *checks):
    found = bench.judged(bench.study(FORM, checks=checks), {"f": table})
    return {(each.check, each.row.record, each.field): each.held_by for each in found.findings}


def soft(id: str, **more):
    return bench.spec(id, severity=bench.Severity.SOFT, **more)


def test_an_impossible_value_explains_the_soft_findings_that_read_it():
    assert held(
        "record a b c d\n1 500 3 1 1\n2 50 3 1 1",
        soft("S", logic="[a] > [b]", targets=("b",)),
        bench.spec("H", logic="[a] > [b]", targets=("c",)),
    ) == {
        ("RG01", "1", "a"): None,
        ("S", "1", "b"): "RG01",
        ("H", "1", "c"): None,
        ("S", "2", "b"): None,
        ("H", "2", "c"): None,
    }


def test_a_graver_finding_at_a_cell_explains_that_it_is_blank():
    found = held("record a b c d\n1 5 . 1 1\n2 1 . 1 1", bench.spec("H", logic="[a] = 5 and [b] = ''", targets=("b",)))
    assert found == {("H", "1", "b"): None, ("CP01", "1", "b"): "H", ("CP01", "2", "b"): None}


def test_a_cause_is_taken_for_one_only_where_its_symptoms_are_many():
    cause = bench.spec("H", logic="[a] = 5", params={"explains": ["CP01"]})
    many = held("record a b c d\n1 5 . . .", cause)
    assert {many["CP01", "1", field] for field in "bcd"} == {"H"}
    few = held("record a b c d\n1 5 . . 1", cause)
    assert {few["CP01", "1", field] for field in "bc"} == {None}
    others = held("record a b c d\n1 5 . . .\n2 1 . . .", cause)
    assert {others["CP01", "2", field] for field in "bcd"} == {None}
