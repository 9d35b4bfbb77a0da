"""Bills in S3, Cloud Storage and Blob Storage, read with the credentials of connections: one report over the three."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from aws_account import AwsAccount, aws

from include.connections import ConnectionInfo
from include.costs.intake import take_in
from include.costs.places import local_copy
from include.lab.aws.control import CREDENTIALS
from include.lab.azure.storage import BlobStorage
from include.lab.google.storage import VARIABLES, CloudStorage
from include.settings import PROJECT

os.environ.update(VARIABLES)
__all__ = ["aws"]
ACCOUNTS = {"s3": "billing_s3", "gs": "billing_gs", "abfs": "billing_abfs"}
ROW = "BillingAccountId,BilledCost,BillingCurrency,ChargePeriodStart,ChargeDescription\n1,{cost},USD,2026-10-0{day}T00:00:00Z,x\n"


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStorage]:
    made = CloudStorage(tmp_path_factory.mktemp("gcs")).start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobStorage]:
    made = BlobStorage(tmp_path_factory.mktemp("blobs"), PROJECT / "build" / "azurite").start()
    try:
        yield made
    finally:
        made.stop()


def put(url: str, options: dict[str, Any], text: str) -> None:
    with fsspec.open(url, "wb", **options) as file:
        file.write(text.encode())


def test_exports_of_three_clouds_are_read_where_they_lie(
    aws: AwsAccount, google: CloudStorage, azure: BlobStorage, tmp_path: Path
) -> None:
    aws.lab.client("s3").create_bucket(Bucket="costs-billing", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    options = {
        "billing_s3": {
            "key": CREDENTIALS["aws_access_key_id"],
            "secret": CREDENTIALS["aws_secret_access_key"],
            "endpoint_url": aws.lab.endpoint,
            "client_kwargs": {"region_name": "eu-central-1"},
        },
        "billing_gs": google.options(),
        "billing_abfs": azure.options(),
    }

    def connections(conn_id: str) -> ConnectionInfo:
        given = {"storage_options": options[conn_id]}
        return ConnectionInfo(conn_id=conn_id, conn_type="generic", extra=json.loads(json.dumps(given)))

    roots = {"s3": "s3://costs-billing", "gs": google.bucket("costs-billing"), "abfs": azure.container("costs-billing")}
    for day, (scheme, root) in enumerate(roots.items(), start=1):
        put(f"{root}/exports/2026-10/{scheme}.csv", options[ACCOUNTS[scheme]], ROW.format(cost=day, day=day))
        put(f"{root}/elsewhere/other.csv", options[ACCOUNTS[scheme]], ROW.format(cost=99, day=day))
    here = tmp_path / "here"
    here.mkdir()
    (here / "folder.csv").write_text(ROW.format(cost=4, day=4))
    billing = ", ".join([*(f"{root}/exports" for root in roots.values()), str(here)])
    with local_copy(billing, ACCOUNTS, connections) as folder:
        intake = take_in(folder)
        assert [Path(f.name).name for f in intake.files] == ["s3.csv", "gs.csv", "abfs.csv", "folder.csv"]
        assert all(f.modified > 1.7e9 and f.digest for f in intake.files) and not intake.quarantined
        kept = folder
    assert not kept.exists() and (here / "folder.csv").exists()
    with local_copy(f"{roots['gs']}/exports/2026-10/gs.csv", ACCOUNTS, connections) as folder:
        assert [f.name for f in take_in(folder).files] == ["gs.csv"]
    with pytest.raises(FileNotFoundError, match="nothing below"), local_copy(f"{roots['s3']}/none", ACCOUNTS, connections):
        pass
