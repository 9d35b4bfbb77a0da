"""Names and places of evidence: a record's id, its path in a store, a link's path."""

from __future__ import annotations

import re
from datetime import UTC, datetime

RECORDS = "records/"
CHAIN = "chain/"

_RECORD_ID = re.compile(r"(\d{4})(\d{2})(\d{2})T\d{6}\.\d{6}Z-[A-Za-z0-9._-]{1,180}")
_RECORD_PATH = re.compile(r"records/\d{4}/\d{2}/\d{2}/([^/]+)\.json")
_LINK_PATH = re.compile(r"chain/(\d{10})\.json")


def new_record_id(kind: str, subject: str, at: datetime) -> str:
    """``20261123T140000.123456Z-KIND-SUBJECT``: sorts by time, fits a file name. `subject` may be ``service/datastore``.

    The same three give the same id, so a repeated write finds its first try.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", ".", subject).strip(".")[:120] or "platform"
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{kind}-{readable}"


def record_path(record_id: str) -> str:
    """``records/YYYY/MM/DD/RECORD_ID.json``. Raises ValueError for an id that `new_record_id` did not make."""
    match = _RECORD_ID.fullmatch(record_id)
    if match is None:
        raise ValueError(f"record id {record_id!r} is not of the form 20261123T140000.123456Z-KIND-SUBJECT")
    return f"{RECORDS}{match[1]}/{match[2]}/{match[3]}/{record_id}.json"


def record_id_of(path: str) -> str | None:
    """The record id of a record's path; None for anything else, and for a record that lies in the wrong folder."""
    match = _RECORD_PATH.fullmatch(path)
    if match is None or _RECORD_ID.fullmatch(match[1]) is None or record_path(match[1]) != path:
        return None
    return match[1]


def link_path(seq: int) -> str:
    """``chain/0000000001.json``."""
    return f"{CHAIN}{seq:010d}.json"


def link_seq(path: str) -> int | None:
    """The number of a link's path; None for anything else."""
    match = _LINK_PATH.fullmatch(path)
    return int(match[1]) if match else None
