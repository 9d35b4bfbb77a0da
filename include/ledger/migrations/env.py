"""Run by Alembic with the connection that `migrate` hands in."""

from alembic import context

from include.ledger.migrations import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
