"""The business data of each service: one SQL file with the sections schema, seed, keys and beat."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  the class is lower case

FOLDER = Path(__file__).resolve().parent
SECTIONS = ("schema", "seed", "keys", "beat")


def sections(name: str) -> dict[str, str]:
    """The sections of a business file. Raises ValueError naming the file and the section that is missing."""
    path = FOLDER / f"{name}.sql"
    parts = re.split(r"^-- section: (\w+)\n", path.read_text(), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    missing = [section for section in SECTIONS if section not in found]
    if missing:
        raise ValueError(f"{path.name} has no section {missing[0]!r}: start it with a line '-- section: {missing[0]}'")
    return found


def bind(sql: str, rows: int, now: datetime) -> str:
    """The SQL with ``:rows`` (an integer) and ``:now`` (a timestamptz) put in. The same arguments give the same data."""
    values = {"rows": str(rows), "now": f"timestamptz '{now.isoformat()}'"}
    return re.sub(r"(?<!:):(rows|now)\b", lambda match: values[match[1]], sql)


def seed(connection: Connection, name: str, rows: int, now: datetime) -> None:
    """Make the tables, fill them and add their keys, in one transaction; then gather statistics."""
    parts = sections(name)
    connection.autocommit = False
    with connection, connection.cursor() as cursor:
        for section in ("schema", "seed", "keys"):
            cursor.execute(bind(parts[section], rows, now))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
