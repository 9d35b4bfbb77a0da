"""``make demo``'s idle environment: put to sleep and woken by the DAG on every cloud of the lab, and what a night would save."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.catalog.load import load
from include.lab import airflow_home
from include.ledger import open_ledger, url_from_environment
from include.ledger.sleeps import Sleeps
from include.settings import platform_dir
from include.suspension.plan import plan_all, saving
from include.values import utcnow

ENVIRONMENT = "test"
DAG = "suspend_environments"


def sleep_and_wake(environment: Mapping[str, str], by: str, log: Path) -> str:
    """Two runs of the DAG as its form starts them, in one process; gives, in words, what a night would save.

    Raises airflow_home.CommandFailed when a run ended red.
    """
    forms = [{"action": "sleep", "hours": 8}, {"action": "wake", "hours": 0.1}]
    asked = {"environment": ENVIRONMENT, "requested_by": by, "why": "demo"}
    commands = [["dags", "test", DAG, "--conf", json.dumps({**asked, **form})] for form in forms]
    log.write_text(airflow_home.run_airflow(environment, *commands, timeout=900))
    night = next_monday(utcnow()) + timedelta(hours=21)
    return f"on Monday at {night:%H:%M} UTC: {saving(plan_all(night, ENVIRONMENT)) or 'nothing to put to sleep'}"


def next_monday(now: datetime) -> datetime:
    """The midnight (UTC) at which the next week begins."""
    day = datetime(now.year, now.month, now.day, tzinfo=UTC)
    return day + timedelta(days=7 - day.weekday())


def back() -> tuple[str, bool]:
    """What slept, in words, from the ledger; and whether there was something on each cloud and all of it is up as it was."""
    ledger = open_ledger(url_from_environment())
    sleeps = Sleeps(ledger).sleeps(datetime(1970, 1, 1, tzinfo=UTC), utcnow())
    clouds = sorted({one.former.resource.cloud for one in sleeps})
    suspension = load(platform_dir()).catalog.environments[ENVIRONMENT].suspension
    wanted = {account.cloud for account in suspension.accounts} if suspension else set()
    wrong = sorted(one.former.resource.name for one in sleeps if not one.exact)
    told = f"{len(sleeps)} resources of {ENVIRONMENT} on {', '.join(clouds) or 'no cloud'} were put to sleep and woken"
    said = f"{told}: {'NOT AS BEFORE: ' + ', '.join(wrong) if wrong else 'exactly as they were'}"
    return said, set(clouds) == wanted and not wrong
