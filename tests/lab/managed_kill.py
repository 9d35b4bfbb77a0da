"""Runs one drill on a double and kills itself (SIGKILL) after the N-th line of its journal: `managed_kill.py TOLD.json N`."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

# Beside this file; it puts the contract suite's folder on the path.
from managed_drills import Site  # isort: skip
from journal_kill import kill_after  # isort: skip
from azure_plane import FlexibleShop
from google_plane import CloudSqlShop

from include.clouds import azure, google
from include.recovery.model import PlanItem
from include.recovery.run import run_drill


def main(file: str, last: int) -> None:
    told = json.loads(Path(file).read_text())
    made, room = {"google": (CloudSqlShop, google), "azure": (FlexibleShop, azure)}[told["cloud"]]
    shop = made(SimpleNamespace(url=told["url"]), SimpleNamespace(port=told["port"]))  # type: ignore[operator]
    here = Site(told["cloud"], shop, room, Path(told["folder"]), told["ledger"])
    kill_after(last)
    run_drill(here.desk(), PlanItem.model_validate(told["item"]), None)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
