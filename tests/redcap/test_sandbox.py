"""The client against the sandbox over real HTTP; the two share no code. All patients are made up."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.clock import SystemClock
from sync.errors import SourceMismatch, SourceRefused, SourceUnavailable, SyncError
from sync.ports.source import Source
from sync.redcap import links
from sync.sandbox.faults import Fault, Mode
from sync.sandbox.people import User
from sync.sandbox.sandbox import Sandbox
from tests.redcap.fake import TOKEN

Open = Callable[..., Source]
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

FIELDS = ("record_id", "surname", "remark")


def project_xml(records: dict[str, dict[str, str]]) -> str:
    """Write a small project XML: one form, two data access groups."""
    refs = "".join(f'<ItemRef ItemOID="{name}" Mandatory="No" redcap:Variable="{name}"/>' for name in FIELDS)
    items = "".join(
        f'<ItemDef OID="{name}" Name="{name}" DataType="text" Length="999" redcap:Variable="{name}"'
        f' redcap:FieldType="text"{identifier}><Question><TranslatedText>{name}</TranslatedText></Question></ItemDef>'
        for name, identifier in zip(FIELDS, ("", ' redcap:Identifier="y"', ""), strict=True)
    )
    subjects = "".join(
        f'<SubjectData SubjectKey="{record}" redcap:RecordIdField="record_id">'
        '<FormData FormOID="Form.person" FormRepeatKey="1">'
        '<ItemGroupData ItemGroupOID="person.record_id" ItemGroupRepeatKey="1">'
        + "".join(f'<ItemData ItemOID="{k}" Value="{v}"/>' for k, v in {"record_id": record, **cells}.items())
        + "</ItemGroupData></FormData></SubjectData>"
        for record, cells in records.items()
    )
    return f"""<?xml version="1.0" encoding="UTF-8" ?>
<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" xmlns:redcap="https://projectredcap.org" ODMVersion="1.3.1"
 FileType="Snapshot" FileOID="000-00-0000" Description="small"><Study OID="Project.small"><GlobalVariables>
<StudyName>small</StudyName><StudyDescription>made up</StudyDescription><ProtocolName>small</ProtocolName>
<redcap:DataAccessGroupsGroup><redcap:DataAccessGroups group_name="north"/>
<redcap:DataAccessGroups group_name="south"/></redcap:DataAccessGroupsGroup></GlobalVariables>
<MetaDataVersion OID="Metadata.small" Name="small" redcap:RecordIdField="record_id">
<FormDef OID="Form.person" Name="Person" Repeating="No" redcap:FormName="person">
<ItemGroupRef ItemGroupOID="person.record_id" Mandatory="No"/></FormDef>
<ItemGroupDef OID="person.record_id" Name="Person" Repeating="No">{refs}
<ItemRef ItemOID="person_complete" Mandatory="No" redcap:Variable="person_complete"/></ItemGroupDef>{items}
<ItemDef OID="person_complete" Name="person_complete" DataType="text" Length="1" redcap:Variable="person_complete"
 redcap:FieldType="select" redcap:SectionHeader="Form Status"><Question><TranslatedText>Complete?</TranslatedText>
</Question><CodeListRef CodeListOID="person_complete.choices"/></ItemDef>
<CodeList OID="person_complete.choices" Name="person_complete" DataType="text" redcap:Variable="person_complete">
<CodeListItem CodedValue="0"><Decode><TranslatedText>Incomplete</TranslatedText></Decode></CodeListItem>
<CodeListItem CodedValue="2"><Decode><TranslatedText>Complete</TranslatedText></Decode></CodeListItem></CodeList>
</MetaDataVersion></Study><ClinicalData StudyOID="Project.small" MetaDataVersionOID="Metadata.small">{subjects}
</ClinicalData></ODM>"""


RECORDS = {
    f"Z-{n}": {"surname": f"Invented{n}", "remark": f'"{n}", 号&#10;line'.replace('"', "&quot;")} for n in range(1, 7)
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def small(sandbox: Sandbox) -> Sandbox:
    sandbox.add_project(project_xml(RECORDS), slug="small", token=TOKEN, project_id=17)
    return sandbox


@pytest.fixture
def opened(small: Sandbox, source: Open) -> Open:
    url = small.start()

    def build(**changes: object) -> Source:
        settings = {"retries": 0, "batch_records": 3, "read_timeout": 2.0, "own_clock": SystemClock()}
        return source(url=url, **{**settings, **changes})

    return build


def test_a_small_project_arrives_as_it_is(opened: Open) -> None:
    snapshot = opened().pull()
    assert snapshot.rows["record_id"].to_list() == list(RECORDS)
    assert snapshot.rows["remark"][4] == '"5", 号\nline'
    assert snapshot.rows["person_complete"].null_count() == 6  # gray, so blank
    assert snapshot.structure.groups == {"north": "north", "south": "south"}
    assert snapshot.withheld == {}
    link = links.form_link(snapshot.base_url, snapshot.structure, record="Z-1", instrument="person")
    assert link.endswith(f"/redcap_v{snapshot.structure.redcap_version}/DataEntry/index.php?pid=17&page=person&id=Z-1")


def test_a_group_of_a_shared_project(small: Sandbox, opened: Open) -> None:
    small.project("small").assign_dag("Z-2", "north")
    small.project("small").assign_dag("Z-3", "south")
    assert opened(group="north").pull().rows["record_id"].to_list() == ["Z-2"]


def test_a_token_inside_a_group_sees_its_group_only(small: Sandbox, opened: Open) -> None:
    handle = small.project("small")
    handle.assign_dag("Z-2", "north")
    handle.put_user(User(username="nurse", dag="north"))
    small.add_token("small", "A" * 32, "nurse")
    assert opened(token="A" * 32).pull().rows["record_id"].to_list() == ["Z-2"]
    with pytest.raises(SourceMismatch, match="remove group"):
        opened(token="A" * 32, group="north").pull()


def test_export_rights_that_hide_are_noticed(small: Sandbox, opened: Open) -> None:
    handle = small.project("small")
    handle.put_user(User(username="blind", forms_export={"person": 3}))
    small.add_token("small", "B" * 32, "blind")
    assert "surname" in opened(token="B" * 32).pull().withheld
    handle.put_user(User(username="blind", forms_export={"person": 2}))
    with pytest.raises(SourceMismatch, match="hashes"):
        opened(token="B" * 32).pull()
    small.revoke_token("B" * 32)
    with pytest.raises(SourceRefused, match="does not accept the token"):
        opened(token="B" * 32).pull()


KINDS: dict[Mode, type[SyncError]] = {
    mode: SourceUnavailable for mode in Mode if mode not in (Mode.IMPORT_CUT, Mode.TOKEN_REVOKED)
} | {Mode.TOKEN_REVOKED: SourceRefused}


@pytest.mark.parametrize("content", ["project", "metadata", "record"])
@pytest.mark.parametrize("mode", KINDS)
def test_no_fault_ever_passes_for_data(small: Sandbox, opened: Open, mode: Mode, content: str) -> None:
    """A fault that stays either stops the pull, or the pull is complete all the same."""
    small.faults.add(Fault(mode=mode, content=content, times=None, seconds=0.6))
    whole = list(RECORDS)
    try:
        snapshot = opened(read_timeout=0.3).pull()
    except KINDS[mode] as error:
        assert TOKEN not in str(error)
    else:
        assert mode in (Mode.MISSING_ROWS, Mode.NOT_UTF8, Mode.TRUNCATED)
        assert snapshot.rows["record_id"].to_list() == whole
        assert snapshot.rows["surname"].to_list() == [RECORDS[record]["surname"] for record in whole]


@pytest.mark.parametrize("mode", [Mode.RESET, Mode.GATEWAY_TIMEOUT, Mode.TRUNCATED_LENGTH, Mode.MAINTENANCE])
def test_a_passing_fault_is_overcome(small: Sandbox, opened: Open, mode: Mode) -> None:
    for content in ("metadata", "record"):
        small.faults.add(Fault(mode=mode, content=content, times=1))
    assert opened(retries=3).pull().records == 6


def test_missing_rows_are_fetched_once_more(small: Sandbox, opened: Open) -> None:
    small.faults.add(Fault(mode=Mode.MISSING_ROWS, content="record", after=1, times=1))
    assert opened().pull().records == 6


def test_a_server_out_of_memory_is_asked_for_less(small: Sandbox, opened: Open) -> None:
    small.faults.add(Fault(mode=Mode.OUT_OF_MEMORY, content="record", after=1, times=2))
    assert opened(batch_records=6).pull().records == 6


# What the recorded exports do otherwise than the project XML beside them, and than what is asked for here:
# one writer put TRUE and [document] for 1 and a file's name, another folded line breaks into spaces; gray form
# statuses are asked for as blank; a calculated field was not yet saved.
EXCUSED = {("simple", "sex"), ("simple", "mugshot"), ("validation-types-1", "f_calculated")}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded projects are not part of the repository")
@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/project.xml")), ids=lambda path: path.parent.name)
def test_recorded_projects_arrive_as_recorded(sandbox: Sandbox, source: Open, path: Path) -> None:
    name = path.parent.name
    sandbox.add_project(path.read_text(encoding="utf-8"), slug=name, token=TOKEN, project_id=17)
    snapshot = source(url=sandbox.start(), batch_records=2, own_clock=SystemClock()).pull()
    with (path.parent / "data.csv").open(encoding="utf-8", newline="") as file:
        recorded = list(csv.DictReader(file))
    assert snapshot.rows.height == len(recorded)
    compared = 0
    for ours, theirs in zip(snapshot.rows.to_dicts(), recorded, strict=True):
        for column, cell in theirs.items():
            if column not in ours or (name, column) in EXCUSED or (column.endswith("_complete") and cell == "0"):
                continue
            assert " ".join((ours[column] or "").split()) == " ".join(cell.split()), column
            compared += 1
    assert compared > len(recorded) * len(recorded[0]) // 2
