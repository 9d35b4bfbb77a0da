"""Databases for the ledger's tests."""

from __future__ import annotations


def database(server: str, name: str) -> str:
    """An empty database of that name; its URL."""
    from sqlalchemy import create_engine, text

    engine = create_engine(server + "postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server + name
