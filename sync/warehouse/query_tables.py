"""Describe the tables of the queries: the projection, its ledger, and the erasable texts apart from the chain."""

import sqlalchemy as sa

from sync.warehouse.columns import Instant
from sync.warehouse.tables import core


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(create_constraint=False), nullable=False)


query = sa.Table(
    "query",
    core,
    sa.Column("site", sa.Text(), primary_key=True),
    sa.Column("number", sa.Text(), primary_key=True),
    _text("study"),
    sa.Column("project_id", sa.BigInteger(), nullable=False),
    _text("record"),
    _text("event"),
    _text("instrument"),
    sa.Column("instance", sa.BigInteger(), nullable=False),
    _text("field"),
    _text("site_field"),
    _text("check_id"),
    _text("check_version"),
    _text("severity"),
    _text("state"),
    _text("condition"),
    _text("reason", null=True),
    sa.Column("round", sa.Integer(), nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
    sa.Column("message", sa.JSON(), nullable=False),
    _text("fingerprint"),
    _text("fingerprint_answered", null=True),
    _text("fingerprint_decided", null=True),
    _text("answer", null=True),
    _text("assignee", null=True),
    _flag("changed_since_answer"),
    _flag("ready_to_close"),
    _flag("post_lock"),
    _flag("by_hand"),
    _text("lapsed", null=True),
    _text("lapsed_raw", null=True),
    _flag("auto_close"),
    _text("raw", null=True),
    _text("value", null=True),
    _text("unit", null=True),
    _text("site_event", null=True),
    _text("site_instrument", null=True),
    sa.Column("site_instance", sa.BigInteger()),
    sa.Column("raised_at", Instant(), nullable=False),
    sa.Column("opened_at", Instant()),
    sa.Column("changed_at", Instant(), nullable=False),
    sa.Column("evaluated_at", Instant(), nullable=False),
    _text("run_id", null=True),
    sa.Index(None, "site", "record", "event", "instrument", "instance", "field", "check_id"),
    sa.Index(None, "site", "state"),
)

query_event = sa.Table(
    "query_event",
    core,
    sa.Column("site", sa.Text(), primary_key=True),
    sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
    _text("number"),
    sa.Column("version", sa.Integer(), nullable=False),
    _text("key_digest"),
    sa.Column("at", Instant(), nullable=False),
    _text("actor"),
    _text("actor_kind"),
    _text("trigger"),
    _text("action"),
    _text("from_state", null=True),
    _text("to_state"),
    _text("reason", null=True),
    _text("answer", null=True),
    _text("assignee", null=True),
    sa.Column("round", sa.Integer(), nullable=False),
    _text("check_id"),
    _text("check_version"),
    _text("fingerprint"),
    _text("fingerprint_answered", null=True),
    _text("fingerprint_decided", null=True),
    _flag("changed_since_answer"),
    _flag("ready_to_close"),
    _flag("post_lock"),
    _flag("by_hand"),
    _text("rule"),
    _text("run_id", null=True),
    _text("source", null=True),
    _text("comment_digest", null=True),
    _text("old_raw_digest", null=True),
    _text("new_raw_digest", null=True),
    _text("old_value_digest", null=True),
    _text("new_value_digest", null=True),
    _text("prev_hash"),
    _text("hash"),
    sa.UniqueConstraint("site", "number", "version"),
)

query_event_value = sa.Table(
    "query_event_value",
    core,
    sa.Column("site", sa.Text(), primary_key=True),
    sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
    _text("comment", null=True),
    _text("old_raw", null=True),
    _text("new_raw", null=True),
    _text("old_value", null=True),
    _text("new_value", null=True),
)

chain_head = sa.Table(
    "chain_head",
    core,
    sa.Column("site", sa.Text(), primary_key=True),
    sa.Column("last_number", sa.BigInteger(), nullable=False),
    sa.Column("last_seq", sa.BigInteger(), nullable=False),
    _text("last_hash"),
    # tells whether a key is the one that the ledger was written with
    _text("secret_digest"),
)
"""Where each site's ledger ends; read and advanced inside the site's transaction, so numbers never collide."""
