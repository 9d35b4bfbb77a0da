"""Stores under processes that race and are killed, and in an S3 double: conditional create, sealing and repair."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from include.evidence import chain, keys
from include.evidence.store import AlreadyThere, LocalStore, ObjectStore
from include.evidence.stores import Stores
from include.settings import PROJECT
from tests.unit.evidence_samples import T0, a_verification

KEY = "11" * 32


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "test", "secret": "test", "endpoint_url": f"http://{host}:{port}"}
    client = boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="evidence")
    yield ObjectStore("far", "s3://evidence/drillyard", "elsewhere", options)
    server.stop()


def test_writers_in_other_processes_are_kept_out_too(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from include.evidence.store import LocalStore, AlreadyThere\n"
        "store = LocalStore('one', Path(sys.argv[1])); won = 0\n"
        "for n in range(200):\n"
        "    try: won += store.put_new(f'chain/{n}.json', sys.argv[2].encode())\n"
        "    except AlreadyThere: pass\n"
        "print(won)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    running = [subprocess.Popen([*command, who], cwd=PROJECT, stdout=subprocess.PIPE, text=True) for who in ("a", "b")]
    won = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(won) == 200
    contents = [LocalStore("one", tmp_path).read(f"chain/{number}.json") for number in range(200)]
    assert (contents.count(b"a"), contents.count(b"b")) == tuple(won)


def test_a_killed_writer_leaves_no_half_object(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from include.evidence.store import LocalStore\n"
        "store = LocalStore('one', Path(sys.argv[1])); print('go', flush=True); n = 0\n"
        "while True: store.put_new(f'records/{n}', bytes([n % 256]) * 300_000); n += 1\n"
    )
    for attempt in range(3):
        root = tmp_path / str(attempt)
        process = subprocess.Popen([sys.executable, "-c", script, str(root)], cwd=PROJECT, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"go\n"
        time.sleep(0.05 + 0.03 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = LocalStore("one", root)
        written = store.list("records/")
        assert written, "the writer was killed before it wrote anything: the test shows nothing"
        for path in written:
            assert store.read(path) == bytes([int(path.split("/")[1]) % 256]) * 300_000
        assert store.put_new(f"records/{len(written)}", b"the next writer goes on")


def test_of_many_writers_at_once_exactly_one_creates(bucket: ObjectStore) -> None:
    def write(who: int) -> str:
        store = ObjectStore(bucket.name, bucket.url, options=bucket._options)
        try:
            return "created" if store.put_new("race/1.json", str(who).encode()) else "same"
        except AlreadyThere:
            return "other"

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(write, range(4)))
    assert (done.count("created"), done.count("other")) == (1, 3)


def test_sealing_over_a_folder_and_a_bucket(bucket: ObjectStore, tmp_path: Path) -> None:
    stores = Stores([LocalStore("near", tmp_path), bucket])
    assert stores.write_record(a_verification("orders", "main", T0)).failures == {}
    assert chain.seal(stores, KEY, T0).entries == 1
    only_near = Stores([stores.stores[0]])
    only_near.write_record(a_verification("prices", "main", T0 + timedelta(hours=1)))
    chain.seal(only_near, KEY, T0 + timedelta(hours=1))
    assert [f.kind for f in chain.verify_stores(stores.stores, [keys.public_of(KEY)])[1].findings] == ["lagging"]
    chain.seal(stores, KEY, T0 + timedelta(hours=2))
    stores.repair(sealed=chain.sealed_digests(stores.stores[0]))
    near, far = chain.verify_stores(stores.stores, [keys.public_of(KEY)])
    assert (near.seal, far.seal, far.records) == ("TRUSTED", "TRUSTED", 2)
    assert bucket.list("records/") == stores.stores[0].list("records/")
