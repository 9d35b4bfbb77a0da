"""What would make a restore on RDS fail or be unsafe, asked before anything is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.clouds.aws.clients import AwsClients
from include.clouds.aws.settings import HARMLESS, Datastore, Sandboxes, SandboxNetwork
from include.clouds.aws.words import Refused, translated
from include.clouds.managed import judged, reaches
from include.recovery.model import Check, Outcome, RecoveryPoint, Target
from include.values import utcnow

LAYER = "preflight"


def network_of(settings: Sandboxes, region: str) -> SandboxNetwork:
    """The sandbox network of a region. Raises LookupError: without one nothing is restored there."""
    if region not in settings.networks:
        there = ", ".join(sorted(settings.networks))
        raise LookupError(f"no sandbox network for {region} (platform.yaml, clouds.aws.settings.networks has: {there})")
    return settings.networks[region]


def checks(clients: AwsClients, settings: Sandboxes, datastore: Datastore, point: RecoveryPoint, target: Target) -> list[Check]:
    """Network, security groups, parameter group, key, version, and whether the point reaches the target."""
    del datastore
    try:
        network = network_of(settings, point.region)
    except LookupError as missing:
        return [Check(name="sandbox-network", layer=LAYER, outcome=Outcome.FAILED, detail=str(missing))]
    rds = clients.client(settings.connection, "rds", point.region)
    ec2 = clients.client(settings.connection, "ec2", point.region)
    lines = [subnet_group(rds, network), security_groups(ec2, network), version(network, point)]
    return [*lines, *parameters(rds, network, point), key(point), reaches(point, target, utcnow())]


def subnet_group(rds: Any, network: SandboxNetwork) -> Check:
    """The subnet group is there."""
    name, wanted = "sandbox-network", network.subnet_group
    try:
        with translated(f"subnet group {wanted}"):
            found = rds.describe_db_subnet_groups(DBSubnetGroupName=wanted)["DBSubnetGroups"]
    except Refused as refused:
        if not refused.means("DBSubnetGroupNotFound"):
            raise
        found = []
    detail = f"there is no subnet group {wanted}: make it (docs/terraform/aws)"
    return judged(name, LAYER, bool(found), found[0]["VpcId"] if found else "missing", wanted, detail)


def security_groups(ec2: Any, network: SandboxNetwork) -> Check:
    """Nothing gets out of the sandbox, and nobody gets in from everywhere."""
    name, threshold = "no-way-out", "no egress rule, no ingress from everywhere"
    try:
        with translated(f"security groups {', '.join(network.security_groups)}"):
            groups = ec2.describe_security_groups(GroupIds=list(network.security_groups))["SecurityGroups"]
    except Refused as refused:
        if not refused.means("InvalidGroup.NotFound"):
            raise
        return judged(name, LAYER, False, "missing", threshold, f"{refused}: make it (docs/terraform/aws)")
    ways = [f"{g['GroupId']} lets {spell(rule)} out" for g in groups for rule in g["IpPermissionsEgress"]]
    ways += [f"{g['GroupId']} lets everybody in" for g in groups for rule in g["IpPermissions"] if everywhere(rule)]
    detail = "; ".join(ways[:5]) + ": remove the rules; a sandbox holds production's data and must not call anybody"
    return judged(name, LAYER, not ways, f"{len(ways)} ways", threshold, detail)


def everywhere(rule: Mapping[str, Any]) -> bool:
    """Whether a rule means every address."""
    ranges = [one.get("CidrIp") for one in rule.get("IpRanges", ())] + [one.get("CidrIpv6") for one in rule.get("Ipv6Ranges", ())]
    return any(one in ("0.0.0.0/0", "::/0") for one in ranges)


def spell(rule: Mapping[str, Any]) -> str:
    """A rule in a few words."""
    ports = f"ports {rule['FromPort']}-{rule['ToPort']}" if "FromPort" in rule else "everything"
    return f"{ports} to everywhere" if everywhere(rule) else ports


def version(network: SandboxNetwork, point: RecoveryPoint) -> Check:
    """There is a parameter group for the point's major version; a vault's point does not tell its version."""
    name, known = "version", ", ".join(sorted(network.parameter_groups))
    major = point.engine_version or "not told"
    detail = f"no parameter group for PostgreSQL {major} (there are: {known}): add one to clouds.aws.settings.networks"
    fits = point.engine_version is None or point.engine_version in network.parameter_groups
    return judged(name, LAYER, fits, major, known, detail)


def parameter_group(network: SandboxNetwork, point: RecoveryPoint) -> str | None:
    """The parameter group for a point; where the version is not told, the only one there is."""
    groups = network.parameter_groups
    if point.engine_version is None and len(groups) == 1:
        return next(iter(groups.values()))
    return groups.get(point.engine_version or "")


def parameters(rds: Any, network: SandboxNetwork, point: RecoveryPoint) -> list[Check]:
    """The parameter group sets what makes a restored server harmless."""
    group, name = parameter_group(network, point), "harmless-parameters"
    if group is None:
        return []  # `version` says it
    try:
        with translated(f"parameter group {group}"):
            pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group, Source="user")
            found = {p["ParameterName"]: p.get("ParameterValue", "") for page in pages for p in page["Parameters"]}
    except Refused as refused:
        if not refused.means("DBParameterGroupNotFound"):
            raise
        detail = f"there is no parameter group {group}: make it (docs/terraform/aws)"
        return [judged(name, LAYER, False, "missing", group, detail)]
    wrong = [f"{key} is {found.get(key, 'not set')}" for key, values in HARMLESS.items() if found.get(key) not in values]
    detail = f"parameter group {group}: {'; '.join(wrong)}; set {spelled(HARMLESS)}"
    return [judged(name, LAYER, not wrong, f"{len(HARMLESS) - len(wrong)} of {len(HARMLESS)}", "all set", detail)]


def spelled(wanted: Mapping[str, Sequence[str]]) -> str:
    """``a=0, b=''``."""
    return ", ".join(f"{name}={values[0]!r}" for name, values in wanted.items())


def key(point: RecoveryPoint) -> Check:
    """The recovery account can use the key, by the survey's dry run."""
    name, threshold = "key-usable", "usable from the recovery account"
    if not point.encrypted or not point.key_id:
        return judged(name, LAYER, True, "no key needed", threshold, "")
    if "key_trouble" not in point.facts:
        detail = str(point.facts.get("key_unknown", "the survey did not ask for the key"))
        return Check(name=name, layer=LAYER, outcome=Outcome.UNKNOWN, threshold=threshold, detail=detail)
    trouble = point.facts["key_trouble"]
    return judged(name, LAYER, trouble is None, point.key_id if trouble is None else "not usable", threshold, str(trouble))
