"""Runs one drill and kills itself (SIGKILL) right after its N-th line in the journal: `killed_drill.py ITEM.json N`.

N = 0 runs to the end. A program of its own, because what is killed must be a whole process.
"""

import os
import signal
import sys
from pathlib import Path

from include.ledger import Ledger
from include.recovery.desk import open_desk
from include.recovery.model import PlanItem
from include.recovery.run import run_drill


def main(item_file: str, last: int) -> None:
    item = PlanItem.model_validate_json(Path(item_file).read_text())
    written = 0
    append = Ledger.append

    def counting(self: Ledger, *args: object, **kwargs: object) -> bool:
        nonlocal written
        answer = append(self, *args, **kwargs)  # type: ignore[arg-type]
        written += 1
        if written == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Ledger.append = counting  # type: ignore[method-assign, assignment]
    record = run_drill(open_desk(item.cloud), item, None)
    print(f"{written} {record.verdict.value}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
