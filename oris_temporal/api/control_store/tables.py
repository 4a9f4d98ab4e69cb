"""The tables as they are now. What changes here gets a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

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

attempts = Table(
    "oris_attempts",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),  # in the order in which they were enqueued
    Column("attempt_id", String, nullable=False, unique=True),
    Column("run_id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tenant_id", String),
    Column("attempt_no", Integer, nullable=False),
    Column("first_attempt_no", Integer, nullable=False),  # the one that the present budget of retries began with
    Column("worker_id", String),  # who leased it last
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("lost_at", BigInteger),  # when the lease that was lost last had expired
    Column("retry_at", BigInteger),
    Column("timeout_ms", BigInteger),
    Column("on_timeout_status", String),
    Column("retry_strategy", String),
    Column("retry_backoff_ms", BigInteger),
    Column("retry_max_backoff_ms", BigInteger),
    Column("retry_multiplier", Float),
    Column("retry_max_retries", BigInteger),
    Column("trace_id", String),
    Column("span_id", String),
    Column("parent_span_id", String),
    Column("trace_flags", String),
    Column("remote", Boolean, nullable=False, server_default=false()),  # a node of a graph waits for it
    Index("ix_oris_attempts_run_id", "run_id"),
    Index("ix_oris_attempts_retry_at", "retry_at"),
    sqlite_autoincrement=True,
)
Index(
    "ix_oris_attempts_queue",
    *(attempts.c.status, attempts.c.priority.desc(), attempts.c.attempt_no, attempts.c.number, attempts.c.tenant_id),
)

leases = Table(
    "oris_leases",
    metadata,
    Column("attempt_id", String, ForeignKey("oris_attempts.attempt_id"), primary_key=True),  # so it has one at most
    Column("lease_id", String, nullable=False, unique=True),
    Column("worker_id", String, nullable=False),
    Column("tenant_id", String),
    Column("version", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("times_out_at", BigInteger),
    Index("ix_oris_leases_worker_id", "worker_id"),
    Index("ix_oris_leases_expires_at", "expires_at"),
    Index("ix_oris_leases_times_out_at", "times_out_at"),
)

retries = Table(
    "oris_retries",
    metadata,
    Column("attempt_id", String, ForeignKey("oris_attempts.attempt_id"), primary_key=True),
    Column("attempt_no", Integer, primary_key=True, autoincrement=False),
    Column("strategy", String, nullable=False),
    Column("backoff_ms", BigInteger, nullable=False),
    Column("max_retries", BigInteger, nullable=False),
    Column("scheduled_at", BigInteger, nullable=False),
)

dead_letters = Table(
    "oris_dead_letters",
    metadata,
    Column("attempt_id", String, ForeignKey("oris_attempts.attempt_id"), primary_key=True),
    Column("run_id", String, nullable=False),
    Column("tenant_id", String),
    Column("attempt_no", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("dead_at", BigInteger, nullable=False),
    Column("replay_status", String, nullable=False),
    Column("replay_count", Integer, nullable=False),
    Column("last_replayed_at", BigInteger),
    Index("ix_oris_dead_letters_dead_at", "dead_at"),
    Index("ix_oris_dead_letters_run_id", "run_id"),
)

remote_tasks = Table(
    "oris_remote_tasks",
    metadata,
    Column("attempt_id", String, ForeignKey("oris_attempts.attempt_id"), primary_key=True),
    Column("workflow_id", String, nullable=False),
    Column("temporal_run_id", String, nullable=False),
    Column("activity_id", String, nullable=False),
    Column("task_token", LargeBinary, nullable=False),
    Column("graph", String, nullable=False),
    Column("node", String, nullable=False),
    Column("input", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", JSON(none_as_null=True)),
    Index("ix_oris_remote_tasks_workflow_id", "workflow_id"),
    Index("ix_oris_remote_tasks_state", "state"),
)

step_reports = Table(
    "oris_step_reports",
    metadata,
    Column("attempt_id", String, primary_key=True),  # which need not be there
    Column("dedupe_token", String, primary_key=True),
    Column("worker_id", String, nullable=False),
    Column("action_id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reported_at", BigInteger, nullable=False),
)
