"""What the lab's AWS account holds: sandbox networks in two regions, and the RDS instances of the example platform."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from include.lab import business
from include.lab.aws.control import CREDENTIALS, AwsLab
from include.lab.aws.rds import HOME_ACCOUNT
from include.lab.postgres import HOST
from include.values import Frozen, utcnow

HOME_REGION, COPY_REGION = "eu-central-1", "eu-west-1"
MASTER, MASTER_PASSWORD = "dbadmin", "the-labs-master-password"
APP_ROLE = "app"
ENGINE_VERSION = "18.1"
SANDBOX_SUBNETS, SANDBOX_PARAMETERS = "drillyard-sandbox", "drillyard-sandbox-18"
PARAMETERS = {"max_logical_replication_workers": "0", "rds.logical_replication": "0", "shared_preload_libraries": ""}
ROWS = 20_000


class Instance(Frozen):
    """One RDS instance of the lab, and the database in it."""

    name: str
    database: str
    business: str
    """A file of ``include/lab/business``, without its ending."""
    encrypted: bool = True
    retention_days: int = 7


INSTANCES: tuple[Instance, ...] = (
    Instance(name="web-shop", database="carts", business="carts"),
    Instance(name="loyalty", database="points", business="events"),
    Instance(name="carrier-tracking", database="tracking", business="events"),
    Instance(name="supplier-portal", database="suppliers", business="events"),
    Instance(name="demand-planning", database="demand", business="events"),
    Instance(name="price-feeds", database="feeds", business="events"),
    Instance(name="gift-cards", database="cards", business="carts"),
)
UNCATALOGUED = "old-reporting"
EVIDENCE = "example-distribution-evidence"
"""The bucket of the example platform's records."""


class Network(Frozen):
    """The sandbox network of one region."""

    region: str
    security_group: str
    key: str


def network(lab: AwsLab, region: str) -> Network:
    """Subnets without a way out, a security group without egress, a harmless parameter group, a key. Made once a lab."""
    ec2, rds = lab.client("ec2", region), lab.client("rds", region)
    vpc = ec2.create_vpc(CidrBlock="10.71.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.71.{number}.0/24", AvailabilityZone=f"{region}{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    rds.create_db_subnet_group(
        DBSubnetGroupName=SANDBOX_SUBNETS, DBSubnetGroupDescription="Restored copies, no route out", SubnetIds=subnets
    )
    group = ec2.create_security_group(GroupName="drillyard-sandbox", Description="No way out", VpcId=vpc)["GroupId"]
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=rules)
    rds.create_db_parameter_group(
        DBParameterGroupName=SANDBOX_PARAMETERS, DBParameterGroupFamily="postgres18", Description="Harmless restored copies"
    )
    settings = [
        {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"} for name, value in PARAMETERS.items()
    ]
    rds.modify_db_parameter_group(DBParameterGroupName=SANDBOX_PARAMETERS, Parameters=settings)
    key = lab.client("kms", region).create_key(Description="Backups")["KeyMetadata"]["Arn"]
    return Network(region=region, security_group=group, key=key)


def settings_of(networks: dict[str, Network], connection: str) -> dict[str, Any]:
    """platform.yaml's ``clouds.aws.settings`` for this lab."""
    return {
        "connection": connection,
        "networks": {
            region: {
                "subnet_group": SANDBOX_SUBNETS,
                "security_groups": [one.security_group],
                "parameter_groups": {"18": SANDBOX_PARAMETERS},
            }
            for region, one in networks.items()
        },
        "failure_domains": {region: region for region in networks},
    }


def create(lab: AwsLab, instance: Instance, key: str) -> None:
    """The instance, with its data and its application's role, and a backup of it all."""
    rds = lab.client("rds", HOME_REGION)
    encryption = {"StorageEncrypted": True, "KmsKeyId": key} if instance.encrypted else {}
    rds.create_db_instance(
        DBInstanceIdentifier=instance.name,
        DBInstanceClass="db.m6g.large",
        Engine="postgres",
        EngineVersion=ENGINE_VERSION,
        AllocatedStorage=20,
        MasterUsername=MASTER,
        MasterUserPassword=MASTER_PASSWORD,
        DBName=instance.database,
        BackupRetentionPeriod=instance.retention_days,
        DeletionProtection=True,
        **encryption,
    )
    available(lab, instance.name)
    with opened(lab, instance.name, instance.database) as connection:
        business.seed(connection, instance.business, ROWS, utcnow())
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {APP_ROLE} LOGIN PASSWORD 'of-the-application'")
            cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP_ROLE}")
    beat = business.sections(instance.business)["beat"]
    lab.beat(region=HOME_REGION, instance=instance.name, database=instance.database, sql=beat)


def available(
    lab: AwsLab, name: str, region: str = HOME_REGION, patience: float = 120.0, account: str = HOME_ACCOUNT
) -> dict[str, Any]:
    """The instance as described once it is available. Raises TimeoutError."""
    rds, deadline = lab.client("rds", region, account), time.monotonic() + patience
    while time.monotonic() < deadline:
        found: dict[str, Any] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        if found["DBInstanceStatus"] == "available":
            return found
        time.sleep(0.1)
    raise TimeoutError(f"{name} is still {found['DBInstanceStatus']} after {patience:.0f} s; see {lab.home / 'server.log'}")


def opened(lab: AwsLab, name: str, database: str, region: str = HOME_REGION, account: str = HOME_ACCOUNT) -> Any:
    """A psycopg2 connection of the master user, in autocommit, closed on exit of a ``with``."""
    from contextlib import closing

    import psycopg2

    port = available(lab, name, region, account=account)["Endpoint"]["Port"]
    connection = psycopg2.connect(host=HOST, port=port, dbname=database, user=MASTER, password=MASTER_PASSWORD)
    connection.autocommit = True
    return closing(connection)


def back_up(lab: AwsLab, name: str, *, copy_with: str | None, encrypted: bool = True) -> str:
    """The day's automated backup, and its copy in the other region (encrypted with the key `copy_with`); gives its name."""
    snapshot: str = lab.automated_backup(region=HOME_REGION, instance=name)
    lab.upload()
    if copy_with is not None:
        source = lab.client("rds", HOME_REGION).describe_db_snapshots(DBSnapshotIdentifier=snapshot)["DBSnapshots"][0]
        encryption = {"KmsKeyId": copy_with} if encrypted else {}
        lab.client("rds", COPY_REGION).copy_db_snapshot(
            SourceDBSnapshotIdentifier=source["DBSnapshotArn"],
            TargetDBSnapshotIdentifier=f"copy-of-{snapshot.removeprefix('rds:')}",
            SourceRegion=HOME_REGION,
            **encryption,
        )
    return snapshot


def build(lab: AwsLab) -> dict[str, Network]:
    """The whole estate, nothing wrong with it; gives the sandbox networks by region."""
    networks = {region: network(lab, region) for region in (HOME_REGION, COPY_REGION)}
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(make, lab, one, networks) for one in INSTANCES]:
            done.result()
    lab.client("s3", HOME_REGION).create_bucket(Bucket=EVIDENCE, CreateBucketConfiguration={"LocationConstraint": HOME_REGION})
    return networks


def make(lab: AwsLab, instance: Instance, networks: dict[str, Network]) -> None:
    """One instance with its data, and its first backups."""
    create(lab, instance, networks[HOME_REGION].key)
    back_up(lab, instance.name, copy_with=networks[COPY_REGION].key, encrypted=instance.encrypted)


def stray(lab: AwsLab) -> None:
    """An instance that nobody catalogued."""
    lab.client("rds", HOME_REGION).create_db_instance(
        DBInstanceIdentifier=UNCATALOGUED,
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        EngineVersion=ENGINE_VERSION,
        AllocatedStorage=20,
        MasterUsername=MASTER,
        MasterUserPassword=MASTER_PASSWORD,
        DBName="reports",
    )


def drop(lab: AwsLab, name: str, patience: float = 60.0) -> None:
    """Delete an instance with everything that was kept of it. Raises TimeoutError."""
    rds, deadline = lab.client("rds", HOME_REGION), time.monotonic() + patience
    rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    available(lab, name)
    drop_copies(lab, name)
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
    while [one for one in rds.describe_db_instances()["DBInstances"] if one["DBInstanceIdentifier"] == name]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is not deleted after {patience:.0f} s; see {lab.home / 'server.log'}")
        time.sleep(0.1)


def drop_copies(lab: AwsLab, name: str) -> None:
    """Delete what lies in the other region of one instance."""
    rds = lab.client("rds", COPY_REGION)
    for snapshot in rds.describe_db_snapshots(DBInstanceIdentifier=name)["DBSnapshots"]:
        rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])


def variables(lab: AwsLab, networks: dict[str, Network]) -> dict[str, str]:
    """What ``env.json`` needs to work with this AWS: connections, the endpoint for every SDK, the sandbox's security groups."""
    found = {
        "AIRFLOW_CONN_AWS_BACKUPS": lab.connection(role="drillyard-verify"),
        "AIRFLOW_CONN_AWS_RECOVERY": lab.connection(role="drillyard-drill"),
        "AIRFLOW_CONN_EVIDENCE_AWS": json.dumps({"conn_type": "aws", "extra": {"storage_options": storage_options(lab)}}),
        "AWS_ENDPOINT_URL": lab.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for region, one in networks.items():
        found[f"DRILLYARD_AWS_SANDBOX_SG_{region.upper().replace('-', '_')}"] = one.security_group
    return found


def storage_options(lab: AwsLab) -> dict[str, Any]:
    """fsspec's options for s3fs: this account and no other."""
    return {
        "key": CREDENTIALS["aws_access_key_id"],
        "secret": CREDENTIALS["aws_secret_access_key"],
        "endpoint_url": lab.endpoint,
        "client_kwargs": {"region_name": HOME_REGION},
    }
