"""A light look at SQL from the catalog: one statement that only reads. The real guard is the read-only role in the sandbox."""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    r"--[^\n]*"  # a comment to the end of the line
    r"|/\*.*?\*/"
    r"|[eE]'(?:[^'\\]|\\.|'')*'"
    r"|'(?:[^']|'')*'"
    r'|"(?:[^"]|"")*"'
    r"|\$([A-Za-z_]\w*)?\$.*?\$(?(1)\1)\$",
    re.DOTALL,
)
_WRITES = re.compile(r"\bas\s*(?:not\s+)?(?:materialized\s*)?\(\s*(insert|update|delete|merge)\s", re.IGNORECASE)


def objection(sql: str) -> str | None:
    """What is wrong with it, or None. Text, quoted names and comments are not looked into."""
    bare = _HIDDEN.sub(lambda match: " " if match[0].startswith(("--", "/*")) else " x ", sql).strip()
    bare = bare.rstrip(";").rstrip()
    if not bare:
        return "is empty; write one SELECT"
    if ";" in bare:
        return "is more than one statement; write one SELECT"
    first = re.match(r"[\s(]*(\w*)", bare)
    word = first[1].upper() if first else ""
    if word not in ("SELECT", "WITH"):
        return f"begins with {word or repr(bare[0])}; write one SELECT (or WITH … SELECT)"
    writes = _WRITES.search(bare)
    if writes:
        return f"changes data ({writes[1].upper()} inside WITH); write one SELECT that only reads"
    if re.search(r"\binto\b", bare, re.IGNORECASE):
        return "writes a table (SELECT … INTO); write one SELECT that only reads"
    return None
