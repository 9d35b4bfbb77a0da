"""The recovery points of Cloud SQL databases: backup runs, and the log that carries them on.

A survey asks for the pages of a project's instances and backup runs, and for the recovery times of instances with
point-in-time recovery a hundred to a call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from include.catalog import model
from include.clouds.google.clients import Google
from include.clouds.google.keeping import RUN_STATUS, available, backups_of, configured, rolls, settings_of
from include.clouds.google.settings import Datastore, Sandboxes
from include.clouds.managed import NotThere, digests_at, drafts
from include.recovery.contracts import Transient
from include.recovery.model import Copy, Discovery, Inspection, RecoveryPoint, Status, Survey

_KINDS = {"AUTOMATED": "automated", "ON_DEMAND": "snapshot"}


class CloudSqlBackups:
    """Reads backup runs."""

    def __init__(self, google: Google, settings: Sandboxes) -> None:
        self._google, self._settings = google, settings

    def survey(self, datastores: Mapping[str, model.Datastore], now: datetime) -> Survey:
        """Every successful backup run of every datastore. A project that does not answer hides only its own."""
        by_project: dict[str, dict[str, Datastore]] = defaultdict(dict)
        for name, datastore in datastores.items():
            by_project[own(datastore).project][name] = own(datastore)
        points: dict[str, tuple[RecoveryPoint, ...]] = {}
        unreadable: dict[str, str] = {}
        measured: dict[str, dict[str, Any]] = {}
        others: list[str] = []
        for project, mine in by_project.items():
            try:
                there, runs, reach = self._look(project, mine)
            except (Transient, PermissionError, LookupError, ValueError) as error:
                unreadable |= dict.fromkeys(mine, f"project {project}: {error}")
                continue
            named, regions = {one.instance for one in mine.values()}, {one.region for one in mine.values()}
            strangers = [name for name, one in there.items() if name not in named and one["region"] in regions and is_ours(one)]
            others += [f"{project}/{name}" for name in strangers]
            for name, datastore in mine.items():
                try:
                    instance = there.get(datastore.instance)
                    if instance is None or instance["region"] != datastore.region:
                        points[name] = self._away(datastore, instance, runs[datastore.instance])
                        continue
                    points[name] = self._points(datastore, instance, runs[datastore.instance], reach.get(datastore.instance), now)
                    measured[name] = settings_of(instance, runs[datastore.instance])
                except (KeyError, ValueError, Transient, LookupError) as error:
                    unreadable[name] = f"instance {project}/{datastore.instance}: {type(error).__name__}: {error}"
        return Survey(points=points, unreadable=unreadable, uncatalogued=tuple(others), settings=measured)

    def _look(self, project: str, mine: Mapping[str, Datastore]) -> tuple[dict[str, Any], dict[str, list[Any]], dict[str, Any]]:
        """Instances and backup runs of a project, by instance, and the recovery times of the catalogued ones."""
        sql = self._google.sql
        there = {one["name"]: one for one in self._google.pages(sql.instances(), project=project, maxResults=1000)}
        runs: dict[str, list[Any]] = defaultdict(list)
        for run in self._google.pages(sql.backupRuns(), project=project, instance="-", maxResults=1000):
            runs[run["instance"]].append(run)
        rolling = {one.instance for one in mine.values() if one.instance in there and rolls(there[one.instance])}
        ask = sql.projects().instances().getLatestRecoveryTime
        return there, runs, self._google.batch({name: ask(project=project, instance=name) for name in sorted(rolling)})

    def _points(
        self, datastore: Datastore, instance: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], reach: Any, now: datetime
    ) -> tuple[RecoveryPoint, ...]:
        if isinstance(reach, Exception):
            raise reach
        good = [run for run in runs if RUN_STATUS[run["status"]] is Status.SUCCEEDED]
        kept = timedelta(days=int(backups_of(instance).get("transactionLogRetentionDays", 7)))
        found = []
        for run in sorted(good, key=lambda one: str(one["startTime"]), reverse=True):
            began, ended = datetime.fromisoformat(run["startTime"]), datetime.fromisoformat(run["endTime"])
            rolled = reach is not None and ended > now - kept
            until = max(began, datetime.fromisoformat(reach["latestRecoveryTime"])) if rolled else began
            found.append(self._point(datastore, run, began, until, {"ended_at": run["endTime"], "rolls": rolled}))
        return tuple(found)

    def _away(self, datastore: Datastore, instance: Any, runs: Sequence[Mapping[str, Any]]) -> tuple[RecoveryPoint, ...]:
        """What is left of an instance outside of its own region: backup runs that are kept where the entry stands now, each
        for itself, because the log is at home. Raises LookupError when there is none."""
        good = [one for one in runs if RUN_STATUS[one["status"]] is Status.SUCCEEDED and one.get("location") == datastore.region]
        if not good:
            why = "it is in another region" if instance else "Google does not list it: its region does not answer, or it is gone"
            raise LookupError(f"{why}; no backup run of it is kept in {datastore.region}")
        found = []
        for run in sorted(good, key=lambda one: str(one["startTime"]), reverse=True):
            began = datetime.fromisoformat(run["startTime"])
            alone = {"home": instance["region"] if instance else "", "ended_at": run["endTime"], "rolls": False}
            found.append(self._point(datastore, run, began, began, alone))
        return tuple(found)

    def _point(
        self, datastore: Datastore, run: Mapping[str, Any], began: datetime, until: datetime, facts: dict[str, Any]
    ) -> RecoveryPoint:
        domains, location = self._settings.failure_domains, str(run.get("location") or datastore.region)
        kept_in = domains.get(location, location)
        apart = () if location == datastore.region else (Copy(location=location, failure_domain=kept_in, taken_at=began),)
        size = run.get("maxChargeableBytes")
        basis = "latestRecoveryTime" if facts["rolls"] else "the backup run alone"
        return RecoveryPoint(
            id=run["id"],
            kind=_KINDS[run["type"]],
            taken_at=began,
            restorable_until=until,
            region=datastore.region,
            failure_domain=domains.get(datastore.region, datastore.region),
            location=f"projects/{datastore.project}/instances/{datastore.instance}/backupRuns/{run['id']}",
            size_bytes=int(size) if size else None,
            engine_version=str(run["databaseVersion"]).removeprefix("POSTGRES_"),
            encrypted=True,
            key_id=run.get("diskEncryptionConfiguration", {}).get("kmsKeyName"),
            copies=apart,
            facts={
                "home": datastore.region,
                **facts,
                "restorable_until_basis": basis,
                **digests_at(datastore.digests, run["id"], self._settings.digests_options),
            },
        )

    def inspect(
        self, datastore: model.Datastore, point: RecoveryPoint, cursor: Mapping[str, Any] | None, *, full: bool
    ) -> Inspection:
        """The backup run itself, and how the instance is configured to keep what it has. Google shows neither a backup's
        bytes nor its log's files."""
        del cursor, full
        mine, sql = own(datastore), self._google.sql
        place = {"project": mine.project, "instance": mine.instance}
        instance = self._google.call(sql.instances().get(**place))
        try:
            run = self._google.call(sql.backupRuns().get(**place, id=point.id))
        except NotThere:
            run = {"status": "not there"}
        return Inspection(checks=(available(run["status"], point), *configured(mine, instance, point)))

    @contextmanager
    def spoil(self, datastore: model.Datastore, point: RecoveryPoint) -> Iterator[RecoveryPoint]:
        """A backup run that nobody made: Google lets nobody damage one, and one that is not there must be refused."""
        del datastore
        yield point.model_copy(update={"id": str(int(point.id) + 1)})

    def discover(self, datastores: Mapping[str, model.Datastore]) -> Discovery:
        """A draft for each database of the catalogued projects that no entry names. Business time is left to who knows it."""
        known = {(own(one).project, own(one).instance, one.database) for one in datastores.values()}
        found: list[dict[str, Any]] = []
        unreadable: dict[str, str] = {}
        for project in sorted({project for project, _, _ in known}):
            try:
                regions, told = self._databases(project)
            except (Transient, PermissionError, LookupError, ValueError) as error:
                unreadable[f"project {project}"] = str(error)
                continue
            for instance, answer in told.items():
                if isinstance(answer, Exception):  # a stopped instance does not tell either
                    unreadable[f"instance {project}/{instance}"] = str(answer)
                    continue
                place = {"cloud": "google", "region": regions[instance], "project": project, "instance": instance}
                mine = {"postgres", "cloudsqladmin"} | {one for of, at, one in known if (of, at) == (project, instance)}
                found += drafts(place, [one["name"] for one in answer.get("items", ())], mine)
        return Discovery(drafts=tuple(found), unreadable=unreadable)

    def _databases(self, project: str) -> tuple[dict[str, str], dict[str, Any]]:
        """The regions of a project's instances, and each one's databases or the error that it answered."""
        there = self._google.pages(self._google.sql.instances(), project=project, maxResults=1000)
        regions = {one["name"]: one["region"] for one in there if is_ours(one)}
        ask = self._google.sql.databases().list
        return regions, self._google.batch({name: ask(project=project, instance=name) for name in regions})


def is_ours(instance: Mapping[str, Any]) -> bool:
    """Whether an instance is one that the catalog should name: PostgreSQL, and no replica of another."""
    return str(instance["databaseVersion"]).startswith("POSTGRES_") and instance["instanceType"] == "CLOUD_SQL_INSTANCE"


def own(datastore: model.Datastore) -> Datastore:
    """The datastore as this room's own. Raises TypeError for another cloud's."""
    if not isinstance(datastore, Datastore):
        raise TypeError(f"datastore {datastore.name} is not on Cloud SQL")
    return datastore
