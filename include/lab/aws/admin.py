"""The lab's own door to its AWS: faults, delays, ages, quotas, seeds. Not an AWS API; answers JSON below ``/lab/``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from include.lab.aws import extra, seed
from include.lab.aws.capacity import NoCapacity
from include.lab.aws.door import Door
from include.lab.aws.faults import Fault
from include.lab.aws.rds import HOME_ACCOUNT, Base
from include.lab.aws.rds_calls import RESTARTS_AFTER
from include.values import utcnow


class Admin:
    """Verbs by name: ``POST /lab/VERB`` with their arguments as one JSON object."""

    def __init__(self, door: Door) -> None:
        self.door, self.rds = door, door.rds

    def answer(self, method: str, path: str, arguments: dict[str, Any] | None) -> tuple[int, Any]:
        """HTTP status and answer. An unknown verb, or one that fails, says so."""
        verb = path.removeprefix("/lab/").strip("/").replace("-", "_")
        if method != "POST" or not hasattr(Admin, f"do_{verb}"):
            return 404, {"error": f"no verb {verb!r}: POST /lab/VERB with one JSON object"}
        try:
            with self.rds.lives.lock:
                self.rds.lives.settle()
                done = getattr(self, f"do_{verb}")(**(arguments or {}))
            return 200, done() if callable(done) else done
        except Exception as error:  # whatever it is, the caller must see it
            return 400, {"error": f"{type(error).__name__}: {error}"}

    # ---- the control plane as a whole ------------------------------------------------------------------------------

    def do_ping(self) -> str:
        return "ok"

    def do_fault(self, **fault: Any) -> None:
        """Plant a fault (`include.lab.aws.faults.Fault`)."""
        self.door.faults.plant(Fault.model_validate(fault))

    def do_clear_faults(self) -> int:
        """Take all faults away; gives how many calls they hit."""
        hits = self.door.faults.hits()
        self.door.faults.clear()
        return hits

    def do_calls(self, clear: bool = False) -> list[dict[str, Any]]:
        """The calls so far, oldest first."""
        found = [call.model_dump(exclude={"body"}) for call in self.door.calls]
        if clear:
            self.door.calls.clear()
        return found

    def do_assumed_roles(self) -> list[dict[str, str]]:
        """The access keys that STS gave out, and of which role each is."""
        from moto.sts.models import sts_backends

        assumed = [one for account in sts_backends.values() for backend in account.values() for one in backend.assumed_roles]
        return [{"access_key": one.access_key_id, "role": one.role_arn} for one in assumed]

    def do_down(self, down: bool = True) -> None:
        """Stop the control plane, or let it answer again. Databases go on."""
        self.door.down = down

    def do_lose(self, region: str, lost: bool = True) -> None:
        """A region burns: nothing answers there, neither API nor database; what other regions hold stays. Or it is back."""
        plane = self.rds.plane
        for name in [one for one in (plane.servers if plane else {}) if f"-{region}-" in f"-{one}"]:
            assert plane is not None
            (plane.stop if lost else plane.start)(name)
        if lost:
            self.door.faults.plant(Fault(kind="refused", region=region, count=None))
        else:
            self.door.faults.clear()

    def do_delays(self, **delays: float) -> dict[str, float]:
        """Least seconds of transitions, by word with ``_`` for ``-``."""
        self.rds.delays |= {name.replace("_", "-"): float(seconds) for name, seconds in delays.items()}
        return self.rds.delays

    def do_quota(self, **quotas: int) -> None:
        """``instances`` and ``snapshots`` a region."""
        self.rds.set_quota(**quotas)

    def do_stuck(self, pattern: str, word: str = "creating") -> None:
        """Instances made from now on whose identifier fits say this word for ever."""
        self.rds.stuck[pattern] = word

    def do_unstick(self) -> None:
        """Nothing is stuck from now on; what was goes on."""
        self.rds.stuck.clear()
        for key in list(self.rds.lives._lives):
            self.rds.lives.release(key)

    def do_no_capacity(self, region: str, match: str = "*", zone: str = "*") -> None:
        """From now on nothing of such a type can be started there (EC2, Auto Scaling, RDS)."""
        self.rds.short.append(NoCapacity(region=region, match=match, zone=zone))

    def do_capacity(self) -> None:
        """There is room for everything again."""
        self.rds.short.clear()

    def do_age_instances(self, region: str, launched: str, account: str = HOME_ACCOUNT) -> int:
        """Give every EC2 and RDS instance of a region another time at which it was launched, or made. There is no such call in
        AWS or moto; gives how many."""
        from moto.ec2.models import ec2_backends

        machines = [one for held in ec2_backends[account][region].all_reservations() for one in held.instances]
        databases = list(_rds(account, region).databases.values())
        for instance in machines:
            instance.launch_time = datetime.fromisoformat(launched)
        for database in databases:
            database.instance_create_time = datetime.fromisoformat(launched)
        return len(machines) + len(databases)

    def do_restart_due(self, at: str) -> list[str]:
        """What Amazon does by itself until an instant: instances that were stopped seven days before it start again."""
        due = [key for key, stopped in self.rds.stopped_at.items() if stopped + RESTARTS_AFTER <= datetime.fromisoformat(at)]
        started = []
        for _, account, region, identifier in due:
            backend = _rds(account, region)
            if identifier in backend.databases and backend.databases[identifier].status == "stopped":
                backend.start_db_instance(identifier)
                started.append(identifier)
        return started

    # ---- instances and snapshots -----------------------------------------------------------------------------------

    def do_age_snapshot(self, region: str, snapshot: str, created: str, account: str = HOME_ACCOUNT) -> None:
        """Give a snapshot another age. There is no such call in AWS or moto."""
        found = _rds(account, region).database_snapshots[snapshot]
        found.created = found.original_snapshot_create_time = datetime.fromisoformat(created)

    def do_restorable_until(self, region: str, instance: str, at: str | None, account: str = HOME_ACCOUNT) -> None:
        """Plant a latest restorable time, as if the log uploads had stopped then; None takes it away."""
        key = ("db", account, region, instance)
        if at is None:
            self.rds.until.pop(key, None)
        else:
            self.rds.until[key] = datetime.fromisoformat(at)

    def do_automated_backup(self, region: str, instance: str, account: str = HOME_ACCOUNT) -> Any:
        """Take the day's automated backup of an instance now."""
        backend = _rds(account, region)
        found, plane = backend.databases[instance], self.rds.plane
        key = self.rds.key(found)
        if plane is None or not self.rds.real(key):
            return str(self.rds.add_automated(backend, found, None).db_snapshot_identifier)
        base = Base(self.rds.base_path(key), utcnow())

        def outside_the_lock() -> str:
            plane.snapshot(self.rds.server(key), base.path)
            with self.rds.lives.lock:
                return str(self.rds.add_automated(backend, found, base).db_snapshot_identifier)

        return outside_the_lock

    def do_drop_snapshots(self, region: str, instance: str, account: str = HOME_ACCOUNT) -> int:
        """Delete every snapshot of an instance, automated ones included; gives how many."""
        backend = _rds(account, region)
        mine = [s for s in backend.database_snapshots.values() if s.db_instance_identifier == instance]
        for snapshot in mine:
            self.rds.forget_snapshot(backend, snapshot)
        return len(mine)

    def do_upload(self) -> Any:
        """One round of log uploads now, so that everything committed before can be restored."""
        return self.rds.upload_all

    def do_beat(self, region: str, instance: str, database: str, sql: str, account: str = HOME_ACCOUNT) -> None:
        """The instance's application: runs a statement every few seconds for as long as the instance is there."""
        self.rds.beats[self.rds.server(("db", account, region, instance))] = (database, sql)

    def do_vault_point(self, region: str, vault: str, point: dict[str, Any], account: str = HOME_ACCOUNT) -> None:
        """Put a recovery point of AWS Backup into a vault."""
        extra.VAULT_POINTS.setdefault((account, region, vault), []).append(point)

    def do_seed(self, **wanted: Any) -> dict[str, int]:
        """Many instances and snapshots at once, control plane only (`include.lab.aws.seed.fill`)."""
        return seed.fill(self.rds, **wanted)

    def do_servers(self) -> dict[str, dict[str, Any]]:
        """The data plane: port and whether it runs, by server name."""
        plane = self.rds.plane
        if plane is None:
            return {}
        return {name: {"port": server.cluster.port, "running": plane.running(name)} for name, server in plane.servers.items()}


def _rds(account: str, region: str) -> Any:
    from moto.rds.models import rds_backends

    return rds_backends[account][region]
