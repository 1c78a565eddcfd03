"""A dataset folder and sources on S3, through a real server and a proxy that counts, fails and dies."""

import io
import os
import threading
import time
from dataclasses import replace

import pyarrow as pa
import pytest
from rich.console import Console

from curate.errors import StoreError
from curate.exports.export import export
from curate.exports.formats.webdataset import WebDataset
from curate.inspect.funnel import status_report
from curate.inspect.query import query
from curate.inspect.show import image_bytes
from curate.pipeline import Pipeline
from curate.run.planner import make_plan
from curate.run.runner import RunRequest, prepare, run
from curate.run.spec import RunSpec
from curate.sources.shard import Shard
from curate.storage import lease
from curate.storage.filesystems import TRIES, open_filesystem
from curate.storage.store import Store
from tests.support.shards import write_shard, write_tar
from tests.support.stages import AtLeast, Brightness, TextLength

SHARDS = 3


@pytest.fixture
def twins(tmp_path, bucket):
    """Give the same order twice, on local disk and on S3; both read the same tars, each from its own side."""
    for i in range(SHARDS):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "fail", "eeeee"])
    filesystem, root = open_filesystem(bucket)
    filesystem.put(f"{tmp_path}/in/", f"{root}/in/", recursive=True)
    return order(str(tmp_path)), order(bucket)


def order(root, **options):
    pipeline = Pipeline((TextLength(fail=("fail",)), AtLeast("text_length", 2), Brightness()))
    return RunRequest(pipeline, [f"{root}/in/*.tar"], f"{root}/out", recipe="test", **options)


def quiet():
    return Console(quiet=True)


def files(root, folders=("columns", "errors")):
    """Return path -> bytes of some folders of a dataset, or of all there is."""
    filesystem, path = open_filesystem(root)
    paths = filesystem.find(path)
    return {
        os.path.relpath(file, path): filesystem.cat_file(file)
        for file in paths
        if not folders or os.path.relpath(file, path).split("/")[0] in folders
    }


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_run_on_s3_gives_the_bytes_of_a_run_on_disk(twins, tmp_path, bucket, s3):
    here, there = twins
    run(here, quiet())
    s3.be_well()
    run(there, quiet())

    assert files(there.dataset) == files(here.dataset)
    assert len(files(here.dataset)) == SHARDS * 5


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_every_verb_works_on_s3_and_reads_ranges(twins, tmp_path, bucket, s3):
    here, there = twins
    run(here, quiet())
    run(there, quiet())
    store, local = Store(there.dataset), Store(here.dataset)
    assert not prepare(there).unfinished
    assert "kept" in rendered(status_report(store, None))
    retried = run(replace(there, retry=frozenset({"bad_text"})), quiet())
    assert retried.counts["measured"]["text_length"]["rows"] == SHARDS
    run(replace(here, retry=frozenset({"bad_text"})), quiet())
    sql = "SELECT * FROM samples ORDER BY shard, row"
    assert query(store, sql).equals(query(local, sql))
    export(local, WebDataset(), f"{tmp_path}/export")
    export(store, WebDataset(), f"{bucket}/export")
    exported = files(f"{bucket}/export", None)
    assert exported == files(f"{tmp_path}/export", None)
    assert len(exported) == 7


def test_one_image_of_a_large_shard_costs_a_small_part_of_it(tmp_path, bucket, s3):
    write_tar(tmp_path / "large.tar", [(f"{i:03}.jpg", bytes([i]) * (1 << 20)) for i in range(40)])
    filesystem, root = open_filesystem(bucket)
    filesystem.put(str(tmp_path / "large.tar"), f"{root}/large.tar")
    samples = measured(bucket, tmp_path)
    s3.be_well()

    assert image_bytes(Store(f"{bucket}/out"), samples["uid"][30].as_py()) == bytes([30]) * (1 << 20)
    assert s3.bytes_read("large.tar") < 4 << 20


def test_a_query_of_one_column_leaves_the_others_unread(tmp_path, bucket, s3):
    store = Store(bucket)
    noise = pa.array([os.urandom(1000) for _ in range(20_000)])
    store.write_table("t.parquet", pa.table({"a": range(20_000), "noise": noise, "z": range(20_000)}))
    s3.be_well()

    assert store.read_table("t.parquet", ["a"])["a"][-1].as_py() == 19_999
    assert s3.bytes_read("t.parquet") < 3 << 20


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("failure", ["busy", "reset", "cut"])
def test_passing_failures_of_the_server_leave_no_trace(twins, s3, failure):
    here, there = twins
    run(here, quiet())
    s3.failure, s3.every = failure, 9
    run(there, quiet())
    s3.be_well()

    assert files(there.dataset) == files(here.dataset)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_loses_its_lease_stops_while_its_workers_are_busy(tmp_path, bucket, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.2)
    write_shard(tmp_path / "in" / "0.tar", ["a"])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # the stage writes to it, and waits for a reader that does not come
    store = Store(f"{bucket}/out")
    request = RunRequest(Pipeline((TextLength(log=str(pipe)),)), [str(tmp_path / "in")], store.root, recipe="test")
    times = []

    def another_driver():
        while not store.list("runs"):
            time.sleep(0.1)
        time.sleep(8)
        store.write_bytes("lock", b'{"token": "x", "host": "other", "pid": 1, "run": "r"}')
        times.append(time.monotonic())

    thread = threading.Thread(target=another_driver)
    thread.start()
    with pytest.raises(StoreError, match=r"was taken over by run r \(pid 1 on other\) while this run could not renew"):
        run(request, quiet())
    assert time.monotonic() - times[0] < 20
    thread.join()
    os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))


@pytest.mark.slow
def test_a_server_that_stays_down_is_one_sentence(bucket, s3):
    store = Store(f"{bucket}/out")
    s3.failure, s3.every = "busy", 1
    with pytest.raises(StoreError, match=rf"^cannot read {bucket}/out/x: Service Unavailable") as caught:
        store.read_bytes("x")
    assert s3.requests == TRIES
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_missing_bucket_are_one_sentence(bucket):
    with pytest.raises(StoreError, match=r"cannot read s3://.*/x: no such file"):
        Store(bucket).read_bytes("x")
    with pytest.raises(StoreError, match=r"cannot write s3://no-such-bucket/x: .*bucket"):
        Store("s3://no-such-bucket").write_bytes("x", b"")


def test_planning_costs_a_few_requests_however_many_shards_are_done(bucket, s3):
    store = Store(f"{bucket}/out")
    pipeline = Pipeline((TextLength(), AtLeast("text_length", 2)))
    spec = RunSpec.resolve(pipeline, store.root, "000001-test-00000000")
    shards = [Shard(f"in.{i:05}-00000000", "tar", f"{bucket}/in/{i:05}.tar", 1) for i in range(1100)]
    filesystem, root = open_filesystem(store.root)
    filesystem.pipe({f"{root}/columns/{spec.verdict_id}/{shard.name}.parquet": b"x" for shard in shards})
    s3.be_well()

    assert not make_plan(spec, shards).unfinished
    assert len(s3.log) <= 4  # a thousand names a request


def measured(bucket, tmp_path):
    """Measure a tar of the bucket in this process, without Ray; return its sample cell."""
    inputs = [f"{bucket}/*.tar"]
    work = RunRequest(Pipeline((TextLength(),)), inputs, f"{bucket}/out", recipe="test", local=True)
    run(work, quiet())
    return query(Store(work.dataset), "SELECT uid FROM samples ORDER BY row")


def rendered(what):
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(what)
    return console.export_text()
