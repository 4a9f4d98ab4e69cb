"""Nodes of graphs that HTTP workers do."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table, and mark the attempts that have a row in it."""
    remote: sa.Column[bool] = sa.Column("remote", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("oris_attempts", remote, schema=op.get_context().version_table_schema)
    op.create_table(
        "oris_remote_tasks",
        sa.Column("attempt_id", sa.String(), sa.ForeignKey("oris_attempts.attempt_id"), primary_key=True),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("temporal_run_id", sa.String(), nullable=False),
        sa.Column("activity_id", sa.String(), nullable=False),
        sa.Column("task_token", sa.LargeBinary(), nullable=False),
        sa.Column("graph", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.JSON()),
    )
    op.create_index("ix_oris_remote_tasks_workflow_id", "oris_remote_tasks", ["workflow_id"])
    op.create_index("ix_oris_remote_tasks_state", "oris_remote_tasks", ["state"])
