"""A form or field that leaves a site's project, with a person's consent: what was read of it stays, and its queries.

REDCap keeps the data of a removed form and shows them again with it, so that nothing proves its rows gone.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync.ports.stored import QueryFilter
from sync.queries.model import CancelReason, Query, State, Trigger
from sync.workflows import desk
from sync.workflows.results import SiteResult
from tests.workflows import small
from validators.findings import Condition


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[small.Trial]:
    """Serve a few records that a full night has stored; one adverse event has a grade that no number is."""
    with small.serve(tmp_path) as trial:
        small.fill(trial)
        trial.write("R1", "adverse 1", grade="many")
        assert small.run_night(trial.app("one")).exit_code == 0
        trial.move(timedelta(hours=30))
        yield trial


def remove_form(trial: small.Trial) -> None:
    """Take the form of adverse events out of the project; its data stay where they are, unseen."""
    was = trial.handle.structure
    trial.handle.change_structure(
        fields=tuple(each for each in was.fields if each.form_name != "adverse"),
        forms=tuple(each for each in was.forms if each.name != "adverse"),
        mapping={event: tuple(form for form in forms if form != "adverse") for event, forms in was.mapping.items()},
        repeats={"extra_arm_1": None},
    )
    records = trial.handle.project.records
    for name in records.names():
        hidden = {key: cells for key, cells in records.get(name).rows.items() if key[1] == "adverse"}
        for key in hidden:
            del records.get(name).rows[key]


def night(trial: small.Trial, **options: bool) -> SiteResult:
    trial.move(timedelta(hours=20))
    return small.run_night(trial.apps["one"], **options).sites[0]


def accepted(trial: small.Trial) -> SiteResult:
    """Run into the stop, accept as a person does, and run."""
    stopped = night(trial)
    assert stopped.exit_code == 4
    reason = str(stopped.reason)
    assert reason.startswith("the site changed its project"), "whoever shows it names the site"
    assert "Ask the site; if it is meant, `sync sites drift --site all --accept`." in reason
    assert "mapping" not in reason, "the dictionary is the study here"
    small.accept_all(trial.apps["one"])
    done = night(trial)
    assert done.exit_code == 0, done.reason
    return done


def asked(trial: small.Trial) -> list[Query]:
    every = trial.apps["one"].warehouse().reader().queries(QueryFilter())
    return [query for query in every if query.key.instrument == "adverse"]


def rows(trial: small.Trial) -> dict[str, tuple[str | None, bool]]:
    """Read what a reader of the table sees: record -> its text and whether the row is held back."""
    engine = sa.create_engine(trial.apps["one"].config.warehouse.url)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT record, event_text, is_quarantined FROM adverse")).all()
    engine.dispose()
    return {record: (text, bool(flag)) for record, text, flag in found}


def verified(trial: small.Trial) -> tuple[str, ...]:
    return trial.apps["one"].warehouse().reader().verify().problems


def test_a_removed_form_keeps_its_rows_and_their_queries_as_they_were_last_seen(trial):
    before, seen = rows(trial), {query.number: (query.state, query.evaluated_at) for query in asked(trial)}
    assert before["R1"] == ("made up", True)
    remove_form(trial)
    done = accepted(trial)
    assert (done.stored.deleted, done.queries["closed"]) == (0, 0)
    for full in (False, True):
        assert {query.number: (query.state, query.evaluated_at) for query in asked(trial)} == seen
        assert {query.condition for query in asked(trial)} == {Condition.NOT_EVALUATED}
        assert rows(trial) == before, "neither gone nor let through to analyses"
        assert verified(trial) == ()
        assert night(trial, full=full).exit_code == 0


def test_a_person_ends_the_queries_of_a_removed_form(trial):
    remove_form(trial)
    accepted(trial)
    for query in asked(trial):
        act = desk.Decision(trigger=Trigger.CANCEL, actor="me", reason=CancelReason.CHECK_RETIRED)
        desk.decide(trial.apps["one"], [query.number], act)
    assert night(trial, full=True).exit_code == 0
    assert {(query.state, query.reason) for query in asked(trial)} == {(State.CANCELLED, "check_retired")}
    assert not any(held for _, held in rows(trial).values())


def test_a_form_that_comes_back_is_compared_with_what_was_kept(trial):
    was = trial.handle.structure
    kept = {name: dict(trial.handle.project.records.get(name).rows) for name in trial.handle.project.records.names()}
    before = rows(trial)
    remove_form(trial)
    accepted(trial)
    trial.handle.change_structure(fields=was.fields, forms=was.forms, mapping=was.mapping, repeats=was.repeats)
    for name, cells in kept.items():
        trial.handle.project.records.get(name).rows.update(cells)
    trial.write("R1", "adverse 1", grade="2")
    done = night(trial)
    assert (done.exit_code, done.stored.inserted, done.stored.deleted, done.queries["opened"]) == (0, 0, 0, 0)
    corrected = [query for query in asked(trial) if query.state is State.CLOSED]
    assert [(query.key.record, query.reason) for query in corrected] == [("R1", "corrected")]
    assert rows(trial) == before | {"R1": ("made up", False)}


def test_a_removed_field_leaves_its_queries_unjudged(trial):
    fields = tuple(each for each in trial.handle.structure.fields if each.field_name != "grade")
    trial.handle.change_structure(fields=fields)
    done = accepted(trial)
    assert done.queries["closed"] == 0
    assert {(query.state, query.condition) for query in asked(trial)} == {(State.OPEN, Condition.NOT_EVALUATED)}
    assert rows(trial)["R1"] == ("made up", True)
    assert verified(trial) == ()
    engine = sa.create_engine(trial.apps["one"].config.warehouse.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE adverse SET event_text = 'forged' WHERE record = 'R2'"))
    engine.dispose()
    assert len(verified(trial)) == 1, "what is still read is still proved"


def test_a_record_that_is_deleted_ends_its_queries_in_a_removed_form_too(trial):
    remove_form(trial)
    accepted(trial)
    trial.handle.delete_record("R1")
    assert night(trial).exit_code == 0
    (query,) = (query for query in asked(trial) if query.key.record == "R1")
    assert (query.state, query.reason) == (State.CLOSED, "not_applicable")
    assert "R1" not in rows(trial)


def figures(trial: small.Trial) -> tuple[int, int]:
    """Give the rows that the last run noted as known, and those that stand in the forms which are left."""
    engine = sa.create_engine(trial.apps["one"].config.warehouse.url)
    with engine.connect() as connection:
        stand = [connection.execute(sa.text(f"SELECT count(*) FROM {form}")).scalar_one() for form in FORMS]
    engine.dispose()
    return trial.apps["one"].warehouse().reader().last_success("all").counts["rows_known"], sum(stand)


FORMS = ("person", "visit_form")


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("act", ["delete", "rename"])
def test_a_record_that_goes_later_counts_no_row_of_a_removed_form(trial, act, full):
    for number in range(2, 30):
        place = {"event": "start_arm_1", "instrument": "adverse", "instance": number}
        trial.handle.set("R1", {"event_text": "made up"}, **place)
    assert night(trial).exit_code == 0
    remove_form(trial)
    accepted(trial)
    trial.move(timedelta(hours=20))
    if act == "delete":
        trial.handle.delete_record("R1")
    else:
        trial.handle.rename_record("R1", "S1")
    done = night(trial, full=full)
    assert done.exit_code == 0, done.reason
    known, stand = figures(trial)
    assert known == stand
    assert "R1" not in rows(trial)
    assert verified(trial) == ()


def test_a_record_that_goes_while_nothing_is_known_leaves_no_row_of_a_removed_form(trial):
    remove_form(trial)
    accepted(trial)
    trial.handle.delete_record("R1")
    with trial.apps["one"].warehouse()._engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM site_memory"))
    assert night(trial).exit_code == 0
    assert "R1" not in rows(trial)
    assert verified(trial) == ()
