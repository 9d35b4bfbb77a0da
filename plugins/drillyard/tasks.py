"""The small tasks around the operators: plan, validate, close, record, verdict, seal, reap. One line of Airflow each.

Heavy imports stay inside the functions: DAG files import this module.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, TriggerRule, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from drillyard.mending import asked_of_a_person
from drillyard.operators.restore import RESTORE_OPERATORS, RestoreOperator
from drillyard.operators.verify import VERIFY_OPERATORS, VerifyOperator
from drillyard.rounds import NOT_A_LOGIN

EVIDENCE = Asset("drillyard-evidence")
"""Updated when sealed evidence was added; `publish_readiness` listens. Without a URI scheme: to normalise one, Airflow loads
every provider when it imports a DAG."""


def _requested() -> tuple[dict[str, Any], str, Any]:
    """The form's values, who triggered, and the instant that names the request: the same at every try of one run."""
    context: Any = get_current_context()
    run = context["dag_run"]
    claimed, user = context["params"].get("requested_by"), getattr(run, "triggering_user_name", None)
    user = None if user == NOT_A_LOGIN else user
    params = dict(context["params"])
    if user and claimed and claimed != user:  # who logged in counts; whom they act for goes into the reason
        reason = "why" if "why" in params else "reason"
        params[reason] = f"{params.get(reason) or 'by hand'} (for {claimed})"
    by = user or claimed or "schedule"
    at = run.logical_date or run.run_after
    return params, by, at


@task
def plan_drills() -> dict[str, list[dict[str, Any]]]:
    """What is due or was asked for, by cloud, with forecasts. Fails at once on a service that is not in the catalog."""
    from drillyard.clients import connection
    from include.recovery.requests import planned_by_cloud

    params, by, at = _requested()
    with asked_of_a_person():
        items = planned_by_cloud(connection, params, by, at, scheduled=_scheduled())
    context: Any = get_current_context()
    context["ti"].xcom_push("drills", sum(map(len, items.values())))
    return {cloud: [item.model_dump(mode="json") for item in items.get(cloud, ())] for cloud in RESTORE_OPERATORS}


def _scheduled() -> bool:
    context: Any = get_current_context()
    return str(context["dag_run"].run_type) in ("scheduled", "DagRunType.SCHEDULED")


def restore_drills(planned: Any, sealed: Any) -> list[Any]:
    """One mapped group a cloud: restore → validate → close → record → verdict for each planned datastore.

    `sealed` follows the records, not the verdicts: a verdict must stay a leaf. A run is judged by its leaves, and one whose
    only leaf is a sealing that always runs would end green with every drill red.
    """
    return [_drill_group(operator, sealed).expand(item=_of(cloud, planned)) for cloud, operator in RESTORE_OPERATORS.items()]


def _of(cloud: str, planned: Any) -> Any:
    """A task that hands on one cloud's part of a plan: Airflow maps over a task's whole return value, not over a key of it."""

    @task(task_id=f"due_{cloud}")
    def part(plan: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        return plan.get(cloud, [])

    return part(planned)


def _drill_group(operator: type[RestoreOperator], sealed: Any) -> Any:
    """The task group of one cloud. Pools keep at most so many restores at once; waiting is done in the triggerer.

    What is begun is ended before another begins: by Airflow's own weights all restores of a night would come first, and
    every sandbox would stand, and cost, until the last of them was restored. So what ends a sandbox weighs more and takes the
    slot that its restore had: in another pool it would wait for a worker while the next restores begin.
    """

    @task_group(group_id=f"drill_{operator.cloud}")
    def drill(item: dict[str, Any]) -> None:
        pool, beside = f"{operator.cloud}_restores", "{{ ti.xcom_pull(task_ids='plan_drills', key='drills') or 1 }}"
        restored = operator(task_id="restore", item=item, beside=beside, pool=pool, **_weighs(1))
        validated = validate.override(pool=pool, **_weighs(2))(item)
        closed = close.override(pool=pool, **_weighs(3))(item)
        recorded: Any = record.override(**_weighs(4))(item)
        restored >> validated >> closed >> recorded >> sealed
        verdict.override(**_weighs(5))(item, recorded)

    return drill


def _weighs(step: int) -> dict[str, Any]:
    return {"weight_rule": "absolute", "priority_weight": step}


def _item(raw: dict[str, Any]) -> Any:
    """The plan item, and its label on the mapped task."""
    from include.recovery.model import PlanItem

    item = PlanItem.model_validate(raw)
    get_current_context()["label"] = item.label  # type: ignore[typeddict-unknown-key]
    return item


@task(map_index_template="{{ label }}", retries=0)
def validate(item: dict[str, Any]) -> None:
    """Ask the restored database its business questions, then check it by PostgreSQL and Great Expectations."""
    from drillyard.clients import desk
    from include.recovery import drill
    from include.settings import data_docs_dir

    planned = _item(item)
    try:
        drill.validate(desk(planned.cloud), planned, data_docs_dir() / planned.drill_id)
    except drill.Halted as halted:
        raise AirflowFailException(f"{planned.label}: {halted}") from None


@task(map_index_template="{{ label }}", trigger_rule=TriggerRule.ALL_DONE)
def close(item: dict[str, Any]) -> None:
    """Discard the sandbox, unless a person keeps it, and prove by inventory that nothing is left."""
    from drillyard.clients import desk
    from include.recovery import leases

    planned = _item(item)
    leases.close(desk(planned.cloud), planned)


@task(map_index_template="{{ label }}", trigger_rule=TriggerRule.ALL_DONE)
def record(item: dict[str, Any]) -> dict[str, str]:
    """Write the drill's record to every evidence store and to the ledger; returns its id, verdict and summary."""
    from drillyard.clients import desk
    from include.recovery.conclude import began, conclude

    planned, opened = _item(item), desk(item["cloud"])
    if not began(opened, planned):
        raise AirflowSkipException(f"{planned.label} was held and never began; the note in the evidence says why")
    written = conclude(opened, planned)
    return {"record_id": written.record_id, "verdict": written.verdict.value, "summary": written.summary}


@task(map_index_template="{{ label }}", retries=0)
def verdict(item: dict[str, Any], recorded: dict[str, str]) -> None:
    """Fail when the drill is not green, with the record's own words: so the run shows it, and alerts fire."""
    planned = _item(item)
    if recorded["verdict"] != "passed":
        raise AirflowFailException("{}: {verdict}: {summary} (evidence {record_id})".format(planned.label, **recorded))


@task
def plan_sweeps() -> dict[str, list[dict[str, Any]]]:
    """One batch for each cloud and region that the catalog uses."""
    from drillyard.clients import connection
    from include.recovery.requests import sweeps_by_cloud

    params, _, at = _requested()
    batches = sweeps_by_cloud(connection, params, at)
    return {cloud: batches.get(cloud, []) for cloud in VERIFY_OPERATORS}


def verify_sweeps(planned: Any, kit: Any, sealed: Any) -> list[Any]:
    """One mapped group a cloud: verify → night for each region. The kit follows the sweeps, `sealed` the kit; the nights
    and the kit's own verdict stay leaves."""
    kit >> sealed
    kit_verdict(kit)
    return [_sweep_group(operator, kit).expand(batch=_of(cloud, planned)) for cloud, operator in VERIFY_OPERATORS.items()]


def _sweep_group(operator: type[VerifyOperator], then: Any) -> Any:
    @task_group(group_id=f"verify_{operator.cloud}")
    def sweep(batch: dict[str, Any]) -> None:
        verified: Any = operator(task_id="verify", batch=batch, pool=f"{operator.cloud}_api")
        night(batch, verified.output)
        verified >> then

    return sweep


@task(trigger_rule=TriggerRule.ALL_DONE)
def export_kit() -> dict[str, Any]:
    """Export the cold kit to every evidence store: what a restore needs when Airflow, the ledger and a region are gone."""
    from drillyard.clients import connection, desk
    from include.recovery import kits

    return kits.export_all(connection, desk).model_dump(mode="json")


@task(retries=0)
def kit_verdict(exported: dict[str, Any]) -> str:
    """Fail when a store lacks the kit, naming it and why."""
    from include.recovery import kits

    try:
        return kits.demand_everywhere(kits.Exported.model_validate(exported))
    except kits.NotEverywhere as lacking:
        raise AirflowFailException(str(lacking)) from None


@task(map_index_template="{{ label }}", retries=0)
def night(batch: dict[str, Any], verdicts: dict[str, str]) -> None:
    """Fail when a backup or the canary is not as it must be, naming each."""
    get_current_context()["label"] = f"{batch['cloud']} {batch['region']}"  # type: ignore[typeddict-unknown-key]
    wrong = {subject: text for subject, text in verdicts.items() if not text.startswith("passed")}
    if wrong:
        raise AirflowFailException("; ".join(f"{subject}: {text}" for subject, text in sorted(wrong.items())))


@task(trigger_rule=TriggerRule.ALL_DONE, outlets=[EVIDENCE])
def seal() -> int:
    """Chain and sign every record that is not sealed yet. The only task that gets the signing key. Returns the head's number."""
    from drillyard.clients import connection
    from include.recovery.sealing import seal_all

    return seal_all(connection)


@task
def plan_cold_drills() -> list[dict[str, Any]]:
    """What is due to be brought back from a cold kit, or was asked for, each with the store whose turn it is."""
    from drillyard.clients import connection
    from include.recovery import cold_drills as drills

    params, _, at = _requested()
    with asked_of_a_person():
        return [item.model_dump(mode="json") for item in drills.planned(connection, params.get("services") or (), at)]


def cold_drills(planned: Any, sealed: Any) -> Any:
    """recover_cold → cold_verdict for each planned service, one at a time; the verdicts stay leaves."""
    recovered: Any = recover_cold.expand(item=planned)
    recovered >> sealed
    return cold_verdict.expand(outcome=recovered)


@task(map_index_template="{{ label }}", retries=0, max_active_tis_per_dagrun=1)
def recover_cold(item: dict[str, Any]) -> dict[str, Any]:
    """Bring one service back from one store's kit, in a process that is kept from all that a fire would take; discard it."""
    from drillyard.clients import connection
    from include.recovery import cold_drills as drills

    planned = drills.ColdItem.model_validate(item)
    get_current_context()["label"] = planned.label  # type: ignore[typeddict-unknown-key]
    return drills.run_planned(planned, connection).model_dump(mode="json")


@task(map_index_template="{{ label }}", retries=0)
def cold_verdict(outcome: dict[str, Any]) -> None:
    """Fail when a service did not come back from the kit, naming it, the store and why."""
    label = f"{outcome['service']} from {outcome['store']}"
    get_current_context()["label"] = label  # type: ignore[typeddict-unknown-key]
    if not outcome["passed"]:
        raise AirflowFailException(f"{label}: {outcome['summary']}")


@task
def platform_clouds() -> list[str]:
    """The clouds that the platform declares."""
    from include.recovery.requests import clouds_in_use

    return clouds_in_use()


@task(map_index_template="{{ label }}")
def reap(cloud: str) -> list[str]:
    """End what expired leases name on one cloud, and prove by inventory that nothing of ours remains."""
    from drillyard.clients import desk
    from include.recovery import reaper

    get_current_context()["label"] = cloud  # type: ignore[typeddict-unknown-key]
    return reaper.reap(desk(cloud))


@task
def publish() -> str:
    """Write the readiness page and its JSON beside the evidence; returns the page's path."""
    from drillyard.clients import connection
    from include.evidence.publish import publish_readiness

    return str(publish_readiness(connection))


@task
def tell() -> str:
    """Tell owners and contacts what changed since they were told, and give a sign of life. Fails when one was not taken."""
    from drillyard.clients import connection
    from include.notices import tell as notices

    return notices.tell(connection)


@task
def global_stop() -> str:
    """Stop all drills or let them run again; returns what holds now."""
    from drillyard.clients import connection
    from include.recovery.stops import set_stop

    params, by, _ = _requested()
    with asked_of_a_person():
        return set_stop(connection, params["action"], by, params["reason"])


@task
def adopt() -> str:
    """Pass a sandbox's lease to a named person, or hand it back; returns what holds now."""
    from drillyard.clients import connection
    from include.recovery.stops import set_adoption

    params, by, _ = _requested()
    reason = params.get("reason") or f"asked by {by}"
    with asked_of_a_person():
        return set_adoption(connection, params["action"], params["lease"], params["person"], params["hours"], reason)
