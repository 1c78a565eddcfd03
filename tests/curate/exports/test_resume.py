"""An export is the same whatever happens on the way: several workers, a kill, a full disk, a source that goes away."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.errors import SourceError
from curate.exports.export import export
from curate.exports.folder import MANIFEST
from curate.exports.formats.llava import Llava
from curate.exports.formats.webdataset import WebDataset
from curate.exports.index import INDEX
from curate.exports.settings import ExportSettings
from curate.exports.writing import PARTS
from curate.storage.filesystems import open_filesystem
from curate.storage.store import Store

MIXED = ExportSettings(shuffle=3, splits=(("train", 0.7), ("val", 0.3)))
ONE = WebDataset(samples_per_shard=1)
KILLED = """
import os, signal, sys
from curate.exports import writing
from curate.exports.export import export
from curate.exports.formats.webdataset import WebDataset
from curate.storage.store import Store

write, left = writing._write_part, [int(sys.argv[3])]

def write_or_die(*arguments):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    write(*arguments)

writing._write_part = write_or_die
export(Store(sys.argv[1]), WebDataset(samples_per_shard=1), sys.argv[2])
"""
FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
from curate.cli import main
sys.argv = ["curate", *sys.argv[1:]]
main()
"""


def contents(out: str | Path) -> dict[str, bytes]:
    store = Store(str(out))
    return {name: store.read_bytes(name) for name in store.find()}


def python(code: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("kind", [WebDataset(samples_per_shard=1), Llava()], ids=["webdataset", "llava"])
def test_any_number_of_workers_gives_the_same_bytes(folder, tmp_path, kind):
    for workers in (1, 2, 3):
        settings = ExportSettings(MIXED.shuffle, MIXED.splits, workers=workers)
        export(folder.store, kind, str(tmp_path / str(workers)), settings=settings)
    assert contents(tmp_path / "1") == contents(tmp_path / "2") == contents(tmp_path / "3")


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_what_a_worker_cannot_read_is_one_sentence_of_the_source(own_folder, tmp_path):
    Path(own_folder.shards[1].url).unlink()
    with pytest.raises(SourceError, match=r"cannot read .*00001.tar"):
        export(own_folder.store, ONE, str(tmp_path / "out"), settings=ExportSettings(workers=2))
    assert not (tmp_path / "out").exists()


def test_an_export_that_was_interrupted_goes_on_with_the_parts_that_lack(own_folder, tmp_path):
    export(own_folder.store, ONE, str(tmp_path / "whole"))
    source, hidden = Path(own_folder.shards[1].url), tmp_path / ".out.part"
    data = source.read_bytes()
    source.unlink()
    with pytest.raises(SourceError, match=r"3 parts are complete and kept in .*: the same command goes on"):
        export(own_folder.store, ONE, str(tmp_path / "out"))
    source.write_bytes(data)
    before = {path.name: path.stat().st_ino for path in hidden.glob("*.tar")}
    export(own_folder.store, ONE, str(tmp_path / "out"))
    after = {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.tar")}
    assert len(before) == 3
    assert before.items() <= after.items()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not hidden.exists()


@pytest.mark.parametrize("change", [{"where": "clip_score < 0.5"}, {"settings": MIXED}, {"format": WebDataset()}])
def test_another_condition_order_or_option_starts_anew(own_folder, tmp_path, change):
    order = {"store": own_folder.store, "format": ONE} | change
    export(out=str(tmp_path / "whole"), **order)
    source = Path(own_folder.shards[1].url)
    data = source.read_bytes()
    source.unlink()
    with pytest.raises(SourceError):
        export(own_folder.store, ONE, str(tmp_path / "out"))
    source.write_bytes(data)
    export(out=str(tmp_path / "out"), **order)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not (tmp_path / ".out.part").exists()


def test_killed_at_every_part_it_ends_with_the_same_bytes(folder, tmp_path):
    export(folder.store, ONE, str(tmp_path / "whole"))
    for parts in (1, 0, 3):
        assert python(KILLED, folder.store.root, tmp_path / "out", parts).returncode == -9
        assert not (tmp_path / "out").exists()
    assert len(list((tmp_path / ".out.part" / PARTS).iterdir())) == 4
    export(folder.store, ONE, str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_one_that_was_killed_on_s3_goes_on_too(own_folder, tmp_path, bucket, s3):
    export(own_folder.store, ONE, str(tmp_path / "whole"))
    source, out = Path(own_folder.shards[1].url), f"{bucket}/out"
    data = source.read_bytes()
    source.unlink()
    with pytest.raises(SourceError):
        export(own_folder.store, ONE, out)
    source.write_bytes(data)
    s3.be_well()
    export(own_folder.store, ONE, out)
    assert s3.calls("PUT", "samples-000002.tar") == 0
    assert s3.calls("PUT", "samples-000003.tar") == 1
    assert contents(out) == contents(tmp_path / "whole")
    assert len(open_filesystem(bucket)[0].find(f"{bucket}/out")) == len(contents(out))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(folder, tmp_path):
    done = python(FULL, "export", folder.store.root, tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: cannot write ")
    assert "File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_finished_export_that_was_killed_before_it_was_swept_is_taken_as_it_is(own_folder, tmp_path):
    export(own_folder.store, ONE, str(tmp_path / "whole"))
    source = Path(own_folder.shards[1].url)
    data = source.read_bytes()
    source.unlink()
    with pytest.raises(SourceError):
        export(own_folder.store, ONE, str(tmp_path / "out"))
    hidden = tmp_path / ".out.part"
    for name, content in contents(tmp_path / "whole").items():
        (hidden / name).write_bytes(content)
    report = export(own_folder.store, ONE, str(tmp_path / "out"))  # the source is not there: nothing is read
    source.write_bytes(data)
    assert report.counts == {"source_samples": 12, "samples": 6, "failed": 0}
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_images_that_changed_are_named_in_the_report_and_the_index(own_folder, tmp_path):
    source, uid = Path(own_folder.shards[0].url), own_folder.uid(4)
    image = own_folder.images[uid]
    source.write_bytes(source.read_bytes().replace(image, image[:-4] + bytes(4)))
    report = export(own_folder.store, WebDataset(), str(tmp_path / "out"))
    assert report.failures == ((uid, "source_changed"),)
    assert f"1 images could not be read again ({uid} source_changed)" in str(report.__rich__())
    rows = {row["uid"]: row for row in pq.read_table(tmp_path / "out" / INDEX).to_pylist()}
    assert rows[uid]["error"] == "export: source_changed"
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["failed"] == 1
