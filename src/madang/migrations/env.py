"""How Alembic reaches the database; `madang.migrations.upgrade` gives the URL."""

from alembic import context
from sqlalchemy import create_engine, make_url, pool, text

url = make_url(context.config.attributes["url"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, poolclass=pool.NullPool)
with engine.begin() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS supervisor"))
with engine.connect() as connection:
    context.configure(connection=connection, version_table_schema="supervisor", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
