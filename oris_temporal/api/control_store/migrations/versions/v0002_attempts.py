"""Attempts for HTTP workers: leases, retries, dead letters and step reports."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "oris_attempts",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("attempt_id", sa.String(), nullable=False, unique=True),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String()),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("first_attempt_no", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.String()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("lost_at", sa.BigInteger()),
        sa.Column("retry_at", sa.BigInteger()),
        sa.Column("timeout_ms", sa.BigInteger()),
        sa.Column("on_timeout_status", sa.String()),
        sa.Column("retry_strategy", sa.String()),
        sa.Column("retry_backoff_ms", sa.BigInteger()),
        sa.Column("retry_max_backoff_ms", sa.BigInteger()),
        sa.Column("retry_multiplier", sa.Float()),
        sa.Column("retry_max_retries", sa.BigInteger()),
        sa.Column("trace_id", sa.String()),
        sa.Column("span_id", sa.String()),
        sa.Column("parent_span_id", sa.String()),
        sa.Column("trace_flags", sa.String()),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_oris_attempts_run_id", "oris_attempts", ["run_id"])
    op.create_index("ix_oris_attempts_retry_at", "oris_attempts", ["retry_at"])
    queue: list[Any] = ["status", sa.text("priority DESC"), "attempt_no", "number", "tenant_id"]
    op.create_index("ix_oris_attempts_queue", "oris_attempts", queue)
    op.create_table(
        "oris_leases",
        _attempt_id(),
        sa.Column("lease_id", sa.String(), nullable=False, unique=True),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("times_out_at", sa.BigInteger()),
    )
    op.create_index("ix_oris_leases_worker_id", "oris_leases", ["worker_id"])
    op.create_index("ix_oris_leases_expires_at", "oris_leases", ["expires_at"])
    op.create_index("ix_oris_leases_times_out_at", "oris_leases", ["times_out_at"])
    op.create_table(
        "oris_retries",
        _attempt_id(),
        sa.Column("attempt_no", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("backoff_ms", sa.BigInteger(), nullable=False),
        sa.Column("max_retries", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "oris_dead_letters",
        _attempt_id(),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String()),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("dead_at", sa.BigInteger(), nullable=False),
        sa.Column("replay_status", sa.String(), nullable=False),
        sa.Column("replay_count", sa.Integer(), nullable=False),
        sa.Column("last_replayed_at", sa.BigInteger()),
    )
    op.create_index("ix_oris_dead_letters_dead_at", "oris_dead_letters", ["dead_at"])
    op.create_index("ix_oris_dead_letters_run_id", "oris_dead_letters", ["run_id"])
    op.create_table(
        "oris_step_reports",
        sa.Column("attempt_id", sa.String(), primary_key=True),
        sa.Column("dedupe_token", sa.String(), primary_key=True),
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("action_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
    )


def _attempt_id() -> sa.Column[str]:
    return sa.Column("attempt_id", sa.String(), sa.ForeignKey("oris_attempts.attempt_id"), primary_key=True)
