import functools
import http.server
import itertools
import os
import re
import shutil
import threading
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError, SourceError
from curate.sources import count, fetch, find_shards, scan
from curate.sources.braces import expand_braces
from curate.storage.filesystems import open_filesystem
from tests.curate.sources.test_tar import rows, sample
from tests.support.images import jpeg, tar_bytes

JPEG = jpeg()
TAR = tar_bytes(sample("a"))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Three tars in each of two folders, and what img2dataset puts beside them."""
    for split, i in itertools.product(("train", "val"), range(3)):
        path = tmp_path / split / f"{i:05}.tar"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(TAR)
        pq.write_table(pa.table({"url": ["u"]}), path.with_suffix(".parquet"))
        path.with_name(f"{i:05}_stats.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(shards, root):
    return [os.path.relpath(s.url, root) for s in shards]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("train/00001.tar", ["train/00001.tar"]),
        ("train/{00000..00002}.tar", ["train/00000.tar", "train/00001.tar", "train/00002.tar"]),
        ("{val,train}/00000.tar", ["val/00000.tar", "train/00000.tar"]),
        ("{val,train}/0000{1..2}.tar", ["val/00001.tar", "val/00002.tar", "train/00001.tar", "train/00002.tar"]),
        ("*/*1.tar", ["train/00001.tar", "val/00001.tar"]),
        ("val/0000[02].tar", ["val/00000.tar", "val/00002.tar"]),
        ("val", ["val/00000.tar", "val/00001.tar", "val/00002.tar"]),
        ("val/*", ["val/00000.tar", "val/00001.tar", "val/00002.tar"]),
        ("*", [f"{split}/0000{i}.tar" for split in ("train", "val") for i in range(3)]),
        (".", [f"{split}/0000{i}.tar" for split in ("train", "val") for i in range(3)]),
    ],
)
def test_paths_braces_globs_and_folders(tree, pattern, expected):
    assert files(find_shards([pattern]), tree) == expected
    assert files(find_shards([f"{tree}/{pattern}"]), tree) == expected
    assert files(find_shards([f"file://{tree}/{pattern}"]), tree) == expected


def test_order_is_as_given_and_every_shard_comes_once(tree):
    shards = find_shards(["val/00002.tar", "val", "train/00001.tar", "./val/00000.tar"])
    assert files(shards, tree) == ["val/00002.tar", "val/00000.tar", "val/00001.tar", "train/00001.tar"]
    assert all(s.url.startswith("/") and s.size_bytes == len(TAR) for s in shards)


def test_many_files_of_one_pattern(tree):
    for i in range(40):
        (tree / "train" / f"{i:05}.tar").write_bytes(TAR)
    assert len(find_shards(["train/{00000..00039}.tar"])) == 40
    with pytest.raises(PlanError, match=r"00040\.tar does not exist"):
        find_shards(["train/{00000..00040}.tar"])


def test_names_are_safe_and_the_same_wherever_the_folder_lies(tree, tmp_path_factory):
    here = [s.name for s in find_shards(["train"])]
    assert all(re.fullmatch(r"train\.0000\d-[0-9a-f]{8}", name) for name in here)
    elsewhere = tmp_path_factory.mktemp("other")
    shutil.copytree("train", elsewhere / "train")
    assert [s.name for s in find_shards([str(elsewhere / "train")])] == here
    odd = tree / "ünsafe dir" / "a b;c$(x).tar"
    odd.parent.mkdir()
    odd.write_bytes(TAR)
    (shard,) = find_shards([str(odd)])
    assert re.fullmatch(r"[A-Za-z0-9._-]+-[0-9a-f]{8}", shard.name)


def test_equal_names_are_told_apart_by_more_of_the_path(tree):
    for run in ("x/shards", "y/shards"):
        (tree / run).mkdir(parents=True)
        (tree / run / "00000.tar").write_bytes(TAR)
    alone = find_shards(["x"])[0].name
    both = [s.name for s in find_shards(["x", "y"])]
    assert len({alone, *both}) == 3
    assert both == [s.name for s in find_shards(["x", "y"])]
    assert sorted(both) == sorted(s.name for s in find_shards(["y", "x"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere/x.tar", r"nowhere/x\.tar does not exist"),
        ("nowhere", r"nowhere does not exist"),
        ("train/9*.tar", r"no file matches .*9\*\.tar"),
        ("train/{00002..00000}.tar", r"runs backwards; write \{00000\.\.00002\}"),
        ("train/{0..99999999}.tar", "stands for 100000000 files"),
        ("train/00000_stats.json", r"holds nothing to read; .*tar files: \.tar, \.tar\.gz"),
        ("empty", "holds nothing to read"),
        ("train/*.parquet", r"no column of image bytes; its columns are: url"),
        ("nonsense://bucket/x.tar", "nonsense"),
        ("memory://nowhere/x.tar", r"memory:///nowhere/x\.tar does not exist"),
    ],
)
def test_what_leads_nowhere_is_a_plan_error_in_one_sentence(tree, text, message):
    (tree / "empty").mkdir()
    with pytest.raises(PlanError, match=message) as caught:
        find_shards([text])
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named():
    if shutil.which("gcloud") is None:
        with pytest.raises(PlanError, match=r"gs://bucket/x\.tar.*gcsfs"):
            find_shards(["gs://bucket/x.tar"])


def test_memory_filesystem_reads_like_a_disk():
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/shelf/{i:05}.tar": tar_bytes(sample(f"k{i}")) for i in range(3)} | {"/images/a.jpg": JPEG})
    shards = find_shards(["memory://shelf/{00000..00001}.tar", "memory://shelf/*.tar", "memory://images"])
    assert [s.url for s in shards] == [*(f"memory:///shelf/{i:05}.tar" for i in range(3)), "memory:///images"]
    for shard in shards:
        samples = list(scan(shard))
        assert [s.image for s in samples] == list(fetch(shard, rows(samples))) == [JPEG]
        assert count(shard) == 1


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves files, with byte ranges if `ranges` is true."""

    ranges = False
    served = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = self.translate_path(self.path)
        if not (self.ranges and span and Path(path).is_file()):
            super().do_GET()
            return
        content = Path(path).read_bytes()
        first, last = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        type(self).served += last + 1 - first  # before the body: an earlier, slower reply must not count as a later one
        self.wfile.write(content[first : last + 1])

    def end_headers(self):
        if self.ranges:
            self.send_header("Accept-Ranges", "bytes")
        super().end_headers()


class RangeServer(Server):
    ranges = True


@pytest.mark.parametrize("handler", [Server, RangeServer])
def test_web_servers_with_and_without_byte_ranges(tmp_path, handler):
    images = {f"{i:03}.jpg": os.urandom(300_000) for i in range(40)}  # 12 MB: more than any read-ahead
    (tmp_path / "00000.tar").write_bytes(tar_bytes(images))
    (tmp_path / "00001.tar").write_bytes(TAR)
    pq.write_table(pa.table({"image": pa.array([JPEG], pa.binary())}), tmp_path / "x.parquet")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}"
    try:
        shards = find_shards([f"{root}/{{00000..00001}}.tar?signature=s3cret", f"{root}/*1.tar"])
        assert [s.size_bytes for s in shards] == [(tmp_path / f"0000{i}.tar").stat().st_size for i in (0, 1, 1)]
        assert not any("s3cret" in s.name for s in shards)
        samples = list(scan(shards[0]))
        assert [s.image for s in samples] == list(images.values())
        assert count(shards[0]) == 40
        numbers = [2, 3, 25]
        handler.served = 0
        assert list(fetch(shards[0], rows(samples).take(numbers))) == [samples[i].image for i in numbers]
        assert handler.served < 3_000_000
        with pytest.raises(PlanError, match=r"none\.tar does not exist") as caught:
            find_shards([f"{root}/none.tar?signature=s3cret"])
        assert "s3cret" not in str(caught.value)
        if handler is RangeServer:
            assert [s.image for shard in find_shards([f"{root}/x.parquet"]) for s in scan(shard)] == [JPEG]
        (tmp_path / "00001.tar").unlink()
        with pytest.raises(SourceError, match=r"00001\.tar") as caught:
            list(scan(shards[1]))
        assert "s3cret" not in str(caught.value)
    finally:
        server.shutdown()
        server.server_close()


def test_object_stores(bucket):
    filesystem, root = open_filesystem(bucket)
    filesystem.pipe({f"{root}/d/{i:05}.tar": tar_bytes(sample(f"k{i}")) for i in range(3)})
    for pattern in ("d/{00000..00002}.tar", "d/*.tar", "d"):
        shards = find_shards([f"{bucket}/{pattern}"])
        assert [s.url for s in shards] == [f"{bucket}/d/{i:05}.tar" for i in range(3)]
    samples = list(scan(shards[1]))
    assert [s.key for s in samples] == ["k1"]
    assert list(fetch(shards[1], rows(samples))) == [JPEG]
    with pytest.raises(PlanError, match=rf"{bucket}/d/9\.tar does not exist"):
        find_shards([f"{bucket}/d/9.tar"])
    with pytest.raises(PlanError, match="s3://no-such-bucket"):
        find_shards(["s3://no-such-bucket/*.tar"])


def test_braces():
    assert expand_braces("{8..10}") == ["8", "9", "10"]
    assert expand_braces("{08..10}") == ["08", "09", "10"]
    assert expand_braces("{a,b}{0..1}") == ["a0", "a1", "b0", "b1"]
    assert expand_braces("no{brace}s") == ["no{brace}s"]
    assert expand_braces("x{a,}") == ["xa", "x"]
