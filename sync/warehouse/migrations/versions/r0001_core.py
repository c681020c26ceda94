"""Create the core tables and make the ledgers append-only.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

from sync.warehouse import bulk, triggers
from sync.warehouse.columns import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create tables, indexes and triggers."""
    _create_tables()
    place = ("site", "run_id", "table_name", "record", "event", "instrument", "instance")
    keys = {
        "cell_change": (*place, "column_name", "changed_at"),
        "row_end": (*place, "ended_at"),
        "record_end": ("site", "run_id", "record", "ended_at"),
        "query_event": ("site", "seq"),
    }
    for ledger, key in keys.items():
        for statement in triggers.append_only(ledger, op.get_bind().dialect.name, key):
            bulk.run(op.get_bind(), statement)


def downgrade() -> None:
    """Refuse: going back would throw away the audit trail."""
    raise NotImplementedError("restore a backup; the audit trail is never thrown away")


def _create_tables() -> None:
    op.create_table(
        "cell_change",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("instance", sa.BigInteger(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("raw_old", sa.Text(), nullable=True),
        sa.Column("raw_new", sa.Text(), nullable=True),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "site",
            "run_id",
            "table_name",
            "record",
            "event",
            "instrument",
            "instance",
            "column_name",
            "changed_at",
            name=op.f("pk_cell_change"),
        ),
    )
    op.create_index(
        op.f("ix_cell_change_site_table_name_record"),
        "cell_change",
        ["site", "table_name", "record"],
        unique=False,
    )
    op.create_table(
        "chain_head",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_hash", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_chain_head")),
    )
    op.create_table(
        "check_coverage",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("evaluated", sa.BigInteger(), nullable=False),
        sa.Column("failing", sa.BigInteger(), nullable=False),
        sa.Column("not_evaluated", sa.BigInteger(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site", "run_id", "check_id", name=op.f("pk_check_coverage")),
    )
    op.create_table(
        "derived_outcome",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("visit", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("rule_set", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "record", "visit", name=op.f("pk_derived_outcome")),
    )
    op.create_table(
        "form_column",
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("frame_column", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("form", "frame_column", name=op.f("pk_form_column")),
        sa.UniqueConstraint("table_name", "column_name", name=op.f("uq_form_column_table_name_column_name")),
    )
    op.create_table(
        "form_mapping",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("mapping_version", sa.Text(), nullable=False),
        sa.Column("site_fields", sa.JSON(), nullable=False),
        sa.Column("site_fields_at", sa.JSON(), nullable=False),
        sa.Column("absent", sa.JSON(), nullable=False),
        sa.Column("covered", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site", "form", name=op.f("pk_form_mapping")),
    )
    op.create_table(
        "lease",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("taken_at", Instant(), nullable=False),
        sa.Column("heartbeat_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_lease")),
    )
    op.create_table(
        "mapping_version",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("first_run_id", sa.Text(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("site", "version", name=op.f("pk_mapping_version")),
    )
    op.create_table(
        "parked_run",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("parked_at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("difference", sa.JSON(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("used_by_run_id", sa.Text(), nullable=True),
        sa.Column("superseded_by_run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site", "run_id", name=op.f("pk_parked_run")),
    )
    op.create_table(
        "query",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("study", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("instance", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("site_field", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("check_version", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("fingerprint_answered", sa.Text(), nullable=True),
        sa.Column("fingerprint_decided", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("assignee", sa.Text(), nullable=True),
        sa.Column("changed_since_answer", sa.Boolean(), nullable=False),
        sa.Column("ready_to_close", sa.Boolean(), nullable=False),
        sa.Column("post_lock", sa.Boolean(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("lapsed", sa.Text(), nullable=True),
        sa.Column("lapsed_raw", sa.Text(), nullable=True),
        sa.Column("auto_close", sa.Boolean(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("site_event", sa.Text(), nullable=True),
        sa.Column("site_instrument", sa.Text(), nullable=True),
        sa.Column("site_instance", sa.BigInteger(), nullable=True),
        sa.Column("raised_at", Instant(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=True),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("evaluated_at", Instant(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site", "number", name=op.f("pk_query")),
    )
    op.create_index(
        op.f("ix_query_site_record_event_instrument_instance_field_check_id"),
        "query",
        ["site", "record", "event", "instrument", "instance", "field", "check_id"],
        unique=False,
    )
    op.create_index(op.f("ix_query_site_state"), "query", ["site", "state"], unique=False)
    op.create_table(
        "query_event",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_digest", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("assignee", sa.Text(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("check_version", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("fingerprint_answered", sa.Text(), nullable=True),
        sa.Column("fingerprint_decided", sa.Text(), nullable=True),
        sa.Column("changed_since_answer", sa.Boolean(), nullable=False),
        sa.Column("ready_to_close", sa.Boolean(), nullable=False),
        sa.Column("post_lock", sa.Boolean(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("comment_digest", sa.Text(), nullable=True),
        sa.Column("old_raw_digest", sa.Text(), nullable=True),
        sa.Column("new_raw_digest", sa.Text(), nullable=True),
        sa.Column("old_value_digest", sa.Text(), nullable=True),
        sa.Column("new_value_digest", sa.Text(), nullable=True),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "seq", name=op.f("pk_query_event")),
        sa.UniqueConstraint("site", "number", "version", name=op.f("uq_query_event_site_number_version")),
    )
    op.create_table(
        "query_event_value",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("old_raw", sa.Text(), nullable=True),
        sa.Column("new_raw", sa.Text(), nullable=True),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site", "seq", name=op.f("pk_query_event_value")),
    )
    op.create_table(
        "raw_payload",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pulled_at", Instant(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site", "run_id", "name", name=op.f("pk_raw_payload")),
    )
    op.create_table(
        "row_end",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("instance", sa.BigInteger(), nullable=False),
        sa.Column("first_run_id", sa.Text(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "site",
            "run_id",
            "table_name",
            "record",
            "event",
            "instrument",
            "instance",
            "ended_at",
            name=op.f("pk_row_end"),
        ),
    )
    op.create_index(
        op.f("ix_row_end_site_table_name_record"), "row_end", ["site", "table_name", "record"], unique=False
    )
    op.create_table(
        "record_end",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("new_record", sa.Text(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("site", "run_id", "record", "ended_at", name=op.f("pk_record_end")),
    )
    op.create_index(op.f("ix_record_end_site_record"), "record_end", ["site", "record"], unique=False)
    op.create_index(op.f("ix_record_end_site_new_record"), "record_end", ["site", "new_record"], unique=False)
    op.create_table(
        "site",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject_prefix", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site")),
    )
    op.create_table(
        "site_state",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "name", name=op.f("pk_site_state")),
    )
    op.create_table(
        "site_memory",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "name", name=op.f("pk_site_memory")),
    )
    op.create_table(
        "subject",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("first_infusion", sa.Date(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "record", name=op.f("pk_subject")),
    )
    op.create_table(
        "sync_run",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started", Instant(), nullable=False),
        sa.Column("finished", Instant(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", "run_id", name=op.f("pk_sync_run")),
    )
    op.create_index(op.f("ix_sync_run_site_seq"), "sync_run", ["site", "seq"], unique=False)
    op.create_index(op.f("ix_sync_run_site_started"), "sync_run", ["site", "started"], unique=False)
    op.create_table(
        "visit",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("visit", sa.Text(), nullable=False),
        sa.Column("instance", sa.BigInteger(), nullable=False),
        sa.Column("actual_date", sa.Date(), nullable=True),
        sa.Column("study_day", sa.BigInteger(), nullable=True),
        sa.Column("window_status", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "record", "visit", "instance", name=op.f("pk_visit")),
    )
