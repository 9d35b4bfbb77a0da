"""Does the restored database answer? Three layers: business questions, PostgreSQL itself, Great Expectations.

Business questions come first: the first one that passes stops the RTO clock. No layer returns or logs a row of data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any

from include.catalog.model import Question, Validation
from include.recovery.model import Access, Check, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


@contextmanager
def connect(access: Access, *, admin: bool = False, timeout_ms: int = 60_000) -> Iterator[Connection]:
    """A psycopg2 connection to a secured sandbox in autocommit mode, closed on exit.

    The reader is not a superuser, reads only, and every statement has a timeout. Raises psycopg2.OperationalError.
    """
    import psycopg2

    connection = psycopg2.connect(
        host=access.host,
        port=access.port,
        dbname=access.database,
        user=access.admin if admin else access.reader,
        password=access.admin_password if admin else access.reader_password,
        connect_timeout=10,
        application_name="drillyard",
        options=f"-c statement_timeout={timeout_ms}" + ("" if admin else " -c default_transaction_read_only=on"),
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def scalar(connection: Connection, sql: str, as_of: datetime | None = None) -> Any:
    """The one value that a SELECT gives. ``:as_of`` is bound as a timestamptz.

    Raises ValueError when the statement gives no row, more than one row or more than one column.
    """
    bound = re.sub(r"(?<!:):as_of\b", "%(as_of)s", sql.replace("%", "%%"))
    with connection.cursor() as cursor:
        cursor.execute(bound, {"as_of": as_of})
        rows = cursor.fetchmany(2)
    if len(rows) != 1 or len(rows[0]) != 1:
        raise ValueError(f"the statement must give exactly one row with one column, not {len(rows)} rows: {sql.strip()[:120]}")
    return rows[0][0]


def _typed(value: Any, like: Any) -> Any:
    """The catalog's value in the type that PostgreSQL answered with, so that 3 equals 3.00 and 'x' equals 'x'."""
    if isinstance(like, bool) or like is None:
        return value
    if isinstance(like, (int, float, Decimal)):
        return Decimal(str(value))
    return str(value)


def ask(connection: Connection, question: Question, digests: Mapping[str, Any] | None) -> Check:
    """Put one business question. A digest question compares with what was signed when the backup was made."""
    name, layer = f"question:{question.name}", "business"
    expected: Any = question.value
    as_of = None
    if question.digest:
        if not digests or question.name not in digests["digests"]:
            return Check(
                name=name,
                layer=layer,
                outcome=Outcome.UNKNOWN,
                detail="no signed digest lies with this backup; take one in the backup job (docs/catalog.md, digests)",
            )
        expected, as_of = digests["digests"][question.name], datetime.fromisoformat(digests["as_of"])
    try:
        answer = scalar(connection, question.sql, as_of)
    except Exception as error:  # the question's own SQL: any error is its finding, and the next question is still asked
        return Check(name=name, layer=layer, outcome=Outcome.FAILED, detail=f"the question could not be answered: {_line(error)}")
    if question.digest:
        answer = str(answer)
    relation = "=" if question.digest else question.expect
    threshold = f"{relation} {expected}"
    comparable = Decimal(str(answer)) if isinstance(answer, (int, float)) and not isinstance(answer, bool) else answer
    passed = answer is not None and RELATIONS[relation](comparable, _typed(expected, answer))
    return Check(
        name=name,
        layer=layer,
        outcome=Outcome.PASSED if passed else Outcome.FAILED,
        measured=str(answer),
        threshold=threshold,
        detail="" if passed else f"the restored data answers {answer}, expected {threshold}",
    )


def ask_all(
    connection: Connection, validation: Validation, digests: Mapping[str, Any] | None, on_first_pass: Callable[[], None]
) -> tuple[Check, ...]:
    """Every business question; `on_first_pass` is called at the instant the first one passes."""
    checks: list[Check] = []
    for question in validation.questions:
        check = ask(connection, question, digests)
        if check.outcome is Outcome.PASSED and not any(c.outcome is Outcome.PASSED for c in checks):
            on_first_pass()
        checks.append(check)
    return tuple(checks)


_SEQUENCES = """
SELECT s.oid::regclass::text, t.oid::regclass::text, quote_ident(a.attname)
FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_class t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p')
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') ORDER BY 1
"""

_CONSTRAINTS = """
SELECT n.nspname || '.' || t.relname || '.' || c.conname, c.convalidated
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.contype IN ('p', 'f', 'u', 'c', 'x') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


def check_sequences(connection: Connection) -> Check:
    """Every sequence that feeds a column stands at or beyond the column's largest value.

    A sequence behind its key makes the first insert after a real restore fail.
    """
    behind = []
    with connection.cursor() as cursor:
        cursor.execute(_SEQUENCES)
        owned = cursor.fetchall()
        for sequence, table, column in owned:
            cursor.execute(
                f"SELECT s.last_value, s.is_called, (SELECT max({column}) FROM {table}),"
                f" (SELECT seqincrement FROM pg_sequence WHERE seqrelid = %s::regclass) FROM {sequence} s",
                (sequence,),
            )
            last, called, largest, step = cursor.fetchone() or (0, False, None, 1)
            following = last + step if called else last
            if largest is not None and step > 0 and following <= largest:
                behind.append(f"{sequence} would give {following} but {table}.{column} already has {largest}")
    return Check(
        name="database-sequences",
        layer="database",
        outcome=Outcome.FAILED if behind else Outcome.PASSED,
        measured=f"{len(behind)} of {len(owned)} behind",
        threshold="0",
        detail="; ".join(behind[:5]),
    )


def check_constraints(connection: Connection, least: int | None, signed: Sequence[str] | None) -> Check:
    """No constraint is NOT VALID; at least `least` are there; and none is missing that was signed with the backup."""
    with connection.cursor() as cursor:
        cursor.execute(_CONSTRAINTS)
        found = dict(cursor.fetchall())
    wrong = [f"{name} is NOT VALID" for name, valid in found.items() if not valid]
    wrong += [f"{name} is missing" for name in signed or () if name not in found]
    if least is not None and len(found) < least:
        wrong.append(f"{len(found)} constraints where the catalog expects at least {least}")
    return Check(
        name="database-constraints",
        layer="database",
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        measured=str(len(found)),
        threshold=f">= {least}" if least is not None else "all valid",
        detail="; ".join(wrong[:5]),
    )


def check_checksums(connection: Connection) -> Check:
    """Page checksums are on and no page failed so far. Run after `check_amcheck`, which reads every heap page."""
    enabled = scalar(connection, "SELECT current_setting('data_checksums')") == "on"
    failures = scalar(connection, "SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database")
    if not enabled:
        return Check(
            name="database-checksums",
            layer="database",
            outcome=Outcome.UNSUPPORTED,
            measured="off",
            detail="the cluster was made without data checksums; pg_checksums --enable gives them",
        )
    return Check(
        name="database-checksums",
        layer="database",
        outcome=Outcome.FAILED if failures else Outcome.PASSED,
        measured=f"{failures} failures",
        threshold="0",
        detail=f"{failures} pages failed their checksum" if failures else "",
    )


_AMCHECK_HEAP = """
SELECT c.oid::regclass::text, v.blkno, v.msg FROM pg_class c
CROSS JOIN LATERAL verify_heapam(c.oid, on_error_stop := true) v
WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' LIMIT 5
"""

_BTREES = """
SELECT c.oid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisvalid AND i.indisready
"""


def check_amcheck(connection: Connection) -> Check:
    """What pg_amcheck does by default, by the same extension: verify_heapam on tables, bt_index_check on btree indexes."""
    import psycopg2

    wrong: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        cursor.execute(_AMCHECK_HEAP)
        wrong += [f"table {table} block {block}: {message}" for table, block, message in cursor.fetchall()]
        cursor.execute(_BTREES)
        indexes = [row[0] for row in cursor.fetchall()]
        for index in indexes:
            try:
                cursor.execute("SELECT bt_index_check(%s::regclass)", (index,))
            except psycopg2.Error as error:
                wrong.append(f"index {index}: {_line(error)}")
    return Check(
        name="database-amcheck",
        layer="database",
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        measured=f"{len(wrong)} corrupt of {len(indexes)} indexes and all tables",
        threshold="0",
        detail="; ".join(wrong[:5]),
    )


def _line(error: BaseException) -> str:
    """An error's first line: the rest may quote data."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def check_database(connection: Connection, validation: Validation, digests: Mapping[str, Any] | None) -> tuple[Check, ...]:
    """PostgreSQL's own layer. One check that cannot be run is `unknown` and does not hide the others."""
    signed = (digests or {}).get("constraints")
    runs: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("database-amcheck", lambda: check_amcheck(connection)),
        ("database-checksums", lambda: check_checksums(connection)),
        ("database-constraints", lambda: check_constraints(connection, validation.constraints, signed)),
        ("database-sequences", lambda: check_sequences(connection)),
    )
    checks = []
    for name, run in runs:
        try:
            checks.append(run())
        except Exception as error:  # a layer that breaks is a finding of its own
            checks.append(Check(name=name, layer="database", outcome=Outcome.UNKNOWN, detail=f"could not be run: {_line(error)}"))
    return tuple(checks)


def newest_business_time(connection: Connection, sql: str) -> datetime | str:
    """The newest committed business timestamp, or why it cannot be told."""
    try:
        newest = scalar(connection, sql)
    except Exception as error:  # the catalog's SQL: its failure is a finding, not a crash
        return f"business_time could not be read: {_line(error)}"
    if not isinstance(newest, datetime) or newest.tzinfo is None:
        return f"business_time must give a timestamptz, not {type(newest).__name__}; cast it in the catalog"
    return newest
