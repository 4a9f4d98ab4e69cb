"""The tables as they are now. What changes here gets a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

Number = BigInteger().with_variant(Integer(), "sqlite")
"""A growing number; SQLite counts only what it calls INTEGER."""

api_keys = Table(
    "oris_api_keys",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("secret_hash", String, nullable=False),
    Column("role", String, nullable=False),
    Column("tenant", String),
    Column("status", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),  # times are Unix milliseconds
    Column("updated_at", BigInteger, nullable=False),
)

audit_log = Table(
    "oris_audit_log",
    metadata,
    Column("audit_id", Number, primary_key=True, autoincrement=True),
    Column("actor_type", String, nullable=False),
    Column("actor_id", String),
    Column("actor_role", String),
    Column("tenant", String),
    Column("action", String, nullable=False),
    Column("resource_type", String, nullable=False),
    Column("resource_id", String),
    Column("result", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("details", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_oris_audit_log_request_id", "request_id"),
    Index("ix_oris_audit_log_created_at", "created_at"),
    sqlite_autoincrement=True,  # an id is never given twice
)

idempotency_keys = Table(
    "oris_idempotency_keys",
    metadata,
    Column("key_hash", String, primary_key=True),  # a key may be longer than an index takes
    Column("operation", String, nullable=False),
    Column("thread_id", Text, nullable=False),
    Column("payload_hash", String, nullable=False),
    Column("response", JSON(none_as_null=True)),  # null until the work is done
    Column("reserved_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
)

replay_effects = Table(
    "oris_replay_effects",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("thread_id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("effect_type", String, nullable=False),
    Column("status", String, nullable=False),
    Column("execution_count", Integer, nullable=False),
    Column("response", JSON(none_as_null=True)),
    Column("claimed_at", BigInteger, nullable=False),
    Column("claimed_until", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    Index("ix_oris_replay_effects_thread_id", "thread_id"),
)

cancelled_threads = Table(
    "oris_cancelled_threads",
    metadata,
    Column("thread_id", Text, primary_key=True),
    Column("cancelled_at", BigInteger, nullable=False),
)
