"""Digests of the production's answers, taken and signed when a backup is made, so that no drill ever asks production.

A digest file is JSON beside the backup, ``NAME.digests.json``::

    {"as_of": ISO instant, "digests": {question: answer as text}, "constraints": ["schema.table.constraint", …],
     "key_id": hex, "signature": hex}

A backup of a cluster with several databases has ``digests`` and ``constraints`` one level deeper, by ``service/datastore``.
The signature is Ed25519 over the canonical JSON of everything but itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.catalog.model import Question
from include.values import canonical_json

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812  the class is lower case

SUFFIX = ".digests.json"


_CONSTRAINTS = """
SELECT n.nspname || '.' || t.relname || '.' || c.conname
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.contype IN ('p', 'f', 'u', 'c', 'x') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def constraints(connection: Connection) -> list[str]:
    """``schema.table.constraint`` of every key, foreign key, unique and check constraint in user schemas, sorted."""
    with connection.cursor() as cursor:
        cursor.execute(_CONSTRAINTS)
        return sorted(row[0] for row in cursor.fetchall())


def take(connection: Connection, questions: Iterable[Question], as_of: datetime) -> dict[str, Any]:
    """The answers of one database to its digest questions, as text, and the constraints of its user schemas.

    `as_of` lies a little before the backup's start, so that every row it covers is in the backup. Runs in one read-only
    snapshot. Raises psycopg2.Error, or ValueError when a question gives not exactly one value.
    """
    from include.recovery.validation import scalar

    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        answers = {q.name: str(scalar(connection, q.sql, as_of)) for q in questions if q.digest}
        return {"as_of": as_of.isoformat(), "digests": answers, "constraints": constraints(connection)}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def merge(by_datastore: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One document for a backup from what `take` gave of each of its databases (by ``service/datastore``), not yet signed.

    Raises ValueError when there is none, or when they are not of the same instant.
    """
    instants = {taken["as_of"] for taken in by_datastore.values()}
    if len(instants) != 1:
        raise ValueError(f"digests of one backup must be of one instant, not of {sorted(instants) or 'none'}")
    if len(by_datastore) == 1:
        return dict(next(iter(by_datastore.values())))
    return {
        "as_of": instants.pop(),
        "digests": {name: taken["digests"] for name, taken in by_datastore.items()},
        "constraints": {name: taken["constraints"] for name, taken in by_datastore.items()},
    }


def of(document: Mapping[str, Any], datastore_id: str, trusted_keys: Iterable[str]) -> dict[str, Any]:
    """What a trusted digest file says of one datastore: ``as_of``, ``digests`` by question, ``constraints`` as a list.

    Raises ValueError when the signature does not count, or when the file covers several databases and this one is not
    among them.
    """
    verify(document, trusted_keys)
    signed = document["constraints"]
    if not isinstance(signed, Mapping):
        return {"as_of": document["as_of"], "digests": dict(document["digests"]), "constraints": list(signed)}
    if datastore_id not in signed:
        raise ValueError(
            f"the digests cover {', '.join(sorted(signed))}, not {datastore_id}: take them again with the next backup"
        )
    return {
        "as_of": document["as_of"],
        "digests": dict(document["digests"][datastore_id]),
        "constraints": list(signed[datastore_id]),
    }


def public_key(private_key_hex: str) -> str:
    """The public half (hex) of an Ed25519 private key (hex): what goes into a platform's trusted keys."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_key_hex)).public_key().public_bytes_raw().hex()


def sign(document: Mapping[str, Any], private_key_hex: str) -> dict[str, Any]:
    """The document with ``key_id`` (the public key, hex) and ``signature``."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signed = {k: v for k, v in document.items() if k != "signature"} | {"key_id": public_key(private_key_hex)}
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_key_hex))
    return {**signed, "signature": key.sign(canonical_json(signed)).hex()}


def verify(document: Mapping[str, Any], trusted_keys: Iterable[str]) -> None:
    """Raise ValueError unless the document was signed by one of the trusted public keys (hex) and not changed since."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key_id, signature = document.get("key_id"), document.get("signature")
    if not isinstance(key_id, str) or not isinstance(signature, str):
        raise ValueError("the digests are not signed; take them again with the next backup")
    if key_id not in set(trusted_keys):
        raise ValueError(f"the digests are signed by {key_id[:16]}…, which is not among the trusted keys of platform.yaml")
    signed = {k: v for k, v in document.items() if k != "signature"}
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id)).verify(bytes.fromhex(signature), canonical_json(signed))
    except (InvalidSignature, ValueError) as error:
        raise ValueError(f"the signature of the digests by {key_id[:16]}… does not fit their content") from error
