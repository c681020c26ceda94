"""Describe the tables that every study has; a study's own form tables are built by ``forms``.

``site`` leads every primary key, so that two sites never meet in one row and a site's transaction touches its own
rows only. Four ledgers are append-only: ``cell_change``, ``row_end``, ``record_end`` and ``query_event`` (triggers
refuse UPDATE and DELETE on both databases).

History without copying the first load: ``cell_change`` begins with a cell's first *change*. A cell's first value is
the ``old`` of its oldest change within the row's life, or, where it never changed, the value that still stands; the
life of a row begins with ``first_run_id`` (kept in the form's raw table) and ends with its row in ``row_end``.
Millions of first values therefore cost nothing, and no life has a gap. ``record_end`` says when a record left its
name, and for which other one: a renamed record's rows end under the old name and begin under the new one.
"""

from typing import Any

import sqlalchemy as sa

from sync.warehouse.columns import Instant

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

core = sa.MetaData(naming_convention=NAMING)


def _key(name: str, type_: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Text(), primary_key=True, autoincrement=False)


def _row_key() -> list[sa.Column[Any]]:
    texts = [_key(name) for name in ("site", "record", "event", "instrument")]
    return [*texts, _key("instance", sa.BigInteger())]


site = sa.Table(
    "site",
    core,
    _key("site"),
    sa.Column("name", sa.Text(), nullable=False),
    sa.Column("subject_prefix", sa.Text(), nullable=False),
    sa.Column("project_id", sa.BigInteger()),
    sa.Column("language", sa.Text()),
)

subject = sa.Table(
    "subject",
    core,
    _key("site"),
    _key("record"),
    sa.Column("first_infusion", sa.Date()),
    sa.Column("run_id", sa.Text(), nullable=False),
)

visit = sa.Table(
    "visit",
    core,
    _key("site"),
    _key("record"),
    _key("visit"),
    _key("instance", sa.BigInteger()),
    sa.Column("actual_date", sa.Date()),
    sa.Column("study_day", sa.BigInteger()),
    sa.Column("window_status", sa.Text()),
    sa.Column("run_id", sa.Text(), nullable=False),
)

derived_outcome = sa.Table(
    "derived_outcome",
    core,
    _key("site"),
    _key("record"),
    _key("visit"),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("rule_set", sa.Text(), nullable=False),
    sa.Column("run_id", sa.Text(), nullable=False),
)

cell_change = sa.Table(
    "cell_change",
    core,
    _key("site"),
    _key("run_id"),
    _key("table_name"),
    _key("record"),
    _key("event"),
    _key("instrument"),
    _key("instance", sa.BigInteger()),
    _key("column_name"),
    sa.Column("old", sa.Text()),
    sa.Column("new", sa.Text()),
    sa.Column("raw_old", sa.Text()),
    sa.Column("raw_new", sa.Text()),
    # A run that is repeated under its own name may change a cell again, at another moment.
    _key("changed_at", Instant()),
    sa.Index(None, "site", "table_name", "record"),
)

row_end = sa.Table(
    "row_end",
    core,
    _key("site"),
    _key("run_id"),
    _key("table_name"),
    _key("record"),
    _key("event"),
    _key("instrument"),
    _key("instance", sa.BigInteger()),
    sa.Column("first_run_id", sa.Text(), nullable=False),
    sa.Column("first_at", Instant(), nullable=False),
    _key("ended_at", Instant()),
    sa.Index(None, "site", "table_name", "record"),
)

record_end = sa.Table(
    "record_end",
    core,
    _key("site"),
    _key("run_id"),
    _key("record"),
    sa.Column("new_record", sa.Text()),
    _key("ended_at", Instant()),
    sa.Index(None, "site", "record"),
    sa.Index(None, "site", "new_record"),
)

sync_run = sa.Table(
    "sync_run",
    core,
    _key("site"),
    _key("run_id"),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("started", Instant(), nullable=False),
    sa.Column("finished", Instant()),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("exit_code", sa.Integer(), nullable=False),
    sa.Column("counts", sa.JSON(), nullable=False),
    sa.Column("reason", sa.Text()),
    # a site's runs in the order in which they were noted, whatever this machine's clock said
    sa.Column("seq", sa.Integer(), nullable=False),
    sa.Index(None, "site", "started"),
    sa.Index(None, "site", "seq"),
)

parked_run = sa.Table(
    "parked_run",
    core,
    _key("site"),
    _key("run_id"),
    sa.Column("parked_at", Instant(), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("difference", sa.JSON(), nullable=False),
    sa.Column("decision", sa.Text()),
    sa.Column("decided_by", sa.Text()),
    sa.Column("decided_at", Instant()),
    sa.Column("used_by_run_id", sa.Text()),
    sa.Column("superseded_by_run_id", sa.Text()),
)

check_coverage = sa.Table(
    "check_coverage",
    core,
    _key("site"),
    _key("run_id"),
    _key("check_id"),
    sa.Column("evaluated", sa.BigInteger(), nullable=False),
    sa.Column("failing", sa.BigInteger(), nullable=False),
    sa.Column("not_evaluated", sa.BigInteger(), nullable=False),
    sa.Column("reasons", sa.JSON(), nullable=False),
)

lease = sa.Table(
    "lease",
    core,
    _key("site"),
    sa.Column("run_id", sa.Text(), nullable=False),
    sa.Column("holder", sa.Text(), nullable=False),
    sa.Column("taken_at", Instant(), nullable=False),
    sa.Column("heartbeat_at", Instant(), nullable=False),
)

mapping_version = sa.Table(
    "mapping_version",
    core,
    _key("site"),
    _key("version"),
    sa.Column("first_run_id", sa.Text(), nullable=False),
    sa.Column("first_at", Instant(), nullable=False),
)

form_mapping = sa.Table(
    "form_mapping",
    core,
    _key("site"),
    _key("form"),
    sa.Column("mapping_version", sa.Text(), nullable=False),
    sa.Column("site_fields", sa.JSON(), nullable=False),
    sa.Column("site_fields_at", sa.JSON(), nullable=False),
    sa.Column("absent", sa.JSON(), nullable=False),
    sa.Column("covered", sa.JSON(), nullable=False),
)

site_state = sa.Table(
    "site_state",
    core,
    _key("site"),
    _key("name"),
    sa.Column("value", sa.JSON(), nullable=False),
    sa.Column("run_id", sa.Text(), nullable=False),
)

site_memory = sa.Table(
    "site_memory",
    core,
    _key("site"),
    _key("name"),
    sa.Column("body", sa.LargeBinary(), nullable=False),
    sa.Column("run_id", sa.Text(), nullable=False),
)

raw_payload = sa.Table(
    "raw_payload",
    core,
    _key("site"),
    _key("run_id"),
    _key("name"),
    sa.Column("pulled_at", Instant(), nullable=False),
    sa.Column("body", sa.LargeBinary(), nullable=False),
)

form_column = sa.Table(
    "form_column",
    core,
    _key("form"),
    _key("frame_column"),
    sa.Column("field", sa.Text(), nullable=False),
    sa.Column("kind", sa.Text(), nullable=False),
    sa.Column("part", sa.Integer(), nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
    sa.Column("table_name", sa.Text(), nullable=False),
    sa.Column("column_name", sa.Text(), nullable=False),
    sa.Column("study", sa.Text(), nullable=False),
    sa.UniqueConstraint("table_name", "column_name"),
)
"""The one table that belongs to the study and not to a site: where each column of each form stands."""

LEDGERS = ("cell_change", "row_end", "record_end", "query_event")
"""Tables that only grow; triggers refuse the rest."""

VIEW_NAMES = ("efficacy_by_visit", "response_summary")
