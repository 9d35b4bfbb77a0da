"""S3 as a store of evidence and of backups, through fsspec, against the double."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_account import AwsAccount, aws

from include.clouds.managed import digests_at
from include.evidence.store import AlreadyThere, LocalStore, ObjectStore, StoreDown
from include.evidence.stores import Stores, open_store
from include.lab.aws.control import CREDENTIALS

__all__ = ["aws"]


@pytest.fixture
def options(aws: AwsAccount) -> dict[str, Any]:
    """fsspec's storage options, as an evidence store's connection gives them in its extra field `storage_options`."""
    return {
        "key": CREDENTIALS["aws_access_key_id"],
        "secret": CREDENTIALS["aws_secret_access_key"],
        "endpoint_url": aws.lab.endpoint,
        "client_kwargs": {"region_name": "eu-central-1"},
    }


@pytest.fixture
def bucket(aws: AwsAccount, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"evidence-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"
    s3 = aws.lab.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield name


@pytest.fixture
def store(bucket: str, options: dict[str, Any]) -> ObjectStore:
    opened = open_store(f"s3://{bucket}/records", "bucket", "aws", options)
    assert isinstance(opened, ObjectStore)
    return opened


def test_an_object_is_written_once(store: ObjectStore) -> None:
    assert store.put_new("2026/11/a.json", b"one") is True
    assert store.put_new("2026/11/a.json", b"one") is False
    with pytest.raises(AlreadyThere):
        store.put_new("2026/11/a.json", b"two")
    assert store.read("2026/11/a.json") == b"one"
    assert store.exists("2026/11/a.json")
    assert not store.exists("2026/11/b.json")
    assert store.list() == ("2026/11/a.json",)
    with pytest.raises(FileNotFoundError):
        store.read("2026/11/b.json")


def test_of_two_writers_one_wins(bucket: str, options: dict[str, Any]) -> None:
    """S3 refuses the second of two conditional creates (If-None-Match), whoever looked first."""
    stores = [ObjectStore("bucket", f"s3://{bucket}/race", "aws", {**options, "skip_instance_cache": True}) for _ in range(4)]

    def write(number: int) -> bool:
        try:
            return stores[number].put_new("head.json", f"writer {number}".encode())
        except AlreadyThere:
            return False

    with ThreadPoolExecutor(4) as pool:
        won = [number for number, done in enumerate(pool.map(write, range(4))) if done]
    assert len(won) == 1
    assert stores[0].read("head.json") == f"writer {won[0]}".encode()


def test_a_write_whose_answer_was_lost_is_found_again(aws: AwsAccount, store: ObjectStore) -> None:
    store.list()
    aws.lab.fault(kind="lost", service="s3", containing="precious")
    store.put_new("lost.json", b"precious")
    assert aws.lab.clear_faults() == 1
    assert store.read("lost.json") == b"precious"


def test_a_bucket_that_is_down_is_loud_and_the_other_store_holds(
    aws: AwsAccount, store: ObjectStore, options: dict[str, Any], tmp_path: Any
) -> None:
    folder = LocalStore("folder", tmp_path, "here")
    both = Stores([store, folder])
    aws.lab.fault(kind="denied", service="s3", count=None)
    written = both.put_new("one.json", b"1")
    assert written.stores == ("folder",)
    assert "bucket" in written.failures
    with pytest.raises(StoreDown):
        store.read("one.json")
    aws.lab.clear_faults()
    later = open_store(store.url, "bucket", "aws", options)  # the next run's; this one rests after two failures in a row
    assert Stores([later, folder]).repair(prefixes=("",)).copied == (("one.json", "bucket"),)
    assert later.read("one.json") == b"1"


def test_digests_lie_beside_backups_in_a_bucket(aws: AwsAccount, bucket: str, options: dict[str, Any]) -> None:
    aws.lab.client("s3").put_object(Bucket=bucket, Key="orders/rds-orders-1.digests.json", Body=b'{"as_of": "now"}')
    folder = f"s3://{bucket}/orders"
    assert digests_at(folder, "rds-orders-1", options) == {"digests": {"as_of": "now"}}
    assert digests_at(folder, "rds-orders-2", options) == {}
