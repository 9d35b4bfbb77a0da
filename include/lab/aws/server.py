"""``python -m include.lab.aws.server --home FOLDER``: the lab's AWS, until SIGTERM. Writes FOLDER/server.json when it answers."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from include.lab import processes
from include.lab.aws.rds import Rds
from include.lab.postgres import HOST
from include.lab.state import write_private

UPLOAD_EVERY_S = 2.0
"""Amazon uploads transaction logs every five minutes; the lab hurries. Seconds, unless it is started with others."""


def build(plane: Any) -> tuple[Any, Rds]:
    """The door with moto behind it, mended for this process."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from include.lab.aws import power, rds_views
    from include.lab.aws.admin import Admin
    from include.lab.aws.door import Door

    rds = Rds(plane)
    rds.set_quota()
    rds_views.install(rds)
    power.install(power.Power(rds))
    door = Door(DomainDispatcherApplication(create_backend_app), rds)
    door.admin = Admin(door)
    return door, rds


def serve(home: Path, port: int, *, hollow: bool, upload_every: float = UPLOAD_EVERY_S) -> None:
    """Answer until SIGTERM or SIGINT; then stop every server that was started."""
    import logging

    from werkzeug.serving import make_server

    from include.lab.aws.plane import Plane

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    home.mkdir(parents=True, exist_ok=True)
    plane = None if hollow else Plane(home)
    door, rds = build(plane)
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    server = make_server(HOST, port, door, threaded=True, request_handler=MotoRequestHandler)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=_upload, args=(rds, over, upload_every), daemon=True).start()
    endpoint = f"http://{HOST}:{server.server_port}"
    mine = processes.identify(os.getpid())
    assert mine is not None
    write_private(home / "server.json", json.dumps({"endpoint": endpoint, "process": mine.model_dump(mode="json")}))
    over.wait()
    server.shutdown()
    rds.pool.shutdown(wait=True, cancel_futures=True)
    if plane is not None:
        plane.stop_all()
    (home / "server.json").unlink(missing_ok=True)


def _upload(rds: Rds, over: threading.Event, every: float) -> None:
    while not over.wait(every):
        rds.upload_all()


def main() -> None:
    """The command line."""
    # moto must not ask anybody for anything: no metadata service, no region from a file.
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--hollow", action="store_true", help="control plane only: no PostgreSQL behind anything")
    parser.add_argument("--upload-every", type=float, default=UPLOAD_EVERY_S, help="seconds between two uploads of the log")
    options = parser.parse_args()
    serve(options.home.resolve(), options.port, hollow=options.hollow, upload_every=options.upload_every)


if __name__ == "__main__":
    main()
