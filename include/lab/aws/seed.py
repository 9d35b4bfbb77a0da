"""Many RDS instances and snapshots at once, without servers behind them: for measurements of the control plane."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.lab.aws.rds import HOME_ACCOUNT, Rds
from include.values import utcnow


def fill(
    rds: Rds,
    *,
    regions: list[str],
    instances: int,
    automated: int,
    copies: int = 0,
    prefix: str = "db",
    account: str = HOME_ACCOUNT,
) -> dict[str, int]:
    """Spread `instances` over the regions, each with `automated` daily snapshots, and copies of the newest in the next region.

    Gives how many instances and snapshots there are now.
    """
    from moto.rds import models

    moto: Any = models
    rds_backends = models.rds_backends

    now = utcnow()
    for number in range(instances):
        home = number % len(regions)
        backend = rds_backends[account][regions[home]]
        other = rds_backends[account][regions[(home + 1) % len(regions)]]
        identifier = f"{prefix}-{number:05d}"
        instance = moto.DBInstance(
            backend,
            db_instance_identifier=identifier,
            db_instance_class="db.m6g.large",
            engine="postgres",
            engine_version="18.1",
            allocated_storage=100,
            backup_retention_period=7,
            master_username="dbadmin",
            db_name="app",
            storage_encrypted=True,
            kms_key_id=f"arn:aws:kms:{regions[home]}:{account}:key/seeded",
        )
        backend.databases[identifier] = instance
        for day in range(automated):
            at = now - timedelta(days=day, hours=1)
            rds.add_automated(backend, instance, None, at=at)
        for copy in range(copies):
            made = moto.DBSnapshot(other, instance, f"copy-{identifier}-{copy}", "manual")
            made.created = now - timedelta(hours=1 + copy)
            made.original_snapshot_create_time = now - timedelta(days=copy, hours=1)
            made.source_region = regions[home]
            made.source_db_snapshot_identifier = f"arn:aws:rds:{regions[home]}:{account}:snapshot:rds:{identifier}"
            other.database_snapshots[made.db_snapshot_identifier] = made
    here = [rds_backends[account][region] for region in regions]
    return {"instances": sum(len(b.databases) for b in here), "snapshots": sum(len(b.database_snapshots) for b in here)}
