"""Names derived from a drill's id, so that a retry finds what an earlier try made."""

from __future__ import annotations

import hashlib
import hmac
import re

COLD = "cold-"
"""The slot of a restore from a cold kit begins so. It is no attempt of a restore drill: it has neither its data nor its turn."""


def is_cold(drill_id: str) -> bool:
    """Whether this is the id of a restore from a cold kit."""
    return drill_id.rsplit(".", 1)[-1].startswith(COLD)


def sandbox_name(drill_id: str) -> str:
    """A name for the sandbox of a drill: ``dy-`` + readable part + 10 hex digits, at most 40 characters.

    Lower case, digits and dashes only, starting with a letter: fits RDS, Cloud SQL, Flexible Server and folders.
    """
    readable = re.sub(r"[^a-z0-9]+", "-", drill_id.lower()).strip("-")[:26].rstrip("-")
    return f"dy-{readable}-{hashlib.sha256(drill_id.encode()).hexdigest()[:10]}"


def sandbox_password(secret: str, sandbox: str, role: str) -> str:
    """The password of a role in a sandbox: HMAC-SHA256 in hex. Nothing has to be stored to connect again.

    Raises ValueError when the secret is shorter than 16 characters.
    """
    if len(secret) < 16:
        raise ValueError("the sandbox secret (connection drillyard_sandbox, field password) needs at least 16 characters")
    return hmac.new(secret.encode(), f"{sandbox}/{role}".encode(), hashlib.sha256).hexdigest()[:40]
