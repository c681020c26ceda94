"""Keep the study's data, its history and its queries in SQLite or PostgreSQL.

The only package that imports SQLAlchemy, Alembic and psycopg. Reading order: ``tables`` (what stands apart from any
study), ``layout`` and ``forms`` (the tables that a study brings), ``views``, ``upgrade`` (how both come to be),
``difference`` (pure: what a pull changes), ``form_store`` (writing it), ``ledger`` (queries), ``store`` (one
transaction a site), ``read`` and ``verify``.
"""
