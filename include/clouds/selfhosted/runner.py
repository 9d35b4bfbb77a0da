"""The process that makes one sandbox: ``python -m include.clouds.selfhosted.runner FOLDER``.

It lives in a session of its own, so the death of who asked for it changes nothing, and it can be started again from the
folder alone. It holds the folder's lock until it ends. Nothing but the standard library is loaded before it has the lock
and has let its caller go.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path


def take_lock(folder: Path, patience: float = 1.0) -> int | None:
    """The folder's lock, or None when another runner has it. Somebody who only looks holds it for an instant."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                return None
            time.sleep(0.02)
        else:
            return handle


def sign(lock: int) -> None:
    """Write this process into the lock, so that who ends a sandbox knows whom to end, from the first instant on."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def main(path: str) -> int:
    """Make the sandbox of one folder. Gives 0 at once to who started it; the work goes on in a process of its own."""
    lock = take_lock(Path(path))
    if lock is None:
        return 0
    sign(lock)
    with (Path(path) / "attempts").open("ab") as attempts:
        attempts.write(b".")
    # The child keeps the lock: from the instant this call returns, the work is seen to be going on.
    if os.fork():
        os._exit(0)
    sign(lock)
    from include.clouds.selfhosted.making import make
    from include.clouds.selfhosted.sandbox import Folder

    return make(Folder(Path(path)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
