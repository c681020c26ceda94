"""What an upgrade does to an empty database, to one that stands, and to a study that changed."""

import string
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.coordinates import Coordinate
from schemas.study import Kind, Measure
from sync.errors import ConfigError
from sync.ports.stored import StoreCounts
from sync.warehouse import layout, revisions, tables, views
from sync.warehouse.store import SqlWarehouse
from tests.warehouse import building as b

ONE = ("ZJ-01", "day_0", 1)


class TestAnUpgrade:
    def test_says_what_is_to_do_and_then_nothing(self, opened):
        warehouse = opened(upgrade=False)
        assert warehouse.pending() == ("core tables: none -> 0001", "form labs: create 9 columns in labs")
        assert tuple(warehouse.upgrade()) == ("core tables: none -> 0001", "form labs: create 9 columns in labs")
        assert warehouse.pending() == ()
        assert warehouse.upgrade() == []

    def test_ends_where_the_tables_are_as_described(self, warehouse):
        """Fresh schema == migrated schema: nobody changes ``tables`` without a migration."""
        core = {table.name for table in tables.core.sorted_tables}

        def ours(_object, name, kind, _reflected, _other):
            return kind != "table" or name in core

        with warehouse._engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"include_object": ours, "compare_type": True, "compare_server_default": True}
            )
            assert compare_metadata(context, tables.core) == []

    def test_knows_every_revision_of_the_folder(self):
        config = Config()
        config.set_main_option("script_location", str(Path(revisions.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        found = ScriptDirectory.from_config(config).walk_revisions()
        assert tuple(each.revision for each in found)[::-1] == revisions.KNOWN

    def test_leads_every_primary_key_with_the_site(self, warehouse):
        inspector = sa.inspect(warehouse._engine)
        for name in inspector.get_table_names():
            if name not in ("alembic_version", "form_column"):
                assert inspector.get_pk_constraint(name)["constrained_columns"][0] == "site", name

    def test_adds_a_field_and_leaves_every_row_alone(self, opened):
        old = opened()
        b.store(old, 0, b.frame(b.LABS, {ONE: b.FULL}))
        grown = b.form("labs", b.field("albumin", Kind.NUMBER), *b.LABS.fields)
        new = opened(b.study(grown), upgrade=False)
        assert new.upgrade() == ["form labs: add 1 columns in labs"]
        assert b.store(new, 1, b.frame(grown, {ONE: b.FULL})) == StoreCounts()
        assert b.store(new, 2, b.frame(grown, {ONE: {**b.FULL, "albumin": 40.0}})).cells_changed == 1
        (found,) = new.reader().frames(b.SITE)
        assert (found.rows["albumin"].to_list(), found.rows["creat"].to_list()) == ([40.0], [71.5])
        assert new.reader().verify().problems == ()

    def test_keeps_the_column_of_a_field_that_left(self, opened):
        b.store(opened(), 0, b.frame(b.LABS, {ONE: b.FULL}))
        shrunk = b.form("labs", *(field for field in b.LABS.fields if field.name != "creat"))
        new = opened(b.study(shrunk))
        cells = {name: value for name, value in b.FULL.items() if name != "creat"}
        assert b.store(new, 1, b.frame(shrunk, {ONE: cells})) == StoreCounts()
        assert b.store(new, 2, b.frame(shrunk, {ONE: {**cells, "tubes": 4}})).cells_changed == 1
        with new._engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT creat, tubes FROM labs").one() == (71.5, 4)
        assert new.reader().verify().problems == ()
        assert opened().upgrade() == []

    def test_reports_a_field_that_holds_something_else_and_tells_its_old_value(self, opened):
        b.store(opened(), 0, b.frame(b.LABS, {ONE: b.FULL}))
        fields = [b.field("tubes", Kind.TEXT) if f.name == "tubes" else f for f in b.LABS.fields]
        changed = b.form("labs", *fields)
        new = opened(b.study(changed), upgrade=False)
        sentence = "form labs: tubes is text now, was integer"
        assert new.pending() == (sentence,)
        assert new.upgrade() == [sentence]
        frame = b.frame(changed, {ONE: {**b.FULL, "tubes": "three"}})
        assert b.store(new, 1, frame) == StoreCounts(updated=1, cells_changed=1)
        assert b.store(new, 2, frame) == StoreCounts()
        with new._engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT tubes FROM labs").one() == ("three",)
        history = new.reader().history(Coordinate(row=b.key(), field="tubes"))
        assert [(v.value, v.raw) for v in history] == [("3", "3"), ("three", "three")]

    def test_is_whole_or_not_at_all(self, opened, monkeypatch):
        def refuse(*_arguments):
            raise RuntimeError

        warehouse = opened(upgrade=False)
        monkeypatch.setattr(views, "create", refuse)
        with pytest.raises(RuntimeError):
            warehouse.upgrade()
        assert sa.inspect(warehouse._engine).get_table_names() == []

    def test_refuses_a_database_of_a_newer_program(self, opened, warehouse):
        with warehouse._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(ConfigError, match="newer than this program"):
            opened()


def of_project(number, *forms):
    """Build a study as a site's own dictionary gives it."""
    return replace(b.study(*forms), name=f"project_{number}")


class TestSitesThatEachFollowTheirOwnDictionary:
    ONE_FORM = b.form(
        "labs", b.field("creat", Kind.NUMBER), b.field("seen", Kind.DATETIME), b.field("age", Kind.INTEGER)
    )
    OTHER_FORM = b.form("labs", b.field("creat", Kind.TEXT), b.field("seen", Kind.DATE), b.field("sex", Kind.CODED))
    CELLS: Mapping[str, Any] = {"creat": 71.5, "seen": datetime(2012, 3, 4, 8, 0, 0, 500), "age": 31}  # noqa: DTZ001
    OTHER_CELLS: Mapping[str, Any] = {"creat": "normal", "seen": date(2012, 3, 4), "sex": "1"}

    @pytest.fixture
    def both(self, opened):
        one = opened(of_project(17, self.ONE_FORM))
        frame = b.frame(self.ONE_FORM, {ONE: self.CELLS, ("ZJ-02", "day_0", 1): {"creat": 7.0}})
        b.store(one, 0, frame)
        other = opened(of_project(18, self.OTHER_FORM), upgrade=False)
        sentences = other.upgrade()
        other_frame = b.frame(self.OTHER_FORM, {ONE: self.OTHER_CELLS}, site="yangzhou")
        with other.transaction("yangzhou", "run-0", b.moment(0)) as transaction:
            transaction.store([other_frame], mapping_version="1", complete=True)
        return one, frame, other, other_frame, sentences

    def test_agree_on_text_where_they_disagree(self, both):
        one, _, other, _, sentences = both
        assert sentences == [
            "form labs: add 1 columns in labs",
            "form labs: creat holds text now, because the sites' dictionaries disagree",
            "form labs: seen holds text now, because the sites' dictionaries disagree",
        ]
        assert one.upgrade() == other.upgrade() == []
        with one._engine.connect() as connection:
            sql = "SELECT creat, seen FROM labs ORDER BY site DESC, record"
            assert [tuple(row) for row in connection.exec_driver_sql(sql)] == [
                ("71.5", "2012-03-04T08:00:00.000500"),
                ("7", None),
                ("normal", "2012-03-04"),
            ]

    def test_read_their_own_values_back_and_find_nothing_changed(self, both):
        one, frame, other, other_frame, _ = both
        assert b.store(one, 1, frame) == StoreCounts()
        (found,), (other_found,) = one.reader().frames(b.SITE), other.reader().frames("yangzhou")
        assert found.rows.equals(frame.rows)
        assert other_found.rows.equals(other_frame.rows)
        assert one.reader().verify().problems == other.reader().verify().problems == ()

    def test_note_changes_as_ever(self, both):
        one, *_ = both
        changed = b.frame(self.ONE_FORM, {ONE: {**self.CELLS, "creat": 72.0}, ("ZJ-02", "day_0", 1): {"creat": 7.0}})
        assert b.store(one, 1, changed) == StoreCounts(updated=1, cells_changed=1)
        history = one.reader().history(Coordinate(row=b.key(), field="creat"))
        assert [version.value for version in history] == ["71.5", "72"]


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("sqlite://", "needs a file"),
            ("sqlite:////nowhere/at/all/w.sqlite", "folder"),
            ("mysql://host/db", "must begin with"),
            ("postgresql+asyncpg://host/db", r"postgresql\+psycopg"),
            ("no url", "not a database URL"),
        ],
    )
    def test_that_name_no_warehouse_are_refused(self, url, says):
        with pytest.raises(ConfigError, match=says):
            SqlWarehouse(url, b.STUDY, secret=b.SECRET)

    def test_of_a_database_without_tables_ask_for_an_upgrade(self, opened):
        warehouse = opened(upgrade=False)
        with (
            pytest.raises(ConfigError, match=r"sync warehouse upgrade|`sync run` makes it"),
            warehouse.transaction(b.SITE, "run-0", b.moment(0)),
        ):
            pass


names = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=100)


class TestTheLayout:
    def test_gives_a_form_its_own_name(self):
        assert [layout.base_of(name) for name in ("labs", "visit_form", "adverse_event")] == [
            "labs",
            "visit_form",
            "adverse_event",
        ]

    @pytest.mark.parametrize("name", ["visit", "site", "query", "cell_change", "response_summary"])
    def test_keeps_forms_clear_of_the_warehouse_s_own_relations(self, name):
        assert layout.base_of(name) == f"{name}_form"

    def test_keeps_fields_clear_of_the_columns_of_every_row(self, opened):
        clash = b.form("visit", b.field("run_id", Kind.TEXT, "visit"), b.field("remarks", Kind.TEXT, "visit"))
        warehouse = opened(b.study(clash))
        frame = b.frame(clash, {ONE: {"run_id": "theirs", "remarks": "too"}})
        b.store(warehouse, 0, frame)
        (found,) = warehouse.reader().frames(b.SITE)
        assert found.rows["run_id"].to_list() == ["theirs"]
        with warehouse._engine.connect() as connection:
            sql = "SELECT run_id, run_id_field, remarks_field FROM visit_form"
            assert connection.exec_driver_sql(sql).one() == ("run-0", "theirs", "too")

    def test_holds_names_as_long_as_redcap_allows(self, opened):
        name, column = "an_instrument_" + "x" * 50, "a_field_" + "y" * 92
        fields = [*(b.field(f"{column}{i:03d}", Kind.TEXT, name) for i in range(layout.WIDTH + 1))]
        long = b.form(name, *fields, b.field("percent%_of'it\"", Kind.NUMBER, name))
        warehouse = opened(b.study(long, measures=[Measure(name="50 % o'clock", form=name, field="percent%_of'it\"")]))
        assert warehouse.upgrade() == []
        cells = {f"{column}000": "first", f"{column}{layout.WIDTH:03d}": "last", "percent%_of'it\"": 1.5}
        frame = b.frame(long, {ONE: cells})
        b.store(warehouse, 0, frame)
        assert b.store(warehouse, 1, b.frame(long, {ONE: cells | {f"{column}000": "other"}})).cells_changed == 1
        assert warehouse.reader().frames(b.SITE)[0].rows[f"{column}000"].to_list() == ["other"]
        assert b.store(warehouse, 2, b.frame(long, {})).deleted == 1
        with warehouse.transaction(b.SITE, "run-3", b.moment(3)) as transaction:
            assert transaction.quarantine([b.key(instrument=name)]) == 0

    def test_covers_every_relation_of_its_own(self):
        assert {table.name for table in tables.core.sorted_tables} <= layout.RESERVED
        assert set(tables.VIEW_NAMES) <= layout.RESERVED

    @settings(max_examples=25, derandomize=True, deadline=None)
    @given(forms=st.lists(names, min_size=1, max_size=6, unique=True), width=st.integers(1, 700))
    def test_never_puts_two_things_in_one_place_or_moves_one(self, forms, width):
        several = list(dict.fromkeys([*forms, "visit", "visit_form"]))

        def grown(count):
            return b.study(
                *(b.form(name, *(b.field(f"f{i}", Kind.TEXT, name) for i in range(count))) for name in several)
            )

        before = layout.place(grown(width), ())
        after = layout.place(grown(width + 3), before.slots)
        places = {(slot.table_name, slot.column_name) for slot in after.slots}
        assert len(places) == len(after.slots)
        assert {slot.study for slot in after.slots} == {"made up"}
        tables_ = {slot.table_name for slot in after.slots}
        raw = {slot.raw_table_name for slot in after.slots}
        assert not tables_ & raw
        assert not (tables_ | raw) & layout.RESERVED
        assert all(len(name.encode()) <= 63 for name in tables_ | raw)
        owners = {}
        for slot in after.slots:
            assert owners.setdefault(slot.table_name, slot.form) == slot.form
            assert layout.first_table(slot.table_name) in tables_
        assert set(before.slots) <= set(after.slots)
        assert layout.place(grown(width + 3), after.slots).added == ()

    @settings(max_examples=60, derandomize=True, deadline=None)
    @given(name=names)
    def test_cuts_long_names_and_keeps_them_apart(self, name):
        one, other = layout.column_name_of(f"{name}_a"), layout.column_name_of(f"{name}_b")
        assert one != other
        assert max(len(one), len(other)) <= 63
