"""What a managed cloud of the lab holds: services of the distribution business, each with its data."""

from __future__ import annotations

from datetime import datetime

from include.lab import business
from include.values import Frozen

ROWS = 20_000
"""Order lines that the business data is in proportion to."""


class Service(Frozen):
    """One service with one database on a server of its own."""

    name: str
    database: str
    business: str
    """A file of ``include/lab/business``, without its ending."""


def statements(service: Service, born: datetime, rows: int = ROWS) -> list[str]:
    """The SQL that makes a service's tables, fills them and adds their keys, and its application's login."""
    parts = business.sections(service.business)
    login = (
        f"DO $$ BEGIN CREATE ROLE \"{service.database}_app\" LOGIN PASSWORD 'production'; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    return [login, *(business.bind(parts[section], rows, born) for section in ("schema", "seed", "keys"))]
