"""The overlay over moto's EC2 and Auto Scaling: stopping and starting take their time, and may be refused or find no capacity.

What it mends, with Amazon's page for each rule, is listed in docs/aws.md (the lab). All of it runs under the control plane's
one lock. What has no room is planted: include/lab/aws/capacity.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from include.lab.aws.capacity import room
from include.lab.aws.lives import Key, Life
from include.lab.aws.rds import Rds

Words = dict[str, int]
WORDS: Words = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
"""EC2's state names and codes (API_InstanceState)."""
DELAYS = {
    "ec2-stopping": 0.3,
    "ec2-pending": 0.3,
    "asg-pending": 0.3,
    "asg-terminating": 0.3,
    "ecs-scaling": 0.3,
    "eks-updating": 0.3,
}
"""Least seconds of each transition. Amazon's take up to minutes; the words and their order are the same."""


@dataclass
class Power:
    """What the overlay knows beside moto."""

    rds: Rds

    def delay(self, word: str) -> float:
        return self.rds.delays.get(word, DELAYS.get(word, 0.0))

    def room(self, region: str, kind: str, zone: str) -> bool:
        """Whether there is capacity for a type in a zone."""
        return room(self.rds.short, region, kind, zone)

    def begin(self, key: Key, word: str, ended: Callable[[], None]) -> None:
        """Say `word` for its time, then do `ended`."""
        life = Life(word=word, final=word, least=self.delay(word), ended=lambda _: ended())
        self.rds.lives.begin(key, life)


def refuse(code: str, message: str) -> Exception:
    """An EC2 error as the vendor spells it."""
    from moto.ec2.exceptions import EC2ClientError

    return EC2ClientError(code, message)


def install(power: Power) -> None:
    """Replace moto's methods for this process."""
    from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
    from moto.ec2.models.core import TaggedEC2Resource
    from moto.ec2.models.instances import InstanceBackend

    from include.lab.aws import containers, metrics

    ec2: Any = InstanceBackend
    tagged: Any = TaggedEC2Resource
    tagged.get_tags = own_tags
    group: Any = FakeAutoScalingGroup
    scaling: Any = AutoScalingBackend
    ec2.stop_instances = lambda self, ids: stop_instances(power, self, ids)
    ec2.start_instances = lambda self, ids: start_instances(power, self, ids)
    original, update = group.set_desired_capacity, scaling.update_auto_scaling_group
    group.set_desired_capacity = lambda self, wanted: set_desired(power, original, self, wanted)
    scaling.update_auto_scaling_group = lambda self, name, **given: update_group(update, self, name, given)
    for name in ("suspend_processes", "resume_processes"):
        setattr(scaling, name, _of_a_group(getattr(scaling, name)))
    containers.install(power)
    metrics.install()


# ---- EC2 -------------------------------------------------------------------------------------------------------------


def own_tags(resource: Any) -> list[dict[str, str]]:
    """The tags of one resource. Moto looks through those of all resources, so that a page takes the square of its length."""
    from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "") if resource.id else ""
    held = resource.ec2_backend.tags.get(resource.id) or {}
    return [{"resource_id": resource.id, "key": key, "value": value, "resource_type": kind} for key, value in held.items()]


def _set(instance: Any, word: str) -> None:
    instance._state.name, instance._state.code = word, WORDS[word]


def _key(instance: Any, region: str) -> Key:
    return ("ec2", str(instance.owner_id), region, str(instance.id))


def stop_instances(power: Power, backend: Any, ids: list[str]) -> list[Any]:
    """StopInstances: all of them or none. One that is stopped stays so; one that is starting or ending refuses."""
    found = list(backend.get_multi_instances_by_id(ids))
    for instance in found:
        if instance._state.name not in ("running", "stopping", "stopped"):
            raise refuse("IncorrectInstanceState", f"The instance '{instance.id}' is not in a state from which it can be stopped")
        if instance.disable_api_stop is True:
            raise refuse("OperationNotPermitted", f"The instance '{instance.id}' may not be stopped: see 'disableApiStop'.")
        if getattr(instance, "lifecycle", None) == "spot":
            raise refuse("UnsupportedOperation", f"You can't stop the Spot Instance '{instance.id}': its request is one-time")
    return [(one, _turn(power, backend, one, ("running",), "stopping", one.stop)) for one in found]


def start_instances(power: Power, backend: Any, ids: list[str]) -> list[Any]:
    """StartInstances: all of them or none. One that is stopping refuses; one without capacity fails the whole call."""
    found = list(backend.get_multi_instances_by_id(ids))
    for instance in found:
        if instance._state.name not in ("stopped", "pending", "running"):
            raise refuse("IncorrectInstanceState", f"The instance '{instance.id}' is not in a state from which it can be started")
    for instance in found:
        kind, zone = str(instance.instance_type), str(instance.placement.zone)
        if instance._state.name == "stopped" and not power.room(backend.region_name, kind, zone):
            raise refuse(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}).",
            )
    return [(one, _turn(power, backend, one, ("stopped",), "pending", one.start)) for one in found]


def _turn(power: Power, backend: Any, instance: Any, of: tuple[str, ...], word: str, end: Callable[[], Any]) -> Any:
    """Begin a transition of an instance that is in one of the states `of`; gives its state before."""
    before = copy.copy(instance._state)
    if before.name in of:
        _set(instance, word)
        power.begin(_key(instance, backend.region_name), f"ec2-{word}", lambda: end() and None)
    return before


# ---- Auto Scaling ----------------------------------------------------------------------------------------------------


def _of_a_group(original: Callable[..., Any]) -> Callable[..., Any]:
    """A call about one group, refused when it is not there: moto answers 500."""
    from moto.autoscaling.exceptions import ValidationError

    def call(backend: Any, name: str, *given: Any) -> Any:
        if name not in backend.autoscaling_groups:
            raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        return original(backend, name, *given)

    return call


def update_group(original: Callable[..., Any], backend: Any, name: str, given: dict[str, Any]) -> Any:
    """UpdateAutoScalingGroup. Amazon refuses sizes that contradict each other; moto takes them."""
    from moto.autoscaling.exceptions import ValidationError

    group = backend.autoscaling_groups.get(name)
    if group is not None:
        least = group.min_size if given.get("min_size") is None else given["min_size"]
        most = group.max_size if given.get("max_size") is None else given["max_size"]
        wanted = given.get("desired_capacity")
        if least > most:
            raise ValidationError(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
        if wanted is not None and not least <= wanted <= most:
            raise ValidationError(f"Desired capacity:{wanted} must be between the specified min size:{least} and max size:{most}")
        _keep_launch(group, given)
    return original(backend, name, **given)


def _keep_launch(group: Any, given: dict[str, Any]) -> None:
    """A change of sizes alone leaves the mixed instances policy as it is (API_UpdateAutoScalingGroup); moto drops it."""
    if not any(given.get(part) for part in ("launch_config_name", "launch_template", "mixed_instances_policy")):
        given["mixed_instances_policy"] = group.mixed_instances_policy


def set_desired(power: Power, original: Callable[..., Any], group: Any, wanted: int | None) -> None:
    """New instances are Pending first; ended ones are shown as Terminating for a while; suspended processes do nothing."""
    suspended = {one["ProcessName"] for one in group.suspended_processes}
    before = list(group.instance_states)
    least = group.min_size if wanted is None else wanted
    grows = least > len([one for one in before if one.lifecycle_state in ("InService", "Pending")])
    zone = group.availability_zones[0] if group.availability_zones else ""
    short = not power.room(group.region, str(group.instance_type), zone)
    if ("Launch" in suspended or short) if grows else "Terminate" in suspended:
        group.desired_capacity = least
        return
    original(group, wanted)
    ended = [one for one in before if one not in group.instance_states]
    made = [one for one in group.instance_states if one not in before]
    for state in made:
        state.lifecycle_state = "Pending"
        _set(state.instance, "pending")
    for state in ended:
        state.lifecycle_state = "Terminating"
    group.instance_states = [*group.instance_states, *ended]
    _settle_group(power, group, made, ended)


def _settle_group(power: Power, group: Any, made: list[Any], ended: list[Any]) -> None:
    def done() -> None:
        for state in made:
            state.lifecycle_state = "InService"
            _set(state.instance, "running")
        group.instance_states = [one for one in group.instance_states if one not in ended]

    if made or ended:
        word = "asg-pending" if made else "asg-terminating"
        # Each change has a life of its own: a second one does not make the first forget its end.
        key = ("asg", str(group.account_id), str(group.region), f"{group.name}/{id(done)}")
        power.begin(key, word, done)
