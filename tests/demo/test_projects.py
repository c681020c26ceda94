"""The four projects: what is written to them is what the sync reads back."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.project import Snapshot
from sync.demo import odm
from sync.demo.cohort import CENTRES
from sync.demo.encode import SiteEncoder
from sync.demo.projects import SiteProject, build, with_cells
from sync.demo.truth import Place, Truth, truth
from sync.harmonise.harmonise import harmonise, mismatches
from sync.sandbox.sandbox import Sandbox
from tests.demo import centres
from validators.engine import judge

STUDY = centres.study()
mapping_of = centres.mapping_of


@pytest.fixture(scope="module")
def trial() -> Truth:
    return truth()


@pytest.fixture(scope="module")
def projects(trial: Truth) -> dict[str, SiteProject]:
    return {site: build(STUDY, mapping_of(site), trial, site) for site in CENTRES}


@pytest.fixture(scope="module")
def snapshots(projects: dict[str, SiteProject]) -> Iterator[dict[str, Snapshot]]:
    with Sandbox() as sandbox:
        url = centres.serve(sandbox, {site: odm.write(project) for site, project in projects.items()})
        yield centres.pull(url)


@pytest.mark.parametrize("site", CENTRES)
def test_what_is_written_is_read_back_as_the_truth(site: str, snapshots: dict[str, Snapshot], trial: Truth) -> None:
    mapping = mapping_of(site)
    encoder = SiteEncoder(study=STUDY, mapping=mapping)
    read = harmonise(snapshots[site], STUDY, mapping)
    assert read.notices == ()
    rows = dict(trial.of(site))
    seen = set()
    for frame in read.frames:
        assert frame.problems.is_empty(), frame.problems
        for row in frame.rows.iter_rows(named=True):
            subject = next(each.id for each in trial.subjects if encoder.record(each.id) == row["record"]
                           and each.site == site)  # fmt: skip
            place = Place(
                site=site, subject=subject, visit=row["event"], form=frame.form.name, instance=row["instance"]
            )
            seen.add(place)
            wanted = rows[place]
            for each in frame.form.fields:
                if each.name in mapping.forms[frame.form.name].sources:
                    for column in each.columns:
                        found = row[column]
                        assert found == wanted[column], (place, column, found, wanted[column])
    assert seen == set(rows)


@pytest.mark.parametrize("site", CENTRES)
def test_no_check_asks_anything_of_the_truth(site: str, snapshots: dict[str, Snapshot]) -> None:
    read = harmonise(snapshots[site], STUDY, mapping_of(site))
    as_of = datetime(2012, 7, 15, 2, tzinfo=ZoneInfo("Asia/Shanghai"))
    judged = judge(STUDY, read.frames, site=site, prefix=CENTRES[site][0], as_of=as_of)
    asked = [(each.check, each.row, each.field, each.value) for each in judged.findings]
    assert asked == []
    assert not [each for each in judged.not_evaluated if "errored" in each.reason]


@pytest.mark.parametrize("site", CENTRES)
def test_a_project_has_all_that_its_mapping_speaks_of(site: str, snapshots: dict[str, Snapshot]) -> None:
    assert mismatches(snapshots[site].structure, STUDY, mapping_of(site)) == ()


def test_the_centres_differ_in_shape_and_words(snapshots: dict[str, Snapshot]) -> None:
    assert [snapshots[site].structure.is_longitudinal for site in CENTRES] == [True, True, True, False]
    assert snapshots["jiangsu"].structure.record_field == "record_id"
    assert sorted(snapshots["jiangsu"].rows["record_id"].unique(), key=int)[0] == "1"

    def texts(site: str, column: str) -> set[str]:
        return set(snapshots[site].rows[column].drop_nulls())

    assert texts("jiangsu", "gender") <= {"0", "1"} and texts("yangzhou", "xingbie") <= {"男", "女"}
    assert all("年" in text for text in texts("yangzhou", "d0_visit_date"))
    assert all(float(text) < 3 for text in texts("jiangsu", "lab_cr"))
    assert texts("zhenjiang", "xxb_dw") == {"1", "2"}
    assert any("：" in text for text in texts("zhenjiang", "ana_didu"))
    assert "未查" in texts("zhenjiang", "esr") and "/" in texts("yangzhou", "m3_esr") | texts("yangzhou", "m3_crp")


def test_a_dictionary_carries_types_limits_and_branching(snapshots: dict[str, Snapshot]) -> None:
    fields = {each.field_name: each for each in snapshots["drumtower"].structure.fields}
    assert fields["visit_date"].text_validation_type == "date_ymd" and fields["visit_date"].required_field
    assert (fields["creat"].text_validation_min, fields["creat"].text_validation_max) == ("10", "2500")
    assert fields["preg_test"].branching_logic == (
        "[screening_arm_1][sex] = 'F' and [screening_arm_1][age_consent] < 55"
    )
    assert fields["birth_ym"].identifier and fields["ae_sae_criteria"].field_type == "checkbox"
    classic = {each.field_name: each for each in snapshots["yangzhou"].structure.fields}
    assert classic["d0_preg_test"].branching_logic == "[xingbie] = '女' and [sx_age_consent] < 55"
    other = {each.field_name: each for each in snapshots["jiangsu"].structure.fields}
    assert other["preg_test"].branching_logic.startswith("[screening_arm_1][gender] = '0'")


def test_a_cell_can_be_overwritten_and_emptied(projects: dict[str, SiteProject], trial: Truth) -> None:
    encoder = SiteEncoder(study=STUDY, mapping=mapping_of("jiangsu"))
    place = Place(site="jiangsu", subject="JSPH-003", visit="month_6", form="labs")
    written = encoder.cell(place, "creat", 88.0, trial.rows[place])
    assert (written.row.record, written.row.event, written.instrument) == ("3", "fu_6m_arm_1", "labs")
    assert written.cells == {"lab_cr": "1.00"}
    changed = with_cells(projects["jiangsu"], {written.row: {written.instrument: {"lab_cr": "88", "bun": ""}}})
    cells = changed.rows[written.row]["labs"]
    assert cells["lab_cr"] == "88" and "bun" not in cells
    assert "bun" in projects["jiangsu"].rows[written.row]["labs"]


def test_what_a_site_does_not_report_cannot_be_written(trial: Truth) -> None:
    encoder = SiteEncoder(study=STUDY, mapping=mapping_of("yangzhou"))
    place = Place(site="yangzhou", subject="YZSB-001", visit="day_0", form="immunology")
    with pytest.raises(LookupError, match="does not report dsdna"):
        encoder.cell(place, "dsdna", 3.0, trial.rows[place])


def test_the_written_file_is_the_same_each_time(projects: dict[str, SiteProject]) -> None:
    again = build(STUDY, mapping_of("yangzhou"), truth(), "yangzhou")
    assert odm.write(again) == odm.write(projects["yangzhou"])
