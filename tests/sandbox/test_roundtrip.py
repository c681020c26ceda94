"""Load what was written: an invented project exported as XML answers every read the same afterwards."""

# ruff: noqa: DTZ001 -- a REDCap server tells local time without a zone

from datetime import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.sandbox import state, xml_load, xml_write
from sync.sandbox.clock import ServerClock
from sync.sandbox.dictionary import Arm, Dag, Event, Field, Form, Structure
from sync.sandbox.project import Project, Settings
from sync.sandbox.sandbox import Sandbox
from sync.sandbox.wire import Parameters

AT = datetime(2026, 3, 2, 8, 30)
READS = (
    {"content": "record", "type": "flat", "format": "json"},
    {"content": "record", "type": "flat", "format": "csv", "rawOrLabel": "label", "rawOrLabelHeaders": "label"},
    {"content": "record", "type": "eav", "format": "json"},
    {"content": "record", "type": "flat", "format": "xml", "exportDataAccessGroups": "1", "exportSurveyFields": "1"},
    {"content": "metadata", "format": "json"},
    {"content": "exportFieldNames", "format": "json"},
    {"content": "instrument", "format": "csv"},
    {"content": "event", "format": "json"},
    {"content": "arm", "format": "json"},
    {"content": "formEventMapping", "format": "json"},
    {"content": "repeatingFormsEvents", "format": "json"},
    {"content": "dag", "format": "json"},
    {"content": "project", "format": "json"},
)

#: what XML can carry: no control characters, no lone surrogates, and no lone carriage return in element text
words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=12
)
FORBIDDEN = "".join(map(chr, [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]))
values = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters=FORBIDDEN),
    min_size=1, max_size=12,
)  # fmt: skip
labels = words.map(str.strip).filter(lambda text: text and "|" not in text)


@st.composite
def projects(draw: st.DrawFn) -> Project:
    longitudinal = draw(st.booleans())
    forms = tuple(Form(name=f"form_{i}", label=draw(words), survey=i == 1) for i in range(draw(st.integers(1, 3))))
    fields = [Field(field_name="record_id", form_name="form_0", field_label=draw(words))]
    for index, form in enumerate(forms):
        fields += [
            Field(
                field_name=f"t{index}", form_name=form.name, field_label=draw(words), section_header=draw(words),
                field_note=draw(values), identifier=draw(st.sampled_from(["", "y"])), branching_logic=draw(words),
                field_annotation=draw(values), text_validation_min=draw(st.sampled_from(["", "1"])),
            ),
            Field(
                field_name=f"c{index}", form_name=form.name,
                field_type=draw(st.sampled_from(["checkbox", "radio", "dropdown"])),
                field_label=draw(words), select_choices_or_calculations=f"1, {draw(labels)} | -2, {draw(labels)}",
            ),
            Field(field_name=f"y{index}", form_name=form.name, field_type="yesno", field_label=draw(words)),
        ]  # fmt: skip
    names = [form.name for form in forms]
    events = tuple(
        Event(event_id=5000 + i, name=f"Visit {i}", unique_name=f"visit_{i}_arm_{i}", arm=i, day_offset=str(i))
        for i in (1, 2)
    )
    repeating = draw(st.sampled_from([None, names[-1], ""]))
    first = events[0].unique_name if longitudinal else "event_1_arm_1"
    whole = repeating is None and longitudinal
    structure = Structure(
        fields=tuple(fields),
        forms=forms,
        longitudinal=longitudinal,
        arms=(Arm(number=1, name=draw(labels)), Arm(number=2, name="B"))
        if longitudinal
        else (Arm(number=1, name="Arm 1"),),
        events=events if longitudinal else (),
        mapping={events[0].unique_name: tuple(names), events[1].unique_name: (names[0],)} if longitudinal else {},
        repeats={first: None if whole else {repeating: draw(words)}} if whole or repeating else {},
        dags=draw(st.sampled_from([(), (Dag(dag_id=5501, name="Dag A", unique_name="dag_a"),)])),
    )
    project = Project(
        slug="p",
        settings=Settings(project_id=5, title=draw(words), creation_time="2026-03-02 08:30:00"),
        structure=structure,
    )
    for name in draw(st.lists(values.map(str.strip).filter(bool), max_size=3, unique=True)):
        _fill(draw, project, name)
    return project


def _fill(draw: st.DrawFn, project: Project, name: str) -> None:
    structure = project.structure
    for event in structure.events:
        kinds = [(event.unique_name, "", 1 if structure.repeats_as_event(event.unique_name) else 0)]
        kinds += [(event.unique_name, form, 2) for form in structure.repeating_forms(event.unique_name)]
        for key in kinds:
            cells = {}
            for form in structure.forms_on(key[0], key[1]):
                for column in structure.columns_of_form[form]:
                    if column.kind == "value" and draw(st.booleans()):
                        cells[column.name] = draw(values)
                    elif column.kind in ("checkbox", "status") and draw(st.booleans()):
                        cells[column.name] = "1"
            # a base row that can hold no form cannot be written down, and no entry page makes one
            if cells or (key[1] == "" and structure.forms_on(key[0], "")):
                project.write_row(name, key, cells, AT, loading=True)
    record = project.records.get(name)
    if structure.dags and record is not None:
        record.dag = draw(st.sampled_from(["", "dag_a"]))


def _answers(project: Project) -> list[tuple[int, bytes]]:
    clock = ServerClock()
    clock.set(AT)
    from sync.sandbox.people import User

    project.users["u"] = User(username="u")
    sandbox = Sandbox(clock=clock)
    sandbox.adopt(project, "a" * 32, "u")
    replies = [sandbox.answer(Parameters(plain={"token": "a" * 32, **read}), "").reply for read in READS]
    return [(reply.status, reply.body) for reply in replies]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(project=projects())
def test_a_written_project_answers_the_same_when_loaded_again(project):
    text = xml_write.write(project, at=AT, version="15.2.1", records=project.records)
    again = xml_load.load(text, slug="p", project_id=5, at=AT)
    ours, theirs = _answers(project), _answers(again)
    for read, before, after in zip(READS, ours, theirs, strict=True):
        if read["content"] in ("event", "dag"):
            assert before[0] == after[0]
        else:
            assert before == after, read


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(project=projects())
def test_state_on_disk_keeps_everything(project):
    import json

    plain = json.loads(json.dumps(state.project_to_plain(project)))
    assert state.project_to_plain(state.project_from_plain(plain)) == plain
    for record in project.records:
        kept = json.loads(json.dumps(state.record_to_plain(record)))
        assert state.record_from_plain(record.name, kept) == record
