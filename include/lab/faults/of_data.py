"""Faults of the data itself, which every backup after them keeps faithfully."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from include.lab import backups, business, postgres
from include.lab.fleet import Database, Server
from include.lab.state import LabState
from include.recovery.model import Outcome
from include.recovery.validation import ask


def back_up(lab: LabState, server: Server, database: Database) -> None:
    """The backup that keeps the fault."""
    if server.physical:
        backups.back_up_server(lab, server)
    else:
        backups.back_up_database(lab, server, database)


def written_tables(database: Database) -> set[str]:
    """The tables that the order generator writes: no fault is planted there, or it would heal or break at the next beat."""
    beat = business.sections(database.business)["beat"]
    return set(re.findall(r"(?:INSERT INTO|UPDATE)\s+(\w+)", beat))


def _rows(lab: LabState, server: Server, database: Database, sql: str) -> list[tuple[Any, ...]]:
    with postgres.connect(lab.cluster(server.name), database.name) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def _run(lab: LabState, server: Server, database: Database, *statements: str) -> None:
    postgres.execute(lab.cluster(server.name), database.name, *statements)


# ---- emptied-table -------------------------------------------------------------------------------------------------


def empty_table(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Empty a table that nothing refers to and whose size the service's expectations know, then back up.

    Raises ValueError when the service has no such table.
    """
    import yaml

    suite = yaml.safe_load((backups.EXAMPLE / "services" / f"{database.service}.expectations.yaml").read_text())
    counted = {
        table for table, items in suite.items() if any(item["type"] == "expect_table_row_count_to_be_between" for item in items)
    }
    referred = {
        row[0] for row in _rows(lab, server, database, "SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'")
    }
    possible = sorted(counted - referred - written_tables(database))
    if not possible:
        raise ValueError(f"{database.service} has no table that can be emptied: all are referred to, written to, or not expected")
    table = possible[0]
    kept = lab.home / "kept" / f"{database.service}.{table}"
    _save_rows(lab, server, database, table, kept)
    _run(lab, server, database, f"TRUNCATE {table}")
    wrong = _wrong_answers(lab, server, database)
    back_up(lab, server, database)
    return {
        "must": ["expectations", *wrong],
        "may": ["size-history"],
        "evidence": f"{database.name}.{table} was emptied before the newest backup",
        "undo": {"table": table, "rows": str(kept)},
    }


def _save_rows(lab: LabState, server: Server, database: Database, table: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        target.open("wb") as file,
        postgres.connect(lab.cluster(server.name), database.name) as connection,
        connection.cursor() as cursor,
    ):
        cursor.copy_expert(f"COPY {table} TO STDOUT", file)


def _wrong_answers(lab: LabState, server: Server, database: Database) -> list[str]:
    """The business questions that the lab's production itself answers wrongly now."""
    with postgres.connect(lab.cluster(server.name), database.name) as connection:
        answers = [ask(connection, question, None) for question in backups.questions(database) if not question.digest]
    return [check.name for check in answers if check.outcome is Outcome.FAILED]


def refill_table(lab: LabState, server: Server, database: Database, undo: dict[str, Any]) -> None:
    """Load the rows that were kept, and back up."""
    kept = Path(undo["rows"])
    with (
        kept.open("rb") as file,
        postgres.connect(lab.cluster(server.name), database.name) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"TRUNCATE {undo['table']}")
        cursor.copy_expert(f"COPY {undo['table']} FROM STDIN", file)
    kept.unlink()
    back_up(lab, server, database)


# ---- dropped-constraint --------------------------------------------------------------------------------------------


def drop_constraint(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Drop the first foreign key by name, then back up: the digests taken with that backup do not know it either."""
    sql = (
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
    )
    found = sorted(_rows(lab, server, database, sql))
    if not found:
        raise ValueError(f"{database.service} has no foreign key to drop")
    table, name, definition = found[0]
    _run(lab, server, database, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    back_up(lab, server, database)
    return {
        "must": ["database-constraints"],
        "may": [],
        "evidence": f"{database.name}.{table} lost {name} {definition} before the newest backup",
        "undo": {"table": table, "name": name, "definition": definition},
    }


def add_constraint(lab: LabState, server: Server, database: Database, undo: dict[str, Any]) -> None:
    """Add it again, and back up."""
    _run(lab, server, database, f"ALTER TABLE {undo['table']} ADD CONSTRAINT {undo['name']} {undo['definition']}")
    back_up(lab, server, database)


# ---- sequence-behind-key -------------------------------------------------------------------------------------------

_SEQUENCES = """
SELECT t.oid::regclass::text, a.attname, pg_get_serial_sequence(t.oid::regclass::text, a.attname)
FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE t.relkind = 'r' AND n.nspname = 'public' AND a.attidentity <> '' ORDER BY 1
"""


def rewind_sequence(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Set the sequence of a table that nobody writes back to its begin, as a restore of single tables does; then back up."""
    found = [row for row in _rows(lab, server, database, _SEQUENCES) if row[0] not in written_tables(database)]
    if not found:
        raise ValueError(f"{database.service} has no sequence that the order generator leaves alone")
    table, column, sequence = found[-1]
    _run(lab, server, database, f"SELECT setval('{sequence}', 1, true)")
    back_up(lab, server, database)
    return {
        "must": ["database-sequences"],
        "may": [],
        "evidence": f"{sequence} would give 2, and {database.name}.{table}.{column} has it already",
        "undo": {"table": table, "column": column, "sequence": sequence},
    }


def advance_sequence(lab: LabState, server: Server, database: Database, undo: dict[str, Any]) -> None:
    """Set it beyond the largest key, and back up."""
    _run(lab, server, database, f"SELECT setval('{undo['sequence']}', (SELECT max({undo['column']}) FROM {undo['table']}))")
    back_up(lab, server, database)
