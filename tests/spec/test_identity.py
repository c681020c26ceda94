"""ID01, ID02, DL03: who a row is about."""

from tests.spec import bench

STUDY = bench.sle("ID01", "ID02", "DL03")


def test_id01_asks_for_the_centres_own_prefix_and_pt01_stands_back():
    found = bench.judged(
        STUDY,
        {
            "screening_consent": """
            record event     subject_id
            1      screening ZJJU-001
            2      screening NJDT-002
            3      screening ZJJU-03
            4      screening .
            """
        },
    )
    assert bench.fired(found, "ID01") == ["2/screening/subject_id", "3/screening/subject_id"]
    assert bench.fired(found, "PT01") == []
    text = next(each for each in found.findings if each.check == "ID01").message
    assert text["en"] == "Subject ID NJDT-002 does not match this centre's prefix ZJJU. Please correct."
    assert "ZJJU" in text["zh"]


def test_id01_is_not_evaluated_where_the_site_withholds_the_id():
    found = bench.judged(
        STUDY,
        {"screening_consent": "record event subject_id\n1 screening ."},
        absent={"screening_consent": {"subject_id": "withheld"}},
    )
    assert bench.fired(found, "ID01") == []
    assert bench.missed(found, "ID01") == {"screening_consent.subject_id": 1}


DEMOGRAPHICS = """
record event     birth_ym sex sle_dx_date
1      screening 1980-01  F   2008-04-01
2      screening 1980-01  F   2008-04-01
3      screening 1980-01  M   2008-04-01
4      screening 1980-01  F   .
"""


def test_id02_finds_the_same_id_and_the_same_person_twice():
    found = bench.judged(
        STUDY,
        {
            "screening_consent": """
            record event     subject_id
            1      screening ZJJU-001
            2      screening ZJJU-002
            3      screening ZJJU-003
            4      screening ZJJU-003
            """,
            "demographics": DEMOGRAPHICS,
        },
    )
    assert bench.fired(found, "ID02") == [f"{nth}/screening/subject_id" for nth in (1, 2, 3, 4)]
    first = next(each for each in found.findings if each.check == "ID02")
    assert first.message["en"].startswith("Possible duplicate of record 2.")
    assert "1980-01" not in str(first.message)


def test_id02_cannot_compare_what_could_not_be_read():
    found = bench.judged(
        STUDY,
        {
            "screening_consent": "record event subject_id\n1 screening ZJJU-001\n2 screening ZJJU-002",
            "demographics": DEMOGRAPHICS.replace(
                "2      screening 1980-01  F   2008-04-01", "2 screening 1980-01 F ?x"
            ),
        },
    )
    assert bench.fired(found, "ID02") == []
    assert sum(bench.missed(found, "ID02").values()) == 1


def test_dl03_compares_every_later_row_with_the_first():
    found = bench.judged(
        STUDY,
        {
            "demographics": """
            record event     birth_ym sex
            1      screening 1980-01  F
            1      month_3   1980-01  M
            2      screening 1975-05  M
            2      month_3   1975-05  M
            3      screening 1975-05  ?x
            3      month_3   1975-05  F
            """
        },
    )
    assert bench.fired(found, "DL03") == ["1/month_3/sex"]
    assert bench.missed(found, "DL03") == {"demographics.sex": 2}
