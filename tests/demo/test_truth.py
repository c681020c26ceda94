"""The invented trial: it adds up to the abstract, and it is clean."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise

import pytest

from schemas.loading import shipped_study
from schemas.study import Kind, Study
from sync.demo.items import ITEMS
from sync.demo.numbers import Target, half_up, moments, search, stream
from sync.demo.published import PublishedMean, published
from sync.demo.response import points, responses
from sync.demo.truth import Truth, truth

COLUMN = {"sledai_total": ("sledai", "sledai_total"), "protein_24h": ("urine", "utp24")}


@cache
def trial() -> Truth:
    return truth()


@cache
def study() -> Study:
    return shipped_study("sle")


def values(form: str, visit: str, column: str, among: set[str] | None = None) -> list[float]:
    return [
        float(str(row[column]))
        for place, row in trial().rows.items()
        if (place.form, place.visit) == (form, visit) and (among is None or place.subject in among)
    ]


def grades(subject: str) -> dict[str, dict[str, str]]:
    return {
        place.visit: {
            column.removeprefix("bilag_"): str(grade)
            for column, grade in row.items()
            if column not in ("bilag_version", "bilag_vasc", "bilag_total")
        }
        for place, row in trial().rows.items()
        if place.form == "bilag" and place.subject == subject
    }


@pytest.mark.parametrize("printed", published().means, ids=lambda each: f"{each.measure}-{each.visit}")
def test_means_print_as_the_abstract_in_every_digit(printed: PublishedMean) -> None:
    nephritis = {each.id for each in trial().subjects if each.nephritis}
    form, column = COLUMN[printed.measure]
    among = nephritis if printed.measure == "protein_24h" else None
    found = [Decimal(str(value)) for value in values(form, printed.visit, column, among)]
    mean, sd = moments(found)
    assert len(found) == printed.n
    assert (half_up(mean, 2), half_up(sd, 2)) == (printed.mean, printed.sd)


def test_three_of_the_means_are_exact_ties_that_only_decimal_rounds_up() -> None:
    assert half_up(moments([433] + [0] * 39)[0], 2) == Decimal("10.83")
    assert half_up(Decimal("6.475"), 2) == Decimal("6.48")


def test_responses_and_relapses_are_the_published_counts() -> None:
    derived = [responses(grades(each.id)) for each in trial().subjects]
    for row in published().responses:
        assert Counter(each[row.visit] for each in derived)[row.category] == row.n


def test_sites_judge_as_the_rule_set_derives() -> None:
    for each in trial().subjects:
        derived = responses(grades(each.id))
        for place, row in trial().rows.items():
            if place.form == "outcome" and place.subject == each.id:
                assert row["resp_site"] == derived[place.visit].replace("RELAPSED", "RELAPSE")


def test_every_value_belongs_to_the_study_and_lies_inside_its_limits() -> None:
    for place, row in trial().rows.items():
        form = study().form(place.form)
        assert set(row) == {column for field in form.fields for column in field.columns}
        assert place.visit in form.visits
        for field in form.fields:
            value = row.get(field.name)
            if value is None:
                continue
            for limit in filter(None, (field.hard, field.soft)):
                assert (limit.low is None or value >= limit.low) and (limit.high is None or value <= limit.high), place
            assert not any(each.low <= value <= each.high for each in field.signatures), (place, field.name, value)
            if field.kind is Kind.CODED:
                assert value in {choice.code for choice in field.choices}


def test_all_forty_have_every_required_visit_inside_its_window_and_in_order() -> None:
    assert len(trial().subjects) == 40
    assert Counter(each.site for each in trial().subjects) == dict.fromkeys(trial().sites, 10)
    for each in trial().subjects:
        zero = each.dates["day_0"]
        for visit in study().visits:
            if visit.window is not None and visit.id in each.dates:
                day = (each.dates[visit.id] - zero).days
                assert visit.window[0] <= day <= visit.window[1], (each.id, visit.id, day)
            assert visit.id in each.dates or not visit.required
        days = list(each.dates.values())
        assert days == sorted(set(days))
        assert date(2010, 1, 1) <= each.consent < days[0] and days[-1] < date(2012, 12, 31)
        assert each.dates["day_7"] - zero == timedelta(days=7)
        assert each.age >= 16


def test_totals_are_the_sums_of_their_parts() -> None:
    for place, row in trial().rows.items():
        if place.form == "sledai":
            assert row["sledai_total"] == sum(w * int(str(row[f"sledai_{item:02d}"])) for item, w in ITEMS.items())
        if place.form == "eligibility":
            ticked = sum(row[column] == "1" for column in row if column.startswith("acr_") and column != "acr_total")
            assert row["acr_total"] == ticked >= 4
        if place.form == "bilag":
            assert row["bilag_total"] == points(grades(place.subject)[place.visit])


def test_descriptors_agree_with_the_results_of_the_visit() -> None:
    rows = {(each.subject, each.visit, each.form): row for each, row in trial().rows.items()}
    for (subject, visit, form), row in rows.items():
        if form != "sledai":
            continue
        blood, immune = rows[subject, visit, "labs"], rows[subject, visit, "immunology"]
        urine, signs = rows[subject, visit, "urine"], rows[subject, visit, "vitals"]
        low = any(float(str(immune[a])) < float(str(immune[f"{a}_lln"])) for a in ("c3", "c4", "ch50"))
        assert row["sledai_13"] == (float(str(urine["utp24"])) > 0.5)
        assert row["sledai_20"] == low
        if immune["dsdna"] is not None:
            assert row["sledai_21"] == (float(str(immune["dsdna"])) > float(str(immune["dsdna_uln"])))
        assert row["sledai_22"] == (float(str(signs["temp_c"])) > 38.0)
        assert row["sledai_23"] == (float(str(blood["plt"])) < 100)
        assert row["sledai_24"] == (float(str(blood["wbc"])) < 3.0)
        assert row["sledai_11"] == (urine["u_casts"] in ("RBC", "mixed"))
        assert row["sledai_12"] == (int(str(urine["u_rbc_hpf"])) > 5)
        assert row["sledai_14"] == (int(str(urine["u_wbc_hpf"])) > 5)
        grade = grades(subject)[visit]
        assert grade["renal"] not in "AB" or any(row[f"sledai_{item}"] for item in (11, 12, 13, 14))
        assert grade["haem"] not in "AB" or float(str(blood["hgb"])) < 110


def test_no_organ_is_never_affected_after_it_was() -> None:
    for each in trial().subjects:
        course = grades(each.id)
        for before, after in pairwise(course.values()):
            assert all(after[system] != "E" or before[system] == "E" for system in before)


def test_results_move_by_less_than_the_delta_limits() -> None:
    series: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for place, row in trial().rows.items():
        for column in ("creat", "hgb", "plt", "alb", "c3", "weight_kg", "crp", "urea"):
            if row.get(column) is not None:
                series[place.subject, column].append(float(str(row[column])))
    for (subject, column), found in series.items():
        for before, after in pairwise(found):
            step, ratio = abs(after - before), max(after, before) / min(after, before)
            limits = {
                "creat": ratio < 1.5, "hgb": step < 40, "plt": ratio < 3, "alb": step < 15, "c3": step < 0.8,
                "weight_kg": ratio < 1.1, "crp": ratio < 9, "urea": ratio < 2.4,
            }  # fmt: skip
            assert limits[column], (subject, column, before, after)


def test_results_take_the_course_that_the_abstract_tells() -> None:
    haem = {each.id for each in trial().subjects if each.haematological}

    def means(form: str, column: str, among: set[str] | None = None) -> list[Decimal]:
        visits = ("day_0", "month_3", "month_6", "month_9", "month_12")
        return [moments([Decimal(str(v)) for v in values(form, visit, column, among)])[0] for visit in visits]

    for column in ("creat", "urea"):
        found = means("labs", column)
        assert min(found) == found[2] < found[3] < found[0]
    for form, column in (("labs", "alb"), ("immunology", "c3"), ("immunology", "c4")):
        found = means(form, column)
        assert max(found) == found[2] > found[3] > found[0]
    for column in ("hgb", "plt"):
        assert means("labs", column, haem)[0] < min(means("labs", column, haem)[1:])
    bilag = means("bilag", "bilag_total")
    assert bilag == sorted(bilag, reverse=True)


def test_the_same_seed_gives_the_same_trial_and_another_seed_another() -> None:
    assert truth() == trial()
    other = truth(seed=7)
    assert other != trial()
    form = [int(str(row["sledai_total"])) for place, row in other.rows.items()
            if (place.form, place.visit) == ("sledai", "month_6")]  # fmt: skip
    assert half_up(moments(form)[0], 2) == Decimal("6.30")


def test_search_says_when_nothing_fits() -> None:
    with pytest.raises(ValueError, match="no values within these bounds"):
        search(stream(1, "x"), [1, 2], [(0, 2), (0, 2)], Target(mean=Decimal("1.00"), sd=Decimal("9.00")))
