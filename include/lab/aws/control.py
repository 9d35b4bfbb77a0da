"""Starting, asking and stopping the lab's AWS from another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from include.lab import processes
from include.lab.aws.rds import HOME_ACCOUNT
from include.settings import PROJECT

CREDENTIALS = {"aws_access_key_id": "AKIALABLABLABLABLAB0", "aws_secret_access_key": "lab"}
"""Of the lab's first account. moto takes any; real AWS would take none of these."""


class AwsLab:
    """A running lab AWS."""

    def __init__(self, home: Path, endpoint: str, process: processes.Process | None) -> None:
        self.home, self.endpoint, self.process = home, endpoint, process

    def __getattr__(self, verb: str) -> Any:
        """Every verb of `include.lab.aws.admin.Admin`, as a method with keyword arguments. Raises RuntimeError with its error."""
        if verb.startswith("_"):
            raise AttributeError(verb)
        return lambda **arguments: self._ask(verb, arguments)

    def _ask(self, verb: str, arguments: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.endpoint}/lab/{verb}", data=json.dumps(arguments).encode(), headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"lab AWS, {verb}: {json.loads(error.read())['error']}") from None

    def connection(self, *, account: str = HOME_ACCOUNT, role: str | None = None, region: str = "eu-central-1") -> str:
        """An Airflow connection (JSON) to this lab: every service and STS go to its endpoint."""
        extra: dict[str, Any] = {
            "region_name": region,
            "endpoint_url": self.endpoint,
            "service_config": {"sts": {"endpoint_url": self.endpoint}},
        }
        if role or account != HOME_ACCOUNT:
            extra["role_arn"] = f"arn:aws:iam::{account}:role/{role or 'drillyard'}"
        return json.dumps(
            {
                "conn_type": "aws",
                "login": CREDENTIALS["aws_access_key_id"],
                "password": CREDENTIALS["aws_secret_access_key"],
                "extra": extra,
            }
        )

    def client(self, service: str, region: str = "eu-central-1", account: str = HOME_ACCOUNT) -> Any:
        """A bare boto3 client, for seeding and for looking behind the product's back."""
        import boto3

        keys: dict[str, str] = dict(CREDENTIALS)
        if account != HOME_ACCOUNT:
            sts = boto3.client("sts", region_name=region, endpoint_url=self.endpoint, **keys)
            given = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/lab", RoleSessionName="lab")["Credentials"]
            keys = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint, **keys)

    def stop(self, patience: float = 20.0) -> None:
        """End the control plane; it stops its servers first."""
        if self.process is not None:
            processes.end(self.process, patience)


def launch(home: Path, *, hollow: bool = False, upload_every: float | None = None, patience: float = 60.0) -> AwsLab:
    """Start the lab's AWS in a process of its own and wait until it answers. Raises RuntimeError with the end of its log."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "server.json").unlink(missing_ok=True)
    options = ["--hollow"] if hollow else []
    options += ["--upload-every", str(upload_every)] if upload_every is not None else []
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "include.lab.aws.server", "--home", str(home), *options],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if (home / "server.json").exists():
            told = json.loads((home / "server.json").read_text())
            return AwsLab(home, told["endpoint"], processes.identify(process.pid))
        time.sleep(0.05)
    process.kill()
    tail = (home / "server.log").read_text(errors="replace").splitlines()[-8:]
    raise RuntimeError("the lab's AWS did not start:\n" + "\n".join(tail))


def attach(home: Path) -> AwsLab | None:
    """The lab AWS that runs in this home, or None."""
    file = home / "server.json"
    if not file.exists():
        return None
    told = json.loads(file.read_text())
    process = processes.Process.model_validate(told["process"])
    return AwsLab(home, told["endpoint"], process) if processes.alive(process) else None
