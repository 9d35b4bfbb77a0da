"""Drills, leases and measurements in PostgreSQL: a projection of the evidence, rebuilt from it when lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.ledger.ledger import Ledger

__all__ = ["Ledger", "open_ledger", "open_ledger_from_environment", "url_from_environment"]

CONN_ID = "drillyard_ledger"


def __getattr__(name: str) -> Any:
    """SQLAlchemy is imported when a ledger is used, not when a DAG file is parsed."""
    if name == "Ledger":
        from include.ledger.ledger import Ledger

        return Ledger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def open_ledger(url: str) -> Ledger:
    """The ledger at a SQLAlchemy or libpq URL (``postgresql://…``). Connects at the first call."""
    from include.ledger.ledger import Ledger

    scheme, separator, rest = url.partition("://")
    if scheme in ("postgres", "postgresql") and separator:
        url = f"postgresql+psycopg2://{rest}"
    return Ledger(url)


def open_ledger_from_environment() -> Ledger:
    """The ledger that connection `drillyard_ledger` names. Raises LookupError that says what to set."""
    return open_ledger(url_from_environment())


def url_from_environment() -> str:
    """The URL of connection `drillyard_ledger`, from ``AIRFLOW_CONN_DRILLYARD_LEDGER``. Raises LookupError."""
    from include.connections import from_environment

    try:
        info = from_environment(CONN_ID)
    except LookupError as error:
        raise LookupError(
            "no ledger is configured: set AIRFLOW_CONN_DRILLYARD_LEDGER, for example "
            "postgres://drillyard:PASSWORD@127.0.0.1:5432/drillyard_ledger (a database of its own, never Airflow's)"
        ) from error
    return url_of(info)


def url_of(info: Any) -> str:
    """The SQLAlchemy URL of a connection of type postgres (`include.connections.ConnectionInfo`).

    Extra fields that libpq knows (``sslmode``, ``sslrootcert``, ``options`` …) are passed on. Raises ValueError for another type.
    """
    from sqlalchemy.engine import URL

    if info.conn_type not in ("postgres", "postgresql"):
        raise ValueError(f"connection {info.conn_id!r} is of type {info.conn_type!r}; the ledger needs postgres")
    query = {key: str(value) for key, value in info.extra.items() if key in _LIBPQ}
    url = URL.create(
        "postgresql+psycopg2", info.login, info.password, info.host, info.port, info.schema_name or info.conn_id, query
    )
    return url.render_as_string(hide_password=False)


_LIBPQ = {"sslmode", "sslcert", "sslkey", "sslrootcert", "options", "application_name", "target_session_attrs", "host"}
