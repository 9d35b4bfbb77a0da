"""Runs a drill on the lab's AWS, killed (SIGKILL) by itself at its first call of an action.

`aws_killed_drill.py ACCOUNT ITEM ACTION WHEN EVIDENCE`. WHEN: ``before`` the call is sent, or ``after`` it took effect. An empty
ACTION runs to the end. A program of its own, because what is killed must be a whole process. Calls are not counted: how often
a drill looks depends on how fast the machine is.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from aws_account import desk, taken_over

from include.clouds.aws import clients
from include.recovery.model import PlanItem
from include.recovery.run import run_drill


def main(account_file: str, item_file: str, action: str, when: str, evidence: str) -> None:
    os.environ["DRILLYARD_LAB_HOME"] = str(Path(account_file).parent)
    fence = clients.fence

    def die(**_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def dying(client: object) -> None:
        fence(client)
        event = "before-send" if when == "before" else "after-call"
        client.meta.events.register(f"{event}.*.{action}", die)  # type: ignore[attr-defined]

    if action:
        clients.fence = dying
    account, url = taken_over(Path(account_file))
    item = PlanItem.model_validate_json(Path(item_file).read_text())
    record = run_drill(desk(account, Path(evidence), url=url), item, None)
    print(record.verdict.value)


if __name__ == "__main__":
    main(*sys.argv[1:6])
