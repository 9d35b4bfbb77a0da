"""Faults that a server brings into its own backups: a damaged index, and a log that no recovery can pass."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

from include.lab import accounts, archive_wal, backups, postgres
from include.lab.faults.of_backups import asked, renew, segments
from include.lab.faults.of_data import written_tables
from include.lab.fleet import Database, Server
from include.lab.state import LabState

PAGE = 8192
_HEADER = 24
"""Bytes of a page header (bufpage.h, PageHeaderData); line pointers of four bytes each follow."""
_LEAF = 1
"""nbtree.h, BTP_LEAF."""


# ---- index-corrupt -------------------------------------------------------------------------------------------------

_INDEXES = """
SELECT i.indrelid::regclass::text, c.oid::regclass::text, pg_relation_filepath(c.oid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.amname = 'btree' AND n.nspname = 'public' ORDER BY i.indisunique, c.relpages DESC, 2
"""


def corrupt_index(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Let two entries of a leaf page change places on disk, with the server stopped, and back up.

    Page checksums are made anew (`pg_checksums`), so only a look at the order of the keys finds it: amcheck's.
    Raises ValueError when no index of the database has a page to do it on.
    """
    cluster = lab.cluster(server.name)
    with postgres.connect(cluster, database.name) as connection, connection.cursor() as cursor:
        cursor.execute(_INDEXES)
        indexes = [row[1:] for row in cursor.fetchall() if row[0] not in written_tables(database)]
    postgres.stop(cluster)
    try:
        damaged = next((index for index, path in indexes if swap_entries(cluster.data / path)), None)
        if damaged is None:
            raise ValueError(f"{database.service} has no index that can be damaged: all are written to, or too small")
        postgres.run(cluster, "pg_checksums", "--disable", "--no-sync", "-D", cluster.data)
        postgres.run(cluster, "pg_checksums", "--enable", "--no-sync", "-D", cluster.data)
    finally:
        postgres.start(cluster)
    backups.back_up_server(lab, server)
    return {
        "must": ["database-amcheck"],
        "may": [],
        "evidence": f"two entries of index {damaged} changed places before the newest backup",
        "undo": {"index": damaged},
    }


def swap_entries(file: Path) -> bool:
    """Swap the first and the last line pointer (but for the high key) of the first leaf page with room for it.

    Gives False when the index has no such page. The page's checksum is wrong afterwards.
    """
    data = bytearray(file.read_bytes())
    for start in range(PAGE, len(data), PAGE):
        lower, _, special = struct.unpack_from("<HHH", data, start + 12)
        if lower <= _HEADER or special >= PAGE:
            continue
        following, _, flags = struct.unpack_from("<IIH", data, start + special + 4)
        items = (lower - _HEADER) // 4
        first = 1 if following else 0
        if flags & ~0x40 != _LEAF or items - first < 10:
            continue
        one, other = (start + _HEADER + 4 * n for n in (first, items - 1))
        data[one : one + 4], data[other : other + 4] = data[other : other + 4], data[one : one + 4]
        with file.open("r+b") as out:
            out.seek(start)
            out.write(data[start : start + PAGE])
        return True
    return False


def rebuild_index(lab: LabState, server: Server, database: Database, undo: dict[str, Any]) -> None:
    """Build it anew, and back up."""
    postgres.execute(lab.cluster(server.name), database.name, f"REINDEX INDEX {undo['index']}")
    renew(lab, server, database, undo)


# ---- never-ready ---------------------------------------------------------------------------------------------------


def forbid_replay(lab: LabState, server: Server, database: Database) -> dict[str, Any]:
    """Run the server with ``wal_level=minimal`` for a moment after its base backup, as for a bulk load, and back again.

    The backup verifies and the archive has no hole. But archive recovery ends at the record of that change with a FATAL
    error, whatever the restored server's own settings are (xlogrecovery.c, CheckRequiredParameterValues).
    """
    cluster = lab.cluster(server.name)
    postgres.stop(cluster)
    try:
        postgres.start(cluster, {"wal_level": "minimal", "archive_mode": "off", "max_wal_senders": "0"})
        postgres.execute(cluster, database.name, "CHECKPOINT")
        postgres.stop(cluster)
    finally:
        postgres.start(cluster)
    passed = str(postgres.scalar(cluster, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())"))
    postgres.execute(cluster, database.name, "SELECT pg_switch_wal()")
    hand_over_wal(lab, server, passed)
    return {
        "must": ["restore-ready"],
        "may": ["rpo", "rto", "database-amcheck", "expectations", *asked(database)],
        "evidence": f"{server.name} ran with wal_level=minimal after its newest base backup; the record is in or before {passed}",
    }


def hand_over_wal(lab: LabState, server: Server, until: str) -> None:
    """Wait until the archiver is done with segment `until`; then archive by hand, as a careful operator would, what it was
    never told of because archiving was off. Raises TimeoutError after a minute.
    """
    cluster = lab.cluster(server.name)
    wal = backups.wal_folder(lab, server)
    deadline = time.monotonic() + 60
    while until not in segments(wal):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{server.name} did not archive {until} in 60 s; see its server.log")
        time.sleep(0.2)
    first = segments(wal)[0]
    for path in sorted((cluster.data / "pg_wal").iterdir()):
        if len(path.name) == 24 and first <= path.name <= until:
            for copy in (False, True):
                target = backups.wal_folder(lab, server, copy=copy) / f"{path.name}.gz"
                if not target.exists():
                    archive_wal.store(path.read_bytes(), str(target))
                    accounts.give(target, lab.user)
