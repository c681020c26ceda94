"""XF03, XF04, XF11, XF12, XV02: SLEDAI and BILAG against themselves. XF05 to XF09 are logic: test_crossfield."""

from tests.spec import bench

STUDY = bench.sle("XF03", "XF04", "XF11", "XF12", "XV02")


ITEMS = [f"sledai_{nth:02d}" for nth in range(1, 25)]


def sledai(*rows: dict[str, str]) -> str:
    """Write a table of assessments whose items are 0 unless said otherwise."""
    columns = ["record", "event", "sledai_version", "sledai_total", *ITEMS]
    lines = [" ".join(columns)]
    for nth, row in enumerate(rows, start=1):
        cells = {"record": str(nth), "event": "month_3", "sledai_version": "SLEDAI-2K"}
        cells |= dict.fromkeys(ITEMS, "0") | row
        lines.append(" ".join(cells.get(column, ".") for column in columns))
    return "\n".join(lines)


def test_xf03_wants_the_weighted_sum_of_items_entered_as_one_or_as_their_weight():
    found = bench.judged(
        STUDY,
        {
            "sledai": sledai(
                {"sledai_01": "1", "sledai_13": "1", "sledai_total": "12"},
                {"sledai_01": "8", "sledai_13": "4", "sledai_total": "12"},
                {"sledai_01": "1", "sledai_13": "1", "sledai_total": "10"},
                {"sledai_total": "."},
                {"sledai_01": "3", "sledai_total": "8"},
                {"sledai_01": "?x", "sledai_total": "8"},
                {"sledai_24": ".", "sledai_total": "5"},
            )
        },
    )
    assert bench.fired(found, "XF03") == ["3/month_3/sledai_total"]
    assert bench.missed(found, "XF03") == {"sledai.sledai_total": 2}
    assert bench.fired(found, "XF03.S") == ["7/month_3/sledai_total"]
    assert bench.fired(found, "XF04") == ["5/month_3/sledai_01"]
    assert bench.missed(found, "XF04") == {"sledai.sledai_01": 1}
    text = next(each for each in found.findings if each.check == "XF03").message["en"]
    assert text == "Total 10 does not equal the 2 items (12). Which is right?"


def test_xf03_evidence_covers_the_total_and_every_item():
    found = bench.judged(STUDY, {"sledai": sledai({"sledai_total": "1"})})
    (finding,) = (each for each in found.findings if each.check == "XF03")
    assert [each.field for each in finding.evidence] == ["sledai_total", *ITEMS]


def test_xf03_says_nothing_where_a_site_withholds_one_item():
    found = bench.judged(STUDY, {"sledai": sledai({"sledai_total": "1"})}, absent={"sledai": {"sledai_07": "withheld"}})
    assert bench.fired(found, "XF03") == []
    assert bench.missed(found, "XF03") == {"sledai.sledai_total": 1}


NINE = "bilag_const bilag_mucoc bilag_neuro bilag_msk bilag_cardio bilag_gi bilag_ophth bilag_renal bilag_haem"


def bilag(*rows: tuple[str, str, str, str]) -> str:
    """Write a table of (record, event, nine grades, total) under BILAG-2004."""
    lines = [f"record event bilag_version bilag_total {NINE}"]
    lines += [f"{record} {event} 2004 {total} {' '.join(grades)}" for record, event, grades, total in rows]
    return "\n".join(lines)


def test_xf11_adds_up_the_grades_of_the_declared_version():
    found = bench.judged(
        STUDY,
        {
            "bilag": bilag(
                ("1", "day_0", "CEEBEEEAC", "22"),
                ("2", "day_0", "CEEBEEEAC", "21"),
                ("3", "day_0", "CEEBEEEAN", "21"),
                ("4", "day_0", "CEEBEEEAC", "."),
            ).replace(" N", " ND")
        },
    )
    assert bench.fired(found, "XF11") == ["2/day_0/bilag_total"]
    text = next(each for each in found.findings if each.check == "XF11").message["en"]
    assert text.startswith("BILAG total 21; grades give 22 (2004) or (blank) (classic).")
    unread = bench.judged(STUDY, {"bilag": bilag(("1", "day_0", "CEEBEEEAC", "?x"))})
    assert bench.fired(unread, "XF11") == []
    assert bench.missed(unread, "XF11") == {"bilag.bilag_total": 1}


def test_xf11_knows_the_classic_coding_and_xf12_the_classic_systems():
    head = "record event bilag_version bilag_total bilag_const bilag_mucoc bilag_neuro bilag_msk bilag_cardio"
    found = bench.judged(
        STUDY,
        {
            "bilag": f"""
            {head} bilag_vasc bilag_renal bilag_haem bilag_gi
            1 day_0 classic 14 C E E B E E A C .
            2 day_0 classic 22 C E E B E E A C .
            3 day_0 classic 14 C E E B E E A C B
            4 day_0 ?x      14 C E E B E E A C B
            5 day_0 2004    .  C E E B E A A C B
            """
        },
    )
    assert bench.fired(found, "XF11") == ["2/day_0/bilag_total"]
    assert bench.fired(found, "XF12") == ["3/day_0/bilag_gi", "5/day_0/bilag_vasc"]
    assert bench.missed(found, "XF12")["bilag.bilag_gi"] == 1


def test_xv02_remembers_that_a_system_was_affected():
    found = bench.judged(
        STUDY,
        {
            "bilag": bilag(
                ("1", "day_0", "CEEBEEEAC", "."),
                ("1", "month_3", "DEEEEEEBC", "."),
                ("1", "month_6", "DEEEEEEBC", "."),
                ("2", "day_0", "EEEEEEEAC", "."),
                ("2", "month_3", "CEEEEEEAC", "."),
            )
        },
    )
    assert bench.fired(found, "XV02") == ["1/month_3/bilag_msk", "1/month_6/bilag_msk"]
    text = next(each for each in found.findings if each.check == "XV02").message["en"]
    assert text == "Musculoskeletal recorded E (never affected) after B at Day 0: first infusion. Please check."
    unread = bench.judged(STUDY, {"bilag": bilag(("1", "day_0", "CEEBEEEAC", ".")).replace(" B ", " ?x ")})
    assert bench.missed(unread, "XV02") == {"bilag.bilag_msk": 1}
