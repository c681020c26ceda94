"""The 75 rules of the reference: which the shipped study has, which are built in, which are left for later."""

from schemas.builtin import BUILTIN_IDS
from tests.spec import bench
from validators import lint

RULES = [
    *["ID01", "ID02", "ID03", "DT01", "DT02", "DT03", "DT04", "DT05", "DT06", "DT08", "DT09"],
    *["VW01", "VW02", "VW03", "VW04", "VW05", "IN01", "IN02", "IN03", "IN04", "IN05"],
    *["RG01", "RG02", "UN01", "UN02", "UN03", "RG03", "RG04", "DL01", "DL02", "DL03"],
    *(f"XF{nth:02d}" for nth in range(1, 21)),
    *["XV01", "XV02", "XV03", "OC01", "OC02", "OC03", "OC04", "OC05", "OC06"],
    *(f"AE{nth:02d}" for nth in range(1, 7)),
    *(f"CM{nth:02d}" for nth in range(1, 5)),
    *(f"CP{nth:02d}" for nth in range(1, 6)),
]

LEFT_OUT = {
    "ID03": "needs two sites at once; the engine judges one",
    "UN03": "needs a site's history over months",
    "RG04": "is statistics for the monitor, no query",
    "XF14": "needs a biopsy field that the study does not have",
    "OC05": "needs what counts as unchanged therapy",
    "AE04": "needs the time of awareness, which is not asked",
    "AE05": "needs hospital visits, which are not asked",
    "CM03": "needs the reason for an increase, which is not asked",
}


def built() -> set[str]:
    """Name the rules that stand in the study; a rule of several severities or items has sub-ids after a dot."""
    return {check.id.partition(".")[0] for check in bench.sle().checks} | BUILTIN_IDS


def test_every_rule_is_built_or_left_out_for_a_reason():
    assert len(RULES) == len(set(RULES)) == 75
    assert {rule for rule in RULES if rule not in built()} == set(LEFT_OUT)


def test_the_core_set_is_whole():
    later = "ID03 DT09 IN03 IN04 IN05 UN03 RG04 XF10 XF12 XF14 XF15 XF19 XV03 OC05 AE04 AE05 AE06"
    core = set(RULES) - set(f"{later} CM02 CM03 CP02 CP04 CP05".split())
    assert len(core) == 53
    assert core <= built()


def test_nothing_else_goes_by_an_id_of_its_own():
    assert built() - set(RULES) == {"DT07", "TY01", "CD01", "PT01"}


def test_every_check_speaks_both_languages_and_can_be_carried_out():
    study = bench.sle()
    assert [str(problem) for problem in lint.lint(study)] == []
    assert lint.without_trials(study.checks) == ()
    for check in study.checks:
        assert set(check.title) == set(check.message) == {"en", "zh"}, check.id
        assert any("一" <= each <= "鿿" for each in check.message["zh"]), check.id


def test_every_placeholder_is_filled_in_every_finding():
    """A message that shows "(blank)" for a fact that is always there would be a slip in a check."""
    found = bench.judged(
        bench.sle(),
        {
            "msc_infusion": "record event inf_date\n1 day_0 2012-03-05\n1 day_7 2012-03-25",
            "visit_form": "record event visit_date\n1 day_0 2012-03-05\n1 month_3 2012-03-05\n1 month_6 2012-03-01",
            "labs": "record event lab_date creat\n1 day_0 2012-03-05 80\n1 month_3 2012-06-04 400",
        },
    )
    texts = [each.message for each in found.findings if each.check not in {"CP01", "CP03"}]
    assert len(texts) > 10
    assert not [text for text in texts if "(blank)" in text["en"] or "（空）" in text["zh"] or "{" in text["en"]]
