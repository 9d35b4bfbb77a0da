"""A night of evidence on a store whose disk is truly full: a small file system of its own, seen by this process alone.

Arguments: the folder of both stores. Prints what happened as JSON. Exit status 77: the kernel allows no such mount here.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from datetime import timedelta
from pathlib import Path

from include.evidence import chain, runbook, shelf
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.namespaces import MS_PRIVATE, MS_REC, NEWNS, Kernel
from tests.unit.chain_samples import PRIVATE, PUBLIC, Remembered
from tests.unit.evidence_samples import T0, a_verification
from tests.unit.kit_samples import a_kit

DAY = timedelta(days=1)


def mounted(folder: Path) -> None:
    """A file system of one megabyte in the place of the folder."""
    kernel = Kernel()
    kernel.unshare(NEWNS, as_user=os.geteuid() != 0)
    kernel.mount("none", "/", None, MS_REC | MS_PRIVATE)
    kernel.mount("tmpfs", str(folder), "tmpfs", 0, "size=1m")


def fill(folder: Path) -> Path:
    """Write until the disk refuses."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    return ballast


def night(stores: Stores, anchors: Remembered, number: int) -> dict[str, object]:
    """One night's record, kit and sealing; what was said of each store."""
    at = T0 + number * DAY
    written = stores.write_record(a_verification("orders", "main", at))
    kit = a_kit(at)
    lacking = shelf.put(stores, shelf.contents(kit, runbook.as_text(kit), runbook.as_page(kit)))
    sealed = chain.seal(stores, PRIVATE, at + timedelta(hours=1), anchors=anchors)
    repaired = stores.repair(sealed=stores.first(chain.sealed_digests))
    return {"record": written.failures, "kit": lacking, "seal": sealed.failures, "repair": repaired.failures}


def main(folder: Path) -> int:
    one, two = LocalStore("one", folder / "one"), LocalStore("two", folder / "two")
    one.root.mkdir()
    try:
        mounted(one.root)
    except OSError as error:
        print(error)
        return 77
    stores, anchors = Stores([one, two]), Remembered()
    said = {"before": night(stores, anchors, 0)}
    ballast = fill(one.root)
    said["full"] = night(stores, anchors, 1)
    half = [str(path) for path in one.root.rglob("*") if path.is_file() and (path.stat().st_size == 0 or ".draft" in path.name)]
    ballast.unlink()
    said["after"] = night(stores, anchors, 2)
    shelf.tidy(stores, a_kit(T0 + 2 * DAY).kit_id)
    looks = chain.verify_stores(stores.stores, [PUBLIC], anchors.head)
    findings = [f"{look.store}: {found.kind} {found.where}" for look in looks for found in look.findings]
    held = [sorted(store.list()) for store in stores]
    same = all(one.read(path) == two.read(path) for path in held[0] if path in held[1])
    print(
        json.dumps(
            {"said": said, "half": half, "findings": findings, "equal": held[0] == held[1] and same, "files": len(held[1])}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
