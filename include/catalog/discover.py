"""What runs on the clouds and is not in the catalog: drafts to fill in and add."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from include import clouds
from include.catalog.loaded import Loaded
from include.connections import Connections, from_environment

if TYPE_CHECKING:
    from include.recovery.contracts import CloudRoom


@dataclass
class Found:
    """What each cloud answered."""

    drafts: dict[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """By cloud: a draft of each datastore entry."""
    failed: dict[str, str] = field(default_factory=dict)
    """By cloud, or by cloud and the server, project or region in it: why it could not be asked."""
    asked: list[str] = field(default_factory=list)


def discover(loaded: Loaded, clients: Connections = from_environment, room: Callable[[str], CloudRoom] | None = None) -> Found:
    """Ask every cloud of the platform. One that cannot answer is noted, as is a part of it, and hides no other."""
    found = Found()
    for cloud in loaded.catalog.platform.clouds:
        known = {key: item for key, (_, item) in loaded.catalog.datastores().items() if item.cloud == cloud}
        try:
            told = (room or clouds.room)(cloud).backup_source(clients, loaded.catalog.settings.get(cloud)).discover(known)
        except Exception as error:  # whatever an SDK raises is this cloud's finding; the others are still asked
            lines = str(error).strip().splitlines()
            found.failed[cloud] = lines[0] if lines else type(error).__name__
            continue
        found.asked.append(cloud)
        found.failed |= {f"{cloud}, {place}": why for place, why in told.unreadable.items()}
        if told.drafts:
            found.drafts[cloud] = told.drafts
    return found


def render(found: Found) -> str:
    """The drafts as YAML for a service's `datastores`."""
    parts = []
    for cloud, drafts in sorted(found.drafts.items()):
        plain = json.loads(json.dumps([dict(draft) for draft in drafts], default=str))
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)
        parts.append(f"# {cloud}: add to the datastores of the service that each belongs to\n{text}".rstrip())
    return "\n".join(parts)
