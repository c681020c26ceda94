"""Queries in the warehouse: ledger and projection in one transaction, against the version that was read."""

from dataclasses import fields, replace

import pytest
import sqlalchemy as sa

from sync.errors import StaleQuery, SyncError
from sync.ports.stored import QueryFilter
from sync.queries import chain, desk, states
from sync.queries.model import ActorKind, AnswerCode, CloseReason, Query, QueryEvent, QueryKey, State
from sync.warehouse import query_tables
from tests.queries import samples
from tests.warehouse import building as b


def raised(number=1, **finding):
    item = samples.finding(**finding)
    return states.raise_query(samples.key_of(item), f"ZJJU-{number:06d}", samples.sight(item), samples.system())


def put(warehouse, *moves, next_number=None):
    """Write (query, drafts) pairs in one transaction."""
    with warehouse.transaction(samples.SITE, "run-1", samples.START) as transaction:
        drafts = [draft for _, written in moves for draft in written]
        transaction.put_queries(drafts, [query for query, _ in moves], next_number=next_number)


class TestQueries:
    def test_come_back_as_they_were_written(self, warehouse):
        query, drafts = raised()
        put(warehouse, (query, drafts), next_number=2)
        with warehouse.transaction(samples.SITE, "run-2", samples.START) as transaction:
            assert transaction.queries() == (query,)
            assert transaction.next_number() == 2
        thread = warehouse.reader().thread("ZJJU-000001")
        assert thread.query == query
        assert [event.to_state for event in thread.events] == [State.OPEN]
        assert thread.values[1].new_raw == "812"
        assert warehouse.reader().thread("ZJJU-000009") is None

    def test_follow_their_whole_thread(self, warehouse):
        first = raised()
        put(warehouse, first, next_number=2)
        answered = desk.answer(first[0], samples.site("checked"), code=AnswerCode.CONFIRMED, round=1)
        put(warehouse, answered)
        closed = desk.accept(answered[0], samples.dm(), reason=CloseReason.CONFIRMED)
        put(warehouse, closed)
        thread = warehouse.reader().thread("ZJJU-000001")
        assert thread.query == closed[0]
        assert [event.seq for event in thread.events] == [1, 2, 3]
        assert thread.events[1].actor_kind is ActorKind.SITE
        assert thread.values[2].comment == "checked"
        assert warehouse.reader().verify().problems == ()
        assert warehouse.reader().verify().events == {samples.SITE: 3}

    def test_refuse_a_command_that_read_an_older_version(self, warehouse):
        first = raised()
        put(warehouse, first)
        winner = desk.comment(first[0], samples.dm("first"))
        loser = desk.comment(first[0], samples.dm("second"))
        put(warehouse, winner)
        with pytest.raises(StaleQuery, match="ZJJU-000001"):
            put(warehouse, loser)
        thread = warehouse.reader().thread("ZJJU-000001")
        assert [thread.values[event.seq].comment for event in thread.events[1:]] == ["first"]
        assert warehouse.reader().verify().problems == ()

    def test_refuse_a_number_given_twice(self, warehouse):
        put(warehouse, raised())
        with pytest.raises(StaleQuery):
            put(warehouse, raised(record="ZJJU-002"))

    def test_refresh_what_the_machine_saw_without_a_ledger_row(self, warehouse):
        query, drafts = raised()
        put(warehouse, (query, drafts))
        later = replace(query, evaluated_at=b.moment(90), run_id="run-2")
        put(warehouse, (later, ()))
        assert warehouse.reader().thread("ZJJU-000001").query == later
        assert warehouse.reader().verify().events == {samples.SITE: 1}

    def test_never_give_a_number_again(self, warehouse):
        put(warehouse, raised(7), next_number=8)
        put(warehouse, next_number=3)
        with warehouse.transaction(samples.SITE, "run-2", samples.START) as transaction:
            assert transaction.next_number() == 8

    def test_of_each_site_have_their_own_chain(self, warehouse):
        put(warehouse, raised(), raised(2, record="ZJJU-002"))
        item = samples.finding()
        key = replace(samples.key_of(item), site="yangzhou")
        query, drafts = states.raise_query(key, "YZ-000001", samples.sight(item), samples.system())
        with warehouse.transaction("yangzhou", "run-1", samples.START) as transaction:
            transaction.put_queries(drafts, [query])
        verified = warehouse.reader().verify()
        assert verified.events == {"yangzhou": 1, samples.SITE: 2}
        assert verified.problems == ()

    def test_are_found_by_what_one_asks(self, warehouse):
        one, two = raised(1), raised(2, record="ZJJU-002", check="LAB-UNIT")
        put(warehouse, one, two)
        put(warehouse, desk.answer(two[0], samples.site(), code=AnswerCode.CORRECTED, round=1))
        reader = warehouse.reader()

        def numbers(**filter_):
            return [query.number[-1] for query in reader.queries(QueryFilter(**filter_))]

        assert numbers() == ["1", "2"]
        assert numbers(states=("ANSWERED",)) == ["2"]
        assert numbers(checks=("LAB-RANGE",)) == ["1"]
        assert numbers(records=("ZJJU-002",), conditions=("FAILING",)) == ["2"]
        assert numbers(sites=("nowhere",)) == []
        assert numbers(severities=("soft",)) == []
        assert numbers(opened_before=samples.START) == ["1", "2"]
        assert numbers(changed_since=b.moment(365)) == []
        assert numbers(asked_again=True) == ["2"], "answered since a run looked"


def leave_name(warehouse):
    with warehouse.transaction("zj", "run-9", b.moment(9)) as tx:
        tx.leave_names({"ZJ-01": "ZJ-09", "ZJ-02": None})


class TestTheLedger:
    @pytest.mark.parametrize("table", ["query_event", "cell_change", "row_end", "record_end"])
    @pytest.mark.parametrize("sql", ["UPDATE {} SET run_id = 'x'", "DELETE FROM {}"])
    def test_refuses_to_be_edited(self, warehouse, table, sql):
        put(warehouse, raised())
        row = {("ZJ-01", "day_0", 1): {"creat": 1.0}}
        b.store(warehouse, 0, b.frame(b.LABS, row))
        b.store(warehouse, 1, b.frame(b.LABS, {}))
        leave_name(warehouse)
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), warehouse._engine.begin() as connection:
            connection.exec_driver_sql(sql.format(table))

    @pytest.mark.parametrize("table", ["query_event", "cell_change", "row_end", "record_end"])
    def test_refuses_to_be_replaced_where_the_database_knows_that_word(self, warehouse, table):
        if warehouse._engine.dialect.name != "sqlite":
            pytest.skip("PostgreSQL has no INSERT OR REPLACE; ON CONFLICT DO UPDATE is an update")
        put(warehouse, raised())
        b.store(warehouse, 0, b.frame(b.LABS, {("ZJ-01", "day_0", 1): {"creat": 1.0}}))
        b.store(warehouse, 1, b.frame(b.LABS, {("ZJ-01", "day_0", 1): {"creat": 2.0}}))
        b.store(warehouse, 2, b.frame(b.LABS, {}))
        leave_name(warehouse)
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), warehouse._engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")

    def test_shows_a_row_that_was_altered_behind_its_back(self, warehouse):
        put(warehouse, raised(), raised(2, record="ZJJU-002"))
        disarm(warehouse, "query_event")
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE query_event SET actor = 'somebody' WHERE seq = 1")
        problems = warehouse.reader().verify().problems
        assert any("not what was written" in problem for problem in problems)
        assert any("trigger" in problem for problem in problems)

    def test_shows_rows_cut_off_at_its_end(self, warehouse):
        put(warehouse, raised(), raised(2, record="ZJJU-002"))
        disarm(warehouse, "query_event")
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM query_event WHERE seq = 2")
            connection.exec_driver_sql("DELETE FROM query WHERE number = 'ZJJU-000002'")
        assert any("missing at the end" in problem for problem in warehouse.reader().verify().problems)

    def test_shows_a_state_that_it_does_not_lead_to(self, warehouse):
        put(warehouse, raised())
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE query SET state = 'CLOSED'")
        assert warehouse.reader().verify().problems == ("ZJJU-000001: state is not what the ledger says.",)

    @pytest.mark.parametrize("column", ["lapsed", "answer", "state"])
    def test_names_a_query_that_nothing_can_read_and_goes_on(self, warehouse, column):
        put(warehouse, raised(), raised(2, record="ZJJU-002"))
        b.store(warehouse, 0, b.frame(b.LABS, {("ZJ-01", "day_0", 1): b.FULL}))
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE query SET {column} = 'x' WHERE number = 'ZJJU-000001'")
            connection.exec_driver_sql("UPDATE labs SET creat = 60")
        problems = warehouse.reader().verify().problems
        assert "ZJJU-000001: cannot be read; it holds what no run and no person's command writes." in problems
        assert not any("ZJJU-000002" in problem for problem in problems)
        assert "zhenjiang: 1 rows of form labs are not what was stored." in problems

    def test_names_a_message_that_is_no_document(self, warehouse):
        if warehouse._engine.dialect.name == "postgresql":
            pytest.skip("the database itself refuses it")
        put(warehouse, raised())
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE query SET message = 'x'")
        assert any("ZJJU-000001: cannot be read" in problem for problem in warehouse.reader().verify().problems)

    def test_names_a_ledger_row_that_nothing_can_read(self, warehouse):
        put(warehouse, raised(), raised(2, record="ZJJU-002"))
        disarm(warehouse, "query_event")
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE query_event SET action = 'x' WHERE seq = 1")
        problems = warehouse.reader().verify().problems
        assert any(problem.startswith("zhenjiang ledger row 1: cannot be read") for problem in problems)

    def test_stays_whole_when_texts_are_erased_and_shows_altered_ones(self, warehouse):
        put(warehouse, raised())
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE query_event_value SET new_raw = '71'")
        assert any("new_raw was altered" in problem for problem in warehouse.reader().verify().problems)
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM query_event_value")
        assert warehouse.reader().verify().problems == ()
        assert warehouse.reader().thread("ZJJU-000001").values == {}

    def test_shows_a_form_row_that_was_altered_behind_its_back(self, warehouse):
        b.store(warehouse, 0, b.frame(b.LABS, {("ZJ-01", "day_0", 1): b.FULL}))
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE labs SET creat = 60")
        assert warehouse.reader().verify().problems == ("zhenjiang: 1 rows of form labs are not what was stored.",)

    def test_begins_at_the_chain_s_beginning(self, warehouse):
        put(warehouse, raised())
        (event,) = warehouse.reader().thread("ZJJU-000001").events
        assert event.prev_hash == chain.GENESIS


def disarm(warehouse, table):
    """Do what an owner of the database could do."""
    with warehouse._engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{verb}")
        else:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def test_every_part_of_a_query_and_of_a_ledger_row_has_its_column():
    """Who adds a field to the model adds a migration."""
    query = {field.name for field in fields(Query)} - {"key"} | {field.name for field in fields(QueryKey)}
    event = {field.name for field in fields(QueryEvent)}
    renamed = {"check": "check_id"}
    assert {renamed.get(name, name) for name in query} == set(query_tables.query.columns.keys())
    assert {renamed.get(name, name) for name in event} == set(query_tables.query_event.columns.keys())


def test_a_lapsed_decision_comes_back(warehouse):
    query, drafts = raised()
    query = replace(query, lapsed=CloseReason.CONFIRMED, lapsed_raw="811")
    put(warehouse, (query, drafts))
    assert warehouse.reader().queries() == (query,)


def test_errors_of_the_database_say_what_to_do_without_values(warehouse):
    with (
        pytest.raises(SyncError, match="refused") as caught,
        warehouse.transaction("s", "r", b.moment(0)) as transaction,
    ):
        transaction.put_visits([])
        transaction._connection.execute(sa.text("INSERT INTO site (site, name) VALUES ('Secret', NULL)"))
    assert "Secret" not in str(caught.value)


class TestRowsThatAreHeldBack:
    """`verify` holds each row's flag against the live hard queries; a row may have a query and not stand."""

    SAYS = (
        "zhenjiang: 1 rows of form labs are held back from analysis without an unresolved hard query, or have one and "
        "are not held back; the site's next run puts this right."
    )

    @pytest.fixture
    def held(self, warehouse):
        query, drafts = raised()
        gap, more = raised(2, record="ZJJU-009")
        frame = b.frame(b.LABS, {(record, "month_1", 1): {"creat": 812.0} for record in ("ZJJU-001", "ZJJU-002")})
        with warehouse.transaction(samples.SITE, "run-1", samples.START) as transaction:
            transaction.store([frame], mapping_version="1", complete=True)
            transaction.put_queries([*drafts, *more], [query, gap])
            transaction.quarantine([query.key.row, gap.key.row])
        return warehouse

    def test_are_those_of_live_hard_queries(self, held):
        assert held.reader().verify().problems == ()

    @pytest.mark.parametrize(("record", "flag"), [("ZJJU-001", "FALSE"), ("ZJJU-002", "TRUE")])
    def test_are_shown_where_somebody_changed_the_flag(self, held, record, flag):
        with held._engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE labs SET is_quarantined = {flag} WHERE record = '{record}'")
        assert held.reader().verify().problems == (self.SAYS,)

    def test_are_let_go_by_what_closes_the_query(self, held):
        (query, gap) = held.reader().queries(QueryFilter())
        answered = desk.answer(query, samples.site("checked"), code=AnswerCode.CONFIRMED, round=1)
        closed = desk.accept(answered[0], samples.dm(), reason=CloseReason.CONFIRMED)
        with held.transaction(samples.SITE, "desk-1", samples.START) as transaction:
            transaction.put_queries([*answered[1], *closed[1]], [closed[0]])
        assert held.reader().verify().problems == (self.SAYS,)
        with held.transaction(samples.SITE, "desk-2", samples.START) as transaction:
            transaction.quarantine([gap.key.row])
        assert held.reader().verify().problems == ()

    def test_a_fingerprint_that_was_taken_away_is_shown(self, held):
        with held._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE labs SET row_hash = NULL WHERE record = 'ZJJU-002'")
        assert held.reader().verify().problems == ("zhenjiang: 1 rows of form labs are not what was stored.",)
