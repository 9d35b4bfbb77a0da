"""The published JSON Schemas (draft 2020-12) of what Drillyard writes, made from the models themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from include.evidence.gate import Gate
from include.evidence.kit import Kit
from include.evidence.links import Link
from include.evidence.readiness_model import Readiness
from include.evidence.record import DrillRecord, LeaseRecord, NoteRecord, SuspensionRecord, VerificationRecord

FOLDER = Path(__file__).parent / "schema"
MODELS: dict[str, Any] = {
    "drill": DrillRecord,
    "verification": VerificationRecord,
    "lease": LeaseRecord,
    "note": NoteRecord,
    "suspension": SuspensionRecord,
    "link": Link,
    "readiness": Readiness,
    "gate": Gate,
    "kit": Kit,
}


def schema_texts() -> dict[str, str]:
    """The text of each schema file by its name, such as ``drill.schema.json``."""
    return {f"{name}.schema.json": _text(name, model) for name, model in MODELS.items()}


def stale() -> list[str]:
    """Names of schema files that do not say what the models say."""
    return [name for name, text in schema_texts().items() if not _holds(FOLDER / name, text)]


def write() -> list[str]:
    """Write the files that are stale; answers their names."""
    names = stale()
    for name in names:
        (FOLDER / name).write_text(schema_texts()[name])
    return names


def _text(name: str, model: Any) -> str:
    schema = TypeAdapter(model).json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:drillyard:{name}:1"}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text
