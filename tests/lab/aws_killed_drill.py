"""Runs a drill on the lab's AWS, killed (SIGKILL) by itself at its N-th call: `aws_killed_drill.py ACCOUNT ITEM N WHEN EVIDENCE`.

WHEN: ``before`` the call is sent, or ``after`` it took effect. N = 0 runs to the end. A program of its own, because what is
killed must be a whole process.
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


def main(account_file: str, item_file: str, last: int, when: str, evidence: str) -> None:
    os.environ["DRILLYARD_LAB_HOME"] = str(Path(account_file).parent)
    calls, fence = 0, clients.fence

    def count(**_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def counting(client: object) -> None:
        fence(client)
        event = "before-send.*.*" if when == "before" else "after-call.*.*"
        client.meta.events.register(event, count)  # type: ignore[attr-defined]

    clients.fence = counting
    account, url = taken_over(Path(account_file))
    item = PlanItem.model_validate_json(Path(item_file).read_text())
    record = run_drill(desk(account, Path(evidence), url=url), item, None)
    print(f"{calls} {record.verdict.value}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
