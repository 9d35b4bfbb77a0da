"""The small tasks around the suspension operators: a person's wish, the batches, the verdict. Heavy imports stay inside."""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException

from drillyard.mending import asked_of_a_person
from drillyard.operators.suspend import SUSPEND_OPERATORS, SuspendOperator
from drillyard.tasks import _of, _requested

SWEEP = "sweep"
"""The form's action that asks for nothing but a sweep."""


@task
def wish() -> str:
    """Write down what the form asks for; returns it in words. A scheduled run asks for nothing. Fails at once on a wrong name."""
    from drillyard.clients import connection
    from include.suspension.people import ask

    params, by, at = _requested()
    if params["action"] == SWEEP:
        return "a sweep"
    with asked_of_a_person():
        return ask(connection, params["environment"], params["action"], float(params["hours"]), by, params["why"], at)


@task
def plan_batches() -> dict[str, list[dict[str, Any]]]:
    """One batch for each account and region that an environment lies in: never single resources.

    Fails at once on a wrong name.
    """
    from include.suspension.plan import catalogued

    only = get_current_context()["params"].get("environment") or None
    found: dict[str, list[dict[str, Any]]] = {cloud: [] for cloud in SUSPEND_OPERATORS}
    with asked_of_a_person():
        batches = catalogued(only)
    for batch in batches:
        if batch.cloud not in found:
            raise AirflowFailException(
                f"{batch.label}: nothing of {batch.cloud} can be put to sleep; take it out of environments/"
            )
        found[batch.cloud].append(batch.model_dump(mode="json"))
    return found


def suspend_sweeps(planned: Any, sealed: Any) -> None:
    """One mapped group a cloud: sweep → swept for each account and region. `sealed` follows the sweeps; verdicts stay leaves."""
    for cloud, operator in SUSPEND_OPERATORS.items():
        _sweep_group(operator, sealed).expand(batch=_of(cloud, planned))


def _sweep_group(operator: type[SuspendOperator], sealed: Any) -> Any:
    @task_group(group_id=f"suspend_{operator.cloud}")
    def suspend(batch: dict[str, Any]) -> None:
        environment = "{{ params.environment or '' }}"
        done: Any = operator(task_id="sweep", batch=batch, environment=environment, pool=f"{operator.cloud}_api")
        swept(batch, done.output)
        done >> sealed

    return suspend


@task(map_index_template="{{ label }}", retries=0, trigger_rule=TriggerRule.ALL_DONE)
def swept(batch: dict[str, Any], done: dict[str, Any] | None) -> None:
    """Fail when something could not be read or was refused, naming each."""
    label = f"{batch['cloud']} {batch['account']} {batch['region']}"
    get_current_context()["label"] = label  # type: ignore[typeddict-unknown-key]
    if done is None:
        raise AirflowFailException(f"{label} was not swept: see the task before")
    wrong = {**done["unreadable"], **done["failed"]}
    if wrong:
        raise AirflowFailException("; ".join(f"{name}: {why}" for name, why in sorted(wrong.items())))


@task
def none_forgotten() -> None:
    """Fail when something sleeps where no environment of the catalog lies any more, naming each and how to wake it."""
    from drillyard.clients import connection
    from include.suspension.forgotten import listed

    found = listed(connection)
    if found:
        raise AirflowFailException("; ".join(why for _, why in sorted(found.items())))
