"""Alembic migrations of the ledger, run by `migrate(url)` or `drillyard ledger migrate`."""

from __future__ import annotations

from pathlib import Path

VERSION_TABLE = "drillyard_ledger_version"
_LOCK = 4_711_030_823
"""An arbitrary number of ours: two migrators wait for each other instead of colliding."""


def migrate(url: str) -> str:
    """Bring the ledger's tables to the newest version; answers it. Repeating it changes nothing.

    Raises LedgerError for a database that is Airflow's own, LedgerUnreachable when it does not answer.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import OperationalError

    from include.ledger.model import LedgerError, LedgerUnreachable

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            where = engine.url.render_as_string(hide_password=True)
            if inspect(connection).has_table("dag_run"):
                raise LedgerError(f"{where} is Airflow's metadata database: give the ledger a database of its own")
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise LedgerUnreachable(f"the ledger's database does not answer: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()
    return ScriptDirectory.from_config(config).get_current_head() or ""
