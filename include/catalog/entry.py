"""What every entry of the catalog is: frozen, unknown fields refused, field docs kept for editors."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$", description="lower case, digits and dashes, 2 to 40 characters")]


class Entry(BaseModel):
    """Something written in the catalog: frozen, unknown fields refused, field docs kept for editors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
