"""Links lead to the page where a query is answered."""

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from schemas.project import ProjectStructure, RedcapEvent, RedcapField
from sync.redcap import links

BASE = "https://host/redcap/"


def structure(*, events: tuple[RedcapEvent, ...] = ()) -> ProjectStructure:
    return ProjectStructure(
        project_id=17,
        title="Invented",
        redcap_version="15.2.1",
        is_longitudinal=bool(events),
        fields=(RedcapField(field_name="id", form_name="one", field_type="text", field_label="Id"),),
        instruments=(),
        events=events,
        event_forms=frozenset(),
        repeating=frozenset(),
        missing_codes={},
        groups={},
        export_fields=("id", "one_complete"),
    )


EVENTS = (RedcapEvent(unique_name="start_arm_1", label="Start", arm=1, event_id=41),)


def test_the_base_is_beside_the_api() -> None:
    assert links.base_url("https://host/redcap/api/") == BASE
    assert links.base_url("https://host/api/") == "https://host/"


def test_a_form_of_a_longitudinal_project() -> None:
    link = links.form_link(
        BASE, structure(events=EVENTS), record="ZJ 1/&", event="start_arm_1", instrument="labs", instance=3
    )
    assert link == (
        "https://host/redcap/redcap_v15.2.1/DataEntry/index.php?pid=17&page=labs&id=ZJ+1%2F%26&event_id=41&instance=3"
    )


def test_a_classic_project_has_no_event_and_a_single_form_no_instance() -> None:
    link = links.form_link(BASE, structure(), record="1", instrument="labs")
    assert link.endswith("index.php?pid=17&page=labs&id=1")


def test_an_event_that_is_gone_is_left_out() -> None:
    link = links.form_link(BASE, structure(events=EVENTS), record="1", event="gone_arm_1", instrument="labs")
    assert "event_id" not in link


def test_other_pages() -> None:
    home = links.record_link(BASE, structure(), record="1", arm=2)
    assert home.endswith("DataEntry/record_home.php?pid=17&arm=2&id=1")
    assert links.codebook_link(BASE, structure()).endswith("Design/data_dictionary_codebook.php?pid=17")


@given(record=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=10))
def test_any_record_id_survives(record: str) -> None:
    link = links.form_link(BASE, structure(), record=record, instrument="labs")
    assert parse_qs(urlsplit(link).query)["id"] == [record]
    assert link.isascii()
