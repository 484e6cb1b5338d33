"""Alembic's entry: runs the scripts on the connection, and in the transaction, of the caller."""

from alembic import context
from sqlalchemy import Connection

connection = context.config.attributes["connection"]
if not isinstance(connection, Connection):
    raise TypeError("migrations run through civicbench.registry.database.initialise")
context.configure(connection=connection)
context.run_migrations()
