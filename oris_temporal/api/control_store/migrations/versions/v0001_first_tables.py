"""API keys, the audit log, idempotency keys, replay effects and cancelled threads."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "oris_api_keys",
        sa.Column("key_id", sa.String(), primary_key=True),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("tenant", sa.String()),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "oris_audit_log",
        sa.Column("audit_id", number, primary_key=True, autoincrement=True),
        sa.Column("actor_type", sa.String(), nullable=False),
        sa.Column("actor_id", sa.String()),
        sa.Column("actor_role", sa.String()),
        sa.Column("tenant", sa.String()),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("resource_type", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String()),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_oris_audit_log_request_id", "oris_audit_log", ["request_id"])
    op.create_index("ix_oris_audit_log_created_at", "oris_audit_log", ["created_at"])
    op.create_table(
        "oris_idempotency_keys",
        sa.Column("key_hash", sa.String(), primary_key=True),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.String(), nullable=False),
        sa.Column("response", sa.JSON()),
        sa.Column("reserved_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger()),
    )
    op.create_table(
        "oris_replay_effects",
        sa.Column("fingerprint", sa.String(), primary_key=True),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("effect_type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("execution_count", sa.Integer(), nullable=False),
        sa.Column("response", sa.JSON()),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger()),
    )
    op.create_index("ix_oris_replay_effects_thread_id", "oris_replay_effects", ["thread_id"])
    op.create_table(
        "oris_cancelled_threads",
        sa.Column("thread_id", sa.Text(), primary_key=True),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=False),
    )
