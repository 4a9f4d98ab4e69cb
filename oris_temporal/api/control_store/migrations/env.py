"""Runs migrations on the connection that `oris_temporal.api.control_store.migrate` has opened."""

from alembic import context

from oris_temporal.api.control_store.migrate import VERSION_TABLE
from oris_temporal.api.control_store.tables import metadata

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=attributes["schema"],
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
