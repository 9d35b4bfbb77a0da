"""`drillyard suspend`: what would be put to sleep and why, do it, and keep something up or wake it, without Airflow."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.evidence.terminal import plain_errors

if TYPE_CHECKING:
    from include.suspension.desk import SleepDesk
    from include.suspension.model import Batch

app = typer.Typer(no_args_is_help=True, help="Idle environments: plan, run, snooze, wake, savings.")

At = Annotated[str | None, typer.Option(help="The time to look at, with its offset: 2026-11-23T02:00Z. Default: now.")]
Only = Annotated[str | None, typer.Option("--environment", help="Only this one.")]
Hours = Annotated[float, typer.Option(min=0.25, help="How long it holds.")]
By = Annotated[str, typer.Option(help="Who asks.")]
Why = Annotated[str, typer.Option(help="Goes into the record.")]


@app.command()
def plan(
    at: At = None,
    environment: Only = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every decision with its numbers, as JSON.")] = False,
) -> None:
    """Print what would happen at a time, and why, from what runs now. Changes nothing."""
    from include.recovery.cli_plan import instant
    from include.suspension.forgotten import listed
    from include.suspension.plan import plan_all, saving

    now = instant(at)
    with plain_errors():
        looks = plan_all(now, environment)
        forgotten = {} if environment else listed()
    decisions = [decision for one in looks for decision in one.decisions.values()]
    if as_json:
        print(json.dumps([decision.model_dump(mode="json") for decision in decisions], indent=2))
        return
    for decision in sorted(decisions, key=lambda one: (one.environment, one.action, one.name)):
        numbers = f" {json.dumps(decision.numbers)}" if decision.numbers else ""
        print(f"{decision.action:5} {decision.environment}/{decision.name} [{decision.rule}] {decision.why}{numbers}")
    for one in looks:
        for kind, why in one.unreadable.items():
            print(f"????? {one.batch.label}: {kind} could not be read: {why}")
        forgotten |= one.forgotten
    for why in forgotten.values():
        print(f"????? {why}")
    acts = sum(decision.action in ("stop", "start", "warn") for decision in decisions)
    print("; ".join(part for part in (f"{len(decisions)} resources, {acts} acts", saving(looks)) if part))


@app.command()
def run(
    environment: Only = None,
    wait: Annotated[int, typer.Option(help="Minutes to wait until all is up or down.")] = 12,
) -> None:
    """Sweep every account and region now, and wait until what was begun is done."""
    from include.suspension.desk import open_sleep_desk
    from include.suspension.plan import catalogued

    with plain_errors():
        wanted = catalogued(environment)
        desks = {cloud: open_sleep_desk(cloud) for cloud in {batch.cloud for batch in wanted}}
        _sweep([(desks[batch.cloud], batch) for batch in wanted], environment, wait)


def _sweep(waiting: list[tuple[SleepDesk, Batch]], environment: str | None, wait: int) -> None:
    """Sweep, and print what was done, until nothing is pending or the minutes are over."""
    from include.suspension.run import sweep
    from include.values import utcnow

    ends = time.monotonic() + wait * 60
    while waiting:
        results = [(desk, sweep(desk, batch, utcnow(), environment)) for desk, batch in waiting]
        for _, result in results:
            acts = ", ".join(f"{count} x {name}" for name, count in result.counts.items())
            print(f"{result.batch.label}: {acts or 'nothing of ours'}")
            for key, why in (result.failed | result.unreadable).items():
                print(f"  {key}: {why}")
        waiting = [(desk, result.batch) for desk, result in results if result.pending]
        if not waiting or time.monotonic() >= ends:
            break
        time.sleep(5)


@app.command("bring-back")
def bring_back(
    environment: str,
    by: By,
    why: Why,
    connection: Annotated[str | None, typer.Option(help="What opens its accounts, where the catalog says it no more.")] = None,
    wait: Annotated[int, typer.Option(help="Minutes to wait until all is up.")] = 12,
) -> None:
    """Wake what sleeps of an environment that left the catalog, exactly as it was."""
    from include.suspension import forgotten

    with plain_errors():
        _sweep(forgotten.bring_back(environment, by, why, connection), environment, wait)


def _ask(environment: str, action: str, hours: float, by: str, why: str) -> None:
    from include.connections import from_environment
    from include.suspension.people import ask
    from include.values import utcnow

    with plain_errors():
        print(ask(from_environment, environment, action, hours, by, why, utcnow()))


@app.command()
def savings(
    month: Annotated[str, typer.Option(help="YYYY-MM.")],
    focus: Annotated[Path | None, typer.Option(help="The cost report's folder `focus`. Default: the month's report.")] = None,
    forecast: Annotated[bool, typer.Option("--forecast", help="By rates alone, before the bill is there.")] = False,
) -> None:
    """Settle what a month's sleep saved from the bill, and write it down for finance's report."""
    from include.connections import from_environment
    from include.costs.calendar import a_month
    from include.settings import report_dir
    from include.suspension.bill import settle
    from include.values import utcnow

    with plain_errors():
        bill = None if forecast else focus or report_dir() / "costs" / month / "focus"
        found = settle(from_environment, a_month(month), bill, utcnow())
    for one in found:
        if forecast:
            amount = "without a price in rates.yaml" if one.forecast is None else f"{one.forecast} {one.currency}"
            print(f"{one.month} {one.environment} ({one.owner}): forecast {amount}, not settled yet")
            continue
        print(f"{one.month} {one.environment} ({one.owner}): {one.hours} hours, forecast {one.forecast}, settled {one.settled}")
        print(f"  {one.currency}: would have cost {one.counterfactual}, storage {one.stays}, other {one.other}")
        for key in one.unknown:
            print(f"  not known of {key}: its price in rates.yaml, or its rows in the bill")


@app.command()
def snooze(environment: str, by: By, why: Why, hours: Hours = 4) -> None:
    """Keep an environment up until the hours have passed."""
    _ask(environment, "snooze", hours, by, why)


@app.command()
def wake(environment: str, by: By, why: Why, hours: Hours = 4) -> None:
    """Wake an environment at the next sweep (at once: `drillyard suspend run`), and keep it up."""
    _ask(environment, "wake", hours, by, why)


@app.command()
def sleep(environment: str, by: By, why: Why, hours: Hours = 4) -> None:
    """Put an environment to sleep whatever its hours are. What guards it still counts."""
    _ask(environment, "sleep", hours, by, why)


@app.command()
def deploying(environment: str, by: By, why: Why, hours: Hours = 1) -> None:
    """Mark a deployment: nothing of the environment is stopped meanwhile."""
    _ask(environment, "deploying", hours, by, why)


@app.command()
def cancel(environment: str, by: By, why: Why) -> None:
    """End an environment's wishes: its schedule holds again."""
    _ask(environment, "cancel", 1, by, why)
