"""Runs one drill and kills itself (SIGKILL) right after the N-th line of its journal is written: `killed_drill.py ITEM.json N`.

N = 0 runs to the end. A program of its own, because what is killed must be a whole process.
"""

import sys
from pathlib import Path

from journal_kill import kill_after

from include.recovery.desk import open_desk
from include.recovery.model import PlanItem
from include.recovery.run import run_drill


def main(item_file: str, last: int) -> None:
    item = PlanItem.model_validate_json(Path(item_file).read_text())
    kill_after(last)
    print(run_drill(open_desk(item.cloud), item, None).verdict.value)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
