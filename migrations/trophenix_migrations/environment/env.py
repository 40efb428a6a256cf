"""What Alembic runs for every history; the runner hands over the connection and the schema."""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    version_table_schema=attributes["schema"],
    target_metadata=None,
)
with context.begin_transaction():
    context.run_migrations()
