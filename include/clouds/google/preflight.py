"""What is held of a Cloud SQL sandbox before anything is created: apart from production, and the point reaches the target."""

from __future__ import annotations

from collections.abc import Sequence

from include.clouds.google.clients import Google
from include.clouds.google.settings import Datastore, Sandboxes
from include.clouds.managed import NotThere, judged, reaches, same_version, untold
from include.recovery.contracts import Transient
from include.recovery.model import Check, RecoveryPoint, Target
from include.values import utcnow

LAYER = "preflight"
_OTHER = "name another one in platform.yaml, clouds.google.settings"


def checks(google: Google, settings: Sandboxes, mine: Datastore, point: RecoveryPoint, target: Target) -> Sequence[Check]:
    """Another project and network than production's, a version that is kept, a region where one is lost, reach of the point."""
    project = "a clone into the original's project gets the original's network"
    return [
        apart("sandbox-project", settings.project, mine.project, f"{project}: {_OTHER}"),
        *_beside(google, settings, mine, point),
        reaches(point, target, utcnow()),
        untold("permissions", LAYER, "Cloud SQL does not tell beforehand what an account may do: see docs/google.md"),
    ]


def _beside(google: Google, settings: Sandboxes, mine: Datastore, point: RecoveryPoint) -> list[Check]:
    """What is held against the original. One whose region is lost tells nothing, and a backup kept elsewhere is restored."""
    away = point.facts.get("home", mine.region) != mine.region
    try:
        source = google.call(google.sql.instances().get(project=mine.project, instance=mine.instance))
    except (Transient, NotThere) as silent:
        if not away:
            raise
        why = f"the original does not answer: {silent}"
        told = [untold(name, LAYER, why) for name in ("sandbox-network", "version")]
    else:
        network = str(source["settings"].get("ipConfiguration", {}).get("privateNetwork"))
        told = [
            apart("sandbox-network", settings.network, network, f"the sandboxes' network is production's: {_OTHER}"),
            same_version(point, str(source["databaseVersion"]).removeprefix("POSTGRES_")),
        ]
    region = settings.region_for(mine.region)
    lacks = f"{region} is no region: name one in platform.yaml, clouds.google.settings.recovery_regions"
    regional = judged("recovery-region", LAYER, "-" in region, region, f"a region for {mine.region}", lacks)
    return [*told, regional] if away else told


def apart(name: str, ours: str, theirs: str, detail: str) -> Check:
    """A check that something of the sandbox is not production's."""
    return judged(name, LAYER, ours != theirs, measured=ours, threshold=f"not {theirs}", detail=detail)
