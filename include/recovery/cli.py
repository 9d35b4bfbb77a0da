"""Drills from a terminal: `drillyard drill`, `verify`, `reap`, `stop`, `resume`. The same functions that the DAGs call."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from include.connections import from_environment
from include.evidence.terminal import plain_errors
from include.values import utcnow

Reason = Annotated[str, typer.Option("--reason", help="Goes into the evidence.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the root command."""
    for command in (drill, verify, reap, stop, resume):
        app.command()(command)


def drill(
    services: Annotated[list[str], typer.Argument(help="Services of the catalog, or all.")],
    reason: Reason = "by hand",
    point: Annotated[str, typer.Option(help="A recovery point's id. Empty: the latest.")] = "",
    at: Annotated[str, typer.Option("--time", help="A point in time with its offset.")] = "",
    keep: Annotated[int, typer.Option(help="Keep the sandbox for so many minutes.")] = 0,
    override_blackout: Annotated[str, typer.Option(help="Why it must run inside a blackout window.")] = "",
    by: Annotated[str, typer.Option(help="Who asks. Default: your login.")] = "",
) -> None:
    """Restore services into sandboxes now, without Airflow. Exit status 1 when one is not proven."""
    from include.recovery.desk import open_desk
    from include.recovery.drill import Held
    from include.recovery.requests import planned_by_cloud
    from include.recovery.run import run_drill
    from include.settings import data_docs_dir

    form: dict[str, Any] = {
        "services": services, "reason": reason, "recovery_point": point, "target_time": at, "keep_minutes": keep,
        "override_blackout": override_blackout,
    }  # fmt: skip
    failed = 0
    with plain_errors():
        planned = planned_by_cloud(from_environment, form, by or getpass.getuser(), utcnow(), scheduled=False)
        for cloud, items in planned.items():
            desk = open_desk(cloud)
            for item in items:
                try:
                    record = run_drill(desk, item, data_docs_dir() / item.drill_id, print)
                except Held as held:
                    print(f"{item.label}: held: {held}")
                    failed += 1
                    continue
                failed += record.verdict.value != "passed"
    raise typer.Exit(1 if failed else 0)


def verify(full: Annotated[bool, typer.Option(help="Re-read every file.")] = False) -> None:
    """Verify every backup now, without Airflow. Exit status 1 when one is not as it must be."""
    from include.recovery import nightly
    from include.recovery.desk import open_desk
    from include.recovery.requests import sweeps_by_cloud

    wrong = 0
    with plain_errors():
        for cloud, batches in sweeps_by_cloud(from_environment, {"full": full}, utcnow()).items():
            desk = open_desk(cloud)
            for batch in batches:
                outcome = nightly.outcome(nightly.verify_region(desk, batch["region"], full=batch["full"]))
                for subject, text in outcome.items():
                    print(f"{subject}: {text}")
                wrong += sum(not text.startswith("passed") for text in outcome.values())
    raise typer.Exit(1 if wrong else 0)


def reap() -> None:
    """End what expired leases name, and prove by inventory that nothing of ours remains."""
    from include.recovery import reaper
    from include.recovery.desk import open_desk
    from include.recovery.requests import clouds_in_use

    with plain_errors():
        for cloud in clouds_in_use():
            ended = reaper.reap(open_desk(cloud))
            print(f"{cloud}: ended {', '.join(ended) or 'nothing'}; nothing of ours remains without a lease")


def stop(reason: Reason, by: Annotated[str, typer.Option(help="Default: your login.")] = "") -> None:
    """Stop everything: running drills end safely, no new one begins."""
    _set("stop", by, reason)


def resume(reason: Reason = "resumed", by: Annotated[str, typer.Option(help="Default: your login.")] = "") -> None:
    """Let drills run again after a stop."""
    _set("resume", by, reason)


def _set(action: str, by: str, reason: str) -> None:
    from include.recovery.stops import set_stop

    with plain_errors():
        print(set_stop(from_environment, action, by or getpass.getuser(), reason))
