"""Run migrations on the connection that ``sync.warehouse.upgrade`` hands over."""

from alembic import context

from sync.warehouse import query_tables, tables

del query_tables  # imported for the tables that it adds to the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.core,
    render_as_batch=True,
    # One transaction for the whole upgrade: the caller's.
    transactional_ddl=False,
)
context.run_migrations()
